package onesot

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"vimps-gpu/onesot/tensorboard"
)

// boardDir holds TensorBoard's event files in a run directory, a folder a training, since each counts its steps from 0.
const boardDir = "tensorboard"

// board writes the rows of metrics.jsonl as TensorBoard scalars too, by training.
type board struct {
	run     *Run
	writers map[string]*tensorboard.Writer
}

// write appends a row; the first of a training makes an event file, which replaces what earlier ones hold from there on.
func (b *board) write(row MetricsRow) error {
	name := string(row.Phase)
	if row.Part > 0 {
		name += fmt.Sprintf("-%d", row.Part)
	}
	now := time.Now()
	w := b.writers[name]
	if w == nil {
		var err error
		if w, err = tensorboard.Create(filepath.Join(b.run.path(boardDir), name), int64(row.Step), now); err != nil {
			return err
		}
		b.writers[name] = w
	}
	return w.Scalars(int64(row.Step), now, row.scalars())
}

// scalars are the numbers of a row, named as in metrics.jsonl.
func (m MetricsRow) scalars() []tensorboard.Scalar {
	data, err := json.Marshal(m)
	if err != nil {
		panic(err) // metrics.jsonl has it already
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		panic(err)
	}
	for _, name := range []string{"part", "epoch", "step"} {
		delete(fields, name)
	}
	var out []tensorboard.Scalar
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if v, ok := fields[name].(float64); ok {
			out = append(out, tensorboard.Scalar{Tag: name, Value: v})
		}
	}
	return out
}

func (b *board) close() (err error) {
	for _, w := range b.writers {
		err = errors.Join(err, w.Close())
	}
	return err
}
