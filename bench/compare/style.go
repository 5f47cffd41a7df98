package compare

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"vimps-gpu/onesot/report/chart"
)

// seriesStyle tells ten series apart: by colours, then by the same dashed and with other marks.
func seriesStyle(i int) (c color.Color, shape draw.GlyphDrawer, dashes []vg.Length) {
	set := append(chart.Colours(), 0x000000)
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.PyramidGlyph{}, draw.PlusGlyph{}}
	if i >= len(set) {
		dashes = []vg.Length{vg.Points(4), vg.Points(2)}
	}
	return chart.RGB(set[i%len(set)]), shapes[(i+i/len(set))%len(shapes)], dashes
}

// newPlot is an empty plot with a title and a grid.
func newPlot(title, xLabel, yLabel string) *plot.Plot {
	p := chart.New(xLabel, yLabel, 10)
	p.Title.Text = title
	p.Title.TextStyle.Font = chart.Font(11)
	p.Title.Padding = vg.Points(4)
	chart.AddGrid(p)
	return p
}

// series adds points, joined by a line where asked. Points that are no numbers are left out.
func series(p *plot.Plot, xys plotter.XYs, i int, joined bool) error {
	var good plotter.XYs
	for _, xy := range xys {
		if v := xy.X + xy.Y; !math.IsNaN(v) && !math.IsInf(v, 0) {
			good = append(good, xy)
		}
	}
	if len(good) == 0 {
		return nil
	}
	c, shape, dashes := seriesStyle(i)
	if joined {
		line, err := plotter.NewLine(good)
		if err != nil {
			return err
		}
		line.Color, line.Width, line.Dashes = c, vg.Points(1.4), dashes
		p.Add(line)
	}
	dots, err := plotter.NewScatter(good)
	if err != nil {
		return err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(2.8), Shape: shape}
	p.Add(dots)
	return nil
}

// sheet draws panels in rows, and a legend of names, styled by their places, above them.
func sheet(panels []*plot.Plot, columns int, names []string, width, height float64) ([]byte, error) {
	columns = min(columns, len(panels))
	rows := (len(panels) + columns - 1) / columns
	legendRows := legendLines(names, width)
	top := 16*float64(len(legendRows)) + 8
	img, c := chart.Canvas(width, float64(rows)*height+top)
	drawLegend(c, legendRows, names)
	grid := make([][]*plot.Plot, rows)
	for i := range grid {
		grid[i] = make([]*plot.Plot, columns)
		copy(grid[i], panels[i*columns:min(len(panels), (i+1)*columns)])
	}
	below := draw.Crop(c, vg.Points(6), -vg.Points(10), vg.Points(4), -vg.Points(top))
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: vg.Points(12), PadY: vg.Points(12)}
	for i, canvases := range plot.Align(grid, tiles, below) {
		for j, canvas := range canvases {
			if grid[i][j] != nil {
				grid[i][j].Draw(canvas)
			}
		}
	}
	return chart.PNG(img)
}

const keyWidth = 34 // points that a key takes beside its name

func legendStyle() text.Style {
	return text.Style{Color: color.Gray{0x22}, Font: chart.Font(10), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
}

// legendLines breaks the legend into lines: the places of the names in each.
func legendLines(names []string, width float64) [][]int {
	var lines [][]int
	x, style := vg.Length(0), legendStyle()
	for i, name := range names {
		w := vg.Points(keyWidth) + style.Width(name)
		if len(lines) == 0 || x+w > vg.Points(width-20) {
			lines, x = append(lines, nil), 0
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], i)
		x += w
	}
	return lines
}

func drawLegend(c draw.Canvas, lines [][]int, names []string) {
	style, y := legendStyle(), c.Max.Y-vg.Points(10)
	for _, line := range lines {
		x := vg.Points(12)
		for _, i := range line {
			colour, shape, dashes := seriesStyle(i)
			c.StrokeLine2(draw.LineStyle{Color: colour, Width: vg.Points(1.4), Dashes: dashes}, x, y, x+vg.Points(18), y)
			c.DrawGlyph(draw.GlyphStyle{Color: colour, Radius: vg.Points(2.8), Shape: shape}, vg.Point{X: x + vg.Points(9), Y: y})
			c.FillText(style, vg.Point{X: x + vg.Points(22), Y: y}, names[i])
			x += vg.Points(keyWidth) + style.Width(names[i])
		}
		y -= vg.Points(16)
	}
}
