package compare

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strings"
)

// table is shown as Markdown and written as CSV.
type table struct {
	name  string // of the CSV file, less its ending
	title string
	note  string // what the columns are
	head  []string
	rows  [][]cell
	quiet bool // CSV only
}

// cell is what a reader sees, and what a program reads: one value, or the three of an interval.
type cell struct {
	shown  string
	values []string
}

func textCell(s string) cell { return cell{s, []string{s}} }

// numberCell shows a number by a format; NaN is shown as not available.
func numberCell(format string, v float64) cell {
	if math.IsNaN(v) {
		return cell{"n/a", []string{""}}
	}
	return cell{fmt.Sprintf(format, v), []string{fmt.Sprintf("%.6g", v)}}
}

func intCell(n int) cell { return textCell(fmt.Sprint(n)) }

// interval marks a column whose cells are estimates.
const interval = " [95 %]"

func estimateCell(e *Estimate) cell {
	if e == nil {
		return cell{"n/a", []string{"", "", ""}}
	}
	shown := fmt.Sprintf("%.2f [%.2f, %.2f]", e.Value, e.Low, e.High)
	return cell{strings.ReplaceAll(shown, "-0.00", "0.00"), []string{fmt.Sprintf("%.6g", e.Value), fmt.Sprintf("%.6g", e.Low), fmt.Sprintf("%.6g", e.High)}}
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

func (t *table) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "## %s\n\n", t.title)
	row := func(cells []string) { fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | ")) }
	row(t.head)
	row(strings.Split(strings.Repeat("---,", len(t.head)-1)+"---", ","))
	for _, cells := range t.rows {
		var shown []string
		for _, c := range cells {
			shown = append(shown, c.shown)
		}
		row(shown)
	}
	if t.note != "" {
		fmt.Fprintf(&out, "\n%s\n", t.note)
	}
	return out.String()
}

func (t *table) csv() []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	var head []string
	for _, h := range t.head {
		if name, is := strings.CutSuffix(h, interval); is {
			head = append(head, name, name+" low", name+" high")
		} else {
			head = append(head, h)
		}
	}
	w.Write(head)
	for _, cells := range t.rows {
		var values []string
		for _, c := range cells {
			values = append(values, c.values...)
		}
		w.Write(values)
	}
	w.Flush() // into memory: cannot fail
	return out.Bytes()
}
