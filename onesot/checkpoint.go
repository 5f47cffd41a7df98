package onesot

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"vimps-gpu/nn"
	"vimps-gpu/nn/weights"
)

// Checkpoint is the state of a run on disk, state.safetensors, replaced whole: tensors, and a note of where the work
// stands, which encoding/json can take. Beside it lie nets that are put aside, net-NAME.safetensors.
type Checkpoint struct {
	p   *Problem
	run *Run // nil: nothing is kept

	board *board // nil: TensorBoard is not wanted
}

// accountFile holds the times of a run, which are not the same in two equal runs, as its state is.
const accountFile = "account.json"

// Write replaces the state; a run that is only looked at (Options.Trained) stays as it is. One with a value that is not finite is never written.
func (c *Checkpoint) Write(note any, tensors []nn.NamedTensor) error {
	return c.write(PhaseSearch, note, tensors)
}

func (c *Checkpoint) write(phase Phase, note any, tensors []nn.NamedTensor) error {
	return c.byLeader(func() error { return c.writeState(phase, note, tensors) })
}

// byLeader has one rank of a job write; the others wait for it. Of a run that is only looked at, or that is not on disk, nothing is written.
func (c *Checkpoint) byLeader(write func() error) error {
	if c.run == nil || c.p.Options.Trained {
		return nil
	}
	if c.run.leads() {
		if err := write(); err != nil {
			return err
		}
	}
	c.run.world().Any(false)
	return nil
}

func (c *Checkpoint) writeState(phase Phase, note any, tensors []nn.NamedTensor) error {
	meta := map[string]string{"phase": string(phase), "arithmetic": c.p.Dev.Arithmetic(),
		"forward_images": strconv.FormatInt(c.p.Account.Forward, 10), "backward_images": strconv.FormatInt(c.p.Account.Backward, 10)}
	for name, v := range map[string]any{"note": note, "fp32": c.p.FP32Accuracy} {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		meta[name] = string(text)
	}
	if err := c.writeTensors(stateFile, tensors, meta); err != nil {
		return err
	}
	return c.writeAccount()
}

func (c *Checkpoint) writeTensors(name string, tensors []nn.NamedTensor, meta map[string]string) error {
	f := weights.File{Path: c.run.path(name)}
	dense := nn.Dense(tensors)
	f.Tensors = weights.ByName(dense)
	if err := f.CheckFinite(); err != nil {
		return fmt.Errorf("%w (%w); the state on disk is the last good one", ErrDiverged, err)
	}
	return weights.WriteFile(f.Path, dense, meta)
}

func (c *Checkpoint) writeAccount() error {
	now := c.p.Account.Now()
	now.PeakBytes = max(now.PeakBytes, c.p.Dev.PeakBytes())
	return c.run.writeJSON(accountFile, now)
}

// Read restores the state that Write left: the note, then the tensors that, knowing the note, the caller wants. found
// is false where there is none yet.
func (c *Checkpoint) Read(note any, tensors func() []nn.NamedTensor) (found bool, err error) {
	return c.read(PhaseSearch, note, tensors)
}

func (c *Checkpoint) read(phase Phase, note any, tensors func() []nn.NamedTensor) (found bool, err error) {
	f, err := c.file()
	if f == nil || err != nil || Phase(f.Metadata["phase"]) != phase {
		return false, err
	}
	if err := c.sameArithmetic(f); err != nil {
		return false, err
	}
	if err := json.Unmarshal([]byte(f.Metadata["note"]), note); err != nil {
		return false, fmt.Errorf("%s: its note: %w", f.Path, err)
	}
	if err := nn.Restore(tensors(), f); err != nil {
		return false, err
	}
	return true, c.readAccount(f)
}

// file is the state's, nil where there is none.
func (c *Checkpoint) file() (*weights.File, error) {
	if c.run == nil {
		return nil, nil
	}
	f, err := c.run.readTensors(stateFile)
	if f == nil || err != nil {
		return nil, err
	}
	if phase := Phase(f.Metadata["phase"]); phase != PhaseFP32 && phase != PhaseSearch {
		return nil, fmt.Errorf("%s: its phase is %q", f.Path, phase)
	}
	return f, nil
}

// sameArithmetic refuses to go on with a training in another arithmetic: half of it would be no run that anyone could
// repeat. An evaluation may be done anywhere.
func (c *Checkpoint) sameArithmetic(f *weights.File) error {
	had, has := f.Metadata["arithmetic"], c.p.Dev.Arithmetic()
	if c.p.Options.Trained || had == has {
		return nil
	}
	return fmt.Errorf("run directory %s: its arithmetic is %q, that of this device (--device, --precision, --isa) is %q", c.run.Dir, had, has)
}

// readAccount goes on with the passes of the state and with the times noted last.
func (c *Checkpoint) readAccount(f *weights.File) error {
	var old Account
	if data, err := os.ReadFile(c.run.path(accountFile)); err == nil {
		if err := json.Unmarshal(data, &old); err != nil {
			return fmt.Errorf("%s: %w", c.run.path(accountFile), err)
		}
	}
	a := c.p.Account
	a.Wall, a.CPU, a.PeakBytes = a.Wall+old.Wall, a.CPU+old.CPU, max(a.PeakBytes, old.PeakBytes)
	for name, to := range map[string]*int64{"forward_images": &a.Forward, "backward_images": &a.Backward} {
		n, err := strconv.ParseInt(f.Metadata[name], 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%s: its %s is %q", f.Path, name, f.Metadata[name])
		}
		*to = n
	}
	return nil
}

// Keep puts a net aside under a name, but not of a run that is only looked at.
func (c *Checkpoint) Keep(name string, tensors []nn.NamedTensor) error {
	return c.byLeader(func() error { return c.writeTensors(netFile(name), tensors, nil) })
}

// Kept restores a net that was put aside; false where there is none of that name.
func (c *Checkpoint) Kept(name string, tensors []nn.NamedTensor) (bool, error) {
	if c.run == nil {
		return false, nil
	}
	f, err := c.run.readTensors(netFile(name))
	if f == nil || err != nil {
		return false, err
	}
	return true, nn.Restore(tensors, f)
}

var netName = regexp.MustCompile(`^[a-z0-9.-]+$`)

func netFile(name string) string {
	if !netName.MatchString(name) {
		panic(fmt.Sprintf("onesot: net name %q", name))
	}
	return "net-" + name + ".safetensors"
}

func (c *Checkpoint) appendMetrics(row MetricsRow) error {
	if c.run == nil || !c.run.leads() {
		return nil
	}
	if err := c.run.appendMetrics(row); err != nil || c.board == nil {
		return err
	}
	return c.board.write(row)
}

func (c *Checkpoint) truncateMetrics(t *Training) error {
	if c.run == nil || c.p.Options.Trained || !c.run.leads() {
		return nil
	}
	return c.run.truncateMetrics(t.Phase, t.Part, t.Step)
}
