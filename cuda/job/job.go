package job

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// World is the processes that work on one job together; one process that no launcher started is a World of one.
// Its collective methods are called by all ranks in the same order, by one goroutine of each. They do not return where
// a rank has died: the job ends.
type World struct {
	ranks ranks
	hosts []string      // by rank
	watch *watch        // nil in a World of one
	moved atomic.Uint64 // exchanges that MPI has done
}

// Options are what a job may be asked for.
type Options struct {
	Patience time.Duration // of silence of a rank, and of a collective that all ranks have entered; 0: 10 s
	Log      io.Writer     // where the one line about a dead job goes; nil: os.Stderr
}

// ranks moves bytes and sums between the processes of a job.
type ranks interface {
	number() (rank, size int)
	broadcast(b []byte) []byte
	gather(b []byte) [][]byte
	sumOrdered(terms [][]float32, sum []float32)
	leave()
}

// Alone is a World of one process. It does not touch MPI.
func Alone() *World {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return &World{ranks: alone{}, hosts: []string{host}}
}

// Join makes this process a rank of the job that the environment says it belongs to; it is [Alone] where [Started] says
// 1. It returns an error where the program was built without MPI, where the launcher and the program's MPI do not know
// each other, and where the ranks cannot reach rank 0 by TCP.
//
// From then on the first SIGTERM is left to whoever else is notified of it, and does not end the process: a launcher
// sends one to all ranks when one dies, and the line about it must be out first. A second one ends the process.
func Join(o Options) (*World, error) {
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = os.Stderr
	}
	w := &World{}
	size, launcher := Started()
	r, err := connect(size, launcher, &w.moved, w.broken)
	if err != nil {
		return nil, err
	}
	if size == 1 {
		return Alone(), nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	w.ranks = r
	for _, name := range r.gather([]byte(host)) {
		w.hosts = append(w.hosts, string(name))
	}
	w.watch, err = w.startWatch(o)
	if err != nil {
		r.leave()
		return nil, err
	}
	return w, nil
}

// Rank is this process's number, from 0.
func (w *World) Rank() int {
	rank, _ := w.ranks.number()
	return rank
}

// Size is the number of processes.
func (w *World) Size() int { return len(w.hosts) }

// Local is this process's number among those of its host, and their number.
func (w *World) Local() (rank, size int) {
	me := w.Rank()
	for r, host := range w.hosts {
		if host == w.hosts[me] {
			if r < me {
				rank++
			}
			size++
		}
	}
	return rank, size
}

// Host is the name of the host that a rank runs on.
func (w *World) Host(rank int) string { return w.hosts[rank] }

// Broadcast gives rank 0's bytes on every rank; what the others pass is not looked at.
func (w *World) Broadcast(b []byte) []byte {
	defer w.enter("broadcast")()
	return w.ranks.broadcast(b)
}

// Gather gives what each rank passed, by rank, on every rank. Lengths may differ.
func (w *World) Gather(b []byte) [][]byte {
	defer w.enter("gather")()
	return w.ranks.gather(b)
}

// SumOrdered sets sum[i] = ((t0[i]+t1[i])+t2[i])+..., in float32, over the terms of all ranks: term number
// rank*len(terms)+k is the rank's terms[k]. Every rank has as many terms, at least one, and all have sum's length. sum
// may be the memory of terms[0]. The bits are the same for any split of the terms over ranks.
func (w *World) SumOrdered(terms [][]float32, sum []float32) {
	if len(terms) == 0 {
		panic("job.SumOrdered: no terms")
	}
	for k, t := range terms {
		if len(t) != len(sum) {
			panic(fmt.Sprintf("job.SumOrdered: term %d has %d elements, the sum %d", k, len(t), len(sum)))
		}
	}
	defer w.enter("all-reduce")()
	w.ranks.sumOrdered(terms, sum)
}

// Any says whether any rank says true.
func (w *World) Any(flag bool) bool {
	defer w.enter("vote")()
	vote := []byte{0}
	if flag {
		vote[0] = 1
	}
	for _, b := range w.ranks.gather(vote) {
		if b[0] != 0 {
			return true
		}
	}
	return false
}

// Advise sets what the line about a dead job ends with, such as "go on by search --resume".
func (w *World) Advise(text string) {
	if w.watch != nil {
		w.watch.advise(text)
	}
}

// Leave ends this rank's part of the job, well. All ranks call it; nothing of the World may be called after it.
func (w *World) Leave() {
	if w.watch == nil {
		return
	}
	// Nobody says goodbye before all have come to the end: until then each must be seen to die.
	w.Any(false)
	func() {
		defer w.enter("end of MPI")()
		w.ranks.leave()
	}()
	w.watch.leave()
}

// Fail ends the whole job, because this rank cannot go on; it does not return. The process exits with code, and so do
// the others; code is not 0. The line is "vimps-gpu: TEXT" where every rank fails with the same text, as with
// an error that does not depend on the rank; else it names the rank and its host and ends with the advice. In a World
// of one there is nobody to tell: the caller reports its error itself.
func (w *World) Fail(code int, text string) {
	if w.watch == nil {
		panic("job.Fail: in a World of one")
	}
	if code == 0 {
		panic("job.Fail: exit code 0")
	}
	w.watch.fail(code, text)
}

// broken takes an error of MPI and does not return. It comes of a death elsewhere more often than not, and then the
// watchdog ends the process first.
func (w *World) broken(err error) {
	if w.watch == nil { // in Join
		fmt.Fprintf(os.Stderr, "vimps-gpu: %v\n", err)
		os.Exit(1)
	}
	time.Sleep(time.Second)
	w.Fail(1, err.Error())
}

// enter tells the watchdog that this rank is in a collective, and what it returns that it is no more.
func (w *World) enter(op string) (left func()) {
	if w.watch == nil {
		return func() {}
	}
	w.watch.enter(op)
	return w.watch.left
}

// alone is the ranks of a World of one.
type alone struct{}

func (alone) number() (rank, size int)                    { return 0, 1 }
func (alone) broadcast(b []byte) []byte                   { return b }
func (alone) gather(b []byte) [][]byte                    { return [][]byte{b} }
func (alone) sumOrdered(terms [][]float32, sum []float32) { addOrdered(sum, terms) }
func (alone) leave()                                      {}
