package compare

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"vimps-gpu/onesot"
)

// The pictures look as those of onesot/report do.

func rgb(hex uint32) color.Color {
	return color.RGBA{uint8(hex >> 16), uint8(hex >> 8), uint8(hex), 0xff}
}

// seriesStyle tells ten series apart: colours of the set of Okabe and Ito, which readers with any kind of colour
// blindness can tell apart, then the same dashed and with other marks.
func seriesStyle(i int) (c color.Color, shape draw.GlyphDrawer, dashes []vg.Length) {
	set := []uint32{0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x000000}
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.PyramidGlyph{}, draw.PlusGlyph{}}
	if i >= len(set) {
		dashes = []vg.Length{vg.Points(4), vg.Points(2)}
	}
	return rgb(set[i%len(set)]), shapes[(i+i/len(set))%len(shapes)], dashes
}

func textFont(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

// newPlot is an empty plot: sans-serif, a light grid, grey axes.
func newPlot(title, xLabel, yLabel string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font = textFont(11)
	p.Title.Padding = vg.Points(4)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font = textFont(10)
		a.Tick.Label.Font = textFont(9)
		a.LineStyle.Color, a.Tick.LineStyle.Color = color.Gray{0x66}, color.Gray{0x66}
		a.Tick.Marker = evenTicks{}
	}
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe2}, color.Gray{0xe2}
	p.Add(grid)
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

// evenTicks labels every 1, 2 or 5 times a power of ten, about four in all.
type evenTicks struct{}

func (evenTicks) Ticks(lo, hi float64) []plot.Tick {
	rough := (hi - lo) / 4
	if !(rough > 0) || math.IsInf(rough, 0) {
		return []plot.Tick{{Value: lo, Label: strconv.FormatFloat(lo, 'g', 4, 64)}}
	}
	exponent := math.Floor(math.Log10(rough))
	step := math.Pow(10, exponent)
	for _, m := range []float64{5, 2} {
		if m*step <= rough*1.2 {
			step *= m
			break
		}
	}
	var ticks []plot.Tick
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+1e-9*step; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step+0, 'f', max(0, int(-exponent)), 64)})
	}
	return ticks
}

// logTicks labels 1, 2 and 5 of each decade, only 1 over a wide range, and all over a narrow one.
type logTicks struct{}

func (logTicks) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	decades := math.Log10(hi / lo)
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for m := 1; m <= 9; m++ {
			t := plot.Tick{Value: float64(m) * math.Pow(10, e)}
			if m == 1 || decades < 2.5 && (m == 2 || m == 5) || decades < 0.7 {
				t.Label = onesot.HumanCount(t.Value)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// sheet draws panels in rows, and a legend of names, styled by their places, above them.
func sheet(panels []*plot.Plot, columns int, names []string, width, height float64) ([]byte, error) {
	columns = min(columns, len(panels))
	rows := (len(panels) + columns - 1) / columns
	legendRows := legendLines(names, width)
	top := 16*float64(len(legendRows)) + 8
	img := vgimg.NewWith(vgimg.UseWH(vg.Points(width), vg.Points(float64(rows)*height+top)), vgimg.UseDPI(144))
	c := draw.New(img)
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
	var out bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(&out); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return out.Bytes(), nil
}

const keyWidth = 34 // points that a key takes beside its name

func legendStyle() text.Style {
	return text.Style{Color: color.Gray{0x22}, Font: textFont(10), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
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
