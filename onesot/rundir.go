package onesot

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"vimps-gpu/cuda/job"
	"vimps-gpu/nn/atomicfile"
	"vimps-gpu/nn/weights"
	"vimps-gpu/quant"
)

// Names of the files in a run directory.
const (
	runFile     = "run.json"
	stateFile   = "state.safetensors"
	fp32File    = "fp32.safetensors"
	metricsFile = "metrics.jsonl"
	frontFile   = "front.json"
	lockFile    = "lock"
)

// Config is everything that decides what a run computes. It is kept as run.json.
type Config struct {
	Version     string             `json:"version"`
	Model       string             `json:"model"`
	ModelHash   string             `json:"model_sha256,omitempty"` // where it is a file
	Data        string             `json:"data"`
	DataHash    string             `json:"data_sha256"`
	Weights     string             `json:"weights,omitempty"` // file that the fp32 net was read from
	WeightsHash string             `json:"weights_sha256,omitempty"`
	Cost        string             `json:"cost,omitempty"` // that children are searched by, as quant.CostFile reads it; BOPs without
	CostHash    string             `json:"cost_sha256,omitempty"`
	WeightBits  []int              `json:"weight_bits"`
	InputBits   []int              `json:"input_bits"`
	FirstLayer  string             `json:"first_layer"` // bits, such as 8/8, or search
	LastLayer   string             `json:"last_layer"`
	Constraints string             `json:"constraints,omitempty"` // file that Rules were read from
	RulesHash   string             `json:"constraints_sha256,omitempty"`
	Rules       *quant.Constraints `json:"constraint_rules,omitempty"`
	TrainImages int                `json:"train_images"` // at most so many of the training split; 0: all
	Device      string             `json:"device"`
	Arithmetic  string             `json:"arithmetic"` // of the device: decides the bits of every result
	Settings    Settings           `json:"settings"`
	// Of the system: penalties or relative costs that it is asked for, and its own options by name.
	Asked   []float64      `json:"asked,omitempty"`
	Options map[string]any `json:"options,omitempty"`
}

// Run is a run directory, locked while it is open unless it came from [ViewRun]. Of a job rank 0 alone locks it and writes into it; the
// other ranks read what is there, and all must see the same files.
type Run struct {
	Dir    string
	Config Config
	World  *job.World // whose ranks work on the run; nil: this process alone
	lock   *os.File
}

func (r *Run) world() *job.World { return cmp.Or(r.World, job.Alone()) }

// leads tells whether this process is the one that writes.
func (r *Run) leads() bool { return r.world().Rank() == 0 }

// CreateRun makes a run directory for a configuration. One that already holds a run is an error.
func CreateRun(dir string, c Config) (*Run, error) {
	r := &Run{Dir: dir, Config: c}
	return r, r.Create(nil)
}

// Create makes the directory of a Run that exists in memory only, locks it, and has what the run starts from put into it
// (nil: nothing) before run.json, which marks a run. A directory that already holds one is an error. The ranks of a job call it
// together, and all get the error of the first.
func (r *Run) Create(start func() error) error {
	var locked *Run
	err := r.byFirst(func() (err error) {
		locked, err = r.claim()
		return err
	})
	if err == nil && start != nil {
		err = start()
	}
	if err == nil {
		err = r.byFirst(func() error { return r.writeJSON(runFile, r.Config) })
	}
	if err == nil {
		err = sameFile(r.world(), r.path(runFile))
	}
	if locked == nil {
		return err
	}
	if err != nil {
		locked.Close()
		return err
	}
	r.lock = locked.lock
	return nil
}

