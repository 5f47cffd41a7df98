package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"vimps-gpu/nn/atomicfile"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/report"
	"vimps-gpu/quant"
)

// sweepResult is everything that a sweep found.
type sweepResult struct {
	front       *onesot.Front
	predictions []onesot.Prediction
	baselines   []baseline
	space       *quant.Space
	classes     int
	facts       [][2]string // for the report's summary
	notes       []string    // of the system, a line each
	files       []string    // written
}

type baseline struct {
	Name   string         `json:"name"`
	Points []onesot.Point `json:"points"`
	labels []string
}

// volume is the hypervolume of a set of children on both splits. Those that the validation split selects are
// measured on both: choosing by test accuracy would flatter.
type volume struct {
	Name string  `json:"name"`
	Val  float64 `json:"hypervolume_val"`
	Test float64 `json:"hypervolume_test"`
}

// reference is the corner that hypervolumes are measured from, on both splits: chance, or bicubic upscaling.
func (r *sweepResult) reference() (val, test onesot.CostAccuracy) {
	if b := r.front.Bicubic; b != nil {
		return onesot.CostAccuracy{Cost: 1, Accuracy: b.Val}, onesot.CostAccuracy{Cost: 1, Accuracy: b.Test}
	}
	chance := onesot.CostAccuracy{Cost: 1, Accuracy: 1 / float64(r.classes)}
	return chance, chance
}

// volumes are those of the front and of each baseline.
func (r *sweepResult) volumes() []volume {
	out := []volume{r.volume("front", r.front.Points)}
	for _, b := range r.baselines {
		out = append(out, r.volume(b.Name, b.Points))
	}
	return out
}

func (r *sweepResult) volume(name string, points []onesot.Point) volume {
	f := &onesot.Front{Cost: r.front.Cost}
	for _, p := range points {
		if p.OnFront {
			f.Points = append(f.Points, p)
		}
	}
	val, test := r.reference()
	return volume{name, onesot.Hypervolume(f.OnVal(), val), onesot.Hypervolume(f.OnTest(), test)}
}

// write puts front.json, predictions.json, baselines.json and the report into dir.
func (r *sweepResult) write(s *session, dir string) error {
	if s.world.Rank() > 0 {
		return nil
	}
	front, err := r.front.JSON()
	if err != nil {
		return err
	}
	files := []struct {
		name string
		data []byte
	}{{"front.json", front}}
	add := func(name string, v any) {
		data, err := json.Marshal(v)
		if err != nil {
			panic(err) // plain fields and finite numbers always encode
		}
		files = append(files, struct {
			name string
			data []byte
		}{name, append(data, '\n')})
	}
	add("predictions.json", r.predictions)
	if r.baselines != nil {
		add("baselines.json", r.baselines)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := atomicfile.Write(path, func(w io.Writer) error {
			_, err := w.Write(f.data)
			return err
		}); err != nil {
			return err
		}
		r.files = append(r.files, path)
	}
	page, err := r.report(s)
	if err != nil {
		return err
	}
	drawn, err := page.Write(dir)
	r.files = append(r.files, drawn...)
	return err
}

// report gathers what the page shows.
func (r *sweepResult) report(s *session) (*report.Report, error) {
	c := s.run.Config
	page := &report.Report{Title: fmt.Sprintf("%s search of %s on %s", c.Settings.Method, c.Model, c.Data), Dir: filepath.Clean(s.run.Dir), Front: r.front, Space: r.space}
	for _, p := range r.predictions {
		page.Etas = append(page.Etas, p.Eta)
		page.Children = append(page.Children, p.Child)
		page.Pi = append(page.Pi, p.Pi)
	}
	for _, b := range r.baselines {
		page.Baselines = append(page.Baselines, report.Baseline{Name: b.Name, Points: b.Points, Labels: b.labels})
	}
	rows, err := s.run.Metrics()
	if err != nil {
		return nil, err
	}
	gates := float64(len(r.space.Gates()))
	for _, m := range rows {
		if m.Phase == onesot.PhaseSearch {
			page.Metrics = append(page.Metrics, report.MetricRow{Epoch: float64(m.Epoch), Loss: m.Objective, Task: m.Task, Hardware: m.Hardware,
				Prior: m.Prior, Similarity: m.Similarity, Entropy: m.Entropy / gates, ExpectedCost: m.Expected, ArgmaxCost: m.Argmax})
		}
	}
	page.Summary = append([][2]string{{"children", r.counts()}}, r.volumeFacts()...)
	page.Summary = append(page.Summary, r.facts...)
	for _, note := range r.notes {
		page.Summary = append(page.Summary, [2]string{"note", note})
	}
	page.Settings = configFacts(c)
	return page, nil
}

func (r *sweepResult) counts() string {
	return fmt.Sprintf("%d distinct, %d on the front", len(r.front.Points), r.onFront())
}

func (r *sweepResult) onFront() (n int) {
	for _, p := range r.front.Points {
		if p.OnFront {
			n++
		}
	}
	return n
}

func (r *sweepResult) volumeFacts() [][2]string {
	var facts [][2]string
	val, _ := r.reference()
	from := fmt.Sprintf("accuracy %.3g", val.Accuracy)
	if r.front.Bicubic != nil {
		from = "bicubic upscaling, dB"
	}
	for _, v := range r.volumes() {
		facts = append(facts, [2]string{"hypervolume of " + v.Name, fmt.Sprintf("val %.4f, test %.4f (reference: relative cost 1, %s)", v.Val, v.Test, from)})
	}
	return facts
}

// configFacts lists every setting of a run as flags.
func configFacts(c onesot.Config) [][2]string {
	facts := [][2]string{{"version", c.Version}, {"--method", string(c.Settings.Method)}, {"--model", c.Model}, {"--data", c.Data}, {"data sha256", c.DataHash}}
	if c.Weights != "" {
		facts = append(facts, [2]string{"--weights", c.Weights}, [2]string{"weights sha256", c.WeightsHash})
	}
	if c.Cost != "" {
		facts = append(facts, [2]string{"--cost", c.Cost}, [2]string{"cost sha256", c.CostHash})
	}
	if len(c.Asked) > 0 {
		facts = append(facts, [2]string{"asked", fmt.Sprint(c.Asked)})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Options)) {
		facts = append(facts, [2]string{"--" + name, fmt.Sprint(c.Options[name])})
	}
	for _, s := range settings() {
		facts = append(facts, [2]string{"--" + s.name, s.value(&c)})
	}
	return append(facts, [2]string{"recalibrate", fmt.Sprint(c.Settings.Recalibrate)}, [2]string{"device", c.Device}, [2]string{"arithmetic", c.Arithmetic})
}

// json is the sweep as one object.
func (r *sweepResult) json(dir string, took time.Duration) any {
	val, test := r.reference()
	reference := any(val)
	if r.front.Bicubic != nil {
		reference = struct{ Val, Test onesot.CostAccuracy }{val, test}
	}
	return struct {
		Dir       string        `json:"out"`
		Front     *onesot.Front `json:"front"`
		Baselines []baseline    `json:"baselines,omitempty"`
		Volumes   []volume      `json:"hypervolumes"`
		Reference any           `json:"hypervolume_reference"`
		Files     []string      `json:"files"`
		Seconds   float64       `json:"wall_seconds"`
	}{dir, r.front, r.baselines, r.volumes(), reference, r.files, took.Seconds()}
}
