package compare

import (
	"fmt"
	"math"
)

// tables are all that an experiment is summed up in.
func (r *runner) tables(out *Results) []*table {
	list := []*table{r.searchTimeTable(out)}
	if r.e.tunes() {
		list = append(list, r.allTaus(out))
		for _, set := range []string{alongFront, equalBOPs} {
			if r.counts(set) {
				list = append(list, r.correlationTable(set, out.Methods))
			}
		}
	}
	list = append(list, r.qualityTable(out))
	if len(out.Ablations) > 0 {
		list = append(list, r.ablationTable(out))
	}
	return append(list, r.imageNetTable())
}

// mean over seeds; NaN where there is none.
func mean(seeds []*Seed, of func(*Seed) float64) float64 {
	sum := 0.0
	for _, s := range seeds {
		sum += of(s) / float64(len(seeds))
	}
	return sum
}

// threeDigits shows a number by three digits, one of 100 or more by all before the point.
func threeDigits(v float64) cell {
	if v >= 100 {
		return numberCell("%.0f", v)
	}
	return numberCell("%.3g", v)
}

func millions(v float64) cell { return threeDigits(v / 1e6) }

func (r *runner) searchTimeTable(out *Results) *table {
	t := &table{name: "search-time", title: "Pareto search time",
		head: []string{"method", "points", "trained Mimages", "forward-only Mimages", "seconds", "CPU seconds", "hypervolume", "with fine-tuning: trained Mimages", "seconds with it", "hypervolume after it"}}
	extrapolated := false
	for _, m := range out.Methods {
		for i, n := range r.e.Fronts {
			at := func(of func(FrontOf) float64) float64 {
				return mean(m.Seeds, func(s *Seed) float64 { return of(s.Fronts[i]) })
			}
			points := fmt.Sprint(n)
			for _, s := range m.Seeds {
				if s.Fronts[i].Extrapolated {
					points = fmt.Sprintf("%d*", n)
					extrapolated = true
				}
			}
			tuned := func(of func(FrontOf) float64) float64 {
				return at(func(f FrontOf) float64 {
					if f.TunedPoints == 0 {
						return math.NaN()
					}
					return of(f)
				})
			}
			t.add(textCell(m.Label), textCell(points),
				millions(at(func(f FrontOf) float64 { return float64(f.Passes.Backward) })),
				millions(at(func(f FrontOf) float64 { return float64(f.Passes.Forward - f.Passes.Backward) })),
				numberCell("%.1f", at(func(f FrontOf) float64 { return f.seconds.Wall })),
				numberCell("%.1f", at(func(f FrontOf) float64 { return f.seconds.CPU })),
				numberCell("%.4f", at(func(f FrontOf) float64 { return f.Hypervolume })),
				millions(tuned(func(f FrontOf) float64 { return float64(f.Passes.Backward + f.TuningPasses.Backward) })),
				numberCell("%.1f", tuned(func(f FrontOf) float64 { return f.seconds.Wall + f.tuningSeconds.Wall })),
				numberCell("%.4f", tuned(func(f FrontOf) float64 { return f.TunedHypervolume })))
		}
	}
	t.note = fmt.Sprintf("Means over %s. Measured: what was spent before the first evaluation, and for each point its share of the rest. Where each penalty is a training, one point takes one, and each further point as many as it took for a further child, since several penalties may lead to one. "+
		"Trained images go forward and backward. The fp32 net that all start from is not counted. The hypervolume is that on test images, against relative %s %g and accuracy %.3g, of as many points, spread along the cost, as there are.",
		counted(len(r.e.Seeds), "search seed"), costName(out), out.Reference.Cost, out.Reference.Accuracy)
	if extrapolated {
		t.note += " *: fewer points were found, under some seed; the time is extrapolated."
	}
	return t
}

