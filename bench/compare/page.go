package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// allTimes are what times.json holds.
type allTimes struct {
	Name    string           `json:"name"`
	Version string           `json:"version"`
	Machine string           `json:"machine"`
	Total   Times            `json:"total"`
	Units   map[string]Times `json:"units"`
}

// write sums the units up: results.json and times.json, a CSV file a table, pictures, and results.md with all of it.
func (r *runner) write() error {
	out, times, err := r.gather()
	if err != nil {
		return err
	}
	r.tuningSeconds(out, times)
	if err := r.store.writeJSON(resultsFile, out); err != nil {
		return err
	}
	total := Times{}
	for _, id := range slices.Sorted(maps.Keys(times)) {
		total.Wall, total.CPU, total.PeakBytes = total.Wall+times[id].Wall, total.CPU+times[id].CPU, max(total.PeakBytes, times[id].PeakBytes)
	}
	if err := r.store.writeJSON(timesFile, allTimes{r.e.Name, r.o.Version, r.o.Machine, total, times}); err != nil {
		return err
	}
	tables := r.tables(out)
	for _, t := range tables {
		if err := r.store.writeFile(t.name+".csv", t.csv()); err != nil {
			return err
		}
	}
	pictures, err := r.pictures(out)
	if err != nil {
		return err
	}
	for _, p := range pictures {
		if err := r.store.writeFile(p.file, p.png); err != nil {
			return err
		}
	}
	return r.store.writeFile("results.md", []byte(r.page(out, total, tables, pictures)))
}

// tuningSeconds adds to each front the mean time of its children's fine-tunings.
func (r *runner) tuningSeconds(out *Results, times map[string]Times) {
	sum, n := Times{}, 0
	for id, t := range times {
		if strings.HasPrefix(id, "tune-") {
			sum.Wall, sum.CPU, n = sum.Wall+t.Wall, sum.CPU+t.CPU, n+1
		}
	}
	for _, m := range out.Methods {
		for _, s := range m.Seeds {
			for i := range s.Fronts {
				f := &s.Fronts[i]
				f.tuningSeconds = Times{Wall: float64(f.Size) * sum.Wall / float64(max(1, n)), CPU: float64(f.Size) * sum.CPU / float64(max(1, n))}
			}
		}
	}
}

func (r *runner) page(out *Results, total Times, tables []*table, pictures []picture) string {
	var b strings.Builder
	e := r.e
	fmt.Fprintf(&b, "# %s\n\n", e.Name)
	fmt.Fprintf(&b, "    vimps-gpu bench run %s\n\n", e.path)
	fmt.Fprintf(&b, "%s on %s, %d training and %d validation images, %d test images; fp32 %.2f %% on test. %s, schedule %s, search seeds %v. ",
		e.Model, e.data, r.w.fp32.Train.Len(), r.w.fp32.Val.Len(), r.w.set.Test.Len(), 100*out.FP32.Test, counted(len(out.Methods), "method"), e.Schedule, e.Seeds)
	if e.HoldOutTest > 0 {
		fmt.Fprintf(&b, "The validation images are a share of %g of the data's test images, which are no test images here. ", e.HoldOutTest)
	}
	if e.Noise > 0 {
		fmt.Fprintf(&b, "Every pixel carries noise of deviation %g. ", e.Noise)
	}
	if e.tunes() {
		fmt.Fprintf(&b, "Fine-tuning: %s from %s, learning rate %g, seeds %v. ", counted(e.Finetune.Epochs, "epoch"), r.startName(), e.Finetune.LearningRate, e.Finetune.Seeds)
	}
	fmt.Fprintf(&b, "All units together took %.2f hours, %.2f CPU hours, on %s; vimps-gpu %s, arithmetic %s.\n", total.Wall/3600, total.CPU/3600, r.o.Machine, r.o.Version, out.Arithmetic)
	fmt.Fprintf(&b, "\nEvery number is in `%s` (the same for equal runs), every time in `%s`, every table beside them as CSV.\n", resultsFile, timesFile)
	for _, t := range tables {
		if t.quiet {
			continue
		}
		fmt.Fprintf(&b, "\n%s", t.markdown())
		for _, p := range pictures {
			if p.table == t.name {
				fmt.Fprintf(&b, "\n![%s](%s)\n\n%s\n", p.title, p.file, p.caption)
			}
		}
	}
	return b.String()
}
