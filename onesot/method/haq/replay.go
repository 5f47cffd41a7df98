package haq

// replay keeps the last limit transitions.
type replay struct {
	limit int
	list  []transition
	added int // in all
	order []int
}

func (r *replay) add(t transition) {
	if len(r.list) < r.limit {
		r.list = append(r.list, t)
	} else {
		r.list[r.added%r.limit] = t
	}
	r.added++
}

// pick draws which transitions update number n learns from: each once or, where there are fewer, as it comes.
func (r *replay) pick(picked []int, draw random, n int) {
	if len(r.list) < len(picked) {
		for i := range picked {
			picked[i] = draw.below(len(r.list), uint32(n), uint32(i))
		}
		return
	}
	r.order = r.order[:0]
	for i := range r.list {
		r.order = append(r.order, i)
	}
	for i := range picked { // the beginning of a Fisher-Yates shuffle
		j := i + draw.below(len(r.order)-i, uint32(n), uint32(i))
		r.order[i], r.order[j] = r.order[j], r.order[i]
		picked[i] = r.order[i]
	}
}
