package quant

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ReadCSV reads a cost table that was measured elsewhere, such as latency on a
// device. The first line is the heading
//
//	layer,weight_bits,input_bits,cost
//
// where cost may carry a unit (cost_ms). Lines that start with # are skipped.
// Every layer of the space, pinned ones too, needs a line for each pair of its
// candidates; lines for other bits are allowed and not used. Costs are finite and
// not negative. An error names the file and the line.
func ReadCSV(path string, s *Space) (*CostTable, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cost table: %w", err)
	}
	defer f.Close()
	t, err := parseCSV(f, s)
	if err != nil {
		return nil, fmt.Errorf("cost table %s: %w", path, err)
	}
	t.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	t.Definition = "read from " + filepath.Base(path)
	return t, nil
}

func parseCSV(r io.Reader, s *Space) (*CostTable, error) {
	lines := csv.NewReader(r)
	lines.Comment = '#'
	lines.FieldsPerRecord = 4
	lines.TrimLeadingSpace = true
	unit, err := readHeading(lines)
	if err != nil {
		return nil, err
	}
	t := newTable(s, "", unit, "", func(Layer, int, int) float64 { return math.NaN() })
	seen := map[csvKey]int{}
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err // encoding/csv names the line
		}
		line, _ := lines.FieldPos(0)
		if err := t.addLine(fields, line, seen); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	return t, t.checkFull()
}

// readHeading checks the first line and returns the unit that it names.
func readHeading(lines *csv.Reader) (unit string, err error) {
	heading, err := lines.Read()
	if errors.Is(err, io.EOF) {
		return "", fmt.Errorf("the file is empty; want the heading layer,weight_bits,input_bits,cost")
	}
	if err != nil {
		return "", err
	}
	cost, unit, _ := strings.Cut(heading[3], "_")
	if !slices.Equal(heading[:3], []string{"layer", "weight_bits", "input_bits"}) || cost != "cost" {
		return "", fmt.Errorf("line 1: heading is %q, want layer,weight_bits,input_bits,cost (or cost_UNIT)", strings.Join(heading, ","))
	}
	return unit, nil
}

type csvKey struct{ layer, weight, input int }

// addLine puts the cost of one line where it belongs, if its bits are candidates.
func (t *CostTable) addLine(fields []string, line int, seen map[csvKey]int) error {
	layer := slices.Index(t.Space.names, fields[0])
	if layer < 0 {
		return fmt.Errorf("layer %q is not in this net", fields[0])
	}
	w, err := parseWidth("weight_bits", fields[1], MinWeightBits)
	if err != nil {
		return err
	}
	x, err := parseWidth("input_bits", fields[2], MinInputBits)
	if err != nil {
		return err
	}
	cost, err := strconv.ParseFloat(fields[3], 64)
	if err != nil || !(cost >= 0) || math.IsInf(cost, 0) {
		return fmt.Errorf("cost %q is not a finite number of 0 or more", fields[3])
	}
	key := csvKey{layer, w, x}
	if before, twice := seen[key]; twice {
		return fmt.Errorf("layer %q at %d/%d bits stands in line %d too", fields[0], w, x, before)
	}
	seen[key] = line
	i, j := slices.Index(t.Space.Weight[layer], w), slices.Index(t.Space.Input[layer], x)
	if i >= 0 && j >= 0 {
		t.Layers[layer][i][j] = cost
	}
	return nil
}

func parseWidth(what, s string, lo int) (int, error) {
	b, err := strconv.Atoi(s)
	if err != nil || b < lo || b > MaxBits {
		return 0, fmt.Errorf("%s %q is not a whole number of %d to %d", what, s, lo, MaxBits)
	}
	return b, nil
}

// checkFull finds the first choice that has no cost yet, and a table whose
// costs cannot be added or compared.
func (t *CostTable) checkFull() error {
	for k, rows := range t.Layers {
		for i, row := range rows {
			for j, c := range row {
				if math.IsNaN(c) {
					return fmt.Errorf("no line for layer %q at %d/%d bits", t.Space.names[k],
						t.Space.Weight[k][i], t.Space.Input[k][j])
				}
			}
		}
	}
	if top := t.Max(); !(top > 0) || math.IsInf(top, 0) {
		return fmt.Errorf("the child of widest bits costs %g in all, want a positive finite number", top)
	}
	return nil
}
