package report

import (
	"fmt"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"vimps-gpu/onesot/report/chart"
	"vimps-gpu/quant"
)

// gateGrid draws one row for each layer and one column for each eta. A cell is a
// stack of bit widths, fewest bits at the bottom; its parts sum to 1.
type gateGrid struct {
	rows, columns int
	gap           float64                               // between rows, as a share of a row
	cell          func(row, column int) (parts []share) // nil leaves the cell empty
}

type share struct {
	bits int
	part float64
}

// Plot implements plot.Plotter.
func (g gateGrid) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	// A part is drawn up to the top and to the right end of its row and then
	// covered by those that follow: side by side, they would leave seams.
	right := tx(float64(g.columns))
	for row := range g.rows {
		bottom := float64(g.rows-1-row) + g.gap/2
		top := ty(bottom + 1 - g.gap)
		for column := range g.columns {
			left, below := tx(float64(column)), 0.0
			for _, s := range g.cell(row, column) {
				y := ty(bottom + below*(1-g.gap))
				c.FillPolygon(chart.RGB(bitColours[s.bits]), []vg.Point{{X: left, Y: y}, {X: right, Y: y}, {X: right, Y: top}, {X: left, Y: top}})
				below += s.part
			}
		}
	}
}

// DataRange implements plot.DataRanger.
func (g gateGrid) DataRange() (xmin, xmax, ymin, ymax float64) {
	return 0, float64(g.columns), 0, float64(g.rows)
}

// bitsPicture shows the bits that the argmax child has at each eta.
func (r *Report) bitsPicture() (picture, error) {
	png, err := r.gatePicture(18, 0.12, func(layer, eta int, k quant.Kind) []share {
		w, x := r.Children[eta].Bits(layer)
		if k == quant.Input {
			w = x
		}
		return []share{{w, 1}}
	})
	return picture{"bits.png", "Bits of every layer along eta",
		"The child that each eta of the sweep stands for; cheap children are on the right. Pinned layers are marked with *.", png}, err
}

// piPicture shows the probability of each candidate of each searched gate.
func (r *Report) piPicture() (picture, error) {
	index := map[gateKey]int{}
	for i, g := range r.Space.Gates() {
		index[gateKey{g.Layer, g.Kind}] = i
		for _, tied := range g.Tied {
			index[gateKey{tied, g.Kind}] = i
		}
	}
	png, err := r.gatePicture(28, 0.22, func(layer, eta int, k quant.Kind) []share {
		g := r.Space.Gate(layer, k)
		i, searched := index[gateKey{layer, k}]
		if !searched {
			return []share{{g.Bits[0], 1}}
		}
		var parts []share
		for j, p := range r.Pi[eta][i] {
			parts = append(parts, share{g.Bits[j], float64(p)})
		}
		return parts
	})
	return picture{"pi.png", "Probability of every bit width along eta",
		"pi of every gate: the height of a colour is the probability of that bit width. Where one colour fills the row, the gate is decided.", png}, err
}

type gateKey struct {
	layer int
	kind  quant.Kind
}

// gatePicture draws weights and inputs side by side; rowHeight is in points.
func (r *Report) gatePicture(rowHeight, gap float64, cell func(layer, eta int, k quant.Kind) []share) ([]byte, error) {
	layers, etas := len(r.Space.Layers), len(r.Etas)
	var panels []panel
	for _, side := range []struct {
		kind  quant.Kind
		title string
	}{{quant.Weight, "Weights"}, {quant.Input, "Inputs"}} {
		p := newPlot("eta (one column for each eta of the sweep)", "")
		p.Add(gateGrid{layers, etas, gap, func(row, column int) []share { return cell(row, column, side.kind) }})
		p.X.Padding, p.Y.Padding = 0, 0
		p.X.Tick.Marker = plot.ConstantTicks(etaTicks(r.Etas))
		p.Y.Tick.Marker = plot.ConstantTicks(r.layerTicks(side.kind))
		p.Y.Tick.Length, p.Y.LineStyle.Width, p.X.LineStyle.Width = 0, 0, 0
		panels = append(panels, panel{plot: p, title: side.title})
	}
	panels[0].keys = bitKeys(r.Space)
	img, c := chart.Canvas(920, float64(layers)*rowHeight+titleHeight+legendHeight+50)
	drawRow(c, panels)
	return chart.PNG(img)
}

// layerTicks names the rows; a layer whose gate is pinned is marked.
func (r *Report) layerTicks(k quant.Kind) []plot.Tick {
	var ticks []plot.Tick
	n := len(r.Space.Layers)
	for layer, l := range r.Space.Layers {
		name := l.Name
		if r.Space.Gate(layer, k).Pinned() {
			name += " *"
		}
		ticks = append(ticks, plot.Tick{Value: float64(n-1-layer) + 0.5, Label: name})
	}
	return ticks
}

// etaTicks labels about six columns, both ends among them.
func etaTicks(etas []float64) []plot.Tick {
	var ticks []plot.Tick
	const labels = 6
	n := min(labels, len(etas))
	for i := range n {
		column := 0
		if n > 1 {
			column = i * (len(etas) - 1) / (n - 1)
		}
		ticks = append(ticks, plot.Tick{Value: float64(column) + 0.5, Label: strconv.FormatFloat(etas[column], 'g', 2, 64)})
	}
	return ticks
}

// bitKeys lists every width that some gate can have.
func bitKeys(s *quant.Space) []key {
	present := [quant.MaxBits + 1]bool{}
	for layer := range s.Layers {
		for _, k := range []quant.Kind{quant.Weight, quant.Input} {
			for _, b := range s.Gate(layer, k).Bits {
				present[b] = true
			}
		}
	}
	var keys []key
	for b, there := range present {
		if there {
			keys = append(keys, key{fmt.Sprintf("%d bits", b), swatch{chart.RGB(bitColours[b])}})
		}
	}
	return keys
}
