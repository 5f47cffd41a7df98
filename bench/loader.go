package bench

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
)

// LoaderOptions says what to time of a data set.
type LoaderOptions struct {
	Model    string // whose fp32 training step is timed beside the loader; "": the loader alone
	Settings onesot.Settings
	Augment  nn.Augment    // where no model is given
	Least    time.Duration // of each measurement
}

// LoaderReport is images/s of a loader and of the training step that it feeds.
type LoaderReport struct {
	Data   string  `json:"data"`
	Model  string  `json:"model,omitempty"`
	Device string  `json:"device"`
	Batch  int     `json:"batch"`
	CPUs   int     `json:"cpus"`
	Train  float64 `json:"train_images_per_second"` // batches of training images, nothing else done
	Test   float64 `json:"test_images_per_second"`
	// Images in a second of one core's time, which other programs on the machine hardly change.
	TrainCore float64 `json:"train_images_per_core_second"`
	TestCore  float64 `json:"test_images_per_core_second"`
	Step      float64 `json:"step_images_per_second,omitempty"` // fp32 training steps on images that are there
	Both      float64 `json:"both_images_per_second,omitempty"` // the same on the loader's
}

// Loader times how fast batches of a set's images come, and how fast a net trains on them.
func Loader(dev *cuda.Device, set *data.Set, o LoaderOptions) (*LoaderReport, error) {
	r := &LoaderReport{Data: set.Name, Model: o.Model, Device: dev.Name(), Batch: o.Settings.Batch, CPUs: runtime.GOMAXPROCS(0)}
	augment := o.Augment
	var m model.Model
	if o.Model != "" {
		var err error
		if m, err = model.Find(o.Model); err != nil {
			return nil, err
		}
		augment = m.Augment
	}
	r.Train, r.TrainCore = loaderAlone(dev, set, set.Train, augment, o)
	r.Test, r.TestCore = loaderAlone(dev, set, set.Test, nn.Augment{}, o)
	if o.Model == "" {
		return r, nil
	}
	in := model.InputOf(set)
	g, err := m.Graph(in)
	if err != nil {
		return nil, err
	}
	if set.Scale == 0 {
		made := synthetic(StepOptions{H: in.H, W: in.W, C: in.C, Classes: in.Classes, Settings: o.Settings})
		r.Step = steps(dev, g, made, made.Train, augment, o)
	}
	r.Both = steps(dev, g, set, set.Train, augment, o)
	return r, nil
}

// loaderAlone is images/s of a feed into a net of next to no work, which is never run, and images in a second of a core's time.
func loaderAlone(dev *cuda.Device, set *data.Set, s data.Split, a nn.Augment, o LoaderOptions) (rate, core float64) {
	g := nn.NewGraph("loader", s.H(), s.W(), s.C())
	if set.Scale > 0 {
		g.DepthToSpace(g.Conv("c", 0, nn.Conv{K: s.C() * set.Scale * set.Scale, R: 1, S: 1, Stride: 1}), nn.Shuffle{Block: set.Scale})
	} else {
		g.Linear("fc", g.AvgPool(0), len(set.Classes))
	}
	params, scalars := nn.NewParams(dev, g, nn.Config{}), nn.NewScalars(dev)
	plan := nn.NewPlan(params, nil, scalars, nn.PlanOptions{Batch: o.Settings.Batch})
	feed := nn.NewFeed(plan, set.Mean, set.Std, a)
	defer func() { feed.Free(); plan.Free(); scalars.Free(); params.Free() }()
	return timed(s, o, func(i int, positions []int) {
		feed.Fill(s, positions, nn.Draw{Seed: o.Settings.Seed, Batch: uint64(i)})
	}, func() {})
}

// steps is images/s of fp32 training steps.
func steps(dev *cuda.Device, g *nn.Graph, set *data.Set, s data.Split, a nn.Augment, o LoaderOptions) float64 {
	params := nn.NewParams(dev, g, nn.Config{})
	defer params.Free()
	params.Init(o.Settings.Seed)
	t := onesot.NewPretrainer(job.Alone(), params, o.Settings, set, a)
	defer t.Free()
	rate, _ := timed(s, o, func(i int, positions []int) {
		t.Enqueue(firstStep+i, allSteps, s, positions)
		if t.Full() {
			t.Report()
		}
	}, func() { t.Report() })
	return rate
}

// timed gives images/s, and images in a second of a core's time. It calls do for batches of a split in random order, epoch after
// epoch, until the time is over; finish waits for what they queued. The first batches do not count.
func timed(s data.Split, o LoaderOptions, do func(batch int, positions []int), finish func()) (rate, core float64) {
	order := make([]int, s.Len())
	positions := make([]int, o.Settings.Batch)
	at, epoch, batch := len(order), 0, 0
	next := func() {
		for i := range positions {
			if at == len(order) {
				nn.Order(order, o.Settings.Seed, epoch)
				at, epoch = 0, epoch+1
			}
			positions[i] = order[at]
			at++
		}
		do(batch, positions)
		batch++
	}
	next()
	finish()
	began, used, first := time.Now(), coreTime(), batch
	for batch == first || time.Since(began) < o.Least {
		next()
	}
	finish()
	images := float64((batch - first) * o.Settings.Batch)
	return images / time.Since(began).Seconds(), images / (coreTime() - used).Seconds()
}

// coreTime is the time that cores have spent on this process.
func coreTime() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		panic(err) // only for a wrong argument
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
