package haq

// sparse lists the nonzero elements of a vector: about half of what a ReLU yields is zero, and no product with a zero
// is made.
type sparse struct {
	at []int
	by []float64
}

// gather lists the nonzero elements v[0], v[stride], ... (count of them).
func (s *sparse) gather(v []float64, stride, count int) {
	s.at, s.by = s.at[:0], s.by[:0]
	for i := range count {
		if x := v[i*stride]; x != 0 {
			s.at, s.by = append(s.at, i), append(s.by, x)
		}
	}
}

// all lists every place below n.
func (s *sparse) all(n int) {
	s.at = s.at[:0]
	for i := range n {
		s.at = append(s.at, i)
	}
}

// addTo adds the product of the listed elements and the rows of a matrix [.][len(y)] to y.
func (s *sparse) addTo(y, rows []float64) {
	n := len(y)
	row := func(i int) []float64 { return rows[s.at[i]*n:][:n] }
	i := 0
	for ; i+4 <= len(s.at); i += 4 {
		r0, r1, r2, r3 := row(i), row(i+1), row(i+2), row(i+3)
		b0, b1, b2, b3 := s.by[i], s.by[i+1], s.by[i+2], s.by[i+3]
		for j := range y {
			y[j] += (b0*r0[j] + b1*r1[j]) + (b2*r2[j] + b3*r3[j])
		}
	}
	for ; i < len(s.at); i++ {
		r, b := row(i), s.by[i]
		for j := range y {
			y[j] += b * r[j]
		}
	}
}

// dots sets y at every listed place to the dot product of x and the row of a matrix [.][len(x)] of that number.
func (s *sparse) dots(y, x, rows []float64) {
	n := len(x)
	row := func(i int) []float64 { return rows[s.at[i]*n:][:n] }
	i := 0
	for ; i+4 <= len(s.at); i += 4 {
		r0, r1, r2, r3 := row(i), row(i+1), row(i+2), row(i+3)
		var d0, d1, d2, d3 float64
		for j, v := range x {
			d0 += v * r0[j]
			d1 += v * r1[j]
			d2 += v * r2[j]
			d3 += v * r3[j]
		}
		y[s.at[i]], y[s.at[i+1]], y[s.at[i+2]], y[s.at[i+3]] = d0, d1, d2, d3
	}
	for ; i < len(s.at); i++ {
		d := 0.0
		for j, v := range row(i) {
			d += v * x[j]
		}
		y[s.at[i]] = d
	}
}