// claim makes and locks the directory of a run that is not there yet.
func (r *Run) claim() (*Run, error) {
	if err := os.MkdirAll(r.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("run directory: %w", err)
	}
	locked, err := lockRun(r.Dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(r.path(runFile)); err == nil {
		locked.Close()
		return nil, fmt.Errorf("run directory %s holds a run already; go on with it by --resume or take another --out", r.Dir)
	}
	return locked, nil
}

// byFirst has rank 0 do something; every rank gets its error.
func (r *Run) byFirst(do func() error) error {
	var err error
	var text []byte
	if r.leads() {
		if err = do(); err != nil {
			text = []byte(err.Error())
		}
	}
	if text = r.world().Broadcast(text); len(text) > 0 && err == nil {
		err = errors.New(string(text))
	}
	return err
}

// ViewRun opens a run for reading only: it is not locked, and nothing in its directory changes.
func ViewRun(dir string) (*Run, error) {
	c, err := ReadConfig(dir)
	return &Run{Dir: dir, Config: c}, err
}

// OpenRun opens and locks an existing run.
func OpenRun(dir string) (*Run, error) {
	c, err := ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	r, err := lockRun(dir)
	if err != nil {
		return nil, err
	}
	r.Config = c
	return r, nil
}

// OpenShared opens an existing run for the ranks of a job, of which the first locks it.
func OpenShared(w *job.World, dir string) (*Run, error) {
	open := OpenRun
	if w.Rank() > 0 {
		open = ViewRun
	}
	r, err := open(dir)
	if err != nil {
		return nil, err
	}
	r.World = w
	if err := sameFile(w, r.path(runFile)); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// readTensors reads a file of the run; nil where there is none. The ranks of a job call it together.
func (r *Run) readTensors(name string) (*weights.File, error) {
	path := r.path(name)
	f, err := weights.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = nil, nil
	}
	if err == nil {
		err = sameFile(r.world(), path)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// sameFile wants every rank to see the same file, or none, at a path: one that went on from another would do other steps than the rest.
// Nor can rank 0 write it before all have looked.
func sameFile(w *job.World, path string) error {
	if w.Size() == 1 {
		return nil
	}
	hash, err := HashFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all := w.Gather([]byte(hash))
	for rank := range all {
		if !bytes.Equal(all[rank], all[0]) {
			return fmt.Errorf("%s is not the same file on host %s (rank %d) as on %s; the run directory must lie where all processes see it",
				path, w.Host(rank), rank, w.Host(0))
		}
	}
	return nil
}

// ReadConfig reads a run's configuration without locking it.
func ReadConfig(dir string) (Config, error) {
	var c Config
	data, err := os.ReadFile(filepath.Join(dir, runFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("run directory %s: there is no %s in it", dir, runFile)
	}
	if err != nil {
		return c, fmt.Errorf("run directory: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("%s: %w", filepath.Join(dir, runFile), err)
	}
	if err := c.Settings.Check(); err != nil {
		return c, fmt.Errorf("%s: %w", filepath.Join(dir, runFile), err)
	}
	return c, nil
}

func lockRun(dir string) (*Run, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, fmt.Errorf("run directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("run directory %s is in use by another process", dir)
	}
	r := &Run{Dir: dir, lock: f}
	if err := atomicfile.RemoveLeftovers(dir); err != nil {
		f.Close()
		return nil, fmt.Errorf("run directory: %w", err)
	}
	return r, nil
}

// Close unlocks the run.
func (r *Run) Close() {
	if r.lock != nil {
		r.lock.Close()
	}
}

// FP32File is the fp32 net that a run starts from.
func (r *Run) FP32File() string { return r.path(fp32File) }

func (r *Run) path(name string) string { return filepath.Join(r.Dir, name) }

func (r *Run) writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return r.writeFile(name, append(data, '\n'))
}

func (r *Run) writeFile(name string, data []byte) error {
	return atomicfile.Write(r.path(name), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// ReadRunFront reads the front.json of a run directory.
func ReadRunFront(dir string) (*Front, error) { return ReadFront(filepath.Join(dir, frontFile)) }

// Differences lists what two configurations disagree about, as "name: old, new", by the names of run.json.
func (c Config) Differences(other Config) []string {
	a, b := c.fields(), other.fields()
	var names []string
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []string
	for _, name := range names {
		if a[name] != b[name] {
			out = append(out, fmt.Sprintf("%s: %s, now %s", name, orNone(a[name]), orNone(b[name])))
		}
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// fields is the configuration flattened to text, settings beside the rest.
func (c Config) fields() map[string]string {
	out := map[string]string{}
	for _, v := range []any{c, c.Settings, c.Options} {
		data, err := json.Marshal(v)
		if err != nil {
			panic(err) // a struct of plain fields always encodes
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(data, &fields); err != nil {
			panic(err)
		}
		for name, value := range fields {
			if name != "settings" && name != "options" {
				out[name] = strings.Trim(string(value), `"`)
			}
		}
	}
	return out
}
