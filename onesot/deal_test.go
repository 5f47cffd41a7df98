package onesot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn/data"
	"vimps-gpu/quant"
)

// jobIn runs a search by several ranks of one process; stopAfter > 0 interrupts the last of them after so many steps.
func jobIn(t testing.TB, ranks int, dir string, set *data.Set, c Config, system func() System, resume bool, stopAfter int) error {
	t.Helper()
	var all sync.WaitGroup
	errs := make([]error, ranks)
	for rank, world := range job.Together(ranks) {
		dev := openDevice(t, cuda.Options{Device: "host", Threads: 1 + rank})
		all.Go(func() {
			errs[rank] = func() error {
				run := &Run{Dir: dir, Config: c, World: world}
				open := func() error { return run.Create(nil) }
				if resume {
					open = func() (err error) { run, err = OpenShared(world, dir); return err }
				}
				if err := open(); err != nil {
					return err
				}
				defer run.Close()
				s, err := NewSearch(dev, run, set, system(), nil)
				if err != nil {
					return err
				}
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				steps := 0
				return s.Execute(ctx, Options{SaveEvery: 7, Progress: func(Progress) {
					if steps++; rank == ranks-1 && steps == stopAfter {
						cancel()
					}
				}})
			}()
		})
	}
	all.Wait()
	for rank, err := range errs {
		if (err == nil) != (errs[0] == nil) {
			t.Fatalf("rank 0 ended with %v, rank %d with %v", errs[0], rank, err)
		}
	}
	return errs[0]
}

// A job of any number of ranks ends in the bits of one process with as many micro-batches, interrupted and resumed with another number too.
func TestRanksEqualBits(t *testing.T) {
	set := digits(t)
	dev := openDevice(t, cuda.Options{Device: "host", Threads: 2})
	_, space, err := NetAndSpace(digitsConfig(set, dev, OneShot), set)
	if err != nil {
		t.Fatal(err)
	}
	child, err := json.Marshal(quant.MaxAssignment(space))
	if err != nil {
		t.Fatal(err)
	}
	for m, system := range map[Method]func() System{
		OneShot:      func() System { return &oneNet{} },
		EdMIPS:       func() System { return &oneNet{} },
		FineTuneName: func() System { return &FineTune{Child: string(child), From: FromFP32} },
	} {
		for _, micros := range []int{4, 6} { // a gradient share that is a power of two, and one that is rounded
			if m == EdMIPS && micros == 6 {
				continue // nothing new
			}
			c := short(digitsConfig(set, dev, m))
			s := &c.Settings
			s.MicroBatches, s.PretrainMicros, s.TuneMicros, s.Batch = micros, micros, micros, 48
			one := t.TempDir()
			if err := jobIn(t, 1, one, set, c, system, false, 0); err != nil {
				t.Fatal(err)
			}
			for _, ranks := range [][]int{{1, 2}, {2}, {micros}, {2, 1, micros, 2}} {
				dir := t.TempDir()
				for i, n := range ranks {
					stop := 3 + 2*i
					if i == len(ranks)-1 {
						stop = 0
					}
					if err := jobIn(t, n, dir, set, c, system, i > 0, stop); stop > 0 != errors.Is(err, ErrInterrupted) || err != nil && stop == 0 {
						t.Fatalf("%s, %d ranks, stop after %d steps: %v", m, n, stop, err)
					}
				}
				for _, name := range []string{stateFile, fp32File, metricsFile} {
					want, err := os.ReadFile(filepath.Join(one, name))
					if err != nil {
						t.Fatal(err)
					}
					if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s, %d micro-batches, ranks %v: %s differs from that of one process (%v)", m, micros, ranks, name, err)
					}
				}
			}
		}
	}
}
