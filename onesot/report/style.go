package report

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"vimps-gpu/quant"
)

const dotsPerInch = 144

func rgb(hex uint32) color.Color {
	return color.RGBA{uint8(hex >> 16), uint8(hex >> 8), uint8(hex), 0xff}
}

// seriesColour is from the set of Okabe and Ito, which readers with any kind of
// colour blindness can tell apart; the yellow, too light for lines, is left out.
func seriesColour(i int) color.Color {
	set := []uint32{0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9}
	return rgb(set[i%len(set)])
}

// bitColours grow darker with the bits (ColorBrewer YlGnBu): the order survives
// colour blindness and grey print. Index 0 is not used.
var bitColours = [quant.MaxBits + 1]uint32{0, 0xfff9c4, 0xf0e68c, 0xb5dc8a, 0x6cc4a4, 0x41b6c4, 0x2c8dbe, 0x2a5fa8, 0x1b2a6b}

func textFont(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

// newPlot is an empty plot in the house style: sans-serif, a light grid, grey axes.
func newPlot(xLabel, yLabel string) *plot.Plot {
	p := plot.New()
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font = textFont(11)
		a.Label.Padding = vg.Points(4)
		a.Tick.Label.Font = textFont(10)
		a.LineStyle.Color = color.Gray{0x66}
		a.Tick.LineStyle.Color = color.Gray{0x66}
		a.Tick.Marker = evenTicks{}
	}
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	return p
}

func addGrid(p *plot.Plot) {
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe2}, color.Gray{0xe2}
	p.Add(grid)
}

func lineOf(xys plotter.XYs, c color.Color, dashes ...vg.Length) (*plotter.Line, error) {
	line, err := plotter.NewLine(xys)
	if err != nil {
		return nil, err
	}
	line.Color, line.Width, line.Dashes = c, vg.Points(1.6), dashes
	return line, nil
}

// evenTicks labels every 1, 2 or 5 times a power of ten, five or so in all, with
// as many decimals as tell them apart.
type evenTicks struct{}

func (evenTicks) Ticks(lo, hi float64) []plot.Tick {
	rough := (hi - lo) / 5
	if !(rough > 0) {
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
	decimals := max(0, int(-exponent))
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+1e-9*step; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step+0, 'f', decimals, 64)})
	}
	return ticks
}

// logTicks labels 1, 2 and 5 of each decade, and only 1 over a wide range.
type logTicks struct{}

func (logTicks) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	wide := math.Log10(hi/lo) > 2.5
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for m := 1; m <= 9; m++ {
			t := plot.Tick{Value: float64(m) * math.Pow(10, e)}
			if m == 1 || !wide && (m == 2 || m == 5) {
				t.Label = strconv.FormatFloat(t.Value, 'g', 3, 64)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// canvas is a white picture of the given size in points.
func canvas(w, h float64) (*vgimg.Canvas, draw.Canvas) {
	img := vgimg.NewWith(vgimg.UseWH(vg.Points(w), vg.Points(h)), vgimg.UseDPI(dotsPerInch))
	return img, draw.New(img)
}

func encodePNG(img *vgimg.Canvas) ([]byte, error) {
	var out bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(&out); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return out.Bytes(), nil
}
