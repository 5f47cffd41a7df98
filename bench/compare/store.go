package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"vimps-gpu/nn/atomicfile"
)

// Names of what lies in the results' directory, beside a run directory for each search.
const (
	experimentFile = "experiment.toml"
	inputsFile     = "inputs.json"
	unitsFolder    = "units"
	resultsFile    = "results.json"
	timesFile      = "times.json"
)

// store is the results' directory, locked.
type store struct {
	dir  string
	lock *os.File
}

// inputs are what, beside the experiment file, decides the results.
type inputs struct {
	Version     string `json:"version"`
	DataHash    string `json:"data_sha256"`
	WeightsHash string `json:"weights_sha256,omitempty"`
	Arithmetic  string `json:"arithmetic"`
}

// openStore makes or reopens the directory. One that another experiment, or another input, was begun in is an error
// that names the first difference.
func openStore(e *Experiment, in inputs) (*store, error) {
	s := &store{dir: e.Out}
	if err := os.MkdirAll(filepath.Join(e.Out, unitsFolder), 0o777); err != nil {
		return nil, fmt.Errorf("out: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(e.Out, "lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, fmt.Errorf("out: %w", err)
	}
	s.lock = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("out %s is in use by another process", e.Out)
	}
	if err := s.begin(e, in); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func (s *store) close() { s.lock.Close() }

func (s *store) begin(e *Experiment, in inputs) error {
	for _, dir := range []string{s.dir, filepath.Join(s.dir, unitsFolder)} {
		if err := atomicfile.RemoveLeftovers(dir); err != nil {
			return fmt.Errorf("out: %w", err)
		}
	}
	old, err := os.ReadFile(s.path(experimentFile))
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.writeJSON(inputsFile, in); err != nil {
			return err
		}
		return s.writeFile(experimentFile, e.text)
	}
	if err != nil {
		return fmt.Errorf("out: %w", err)
	}
	if diff, err := difference(old, e.text); err != nil || diff != "" {
		return errors.Join(err, s.otherwise(diff))
	}
	var had inputs
	data, err := os.ReadFile(s.path(inputsFile))
	if err == nil {
		err = json.Unmarshal(data, &had)
	}
	if err != nil {
		return fmt.Errorf("out: %s: %w", s.path(inputsFile), err)
	}
	if had != in {
		a, b := flat("", asMap(had)), flat("", asMap(in))
		return s.otherwise(firstDifference(a, b))
	}
	return nil
}

func (s *store) otherwise(diff string) error {
	if diff == "" {
		return nil
	}
	return fmt.Errorf("out %s holds an experiment with %s; take another out, or delete it", s.dir, diff)
}

func (s *store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s *store) writeFile(name string, data []byte) error { return writeFile(s.path(name), data) }

func (s *store) writeJSON(name string, v any) error { return writeJSON(s.path(name), v) }

func writeFile(path string, data []byte) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return writeFile(path, append(data, '\n'))
}

// Times are what a unit of work took. They differ between equal runs.
type Times struct {
	Wall      float64 `json:"wall_seconds"`
	CPU       float64 `json:"cpu_seconds"`
	FixedWall float64 `json:"fixed_wall_seconds,omitempty"` // of a search: the part in Searched.Fixed
	PeakBytes int64   `json:"peak_bytes,omitempty"`         // of tensors
}

// unitFile is the file of a unit that is done.
type unitFile struct {
	ID     string          `json:"id"`
	Result json.RawMessage `json:"result"`
	Times  Times           `json:"times"`
}

func (s *store) unitPath(id string) string { return filepath.Join(unitsFolder, id+".json") }

// has tells whether a unit is done.
func (s *store) has(id string) bool {
	_, err := os.Stat(s.path(s.unitPath(id)))
	return err == nil
}

// read fills result from a unit's file.
func (s *store) read(id string, result any) (t Times, found bool, err error) {
	data, err := os.ReadFile(s.path(s.unitPath(id)))
	if errors.Is(err, fs.ErrNotExist) {
		return t, false, nil
	}
	if err != nil {
		return t, false, fmt.Errorf("unit %s: %w", id, err)
	}
	var f unitFile
	err = json.Unmarshal(data, &f)
	if err == nil && f.ID != id {
		err = fmt.Errorf("it is of unit %q", f.ID)
	}
	if err == nil {
		err = json.Unmarshal(f.Result, result)
	}
	if err != nil {
		return t, false, fmt.Errorf("unit %s: %s: %w; delete it and the unit is done again", id, s.path(s.unitPath(id)), err)
	}
	return f.Times, true, nil
}

func (s *store) write(id string, result any, t Times) error {
	data, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("unit %s: %w", id, err)
	}
	return s.writeJSON(s.unitPath(id), unitFile{id, data, t})
}
