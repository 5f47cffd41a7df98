package onesot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
)

// maxFrontBytes bounds what ReadFront takes into memory; a front of a thousand
// children of a net of a hundred layers needs a twentieth of it.
const maxFrontBytes = 64 << 20

// JSON is the content of front.json: one line for each point.
func (f *Front) JSON() ([]byte, error) {
	head := *f
	head.Points = []Point{}
	data, err := json.MarshalIndent(head, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	var out bytes.Buffer
	out.Write(bytes.TrimSuffix(data, []byte("]\n}")))
	for i, p := range f.Points {
		line, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("front: point %d: %w", i, err)
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n    ")
		out.Write(line)
	}
	out.WriteString("\n  ]\n}\n")
	return out.Bytes(), nil
}

// ReadFront reads a front.json and checks it: every field there, numbers in
// their range, children distinct and of one net, on_front as MarkFront sets it.
func ReadFront(path string) (*Front, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	if info.Size() > maxFrontBytes {
		return nil, fmt.Errorf("front %s: %d bytes, want at most %d", path, info.Size(), maxFrontBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	f, err := parseFront(data)
	if err != nil {
		return nil, fmt.Errorf("front %s: %w", path, err)
	}
	return f, nil
}

func parseFront(data []byte) (*Front, error) {
	var f Front
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	if f.Metric != ByAccuracy && f.Metric != ByPSNR {
		return nil, fmt.Errorf("metric %q: want psnr, or none for accuracy", f.Metric)
	}
	if err := checkFields(data); err != nil {
		return nil, err
	}
	if !(f.Cost.Max > 0) || f.Cost.Name == "" {
		return nil, fmt.Errorf("cost: want a name and a max above 0, got %q and %g", f.Cost.Name, f.Cost.Max)
	}
	for name, a := range map[string]*Accuracy{"fp32": f.FP32, "bicubic": f.Bicubic} {
		if a != nil && a.check(f.Metric) != nil {
			return nil, fmt.Errorf("%s: %w", name, a.check(f.Metric))
		}
	}
	if len(f.Points) == 0 {
		return nil, fmt.Errorf("no points")
	}
	return &f, checkPoints(f.Points, f.Metric)
}

// checkFields finds a field that is absent, which Unmarshal would read as zero.
func checkFields(data []byte) error {
	var raw struct {
		Metric Metric
		Points []map[string]json.RawMessage
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for i, p := range raw.Points {
		for _, name := range []string{"eta", "bops", "relative_bops", "size_bytes", "cost",
			raw.Metric.field("val"), raw.Metric.field("test"), "loss_val", "on_front", "assignment"} {
			if _, found := p[name]; !found {
				return fmt.Errorf("point %d: no %s", i, name)
			}
		}
	}
	return nil
}

func checkPoints(points []Point, m Metric) error {
	seen := map[string]int{}
	marked := make([]Point, len(points))
	copy(marked, points)
	MarkFront(marked)
	for i, p := range points {
		if err := checkPoint(p, m); err != nil {
			return fmt.Errorf("point %d: %w", i, err)
		}
		if !sameLayers(p, points[0]) {
			return fmt.Errorf("point %d: its layers are not those of point 0", i)
		}
		if before, twice := seen[p.Assignment.Key()]; twice {
			return fmt.Errorf("point %d: the same child as point %d", i, before)
		}
		seen[p.Assignment.Key()] = i
		if p.OnFront != marked[i].OnFront {
			return fmt.Errorf("point %d: on_front is %v, but the costs and accuracies say %v", i, p.OnFront, marked[i].OnFront)
		}
	}
	return nil
}

func checkPoint(p Point, m Metric) error {
	switch {
	case p.Assignment.IsZero():
		return fmt.Errorf("the assignment has no layers")
	case p.Eta < 0 || p.Cost < 0 || p.LossVal < 0:
		return fmt.Errorf("eta %g, cost %g, loss_val %g: want 0 or more", p.Eta, p.Cost, p.LossVal)
	case p.BOPs <= 0 || p.SizeBytes <= 0:
		return fmt.Errorf("bops %g, size_bytes %g: want more than 0", p.BOPs, p.SizeBytes)
	case p.MemoryBytes < 0:
		return fmt.Errorf("memory_bytes %g: want 0 or more", p.MemoryBytes)
	case !isShare(p.RelativeBOPs) || p.RelativeBOPs == 0:
		return fmt.Errorf("relative_bops %g: want more than 0, at most 1", p.RelativeBOPs)
	}
	return p.Accuracy().check(m)
}

// check wants values that the metric of a front can have.
func (a Accuracy) check(m Metric) error {
	if a.Metric != m {
		return fmt.Errorf("there is %s, and the front's metric is %s", a.Metric.Name(), m.Name())
	}
	if !m.holds(a.Val) || !m.holds(a.Test) {
		return fmt.Errorf("%s %g, %s %g: want %s", m.field("val"), a.Val, m.field("test"), a.Test, m.valid())
	}
	return nil
}

func isShare(x float64) bool { return x >= 0 && x <= 1 && !math.IsNaN(x) }

func sameLayers(p, q Point) bool {
	if p.Assignment.Len() != q.Assignment.Len() {
		return false
	}
	for k := range p.Assignment.Len() {
		if p.Assignment.Name(k) != q.Assignment.Name(k) {
			return false
		}
	}
	return true
}
