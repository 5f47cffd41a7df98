//go:build cuda

package onesot

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
)

// gpuRanks are a supernet for each rank of a job, in one process, with a GPU's streams of its own; one rank sums nothing. They are to be
// freed by FinishTraining, in goroutines too.
func gpuRanks(t *testing.T, set *data.Set, n, micros int) []*simRun {
	t.Helper()
	if os.Getenv("VIMPS_LIBNCCL") == "" {
		t.Skip("needs VIMPS_LIBNCCL, the stand-in for NCCL: make test-sim sets it")
	}
	var runs []*simRun
	for _, world := range job.Together(n) {
		r := newSimRun(t, simGPU(t, cuda.Options{}), set, simCase{"tf32", OneShot, nn.NormPair, []int{2, 4, 8}}, func(s *Settings) { s.MicroBatches = micros })
		r.net.FinishTraining()
		r.net.World = world
		runs = append(runs, r)
	}
	return runs
}

// onRanks does f for every rank at once.
func onRanks(runs []*simRun, f func(rank int, n *Supernet)) {
	var all sync.WaitGroup
	for rank, r := range runs {
		all.Go(func() { f(rank, r.net) })
	}
	all.Wait()
}

// trained is what steps on as many images came to, and what they left.
type trained struct {
	terms  []Terms
	values [][]float32 // of State
}

func trainRanks(t *testing.T, set *data.Set, n, micros, steps int) []trained {
	t.Helper()
	runs, out := gpuRanks(t, set, n, micros), make([]trained, n)
	onRanks(runs, func(rank int, n *Supernet) {
		n.PrepareTraining(set, nn.Augment{Pad: 1})
		defer n.FinishTraining()
		positions := make([]int, n.Settings.Batch)
		for step := range steps {
			for i := range positions {
				positions[i] = step*len(positions) + i
			}
			out[rank].terms = append(out[rank].terms, n.Step(step, steps, set.Train, positions))
		}
		n.Settle()
		for _, s := range n.State() {
			out[rank].values = append(out[rank].values, s.T.Get(nil))
		}
	})
	return out
}

// Ranks on GPUs of their own train as one process with as many micro-batches does, but for the rounding of the sums over these, and leave
// the same bits on every rank.
func TestSimRanksTrainAsOne(t *testing.T) {
	set := digits(t)
	const steps = 5
	const micros = 4
	one := trainRanks(t, set, 1, micros, steps)[0]
	for _, n := range []int{2, micros} {
		ranks := trainRanks(t, set, n, micros, steps)
		for rank, r := range ranks {
			if !slices.Equal(r.terms, ranks[0].terms) || !slices.EqualFunc(r.values, ranks[0].values, slices.Equal) {
				t.Errorf("%d ranks: rank %d has other terms or values than rank 0", n, rank)
			}
		}
		for step, want := range one.terms {
			got := ranks[0].terms[step]
			off := math.Abs(got.Total() - want.Total())
			t.Logf("%d ranks, step %d: loss %.9g, alone %.9g", n, step, got.Total(), want.Total())
			if step == 0 && got != want || off > 1e-6*want.Total() {
				t.Errorf("%d ranks, step %d: terms %+v, alone %+v", n, step, got, want)
			}
		}
	}
}

// logged is a call of the driver or of NCCL that succeeded.
var logged = regexp.MustCompile(`(?m)^(cuGraphLaunch|cuEventRecord|cuStreamWaitEvent|ncclAllReduce)\((.*)\) = 0$`)

// A step of a rank: its micro-batches but the last are a graph each, the last is launched in parts, and behind each part that has left
// filters behind, before the next, NCCL is given their gradients. The optimizers' graph waits for the last sum.
func TestSimSumsStartBeforeBackwardEnds(t *testing.T) {
	set := digits(t)
	const micros = 6
	runs := gpuRanks(t, set, 2, micros)
	log := filepath.Join(t.TempDir(), "log")
	onRanks(runs, func(_ int, n *Supernet) { n.PrepareTraining(set, nn.Augment{}) })
	t.Setenv("VIMPS_SIM_TRACE", log)
	t.Setenv("VIMPS_NCCL_LOG", log)
	onRanks(runs, func(_ int, n *Supernet) { n.Step(0, 20, set.Train, make([]int, n.Settings.Batch)) })
	t.Setenv("VIMPS_SIM_TRACE", "")
	t.Setenv("VIMPS_NCCL_LOG", "")
	onRanks(runs, func(_ int, n *Supernet) { n.FinishTraining() })
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	// L: a graph is launched, S: a sum is started, W: the compute stream waits for the sums.
	calls := logged.FindAllStringSubmatch(string(text), -1)
	steps, recorded, computes := map[string]string{}, map[string]string{}, map[string]string{} // of a compute stream; event -> stream; sums' stream -> compute
	for _, m := range calls {
		if args := strings.Split(m[2], ", "); m[1] == "ncclAllReduce" {
			computes[args[2]] = ""
		}
	}
	for _, m := range calls {
		args := strings.Split(m[2], ", ")
		switch m[1] {
		case "cuGraphLaunch":
			steps[args[1]] += "L"
		case "cuEventRecord":
			recorded[args[0]] = args[1]
		case "cuStreamWaitEvent":
			from := recorded[args[1]]
			if compute, sums := computes[args[0]]; sums && compute == "" {
				computes[args[0]] = from
			}
			if computes[from] == args[0] {
				steps[args[0]] += "W"
			}
		case "ncclAllReduce":
			steps[computes[args[2]]] += "S"
		}
	}
	want := regexp.MustCompile(fmt.Sprintf("^L{%d}(LS){3,}S{3}WL$", micros/2-1))
	if len(steps) != 2 {
		t.Errorf("streams %v", steps)
	}
	for _, s := range steps {
		if !want.MatchString(s) {
			t.Errorf("calls %s, want %v", s, want)
		}
	}
}
