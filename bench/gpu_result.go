package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"vimps-gpu/onesot"
)

// GPUResult is everything that bench/gpu.sh found on one machine.
type GPUResult struct {
	Simulated   bool              `json:"simulated"`
	Quick       bool              `json:"quick"`
	Note        string            `json:"note"`
	Machine     map[string]string `json:"machine"`
	Verdicts    []Verdict         `json:"verdicts"`
	NotMeasured []string          `json:"not_measured"`
	Parts       []Part            `json:"parts"`
	ConvRatios  []ConvRatio       `json:"conv_ratios"`
	Searches    []SearchResult    `json:"searches"`
	Measured    *GPUReport        `json:"measured"`
	Torch       *TorchReport      `json:"torch"`
	Ranks       []RanksTime       `json:"ranks"`
}

// Part is one part of the script: ok, failed, timed out or left out.
type Part struct {
	Name    string  `json:"name"`
	Status  string  `json:"status"`
	Exit    int     `json:"exit"`
	Seconds float64 `json:"seconds"`
	Limit   float64 `json:"limit_seconds"`
	Why     string  `json:"why,omitempty"`
}

// TorchReport is what bench/gpu_torch.py writes.
type TorchReport struct {
	Torch  string      `json:"torch"`
	CUDNN  string      `json:"cudnn"`
	Device string      `json:"device"`
	Conv   []TorchConv `json:"conv"`
	Steps  []TorchStep `json:"steps"`
	Errors []string    `json:"errors"`
}

// TorchConv is one pass of a convolution by cuDNN.
type TorchConv struct {
	ConvLayer
	Pass      string  `json:"pass"`
	Precision string  `json:"precision"`
	Seconds   float64 `json:"seconds"`
}

// TorchStep is a supernet step of PyTorch.
type TorchStep struct {
	Variant string  `json:"variant"`
	Batch   int     `json:"batch"`
	Median  float64 `json:"median_seconds"`
	Loss    float64 `json:"last_loss,omitempty"` // none where it was not finite
}

// SearchResult is a search that the script ran.
type SearchResult struct {
	Name     string        `json:"name"`
	Finished bool          `json:"finished"`
	Seconds  float64       `json:"seconds"`
	FP32     float64       `json:"fp32_accuracy_test"`
	Best     float64       `json:"best_accuracy_test"` // of the child most accurate on the validation split
	Front    []SearchPoint `json:"front"`
}

// SearchPoint is a child on the front.
type SearchPoint struct {
	Eta          float64 `json:"eta"`
	RelativeBOPs float64 `json:"relative_bops"`
	AccuracyVal  float64 `json:"accuracy_val"`
	AccuracyTest float64 `json:"accuracy_test"`
}

const (
	simulatedNote = "SIMULATED: no GPU ran. Times are those of an interpreter on a CPU and say nothing about speed."
	quickNote     = "QUICK: tiny shapes, which exercise the measuring. The times say nothing about speed."
	realNote      = "Measured on the card that is named here."
)

// ReadGPUResult puts together what the script left in a folder: parts.tsv, machine.tsv, and, where their parts worked,
// measured.json, torch.json, the times of several GPUs and the runs of searches.
func ReadGPUResult(dir string) (*GPUResult, error) {
	r := &GPUResult{NotMeasured: []string{}, Note: realNote}
	var err error
	if r.Parts, err = readParts(filepath.Join(dir, "parts.tsv")); err != nil {
		return nil, err
	}
	if r.Machine, err = readPairs(filepath.Join(dir, "machine.tsv")); err != nil {
		return nil, err
	}
	r.Simulated, r.Quick = r.Machine["simulated"] == "true", r.Machine["quick"] == "true"
	measured, torch := &GPUReport{}, &TorchReport{}
	if ok, err := readJSON(filepath.Join(dir, "measured.json"), measured); err != nil {
		return nil, err
	} else if ok {
		r.Measured = measured
		r.Simulated, r.Quick = r.Simulated || measured.Simulated, r.Quick || measured.Quick
	}
	if ok, err := readJSON(filepath.Join(dir, "torch.json"), torch); err != nil {
		return nil, err
	} else if ok {
		r.Torch = torch
	}
	if r.Ranks, err = readRanks(dir); err != nil {
		return nil, err
	}
	for _, t := range r.Ranks {
		r.Simulated = r.Simulated || t.Simulated
	}
	switch {
	case r.Simulated:
		r.Note = simulatedNote
	case r.Quick:
		r.Note = quickNote
	}
	for _, p := range r.Parts {
		if name, ok := strings.CutPrefix(p.Name, "search "); ok {
			r.Searches = append(r.Searches, readSearch(filepath.Join(dir, "runs", name), p))
		}
		if p.Status != "ok" {
			r.NotMeasured = append(r.NotMeasured, strings.TrimSuffix(fmt.Sprintf("%s: %s: %s", p.Name, p.Status, p.Why), ": "))
		}
	}
	if r.Measured != nil {
		r.NotMeasured = append(append(r.NotMeasured, r.Measured.LeftOut...), r.Measured.Errors...)
	}
	if r.Torch != nil {
		r.NotMeasured = append(r.NotMeasured, r.Torch.Errors...)
	}
	r.ConvRatios = r.convRatios()
	r.judge()
	return r, nil
}

