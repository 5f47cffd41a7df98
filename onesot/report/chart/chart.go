// Package chart is the look that all pictures of the program share: sans-serif, a light grid, grey axes, colours that
// readers with any kind of colour blindness can tell apart.
package chart

import (
	"bytes"
	"cmp"
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
)

const dotsPerInch = 144

// RGB is a colour by its six hexadecimal digits.
func RGB(hex uint32) color.Color {
	return color.RGBA{uint8(hex >> 16), uint8(hex >> 8), uint8(hex), 0xff}
}

// Colours are those of Okabe and Ito without the yellow, which is too light for lines.
func Colours() []uint32 { return []uint32{0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9} }

// Font is the text's, of a size in points.
func Font(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

// New is an empty plot with axis labels of a size in points, tick labels a point smaller.
func New(xLabel, yLabel string, size float64) *plot.Plot {
	p := plot.New()
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font = Font(size)
		a.Label.Padding = vg.Points(4)
		a.Tick.Label.Font = Font(size - 1)
		a.LineStyle.Color = color.Gray{0x66}
		a.Tick.LineStyle.Color = color.Gray{0x66}
		a.Tick.Marker = EvenTicks{}
	}
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	return p
}

// AddGrid adds a light grid.
func AddGrid(p *plot.Plot) {
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe2}, color.Gray{0xe2}
	p.Add(grid)
}

// EvenTicks labels every 1, 2 or 5 times a power of ten, About so many in all, with
// as many decimals as tell them apart.
type EvenTicks struct{ About int } // intervals; 0: 5

// Ticks implements plot.Ticker.
func (e EvenTicks) Ticks(lo, hi float64) []plot.Tick {
	rough := (hi - lo) / float64(cmp.Or(e.About, 5))
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
	decimals := max(0, int(-exponent))
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+1e-9*step; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step+0, 'f', decimals, 64)})
	}
	return ticks
}

// LogTicks labels 1, 2 and 5 of each decade, only 1 over a wide range, and all over a narrow one.
type LogTicks struct{ Label func(float64) string }

// Ticks implements plot.Ticker.
func (l LogTicks) Ticks(lo, hi float64) []plot.Tick {
	label := l.Label
	if label == nil {
		label = func(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
	}
	var ticks []plot.Tick
	decades := math.Log10(hi / lo)
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for m := 1; m <= 9; m++ {
			t := plot.Tick{Value: float64(m) * math.Pow(10, e)}
			if m == 1 || decades < 2.5 && (m == 2 || m == 5) || decades < 0.7 {
				t.Label = label(t.Value)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// Canvas is a white picture of the given size in points.
func Canvas(w, h float64) (*vgimg.Canvas, draw.Canvas) {
	img := vgimg.NewWith(vgimg.UseWH(vg.Points(w), vg.Points(h)), vgimg.UseDPI(dotsPerInch))
	return img, draw.New(img)
}

// PNG encodes a picture.
func PNG(img *vgimg.Canvas) ([]byte, error) {
	var out bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(&out); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return out.Bytes(), nil
}
