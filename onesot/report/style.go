package report

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"vimps-gpu/onesot/report/chart"
	"vimps-gpu/quant"
)

// seriesColour is the i-th series'.
func seriesColour(i int) color.Color {
	set := chart.Colours()
	return chart.RGB(set[i%len(set)])
}

// bitColours grow darker with the bits (ColorBrewer YlGnBu): the order survives
// colour blindness and grey print. Index 0 is not used.
var bitColours = [quant.MaxBits + 1]uint32{0, 0xfff9c4, 0xf0e68c, 0xb5dc8a, 0x6cc4a4, 0x41b6c4, 0x2c8dbe, 0x2a5fa8, 0x1b2a6b}

func newPlot(xLabel, yLabel string) *plot.Plot { return chart.New(xLabel, yLabel, 11) }

func lineOf(xys plotter.XYs, c color.Color, dashes ...vg.Length) (*plotter.Line, error) {
	line, err := plotter.NewLine(xys)
	if err != nil {
		return nil, err
	}
	line.Color, line.Width, line.Dashes = c, vg.Points(1.6), dashes
	return line, nil
}