// readJSON is false where there is no such file: its part did not get so far, which parts.tsv tells.
func readJSON(path string, v any) (ok bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return true, nil
}

// readParts reads lines of name, exit code, seconds, limit and why, with tabs between. A negative code is a part left out.
func readParts(path string) ([]Part, error) {
	var parts []Part
	err := eachLine(path, 5, func(f []string) error {
		p := Part{Name: f[0], Why: f[4]}
		var errs [3]error
		p.Exit, errs[0] = strconv.Atoi(f[1])
		p.Seconds, errs[1] = strconv.ParseFloat(f[2], 64)
		p.Limit, errs[2] = strconv.ParseFloat(f[3], 64)
		switch {
		case p.Exit < 0:
			p.Status = "left out"
		case p.Exit == 0:
			p.Status = "ok"
		case p.Exit == 124 || p.Exit == 137: // of timeout(1)
			p.Status = "timed out"
		default:
			p.Status = "failed"
		}
		parts = append(parts, p)
		return errors.Join(errs[:]...)
	})
	return parts, err
}

func readPairs(path string) (map[string]string, error) {
	m := map[string]string{}
	return m, eachLine(path, 2, func(f []string) error {
		m[f[0]] = f[1]
		return nil
	})
}

func eachLine(path string, fields int, each func([]string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	number := 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		number++
		cells := strings.Split(lines.Text(), "\t")
		if len(cells) != fields {
			return fmt.Errorf("%s: line %d has %d fields, want %d", path, number, len(cells), fields)
		}
		if err := each(cells); err != nil {
			return fmt.Errorf("%s: line %d: %w", path, number, err)
		}
	}
	return lines.Err()
}

// readSearch reads a run's front; a search that was stopped has none.
func readSearch(dir string, p Part) SearchResult {
	s := SearchResult{Name: strings.TrimPrefix(p.Name, "search "), Seconds: p.Seconds, Front: []SearchPoint{}}
	f, err := onesot.ReadRunFront(dir)
	if err != nil {
		return s
	}
	s.Finished = p.Status == "ok"
	if f.FP32 != nil {
		s.FP32 = f.FP32.Test
	}
	best := -1.0
	for _, c := range f.Points {
		if !c.OnFront {
			continue
		}
		s.Front = append(s.Front, SearchPoint{c.Eta, c.RelativeBOPs, c.AccuracyVal, c.AccuracyTest})
		if c.AccuracyVal > best {
			best, s.Best = c.AccuracyVal, c.AccuracyTest
		}
	}
	return s
}

// FileName names the card, without an extension.
func (r *GPUResult) FileName() string {
	name := r.Machine["gpu"]
	if r.Measured != nil {
		name = r.Measured.Card.Name
	}
	slug := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '-'
	}, strings.TrimSpace(name))
	if slug == "" {
		slug = "no-gpu"
	}
	if r.Simulated && !strings.HasPrefix(slug, "simulated") {
		slug = "simulated-" + slug
	}
	if r.Quick {
		slug += "-quick"
	}
	return slug
}
