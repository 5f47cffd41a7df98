package onesot

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// someNets is a System whose judge is given another net for each child but the first, and so forgets.
type someNets struct {
	oneNet
	points []Point
}

func (o *someNets) Search(ctx context.Context, p *Problem) (*Found, error) {
	net := NewQuantized(p, nn.Config{Norm: p.Settings.Norm})
	defer net.Free()
	j := NewJudge(p, net)
	defer j.Free()
	children := append(RandomChildren(p.Space, 4, 1), quant.MaxAssignment(p.Space))
	children = append(children, children[0], children[4], children[4])
	j.Child(children[0], 0)
	f := &Found{Free: func() {}, Judge: func(_ context.Context, a quant.Assignment) (*Judge, error) {
		if !a.Equal(children[0]) {
			j.Forget()
		}
		return j, nil
	}}
	var err error
	o.points, err = f.Evaluate(ctx, children, func(int, int) {})
	return f, err
}

// Children of several nets have the scores that one process finds, those known before and equal ones too.
func TestRanksEvaluateInManyNets(t *testing.T) {
	set := digits(t)
	c := short(digitsConfig(set, openDevice(t, cuda.Options{Device: "host"}), OneShot))
	c.Settings.PretrainEpochs = 1
	var want []Point
	for _, ranks := range []int{1, 2, 3} {
		var lock sync.Mutex
		var systems []*someNets
		err := jobIn(t, ranks, t.TempDir(), set, c, func() System {
			lock.Lock()
			defer lock.Unlock()
			systems = append(systems, &someNets{})
			return systems[len(systems)-1]
		}, false, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range systems {
			if want == nil {
				want = s.points
			}
			if !reflect.DeepEqual(s.points, want) {
				t.Errorf("%d ranks: got\n%+v, want\n%+v", ranks, s.points, want)
			}
		}
	}
}

// diverged is a System whose net gives no finite loss for any child but the one of most bits.
type diverged struct{ oneNet }

func (diverged) Search(ctx context.Context, p *Problem) (*Found, error) {
	net := NewQuantized(p, nn.Config{Norm: p.Settings.Norm})
	defer net.Free()
	j := NewJudge(p, net)
	defer j.Free()
	broken := NewQuantized(p, nn.Config{Norm: p.Settings.Norm})
	defer broken.Free()
	last := broken.Params.Layers[len(broken.Params.Layers)-1].Bias // before it a quantizer's limits would hide it
	bias := last.Get(nil)
	bias[0] = float32(math.NaN())
	last.Set(bias)
	jb := NewJudge(p, broken)
	defer jb.Free()
	best := quant.MaxAssignment(p.Space)
	f := &Found{Free: func() {}, Judge: func(_ context.Context, a quant.Assignment) (*Judge, error) {
		if a.Equal(best) {
			return j, nil
		}
		return jb, nil
	}}
	_, err := f.Evaluate(ctx, append([]quant.Assignment{best}, RandomChildren(p.Space, 2, 1)...), func(int, int) {})
	return f, err
}

// A child without a finite loss ends every rank with an error that names it.
func TestDivergedChildIsNamed(t *testing.T) {
	set := digits(t)
	c := short(digitsConfig(set, openDevice(t, cuda.Options{Device: "host"}), OneShot))
	c.Settings.PretrainEpochs, c.Settings.Recalibrate = 1, false
	for _, ranks := range []int{1, 2} {
		err := jobIn(t, ranks, t.TempDir(), set, c, func() System { return &diverged{} }, false, 0)
		if err == nil || !strings.Contains(err.Error(), "child w:") || !strings.Contains(err.Error(), "its loss on the validation images is NaN") {
			t.Errorf("%d ranks: got %v", ranks, err)
		}
	}
}

// The error of a directory that cannot be made is that of every rank.
func TestRanksCreateTogether(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 2)
	for _, world := range job.Together(2) {
		go func() { errs <- (&Run{Dir: filepath.Join(file, "run"), World: world}).Create(nil) }()
	}
	for range 2 {
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "run directory: mkdir") {
			t.Errorf("got %v", err)
		}
	}
}

// Ranks that see different files in the run directory end with an error instead of doing different steps.
func TestRanksSeeOneRunDirectory(t *testing.T) {
	set := digits(t)
	c := short(digitsConfig(set, openDevice(t, cuda.Options{Device: "host"}), OneShot))
	c.Settings.MicroBatches, c.Settings.PretrainMicros = 2, 2
	done := t.TempDir()
	if err := jobIn(t, 1, done, set, c, func() System { return &oneNet{} }, false, 0); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{runFile, fp32File, stateFile} {
		dirs := [2]string{done, t.TempDir()}
		for _, name := range []string{runFile, fp32File, stateFile} {
			content, err := os.ReadFile(filepath.Join(done, name))
			if err != nil {
				t.Fatal(err)
			}
			if name == file {
				if name != runFile {
					continue // rank 1 does not see it
				}
				content = append(content, '\n')
			}
			if err := os.WriteFile(filepath.Join(dirs[1], name), content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		errs := make(chan error, 2)
		for rank, world := range job.Together(2) {
			dev := openDevice(t, cuda.Options{Device: "host", Threads: 1})
			go func() {
				errs <- func() error {
					run, err := OpenShared(world, dirs[rank])
					if err != nil {
						return err
					}
					defer run.Close()
					s, err := NewSearch(dev, run, set, &oneNet{}, nil)
					if err != nil {
						return err
					}
					return s.Execute(context.Background(), Options{SaveEvery: 7, Progress: func(Progress) {}})
				}()
			}()
		}
		for range 2 {
			select {
			case err := <-errs:
				if err == nil || !strings.Contains(err.Error(), file+" is not the same file on host localhost (rank 1)") {
					t.Errorf("%s: %v", file, err)
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s: the ranks wait for each other", file)
			}
		}
	}
}
