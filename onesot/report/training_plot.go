package report

import (
	"math"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/report/chart"
)

// curve is one line of a training panel.
type curve struct {
	name  string
	value func(MetricRow) float64
}

// trainingPicture shows how the terms of the objective, the gates' entropy and
// the cost went over the epochs.
func (r *Report) trainingPicture() (picture, error) {
	unit := "nats"
	if r.Front.Metric == onesot.ByPSNR {
		unit = "pixel difference (black to white = 1)"
	}
	rows := [][]struct {
		title, axis string
		curves      []curve
	}{{
		{"Loss", unit, []curve{
			{"task", func(m MetricRow) float64 { return m.Task }},
			{"whole objective", func(m MetricRow) float64 { return m.Loss }}}},
		{"Other terms of the objective", unit, []curve{
			{"hardware", func(m MetricRow) float64 { return m.Hardware }},
			{"prior", func(m MetricRow) float64 { return m.Prior }},
			{"similarity", func(m MetricRow) float64 { return m.Similarity }}}},
	}, {
		{"Entropy of the gates", "nats, mean over gates", []curve{
			{"entropy", func(m MetricRow) float64 { return m.Entropy }}}},
		{"Cost at the etas drawn", "relative to the all-maximum child", []curve{
			{"expected", func(m MetricRow) float64 { return m.ExpectedCost }},
			{"argmax", func(m MetricRow) float64 { return m.ArgmaxCost }}}},
	}}
	const width, height = 920, 560
	img, c := chart.Canvas(width, height)
	for i, row := range rows {
		var panels []panel
		for _, spec := range row {
			p, err := r.curves(spec.axis, spec.curves)
			if err != nil {
				return picture{}, err
			}
			p.title = spec.title
			panels = append(panels, p)
		}
		drawRow(draw.Crop(c, 0, 0, vg.Points(height/2*float64(1-i)), -vg.Points(height/2*float64(i))), panels)
	}
	png, err := chart.PNG(img)
	return picture{"training.png", "Training", "Means over what was drawn in each epoch. The horizontal axis is in epochs.", png}, err
}

func (r *Report) curves(axis string, curves []curve) (panel, error) {
	p := panel{plot: newPlot("epoch", axis)}
	chart.AddGrid(p.plot)
	for i, cv := range curves {
		var xys plotter.XYs
		for _, m := range r.Metrics {
			if y := cv.value(m); !math.IsNaN(y) && !math.IsInf(y, 0) {
				xys = append(xys, plotter.XY{X: m.Epoch, Y: y})
			}
		}
		if len(xys) == 0 {
			continue // a term that this method does not have
		}
		var dashes []vg.Length
		if i == 1 {
			dashes = []vg.Length{vg.Points(6), vg.Points(2)} // told apart without colour too
		} else if i == 2 {
			dashes = []vg.Length{vg.Points(2), vg.Points(2)}
		}
		line, err := lineOf(xys, seriesColour(i), dashes...)
		if err != nil {
			return panel{}, err
		}
		p.plot.Add(line)
		p.keys = append(p.keys, key{cv.name, line})
	}
	return p, nil
}
