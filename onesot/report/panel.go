package report

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"vimps-gpu/onesot/report/chart"
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
	return text.Style{Color: c, Font: chart.Font(size), YAlign: draw.YCenter, Handler: p.TextHandler}
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
	// Data areas are narrower than this by their axis labels and padding.
	width := (c.Max.X-c.Min.X)/vg.Length(len(panels)) - vg.Points(90)
	rows := 0
	for _, p := range panels {
		plots = append(plots, p.plot)
		rows = max(rows, len(p.legendRows(width)))
	}
	top := vg.Points(titleHeight + float64(rows*legendHeight))
	tiles := draw.Tiles{Cols: len(panels), Rows: 1, PadX: vg.Points(18)}
	below := draw.Crop(c, vg.Points(8), -vg.Points(12), vg.Points(6), -top-vg.Points(4))
	for i, tile := range plot.Align([][]*plot.Plot{plots}, tiles, below)[0] {
		p := panels[i]
		p.plot.Draw(tile)
		data := p.plot.DataCanvas(tile)
		y := c.Max.Y - vg.Points(titleHeight/2+2)
		c.FillText(style(p.plot, 12, color.Black), vg.Point{X: data.Min.X, Y: y}, p.title)
		y -= vg.Points((titleHeight + legendHeight) / 2)
		for _, keys := range p.legendRows(width) {
			drawKeys(c, p, keys, data.Min.X, y)
			y -= vg.Points(legendHeight)
		}
	}
}

const (
	keyThumb = 24 // points that a key takes before its name
	keyGap   = 14 // and after it
)

// legendRows breaks the legend into rows of at most the given width.
func (p panel) legendRows(width vg.Length) [][]key {
	var rows [][]key
	sty, x := style(p.plot, 10, color.Black), vg.Length(0)
	for _, k := range p.keys {
		w := vg.Points(keyThumb+keyGap) + sty.Width(k.name)
		if len(rows) == 0 || x+w > width {
			rows, x = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], k)
		x += w
	}
	return rows
}

// drawKeys lays one row of the legend out from left to right.
func drawKeys(c draw.Canvas, p panel, keys []key, x, y vg.Length) {
	sty := style(p.plot, 10, color.Gray{0x22})
	for _, k := range keys {
		box := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: x, Y: y - vg.Points(5)}, Max: vg.Point{X: x + vg.Points(20), Y: y + vg.Points(5)}}}
		k.thumb.Thumbnail(&box)
		x += vg.Points(keyThumb)
		c.FillText(sty, vg.Point{X: x, Y: y}, k.name)
		x += sty.Width(k.name) + vg.Points(keyGap)
	}
}
