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

// openStore makes or reopens a directory. One that another experiment, or another input, was begun in is an error
// that names the first difference.
func openStore(e *Experiment, dir string, in inputs) (*store, error) {
	s := &store{dir: dir}
	if err := os.MkdirAll(s.path(unitsFolder), 0o777); err != nil {
		return nil, fmt.Errorf("out: %w", err)
	}
	f, err := os.OpenFile(s.path("lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, fmt.Errorf("out: %w", err)
	}
	s.lock = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("out %s is in use by another process", dir)
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
	diff, err := s.differs(e, in)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.writeJSON(inputsFile, in); err != nil {
			return err
		}
		return s.writeFile(experimentFile, e.text)
	}
	if err != nil {
		return fmt.Errorf("out %s: %w; take another out, or delete it", s.dir, err)
	}
	if diff != "" {
		return fmt.Errorf("out %s holds an experiment with %s; take another out, or delete it", s.dir, diff)
	}
	return nil
}

// differs names the first difference between what the directory was begun with and an experiment with its inputs; "" where
// there is none. In a directory that nothing was begun in it is fs.ErrNotExist.
func (s *store) differs(e *Experiment, in inputs) (string, error) {
	old, err := os.ReadFile(s.path(experimentFile))
	if err != nil {
		return "", err
	}
	if diff, err := difference(old, e.text); err != nil || diff != "" {
		return diff, err
	}
	had, err := s.inputs()
	if err != nil || had == in {
		return "", err
	}
	return firstDifference(flat("", asMap(had)), flat("", asMap(in))), nil
}

// inputs are those that the directory was begun with. They are there before the experiment file is.
func (s *store) inputs() (in inputs, err error) {
	err = s.readJSON(inputsFile, &in)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s is gone", s.path(inputsFile))
	}
	return in, err
}

func (s *store) readJSON(name string, v any) error {
	data, err := os.ReadFile(s.path(name))
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path(name), err)
	}
	return nil
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
