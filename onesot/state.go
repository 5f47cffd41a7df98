package onesot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"vimps-gpu/nn"
	"vimps-gpu/nn/weights"
)

// save writes the state of the phase under way. A state with a value that is not finite is never written.
func (s *Search) save() error {
	list := s.tensors()
	f := weights.File{Path: s.run.path(stateFile)}
	dense := nn.Dense(list)
	f.Tensors = weights.ByName(dense)
	if err := f.CheckFinite(); err != nil {
		return fmt.Errorf("%w at %s step %d (%w); the state on disk is the last good one", ErrDiverged, s.phase, s.step, err)
	}
	sum, err := json.Marshal(s.sum)
	if err != nil {
		return err
	}
	meta := map[string]string{"phase": string(s.phase), "step": strconv.Itoa(s.step), "epoch_sum": string(sum), "arithmetic": s.dev.Arithmetic()}
	if s.FP32 != nil {
		fp32, err := json.Marshal(s.FP32)
		if err != nil {
			return err
		}
		meta["fp32"] = string(fp32)
	}
	return weights.WriteFile(f.Path, dense, meta)
}

// tensors are those of the phase.
func (s *Search) tensors() []nn.NamedTensor {
	if s.phase == PhaseFP32 {
		return s.fp32Params().State()
	}
	return s.Net.State()
}

// resume is load for going on with the training: half of it in another arithmetic would be no run that anyone could
// repeat. An evaluation may be done anywhere.
func (s *Search) resume() error {
	err := s.load()
	if err == nil && s.arithmetic != "" && s.arithmetic != s.dev.Arithmetic() {
		err = fmt.Errorf("run directory %s: its arithmetic is %q, that of this device (--device, --precision, --isa) is %q", s.run.Dir, s.arithmetic, s.dev.Arithmetic())
	}
	return err
}

// load restores the state on disk; a run that has none yet starts from the beginning.
func (s *Search) load() error {
	f, err := weights.ReadFile(s.run.path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	step, err := strconv.Atoi(f.Metadata["step"])
	if err != nil || step < 0 {
		return fmt.Errorf("%s: its step is %q", f.Path, f.Metadata["step"])
	}
	s.arithmetic = f.Metadata["arithmetic"]
	var sum Terms
	if err := json.Unmarshal([]byte(f.Metadata["epoch_sum"]), &sum); err != nil {
		return fmt.Errorf("%s: its epoch sums: %w", f.Path, err)
	}
	phase := Phase(f.Metadata["phase"])
	if phase != PhaseFP32 && phase != PhaseSearch {
		return fmt.Errorf("%s: its phase is %q", f.Path, phase)
	}
	if text := f.Metadata["fp32"]; text != "" {
		s.FP32 = &Accuracy{}
		if err := json.Unmarshal([]byte(text), s.FP32); err != nil {
			return fmt.Errorf("%s: its fp32 accuracy: %w", f.Path, err)
		}
	}
	s.phase, s.step, s.sum = phase, step, sum
	return nn.Restore(s.tensors(), f)
}

// LoadTrained restores the state of a run whose training has ended, for a sweep or an evaluation.
func (s *Search) LoadTrained() error {
	if err := s.load(); err != nil {
		return err
	}
	steps := s.run.Config.Settings.Epochs * (s.train.Len() / s.run.Config.Settings.Batch)
	if s.phase != PhaseSearch || s.step < steps {
		return fmt.Errorf("run directory %s: its training has not ended (%s step %d); go on with it by search --resume", s.run.Dir, s.phase, s.step)
	}
	return nil
}

// MetricsRow is one line of metrics.jsonl: the means of one epoch, every term of the objective apart.
type MetricsRow struct {
	Phase      Phase   `json:"phase"`
	Epoch      int     `json:"epoch"`
	Step       int     `json:"step"`
	Objective  float64 `json:"objective"`
	Task       float64 `json:"cross_entropy"`
	Accuracy   float64 `json:"train_accuracy"`
	Hardware   float64 `json:"hardware"` // eta * E[h]
	Prior      float64 `json:"prior"`    // lambda * its value
	Similarity float64 `json:"similarity"`
	Entropy    float64 `json:"gate_entropy"` // sum over gates, nats
	Expected   float64 `json:"expected_cost"`
	Argmax     float64 `json:"argmax_cost"`
	Eta        float64 `json:"eta"`
}

func metricsRow(p Progress, perEpoch int) MetricsRow {
	t := p.Epoch
	return MetricsRow{Phase: p.Phase, Epoch: p.Step / perEpoch, Step: p.Step, Objective: t.Total(), Task: t.Task, Accuracy: t.Accuracy,
		Hardware: t.Hardware, Prior: t.Prior, Similarity: t.Similarity, Entropy: t.Entropy, Expected: t.Expected, Argmax: t.Argmax, Eta: t.Eta}
}

func (r *Run) appendMetrics(row MetricsRow) error {
	line, err := json.Marshal(row)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(r.path(metricsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// Metrics reads metrics.jsonl; a last line that a kill cut short is left out.
func (r *Run) Metrics() ([]MetricsRow, error) {
	data, err := os.ReadFile(r.path(metricsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	var rows []MetricsRow
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var row MetricsRow
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			break
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// truncateMetrics drops the lines that a resumed run will write again.
func (r *Run) truncateMetrics(phase Phase, step int) error {
	rows, err := r.Metrics()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, row := range rows {
		if row.Phase == phase && row.Step > step || row.Phase == PhaseSearch && phase == PhaseFP32 {
			break
		}
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	return r.writeFile(metricsFile, text.Bytes())
}
