package method

import (
	"context"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
)

// Every system gives back all device memory, whether its search ends or is interrupted in its training.
func TestSystemsLeaveNoDeviceMemory(t *testing.T) {
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	quick := map[string]map[string]any{
		"haq":  {"episodes": 3, "warmup-episodes": 1, "finetune-images": 128},
		"spos": {"generations": 1, "population": 6, "parents": 3, "search-images": 64},
		"fn3":  {"search-images": 64, "path-points": 2},
	}
	for i, s := range All() {
		for _, interrupted := range []bool{false, true} {
			system := All()[i]
			if err := onesot.SetOptions(system, quick[s.Name()]); err != nil {
				t.Fatal(err)
			}
			dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			c := onesot.Config{Model: "digitsnet", Data: "digits", DataHash: set.Hash, WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8},
				FirstLayer: "8/8", LastLayer: "8/8", Device: dev.Name(), Arithmetic: dev.Arithmetic(), TrainImages: 300,
				Settings: system.Defaults(onesot.ModelSettings("digitsnet"))}
			c.Settings.Method = onesot.Method(s.Name())
			c.Settings.Batch, c.Settings.PretrainEpochs, c.Settings.Epochs, c.Settings.RecalibrateSize = 64, 1, 2, 256
			switch system.Asks().Kind {
			case onesot.AskEtas:
				c.Asked = c.Settings.Etas(3)
			case onesot.AskPenalties:
				c.Asked = []float64{0.1, 1}
			case onesot.AskBudgets:
				c.Asked = []float64{0.2, 0.5}
			}
			run, err := onesot.CreateRun(t.TempDir(), c)
			if err != nil {
				t.Fatal(err)
			}
			search, err := onesot.NewSearch(dev, run, set, system, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			err = search.Execute(ctx, onesot.Options{SaveEvery: 2, Evaluated: func(string, int, int) {}, Progress: func(p onesot.Progress) {
				if interrupted && p.Phase == onesot.PhaseSearch && p.Step == 2 {
					cancel()
				}
			}})
			if err != nil && !interrupted {
				t.Fatalf("%s: %v", s.Name(), err)
			}
			cancel()
			search.Close()
			run.Close()
			if left := dev.Bytes(); left != 0 {
				t.Errorf("%s, interrupted %v (%v): %d bytes of device memory are left", s.Name(), interrupted, err, left)
			}
			dev.Close()
		}
	}
}
