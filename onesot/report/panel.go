package report

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// key is one entry of a legend.
type key struct {
	name  string
	thumb plot.Thumbnailer
}

// swatch is a filled square in a legend.
type swatch struct{ fill color.Color }

func (s swatch) Thumbnail(c *draw.Canvas) {
	mid, half := c.Center(), (c.Max.Y-c.Min.Y)/2
	c.FillPolygon(s.fill, c.ClipPolygonY([]vg.Point{
		{X: mid.X - half, Y: mid.Y - half}, {X: mid.X + half, Y: mid.Y - half},
		{X: mid.X + half, Y: mid.Y + half}, {X: mid.X - half, Y: mid.Y + half},
	}))
}

func style(p *plot.Plot, size float64, c color.Color) text.Style {
	return text.Style{Color: c, Font: textFont(size), YAlign: draw.YCenter, Handler: p.TextHandler}
}

// panel is one plot of a picture, with its title and its legend above it, where
// they cannot cover data.
type panel struct {
	plot  *plot.Plot
	title string
	keys  []key
}

const (
	titleHeight  = 20 // points
	legendHeight = 18
)

// drawRow draws panels side by side with data areas of one size.
func drawRow(c draw.Canvas, panels []panel) {
	plots := []*plot.Plot{}
	legend := false
	for _, p := range panels {
		plots = append(plots, p.plot)
		legend = legend || len(p.keys) > 0
	}
	top := vg.Points(titleHeight)
	if legend {
		top += vg.Points(legendHeight)
	}
	tiles := draw.Tiles{Cols: len(panels), Rows: 1, PadX: vg.Points(18)}
	below := draw.Crop(c, vg.Points(8), -vg.Points(12), vg.Points(6), -top-vg.Points(4))
	for i, tile := range plot.Align([][]*plot.Plot{plots}, tiles, below)[0] {
		p := panels[i]
		p.plot.Draw(tile)
		data := p.plot.DataCanvas(tile)
		y := c.Max.Y - vg.Points(titleHeight/2+2)
		c.FillText(style(p.plot, 12, color.Black), vg.Point{X: data.Min.X, Y: y}, p.title)
		drawKeys(c, p, data.Min.X, y-vg.Points((titleHeight+legendHeight)/2))
	}
}

// drawKeys lays the legend out from left to right.
func drawKeys(c draw.Canvas, p panel, x, y vg.Length) {
	sty := style(p.plot, 10, color.Gray{0x22})
	for _, k := range p.keys {
		box := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: x, Y: y - vg.Points(5)}, Max: vg.Point{X: x + vg.Points(20), Y: y + vg.Points(5)}}}
		k.thumb.Thumbnail(&box)
		x += vg.Points(24)
		c.FillText(sty, vg.Point{X: x, Y: y}, k.name)
		x += sty.Width(k.name) + vg.Points(14)
	}
}
