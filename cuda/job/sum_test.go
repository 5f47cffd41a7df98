package job

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// hall is ranks as goroutines: each leaves its buffers, and all look when all are there.
type hall struct {
	size    int
	reducer []*reducer
	mu      sync.Mutex
	cond    *sync.Cond
	here    int
	round   int
}

func newHall(size, block int) *hall {
	h := &hall{size: size, reducer: make([]*reducer, size)}
	h.cond = sync.NewCond(&h.mu)
	alloc := func(n int) []float32 {
		b := make([]float32, n)
		for i := range b {
			b[i] = float32(math.NaN())
		}
		return b
	}
	for r := range size {
		h.reducer[r] = &reducer{rank: r, size: size, block: block, alloc: alloc, exchange: h.exchange, collect: h.collect}
	}
	return h
}

// meet returns when all ranks have come.
func (h *hall) meet() {
	h.mu.Lock()
	defer h.mu.Unlock()
	round := h.round
	if h.here++; h.here == h.size {
		h.here, h.round = 0, round+1
		h.cond.Broadcast()
	}
	for h.round == round {
		h.cond.Wait()
	}
}

func (h *hall) exchange(me *reducer) error {
	h.meet()
	for s, from := range h.reducer {
		sent := from.send[from.sends.starts[me.rank]:][:from.sends.counts[me.rank]]
		if len(sent) != int(me.recvs.counts[s]) {
			return fmt.Errorf("rank %d sends %d, rank %d takes %d", s, len(sent), me.rank, me.recvs.counts[s])
		}
		copy(me.recv[me.recvs.starts[s]:], sent)
	}
	h.meet()
	return nil
}

func (h *hall) collect(me *reducer) error {
	h.meet()
	for s, from := range h.reducer {
		if len(from.part) != int(me.parts.counts[s]) {
			return fmt.Errorf("rank %d gives %d, rank %d takes %d", s, len(from.part), me.rank, me.parts.counts[s])
		}
		copy(me.whole[me.parts.starts[s]:], from.part)
	}
	h.meet()
	return nil
}

// terms are numbers of very different size, so that another order gives another sum.
func terms(count, n int) [][]float32 {
	random := rand.New(rand.NewPCG(uint64(count), uint64(n)))
	list := make([][]float32, count)
	for k := range list {
		list[k] = make([]float32, n)
		for i := range list[k] {
			list[k][i] = float32(random.NormFloat64() * math.Pow(10, float64(random.IntN(8))))
		}
	}
	return list
}

// serial is the definition of the sum, apart from the code under test.
func serial(list [][]float32) []float32 {
	sum := make([]float32, len(list[0]))
	for i := range sum {
		s := list[0][i]
		for _, t := range list[1:] {
			s += t[i]
		}
		sum[i] = s
	}
	return sum
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// TestSumOverRanks: any number of ranks gives the bits of one process, for lengths that do not divide, that are less
// than the ranks, and that need several exchanges.
func TestSumOverRanks(t *testing.T) {
	const count = 24
	for _, n := range []int{0, 1, 2, 3, 7, 64, 1001} {
		want := serial(terms(count, n))
		backwards := terms(count, n)
		slices.Reverse(backwards)
		if n > 3 && sameBits(want, serial(backwards)) {
			t.Fatalf("n %d: the order does not matter, so this test says nothing", n)
		}
		for _, size := range []int{2, 3, 4, 6, 8, 24} {
			for _, block := range []int{1, 100, blockSize} {
				h := newHall(size, block)
				list, each := terms(count, n), count/size
				errs := make([]error, size)
				var wait sync.WaitGroup
				for r := range size {
					own := list[r*each : (r+1)*each]
					wait.Go(func() { errs[r] = h.reducer[r].sum(own, own[0]) })
				}
				wait.Wait()
				for r := range size {
					if errs[r] != nil {
						t.Fatal(errs[r])
					}
					if !sameBits(list[r*each], want) {
						t.Errorf("n %d, %d ranks, block %d: rank %d has other bits", n, size, block, r)
					}
				}
			}
		}
	}
}

// TestSumKeepsBuffers: a second sum of the same size allocates nothing.
func TestSumKeepsBuffers(t *testing.T) {
	h := newHall(1, 100)
	list, sum := terms(3, 1000), make([]float32, 1000)
	r := h.reducer[0]
	if n := testing.AllocsPerRun(10, func() {
		if err := r.sum(list, sum); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%g allocations", n)
	}
}
