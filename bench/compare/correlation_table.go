package compare

import (
	"fmt"
	"slices"
	"strings"
)

var setTitles = map[string]string{alongFront: "along the front", equalBOPs: "equal BOPs"}

// counts tells whether the experiment compares the order of a set of children.
func (r *runner) counts(set string) bool {
	if set == alongFront {
		return r.e.Correlation.AlongFront > 0
	}
	return r.e.Correlation.EqualBOPs > 0
}

// allTaus has a row for each tau, for programs.
func (r *runner) allTaus(out *Results) *table {
	t := &table{name: "correlation", quiet: true,
		head: []string{"method", "ablates", "children", "n", "recalibration", "by", "tau" + interval, "tau of more BOPs" + interval, "difference" + interval, "difference to fisher" + interval}}
	for _, m := range append(slices.Clone(out.Methods), out.Ablations...) {
		for _, c := range m.Correlation {
			t.add(textCell(m.Label), textCell(m.Ablates), textCell(c.Set), textCell(numbers(c.Children)), textCell(c.Recalibration), textCell(c.Metric),
				estimateCell(c.Tau), estimateCell(c.Trivial), estimateCell(c.Difference), estimateCell(c.Solver))
		}
	}
	return t
}

// correlationTable sets the taus of one set of children side by side.
func (r *runner) correlationTable(set string, methods []*Method) *table {
	t := &table{name: "correlation-" + strings.ReplaceAll(set, "_", "-"), title: "Correlation, " + setTitles[set],
		head: []string{"method", "n", "recalibration", "tau by accuracy" + interval, "more BOPs, by accuracy" + interval, "tau by cross-entropy" + interval,
			"more BOPs, by cross-entropy" + interval, "difference" + interval, "tau by divergence" + interval}}
	if set == equalBOPs {
		t.head = append(t.head, "difference to "+solver+interval)
	}
	for _, m := range methods {
		for _, how := range r.e.Correlation.Recalibration {
			a, l, d := m.correlated(set, how, byAccuracy), m.correlated(set, how, byLoss), m.correlated(set, how, byDivergence)
			row := []cell{textCell(m.Label), textCell(numbers(l.Children)), textCell(how), estimateCell(a.Tau), estimateCell(a.Trivial),
				estimateCell(l.Tau), estimateCell(l.Trivial), estimateCell(l.Difference), estimateCell(d.Tau)}
			if set == equalBOPs {
				row = append(row, estimateCell(l.Solver))
			}
			t.add(row...)
		}
	}
	t.note = r.correlationNote(set)
	return t
}

func (r *runner) correlationNote(set string) string {
	c := r.e.Correlation
	note := fmt.Sprintf("Kendall's tau-b between what a method's net says of a child on validation images and what the child reaches on test images after fine-tuning "+
		"from %s (%s, mean over %s); mean over %s. n: children, for each search seed where they differ. ",
		r.startName(), counted(r.e.Finetune.Epochs, "epoch"), counted(len(r.e.Finetune.Seeds), "fine-tuning seed"), counted(len(r.e.Seeds), "search seed"))
	if set == equalBOPs {
		note += fmt.Sprintf("Random children of relative BOPs %g +-%g %%, the same for all methods; of a method with a net for each penalty, one net is asked of all. ", c.At, 100*c.Tolerance)
		if slices.ContainsFunc(r.w.variants, func(v *variant) bool { return v.method == "bitmixer" }) {
			note += "Bitmixer's training never draws children like these, whose weights and inputs differ in width within a layer. "
		}
	} else {
		note += "Each method's own children, spread along the cost: taus of different methods are of different children. Systems that search by evaluations (haq, spos, fn3) chose theirs on the same validation images. "
	}
	note += fmt.Sprintf("Intervals: percentile bootstrap, %d replicates over search seeds, children and fine-tuning seeds; resampled fine-tunings are noisier than their means, so that intervals lie low. "+
		"\"More BOPs\" ranks children by their BOPs alone; differences, by cross-entropy, are paired. n/a: fewer than 3 children, or all tied. "+
		"A method that scores children without evaluating them (%s) has one order, which is compared with all. By divergence: the mean Kullback-Leibler divergence of the child's answers from the fp32 net's on validation images, compared with the cross-entropy reached.", resamples, solver)
	return note
}

// correlated is the tau of a set, recalibration and metric; it is there where the experiment asks for it.
func (m *Method) correlated(set, recalibration, metric string) Correlated {
	for _, c := range m.Correlation {
		if c.Set == set && c.Recalibration == recalibration && c.Metric == metric {
			return c
		}
	}
	return Correlated{}
}

func (r *runner) startName() string {
	if r.e.Finetune.Start == startFP32 {
		return "the fp32 net"
	}
	return "the method's net"
}

// numbers writes 15, or 15, 14 where they differ.
func numbers(list []int) string {
	same := true
	var texts []string
	for _, n := range list {
		same = same && n == list[0]
		texts = append(texts, fmt.Sprint(n))
	}
	if same && len(list) > 0 {
		return texts[0]
	}
	return strings.Join(texts, ", ")
}
