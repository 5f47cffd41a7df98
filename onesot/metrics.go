package onesot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// MetricsRow is one line of metrics.jsonl: the means of one epoch, every term of the objective apart.
type MetricsRow struct {
	Metric     Metric  `json:"-"` // of the net; JSON has it in the names
	Phase      Phase   `json:"phase"`
	Part       int     `json:"part,omitempty"` // of the phase: trainings one after the other, from 0
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

// restoringRow is a MetricsRow of a restoring net.
type restoringRow struct {
	Metric     Metric  `json:"-"`
	Phase      Phase   `json:"phase"`
	Part       int     `json:"part,omitempty"`
	Epoch      int     `json:"epoch"`
	Step       int     `json:"step"`
	Objective  float64 `json:"objective"`
	Task       float64 `json:"pixel_loss"` // mean difference of pixels of 0 to 1
	Accuracy   float64 `json:"train_mse"`  // mean squared difference
	Hardware   float64 `json:"hardware"`
	Prior      float64 `json:"prior"`
	Similarity float64 `json:"similarity"`
	Entropy    float64 `json:"gate_entropy"`
	Expected   float64 `json:"expected_cost"`
	Argmax     float64 `json:"argmax_cost"`
	Eta        float64 `json:"eta"`
}

// plainRow is a MetricsRow without its methods.
type plainRow MetricsRow

// MarshalJSON names the loss cross_entropy, or pixel_loss, by the metric.
func (m MetricsRow) MarshalJSON() ([]byte, error) {
	if m.Metric == ByPSNR {
		return json.Marshal(restoringRow(m))
	}
	return json.Marshal(plainRow(m))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *MetricsRow) UnmarshalJSON(data []byte) error {
	var fields struct {
		Pixel json.RawMessage `json:"pixel_loss"`
	}
	if json.Unmarshal(data, &fields) == nil && fields.Pixel != nil {
		m.Metric = ByPSNR
		return json.Unmarshal(data, (*restoringRow)(m))
	}
	m.Metric = ByAccuracy
	return json.Unmarshal(data, (*plainRow)(m))
}

func metricsRow(p Progress, perEpoch int) MetricsRow {
	t := p.Epoch
	return MetricsRow{Metric: p.Metric, Phase: p.Phase, Part: p.Part, Epoch: p.Step / perEpoch, Step: p.Step, Objective: t.Total(), Task: t.Task, Accuracy: t.Accuracy,
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

// truncateMetrics drops the lines of what comes after a step of a phase's part.
func (r *Run) truncateMetrics(phase Phase, part, step int) error {
	rows, err := r.Metrics()
	if err != nil || len(rows) == 0 {
		return err
	}
	var text bytes.Buffer
	for _, row := range rows {
		if row.after(phase, part, step) {
			continue
		}
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	return r.writeFile(metricsFile, text.Bytes())
}

// after tells whether a line is of what comes after a step of a phase's part.
func (m MetricsRow) after(phase Phase, part, step int) bool {
	switch {
	case m.Phase != phase:
		return m.Phase == PhaseSearch
	case m.Part != part:
		return m.Part > part
	}
	return m.Step > step
}