func costName(out *Results) string {
	if out.Cost.Name == "bops" {
		return "BOPs"
	}
	return out.Cost.Name
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (r *runner) qualityTable(out *Results) *table {
	t := &table{name: "quality", title: "Quality",
		head: []string{"method", "children", "on the front", "bit combinations", "widest gap", "worst overshoot", "hypervolume", "fine-tuned", "hypervolume after fine-tuning", "its spread"}}
	for _, m := range out.Methods {
		t.add(append([]cell{textCell(m.Label)}, qualityCells(m)...)...)
	}
	t.note = "Means over search seeds; overshoot is the worst of all. Bit combinations: distinct pairs of weight and input bits in the searched layers of the front. Widest gap: largest ratio of " +
		"neighbouring costs on the front. Overshoot: by how much a child exceeds the budget that it was asked for or, where a system does not tell that, the cheapest child does: 0 then says that some child keeps every budget; only of methods that are asked for budgets. The spread is that of the hypervolume over search seeds, largest less least."
	return t
}

func qualityCells(m *Method) []cell {
	at := func(of func(Quality) float64) float64 {
		return mean(m.Seeds, func(s *Seed) float64 { return of(s.Quality) })
	}
	worst, tuned, least, most := math.NaN(), math.NaN(), math.Inf(1), math.Inf(-1)
	for _, s := range m.Seeds {
		if o := s.Quality.Overshoot; o != nil && !(worst > *o) {
			worst = *o
		}
		if v := s.Quality.TunedHypervolume; v != nil {
			least, most = min(least, *v), max(most, *v)
		}
	}
	if !math.IsInf(least, 0) {
		tuned = at(func(q Quality) float64 {
			if q.TunedHypervolume == nil {
				return math.NaN()
			}
			return *q.TunedHypervolume
		})
	}
	return []cell{
		numberCell("%.3g", at(func(q Quality) float64 { return float64(q.Children) })), numberCell("%.3g", at(func(q Quality) float64 { return float64(q.OnFront) })),
		numberCell("%.3g", at(func(q Quality) float64 { return float64(q.Combinations) })), numberCell("%.2f", at(func(q Quality) float64 { return q.Gap })),
		percentCell(worst), numberCell("%.4f", at(func(q Quality) float64 { return q.Hypervolume })),
		numberCell("%.3g", at(func(q Quality) float64 { return float64(q.Tuned) })), numberCell("%.4f", tuned), numberCell("%.4f", spread(least, most))}
}

func spread(least, most float64) float64 {
	if math.IsInf(least, 0) {
		return math.NaN()
	}
	return most - least
}

func percentCell(v float64) cell {
	if math.IsNaN(v) {
		return cell{"-", []string{""}}
	}
	return cell{fmt.Sprintf("%.2f %%", 100*v), []string{fmt.Sprintf("%.6g", v)}}
}

// ablationTable sets each ablation beside the method that it changes.
func (r *runner) ablationTable(out *Results) *table {
	t := &table{name: "ablations", title: "Ablations",
		head: []string{"method", "ablation", "children", "on the front", "bit combinations", "least cost", "largest cost", "hypervolume", "tau, equal BOPs, recalibrated" + interval, "tau, equal BOPs, as trained" + interval}}
	for _, m := range out.Methods {
		rows := []*Method{m}
		for _, a := range out.Ablations {
			if a.Ablates == m.Label {
				rows = append(rows, a)
			}
		}
		if len(rows) == 1 {
			continue
		}
		for _, a := range rows {
			name := a.Label
			if a == m {
				name = "none"
			}
			at := func(of func(*Seed) float64) cell { return numberCell("%.3g", mean(a.Seeds, of)) }
			t.add(textCell(m.Label), textCell(name), at(func(s *Seed) float64 { return float64(s.Quality.Children) }),
				at(func(s *Seed) float64 { return float64(s.Quality.OnFront) }), at(func(s *Seed) float64 { return float64(s.Quality.Combinations) }),
				at(func(s *Seed) float64 { lo, _ := r.costs(s); return lo }), at(func(s *Seed) float64 { _, hi := r.costs(s); return hi }),
				numberCell("%.4f", mean(a.Seeds, func(s *Seed) float64 { return s.Quality.Hypervolume })),
				estimateCell(a.correlated(equalBOPs, "on", byLoss).Tau), estimateCell(a.correlated(equalBOPs, "off", byLoss).Tau))
		}
	}
	t.note = "Means over search seeds, before fine-tuning. Costs are relative to the all-maximum child's. Tau, by cross-entropy, needs fine-tunings that start from fp32, which ablations share with their method."
	return t
}

// costs are the relative costs of the cheapest and the dearest child of a seed.
func (r *runner) costs(s *Seed) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, p := range s.Points {
		lo, hi = min(lo, p.Cost/r.w.cost.Max()), max(hi, p.Cost/r.w.cost.Max())
	}
	return lo, hi
}
