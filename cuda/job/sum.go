package job

// blockSize is how many elements of all of a rank's terms together go into one exchange: 16 MiB.
const blockSize = 1 << 22

// reducer sums the terms of all ranks in their order. A stretch of the elements is dealt to the ranks: each gets its
// part of every term, adds, and gives the sums to all. So each element is added by one rank, in order, whatever the
// number of ranks.
type reducer struct {
	rank, size int
	block      int                    // elements of all terms together in an exchange
	alloc      func(n int) []float32  // memory that the exchanges may use
	exchange   func(r *reducer) error // part s of send goes to rank s, by rank into recv: MPI_Alltoallv
	collect    func(r *reducer) error // whole becomes the parts of all ranks, by rank: MPI_Allgatherv

	send, recv, part, whole []float32
	sends, recvs, parts     extents // by rank
}

// extents are counts of elements, by rank, that lie one behind the other.
type extents struct{ counts, starts []int32 }

func (e *extents) set(size int, count func(rank int) int) (total int) {
	if e.counts == nil {
		e.counts, e.starts = make([]int32, size), make([]int32, size)
	}
	for r := range size {
		e.counts[r], e.starts[r] = int32(count(r)), int32(total)
		total += count(r)
	}
	return total
}

// sum does what [World.SumOrdered] says.
func (r *reducer) sum(terms [][]float32, sum []float32) error {
	stretch := max(r.block/len(terms), r.size)
	for at := 0; at < len(sum); at += stretch {
		n := min(stretch, len(sum)-at)
		r.layOut(len(terms), n)
		r.pack(terms, at, n)
		if err := r.exchange(r); err != nil {
			return err
		}
		addPieces(r.part, r.recv)
		if err := r.collect(r); err != nil {
			return err
		}
		copy(sum[at:at+n], r.whole)
	}
	return nil
}

// layOut sizes the buffers for n elements of each of a number of terms.
func (r *reducer) layOut(terms, n int) {
	own := func(rank int) int { return (rank+1)*n/r.size - rank*n/r.size }
	grow := func(buffer *[]float32, n int) {
		if cap(*buffer) < n {
			*buffer = r.alloc(n)
		}
		*buffer = (*buffer)[:n]
	}
	grow(&r.send, r.sends.set(r.size, func(rank int) int { return terms * own(rank) }))
	grow(&r.recv, r.recvs.set(r.size, func(int) int { return terms * own(r.rank) }))
	grow(&r.whole, r.parts.set(r.size, own))
	grow(&r.part, own(r.rank))
}

// pack puts elements at..at+n-1 of the terms into send: by rank, and for each rank by term.
func (r *reducer) pack(terms [][]float32, at, n int) {
	to := r.send
	for rank := range r.size {
		first, end := at+rank*n/r.size, at+(rank+1)*n/r.size
		for _, t := range terms {
			to = to[copy(to, t[first:end]):]
		}
	}
}

// addPieces sets sum to the first len(sum) elements of pieces, plus the next, plus the next, to the end.
func addPieces(sum, pieces []float32) {
	if len(sum) == 0 {
		return
	}
	pieces = pieces[copy(sum, pieces):]
	for ; len(pieces) > 0; pieces = pieces[len(sum):] {
		add(sum, pieces)
	}
}

// addOrdered sets sum[i] = ((t0[i]+t1[i])+t2[i])+...; sum may be the memory of terms[0].
func addOrdered(sum []float32, terms [][]float32) {
	copy(sum, terms[0])
	for _, t := range terms[1:] {
		add(sum, t)
	}
}

func add(sum, t []float32) {
	t = t[:len(sum)]
	for i := range sum {
		sum[i] += t[i]
	}
}
