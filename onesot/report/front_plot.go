package report

import (
	"cmp"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/report/chart"
)

// frontPicture shows cost against accuracy, or PSNR, twice: on the validation split, which
// chose the front, and on the test split, which is only reported.
func (r *Report) frontPicture() (picture, error) {
	var panels []panel
	m := r.Front.Metric
	for _, split := range []struct {
		title    string
		accuracy func(onesot.Point) float64
		fp32     func(onesot.Accuracy) float64
	}{
		{"Validation split (selects the front)", func(p onesot.Point) float64 { return p.AccuracyVal }, func(a onesot.Accuracy) float64 { return a.Val }},
		{"Test split (is only reported)", func(p onesot.Point) float64 { return p.AccuracyTest }, func(a onesot.Accuracy) float64 { return a.Test }},
	} {
		b := &frontPanel{front: r.Front, accuracy: split.accuracy}
		b.plot = newPlot(r.costLabel(), m.Name()+", "+m.Unit())
		chart.AddGrid(b.plot)
		if r.costsArePositive() { // a user's table may hold zeros
			b.plot.X.Scale, b.plot.X.Tick.Marker = plot.LogScale{}, chart.LogTicks{}
		}
		if err := b.add(r.Baselines); err != nil {
			return picture{}, err
		}
		if r.Front.FP32 != nil {
			b.addLevel("fp32", m.Scale()*split.fp32(*r.Front.FP32), vg.Points(5), vg.Points(3))
		}
		if r.Front.Bicubic != nil {
			b.addLevel("bicubic", m.Scale()*split.fp32(*r.Front.Bicubic), vg.Points(1), vg.Points(3))
		}
		panels = append(panels, panel{b.plot, split.title, b.keys})
	}
	shareRange(panels, m)
	img, c := chart.Canvas(920, 420)
	drawRow(c, panels)
	png, err := chart.PNG(img)
	return picture{"front.png", strings.ToUpper(m.Name()[:1]) + m.Name()[1:] + " against cost",
		"Each dot is a child of the one supernet. The line joins those that no other child beats on the validation split.", png}, err
}

// costsArePositive reports that a logarithmic axis can show every point.
func (r *Report) costsArePositive() bool {
	free := func(p onesot.Point) bool { return p.Cost <= 0 }
	for _, b := range r.Baselines {
		if slices.ContainsFunc(b.Points, free) {
			return false
		}
	}
	return !slices.ContainsFunc(r.Front.Points, free)
}

// costLabel names the horizontal axis.
func (r *Report) costLabel() string {
	name := r.Front.Cost.Name
	if name == "bops" {
		name = "BOPs"
	}
	return "relative " + name + " (all-maximum child = 1)"
}

// shareRange gives all panels the same axes, with a little room at the ends.
func shareRange(panels []panel, m onesot.Metric) {
	x, y := panels[0].plot.X, panels[0].plot.Y
	for _, p := range panels {
		x.Min, x.Max = min(x.Min, p.plot.X.Min), max(x.Max, p.plot.X.Max)
		y.Min, y.Max = min(y.Min, p.plot.Y.Min), max(y.Max, p.plot.Y.Max)
	}
	room := max(0.5, (y.Max-y.Min)*0.04)
	for _, p := range panels {
		p.plot.X.Min, p.plot.X.Max = x.Min/1.12, x.Max*1.12
		p.plot.Y.Min, p.plot.Y.Max = y.Min-room, y.Max+room
		if m == onesot.ByAccuracy {
			p.plot.Y.Max = min(p.plot.Y.Max, 100+room/2)
		}
	}
}

// frontPanel collects what is drawn in one panel, and its legend.
type frontPanel struct {
	front    *onesot.Front
	accuracy func(onesot.Point) float64
	plot     *plot.Plot
	keys     []key
}

func (b *frontPanel) place(points []onesot.Point) plotter.XYs {
	var xys plotter.XYs
	for _, p := range points {
		xys = append(xys, plotter.XY{X: p.Cost / b.front.Cost.Max, Y: b.front.Metric.Scale() * b.accuracy(p)})
	}
	return xys
}

func (b *frontPanel) add(baselines []Baseline) error {
	for i, base := range baselines {
		shapes := []draw.GlyphDrawer{draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}}
		if err := b.addDots(base.Name, base.Points, seriesColour(i+1), shapes[i%len(shapes)]); err != nil {
			return err
		}
		if err := b.addLabels(base); err != nil {
			return err
		}
	}
	var on, off []onesot.Point
	for _, p := range b.front.Points {
		if p.OnFront {
			on = append(on, p)
		} else {
			off = append(off, p)
		}
	}
	slices.SortFunc(on, func(p, q onesot.Point) int { return cmp.Compare(p.Cost, q.Cost) })
	if err := b.addDots("dominated", off, color.Gray{0x99}, draw.RingGlyph{}); err != nil {
		return err
	}
	line, err := lineOf(b.place(on), seriesColour(0))
	if err != nil {
		return err
	}
	b.plot.Add(line)
	return b.addDots("front", on, seriesColour(0), draw.CircleGlyph{})
}

func (b *frontPanel) addDots(name string, points []onesot.Point, c color.Color, shape draw.GlyphDrawer) error {
	if len(points) == 0 {
		return nil
	}
	dots, err := plotter.NewScatter(b.place(points))
	if err != nil {
		return err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(3.2), Shape: shape}
	b.plot.Add(dots)
	b.keys = append(b.keys, key{name, dots})
	return nil
}

// addLabels writes beside each point, from the bottom up, keeping labels of
// points of one cost apart.
func (b *frontPanel) addLabels(base Baseline) error {
	if base.Labels == nil {
		return nil
	}
	places := b.place(base.Points)
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(places[i].Y, places[j].Y) })
	var done plotter.XYs
	for _, i := range order {
		at := places[i]
		labels, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{at}, Labels: base.Labels[i : i+1]})
		if err != nil {
			return err
		}
		labels.TextStyle[0].Font = chart.Font(8.5)
		labels.TextStyle[0].Color = color.Gray{0x44}
		labels.TextStyle[0].YAlign = draw.YCenter
		labels.Offset.X, labels.Offset.Y = vg.Points(5), -vg.Points(4)
		switch crowd(done, at) {
		case 0:
		case 1: // W4A2 beside W2A4: to the other side
			labels.TextStyle[0].XAlign = draw.XRight
			labels.Offset.X = -labels.Offset.X
		default: // and W8A2 beside W4A4 and W2A8: above
			labels.TextStyle[0].XAlign = draw.XCenter
			labels.Offset.X, labels.Offset.Y = 0, vg.Points(8)
		}
		b.plot.Add(labels)
		done = append(done, at)
	}
	return nil
}

// crowd counts the places of about the same cost, whose labels would collide.
func crowd(before plotter.XYs, at plotter.XY) (n int) {
	for _, p := range before {
		if math.Abs(p.X-at.X) < 0.1*at.X {
			n++
		}
	}
	return n
}

// addLevel draws a horizontal line right across the panel.
func (b *frontPanel) addLevel(name string, y float64, dashes ...vg.Length) {
	level := plotter.NewFunction(func(float64) float64 { return y })
	level.Color, level.Width, level.Dashes = color.Black, vg.Points(1), dashes
	level.Samples = 2
	b.plot.Add(level)
	b.plot.Y.Min, b.plot.Y.Max = min(b.plot.Y.Min, y), max(b.plot.Y.Max, y)
	b.keys = append(b.keys, key{name, level})
}
