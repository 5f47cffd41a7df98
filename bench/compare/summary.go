package compare

import (
	"fmt"

	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// Results are what results.json holds: the same for equal runs. Times are in times.json.
type Results struct {
	Name        string              `json:"name"`
	Version     string              `json:"version"`
	Machine     string              `json:"machine"`
	Model       string              `json:"model"`
	Data        string              `json:"data"`
	DataHash    string              `json:"data_sha256"`
	WeightsHash string              `json:"weights_sha256,omitempty"`
	Arithmetic  string              `json:"arithmetic"`
	Schedule    string              `json:"schedule"`
	Cost        onesot.CostInfo     `json:"cost"`
	FP32        onesot.Accuracy     `json:"fp32"`
	Reference   onesot.CostAccuracy `json:"hypervolume_reference"`
	Methods     []*Method           `json:"methods"`
	Ablations   []*Method           `json:"ablations"`
	EqualBOPs   []Child             `json:"children_of_equal_bops"`
	Tuned       map[string][]Tuned  `json:"tuned_from_fp32,omitempty"` // by child: a fine-tuning seed each
}

// Child is a child by its id.
type Child struct {
	ID           string           `json:"id"`
	RelativeBOPs float64          `json:"relative_bops"`
	Assignment   quant.Assignment `json:"assignment"`
}

// Method is what a method, or an ablation, came to.
type Method struct {
	Label       string          `json:"label"`
	System      string          `json:"system"`
	Ablates     string          `json:"ablates,omitempty"`
	Settings    onesot.Settings `json:"settings"`
	Options     map[string]any  `json:"options,omitempty"`
	AskedBy     string          `json:"asked_by"`
	Asked       []float64       `json:"asked"`
	Seeds       []*Seed         `json:"seeds"`
	Correlation []Correlated    `json:"correlation"`
}

// Seed is what a method came to under one seed.
type Seed struct {
	Seed uint64 `json:"seed"`
	Searched
	Predicted map[string][]Predicted `json:"predicted,omitempty"` // by recalibration: on, off
	AlongOwn  []Child                `json:"along_front,omitempty"`
	Tuned     map[string][]Tuned     `json:"tuned,omitempty"` // by child, where fine-tuning starts from the method's nets
	Fronts    []FrontOf              `json:"fronts"`
	Quality   Quality                `json:"quality"`

	took   Times
	shared map[string][]Tuned // Results.Tuned, where fine-tuning starts from fp32
}

// gather reads every unit and computes what follows from them.
func (r *runner) gather() (*Results, map[string]Times, error) {
	w, e := r.w, r.e
	out := &Results{Name: e.Name, Version: r.o.Version, Machine: r.o.Machine, Model: e.Model, Data: e.data, DataHash: w.set.Hash,
		WeightsHash: w.config.WeightsHash, Arithmetic: w.config.Arithmetic, Schedule: e.Schedule, Reference: w.reference(),
		Cost: onesot.CostInfo{Name: w.cost.Name, Unit: w.cost.Unit, Definition: w.cost.Definition, Max: w.cost.Max()}}
	for _, a := range w.equal {
		out.EqualBOPs = append(out.EqualBOPs, w.child(a))
	}
	g := &gatherer{r: r, times: map[string]Times{}}
	g.read(fp32ID, &out.FP32)
	for _, v := range w.variants {
		m := g.method(v)
		if v.ablates == "" {
			out.Methods = append(out.Methods, m)
		} else {
			out.Ablations = append(out.Ablations, m)
		}
	}
	if e.Finetune.Start == startFP32 && e.tunes() {
		out.Tuned = g.shared
	}
	if g.err != nil {
		return nil, nil, g.err
	}
	for _, m := range append(out.Methods, out.Ablations...) {
		for _, s := range m.Seeds {
			r.summarise(m, s)
		}
		m.Correlation = r.correlate(m, out.Methods)
	}
	return out, g.times, nil
}

func (w *world) child(a quant.Assignment) Child { return Child{childID(a), w.bops.Relative(a), a} }

// gatherer reads units until one fails.
type gatherer struct {
	r      *runner
	times  map[string]Times
	shared map[string][]Tuned
	err    error
}

func (g *gatherer) read(id string, result any) (found bool) {
	if g.err != nil {
		return false
	}
	var t Times
	if t, found, g.err = g.r.store.read(id, result); found {
		g.times[id] = t
	}
	return found
}

// want is read for a unit that must be there.
func (g *gatherer) want(id string, result any) {
	if !g.read(id, result) && g.err == nil {
		g.err = fmt.Errorf("unit %s is gone", id)
	}
}

func (g *gatherer) method(v *variant) *Method {
	e := g.r.e
	m := &Method{Label: v.label, System: v.method, Ablates: v.ablates, Settings: v.settings, Options: v.own, Asked: v.asked,
		AskedBy: v.system(e).Asks().Kind.String()}
	for _, seed := range e.Seeds {
		s := &Seed{Seed: seed}
		g.want(searchID(v, seed), &s.Searched)
		s.took = g.times[searchID(v, seed)]
		m.Seeds = append(m.Seeds, s)
		if g.err != nil || !e.tunes() {
			continue
		}
		for _, p := range e.alongFront(s.Points) {
			s.AlongOwn = append(s.AlongOwn, g.r.w.child(p.Assignment))
		}
		s.Predicted = map[string][]Predicted{}
		for _, how := range e.Correlation.Recalibration {
			var list []Predicted
			g.want(predictID(v, seed, how), &list)
			s.Predicted[how] = list
		}
		g.tunings(v, s)
	}
	return m
}

// tunings reads those fine-tunings of a seed's children that were done.
func (g *gatherer) tunings(v *variant, s *Seed) {
	e := g.r.e
	into := map[string][]Tuned{}
	if e.Finetune.Start == startFP32 {
		if g.shared == nil {
			g.shared = map[string][]Tuned{}
		}
		into = g.shared
	}
	for _, a := range g.r.children(s.Points) {
		id := childID(a)
		if into[id] != nil {
			continue
		}
		var list []Tuned
		for _, seed := range e.Finetune.Seeds {
			var t Tuned
			if g.read(e.tuneID(v, s.Seed, id, seed), &t) {
				list = append(list, t)
			}
		}
		if len(list) == len(e.Finetune.Seeds) {
			into[id] = list
		}
	}
	if e.Finetune.Start != startFP32 {
		s.Tuned = into
		return
	}
	s.shared = into
}

// tuned are the fine-tunings of a child of this seed, one for each fine-tuning seed; nil where it has none.
func (s *Seed) tuned(child string) []Tuned {
	if s.shared != nil {
		return s.shared[child]
	}
	return s.Tuned[child]
}
