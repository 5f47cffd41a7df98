package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print one JSON object and nothing else on standard output"}
}

// writeJSON prints one object.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// joinObjects is one JSON object with the fields of all parts, in their order.
func joinObjects(parts ...any) ([]byte, error) {
	out := []byte{'{'}
	for _, p := range parts {
		text, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		if fields := text[1 : len(text)-1]; len(fields) > 0 {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, fields...)
		}
	}
	return append(out, '}'), nil
}

// table prints rows in columns; numbers are aligned to the right.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		for _, cell := range row {
			fmt.Fprintf(t, "%s\t", cell)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// print shows the front, what it is compared with and the files.
func (r *sweepResult) print(w io.Writer, all bool) {
	custom := r.front.Cost.Name != "bops"
	head := []string{"point", "eta", "rel. BOPs", "BOPs", "size"}
	if custom {
		head = append(head, r.front.Cost.Name)
	}
	m := r.front.Metric
	rows := [][]string{append(head, "val "+m.Unit(), "test "+m.Unit(), "weight bits", "input bits")}
	for i, p := range r.front.Points {
		if p.OnFront || all {
			rows = append(rows, pointRow(i, p, custom))
		}
	}
	fmt.Fprintf(w, "front: %s", r.counts())
	if r.front.FP32 != nil {
		fmt.Fprintf(w, "; fp32: %s", valAndTest(*r.front.FP32))
	}
	if r.front.Bicubic != nil {
		fmt.Fprintf(w, "; bicubic: %s", valAndTest(*r.front.Bicubic))
	}
	fmt.Fprintln(w)
	table(w, rows)
	for _, fact := range r.volumeFacts() {
		fmt.Fprintf(w, "%s: %s\n", fact[0], fact[1])
	}
	for _, note := range r.notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	for _, f := range r.files {
		fmt.Fprintf(w, "wrote %s\n", f)
	}
}

// valAndTest writes the values on both splits.
func valAndTest(a onesot.Accuracy) string {
	return fmt.Sprintf("val %s %s, test %s %[2]s", a.Metric.Shown(a.Val), a.Metric.Unit(), a.Metric.Shown(a.Test))
}

func pointRow(number int, p onesot.Point, custom bool) []string {
	w, x := bitDigits(p.Assignment)
	row := []string{fmt.Sprint(number), fmt.Sprintf("%.4g", p.Eta), fmt.Sprintf("%.4f", p.RelativeBOPs), onesot.HumanCount(p.BOPs), humanBytes(p.SizeBytes)}
	if custom {
		row = append(row, fmt.Sprintf("%.4g", p.Cost))
	}
	return append(row, p.Metric.Shown(p.AccuracyVal), p.Metric.Shown(p.AccuracyTest), w, x)
}

// bitDigits writes a digit a layer; no width has two.
func bitDigits(a quant.Assignment) (weight, input string) {
	for k := range a.Len() {
		w, x := a.Bits(k)
		weight += fmt.Sprint(w)
		input += fmt.Sprint(x)
	}
	return weight, input
}

// humanBytes writes a size in powers of 1000, as --max-size reads it.
func humanBytes(b float64) string {
	switch {
	case b >= 1e6:
		return fmt.Sprintf("%.2fMB", b/1e6)
	case b >= 1e3:
		return fmt.Sprintf("%.1fKB", b/1e3)
	}
	return fmt.Sprintf("%.0fB", b)
}
