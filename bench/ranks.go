package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
)

// RanksReport is the time of a supernet's training step that the processes of a job share.
type RanksReport struct {
	Model           string  `json:"model"`
	Precision       string  `json:"precision"`
	Device          string  `json:"device"` // of rank 0
	Simulated       bool    `json:"simulated"`
	Ranks           int     `json:"ranks"`
	Batch           int     `json:"batch"`         // images a step, of the whole job
	Micros          int     `json:"micro_batches"` // of the whole job
	Threads         int     `json:"threads"`       // of the host, a rank
	Windows         int     `json:"windows"`
	Steps           int     `json:"steps"` // of a window
	Min             float64 `json:"min_seconds"`
	Median          float64 `json:"median_seconds"` // of a step, over the windows
	ImagesPerSecond float64 `json:"images_per_second"`
}

// Ranks times the supernet step of a job, windows times so many steps. All ranks call it, and all get the same report: a window is as
// long as the slowest rank's. It fails where the ranks' parameters have come apart, as they do where gradients are not added up.
func Ranks(w *job.World, dev *cuda.Device, o StepOptions, windows int) (*RanksReport, error) {
	o.World = w
	r := &RanksReport{Model: o.Model, Device: dev.Name(), Ranks: w.Size(), Batch: o.Settings.Batch, Micros: o.Settings.MicroBatches,
		Threads: dev.Threads(), Windows: windows, Steps: o.Steps}
	if dev.GPU() {
		card, _ := dev.Card()
		r.Device, r.Simulated, r.Precision = card.Name, card.Replacement, dev.Precision()
	}
	t, _, err := newTraining(dev, o, "supernet")
	if err != nil {
		return nil, err
	}
	defer t.free()
	t.run(0, o.Steps) // warm-up
	var seconds []float64
	for i := range windows {
		w.Any(false) // all begin together
		start := time.Now()
		t.run((1+i)*o.Steps, o.Steps)
		seconds = append(seconds, slowest(w, time.Since(start).Seconds())/float64(o.Steps))
	}
	if err := together(w.Gather([]byte(hashOf(t.net.Groups[:])))); err != nil {
		return nil, cuda.Failure{Err: err}
	}
	slices.Sort(seconds)
	r.Min, r.Median = seconds[0], median(seconds)
	r.ImagesPerSecond = float64(r.Batch) / r.Median
	return r, nil
}

// slowest is the largest of the ranks' seconds.
func slowest(w *job.World, seconds float64) (most float64) {
	for _, b := range w.Gather(binary.LittleEndian.AppendUint64(nil, math.Float64bits(seconds))) {
		most = max(most, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return most
}

// together is an error where not every rank's parameters have the same hash; the same error on every rank.
func together(hashes [][]byte) error {
	for rank, hash := range hashes {
		if !bytes.Equal(hash, hashes[0]) {
			return fmt.Errorf("after the steps, rank %d has other parameters than rank 0: their gradients were not added up", rank)
		}
	}
	return nil
}
