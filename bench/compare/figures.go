package compare

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"vimps-gpu/onesot"

	"vimps-gpu/onesot/report/chart"
)

// picture is a PNG file that stands below a table.
type picture struct {
	table, file, title, caption string
	png                         []byte
}

func (r *runner) pictures(out *Results) ([]picture, error) {
	var list []picture
	for _, f := range []func(*Results) (picture, error){r.timePicture, r.frontPicture} {
		p, err := f(out)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	if !r.e.tunes() {
		return list, nil
	}
	for _, set := range []string{alongFront, equalBOPs} {
		if !r.counts(set) {
			continue
		}
		p, err := r.scatterPicture(out, set)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func labels(methods []*Method) []string {
	var out []string
	for _, m := range methods {
		out = append(out, m.Label)
	}
	return out
}

// timePicture shows what a front is worth against what it takes.
func (r *runner) timePicture(out *Results) (picture, error) {
	panels := []*plot.Plot{}
	for _, tuned := range []bool{false, true} {
		if tuned && !r.e.tunes() {
			continue
		}
		title := "Without fine-tuning"
		if tuned {
			title = "With a fine-tuning for each point"
		}
		p := newPlot(title, "images (a forward pass alone counts 1/3)", "hypervolume")
		for i, m := range out.Methods {
			var xys plotter.XYs
			for k := range r.e.Fronts {
				x := mean(m.Seeds, func(s *Seed) float64 { return s.Fronts[k].equivalent(tuned) })
				y := mean(m.Seeds, func(s *Seed) float64 { return s.Fronts[k].volume(tuned) })
				if x > 0 {
					xys = append(xys, plotter.XY{X: x, Y: y})
				}
			}
			if err := series(p, xys, i, true); err != nil {
				return picture{}, err
			}
		}
		logarithmic(p)
		panels = append(panels, p)
	}
	png, err := sheet(panels, 2, labels(out.Methods), 920, 360)
	return picture{"search-time", "search-time.png", "Pareto search time", fmt.Sprintf("From left to right: fronts of %s points. Higher and further left is better. Means over search seeds.", listed(r.e.Fronts)), png}, err
}

// logarithmic makes the horizontal axis so, where all points allow it.
func logarithmic(p *plot.Plot) {
	if p.X.Min > 0 && p.X.Max > p.X.Min && !math.IsInf(p.X.Max, 0) {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, chart.LogTicks{Label: onesot.HumanCount}
	}
}

func listed(sizes []int) string {
	out := ""
	for i, n := range sizes {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprint(n)
	}
	return out
}

// equivalent is a front's work in images forward and backward.
func (f FrontOf) equivalent(tuned bool) float64 {
	images := func(p Passes) float64 { return float64(p.Backward) + float64(p.Forward-p.Backward)/3 }
	if tuned {
		return images(f.Passes) + images(f.TuningPasses)
	}
	return images(f.Passes)
}

func (f FrontOf) volume(tuned bool) float64 {
	switch {
	case !tuned:
		return f.Hypervolume
	case f.TunedPoints == 0:
		return math.NaN()
	}
	return f.TunedHypervolume
}

// frontPicture shows the fronts of the first search seed.
func (r *runner) frontPicture(out *Results) (picture, error) {
	axis := "relative " + costName(out)
	found, tuned := newPlot("As the searches found them", axis, "test accuracy, %"), newPlot("After equal fine-tuning", axis, "test accuracy, %")
	panels := []*plot.Plot{found}
	if r.e.tunes() {
		panels = append(panels, tuned)
	}
	for i, m := range out.Methods {
		if err := series(found, r.places(onFront(m.Seeds[0].Points)), i, true); err != nil {
			return picture{}, err
		}
		if err := series(tuned, r.places(onFront(r.tunedPoints(m.Seeds[0]))), i, true); err != nil {
			return picture{}, err
		}
	}
	for _, p := range panels {
		logarithmic(p)
	}
	png, err := sheet(panels, 2, labels(out.Methods), 920, 380)
	return picture{"quality", "fronts.png", "Fronts", fmt.Sprintf("Children that no other of their method beats on validation images; search seed %d.", r.e.Seeds[0]), png}, err
}

func (r *runner) places(points []onesot.Point) plotter.XYs {
	var xys plotter.XYs
	for _, p := range points {
		xys = append(xys, plotter.XY{X: p.Cost / r.w.cost.Max(), Y: 100 * p.AccuracyTest})
	}
	return xys
}

// scatterPicture has a panel for each method: what its nets say of children against what becomes of them.
func (r *runner) scatterPicture(out *Results, set string) (picture, error) {
	var panels []*plot.Plot
	var names []string
	for _, seed := range r.e.Seeds {
		names = append(names, fmt.Sprintf("search seed %d", seed))
	}
	how := r.e.Correlation.Recalibration[0]
	for _, m := range out.Methods {
		title := m.Label
		if tau := m.correlated(set, how, byLoss).Tau; tau != nil {
			title += fmt.Sprintf(", tau %.2f", tau.Value)
		}
		p := newPlot(title, "predicted", "reached")
		if len(panels)%5 != 0 {
			p.Y.Label.Text = ""
		}
		p.X.Tick.Marker = chart.EvenTicks{About: 3}
		for i, s := range m.Seeds {
			var xys plotter.XYs
			sample, _ := r.sample(s, nil, set, how, byLoss)
			for k, score := range sample[columnMethod].Score {
				reached := 0.0
				for _, v := range sample[columnMethod].Tuned[k] {
					reached += v / float64(len(sample[columnMethod].Tuned[k]))
				}
				xys = append(xys, plotter.XY{X: score, Y: reached})
			}
			if err := series(p, xys, i, false); err != nil {
				return picture{}, err
			}
		}
		panels = append(panels, p)
	}
	png, err := sheet(panels, 5, names, 1000, 210)
	name := "correlation-" + strings.ReplaceAll(set, "_", "-")
	return picture{name, name + ".png", "Children, " + setTitles[set],
		fmt.Sprintf("Children, %s: less the cross-entropy (higher is better), predicted on validation images before and reached on test images after fine-tuning; recalibration %s.",
			setTitles[set], how), png}, err
}
