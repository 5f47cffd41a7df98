package bench

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the result as tables.
func (r *GPUResult) WriteMarkdown(w io.Writer) error {
	m := &markdown{w: w}
	m.line("# %s\n", r.FileName())
	m.line("**%s**\n", r.Note)
	for _, key := range []string{"gpu", "gpus", "driver", "clocks", "power limit", "cpu", "commit", "bundle", "date"} {
		if v := r.Machine[key]; v != "" {
			m.line("- %s: %s", key, v)
		}
	}
	m.line("\n## Verdicts\n")
	m.table("claim", "value", "bar", "")
	for _, v := range r.Verdicts {
		value, bar, met := fmt.Sprintf("%.4g", v.Value), fmt.Sprintf("%.4g", v.Bar), "met"
		switch {
		case v.Met == nil:
			value, met = "", "not measured"
		case !*v.Met:
			met = "**not met**"
		}
		m.row(v.Name, value, bar, strings.TrimSuffix(met+": "+v.Why, ": "))
	}
	if r.Measured != nil {
		m.measured(r)
	}
	m.ranks(r.Ranks)
	m.searches(r.Searches)
	m.line("\n## Parts\n")
	m.table("part", "", "seconds", "limit", "why")
	for _, p := range r.Parts {
		m.row(p.Name, p.Status, fmt.Sprintf("%.0f", p.Seconds), fmt.Sprintf("%.0f", p.Limit), p.Why)
	}
	if len(r.NotMeasured) > 0 {
		m.line("\n## Not measured, or failed\n")
		for _, n := range r.NotMeasured {
			m.line("- %s", n)
		}
	}
	return m.err
}

func (m *markdown) measured(r *GPUResult) {
	g := r.Measured
	m.line("\n## Copies\n")
	m.table("how", "precision", "MB", "GB/s")
	for _, c := range g.Copies {
		m.row(c.How, c.Precision, fmt.Sprintf("%.3g", c.Bytes/1e6), fmt.Sprintf("%.4g", c.Rate/1e9))
	}
	m.line("\nFloors: ")
	for _, s := range g.Rates {
		m.line("- %s: copy %.4g GB/s (nominal %.4g), tensor cores %.4g TFLOP/s, f32 %.4g TFLOP/s; %s", s.Precision, s.Copy/1e9, s.Nominal/1e9, s.Tensor/1e12, s.Plain/1e12, s.How)
	}
	m.line("\n## Fused kernels\n")
	m.table("op", "shape", "precision", "µs", "floor µs", "of copy bandwidth")
	for _, f := range g.Fused {
		floor, share := "", ""
		if f.Floor > 0 {
			floor, share = micros(f.Floor), fmt.Sprintf("%.1f %%", 100*f.OfCopy)
		}
		m.row(f.Op, f.Shape, f.Precision, micros(f.Seconds), floor, share)
	}
	m.line("\n## Training steps\n")
	m.table("net", "model", "precision", "batch", "ms", "images/s", "floor ms", "floor by")
	for _, s := range g.Steps {
		m.row(s.Net, s.Model, s.Precision, fmt.Sprint(s.Batch), fmt.Sprintf("%.3f", 1e3*s.Median), fmt.Sprintf("%.0f", s.ImagesPerSecond), fmt.Sprintf("%.3f", 1e3*s.Floor), s.FloorBy)
	}
	if r.Torch != nil {
		for _, s := range r.Torch.Steps {
			m.row("supernet", "PyTorch "+s.Variant, "bf16", fmt.Sprint(s.Batch), fmt.Sprintf("%.3f", 1e3*s.Median), fmt.Sprintf("%.0f", float64(s.Batch)/s.Median), "", "")
		}
	}
	m.convolutions(r)
}

func (m *markdown) convolutions(r *GPUResult) {
	theirs := map[TorchConv]float64{}
	if r.Torch != nil {
		m.line("\n## Convolutions against cuDNN (its time / ours, geometric means)\n")
		m.table("net", "pass", "precision", "layers", "ratio")
		for _, c := range r.ConvRatios {
			m.row(c.Net, c.Pass, c.Precision, fmt.Sprint(c.Layers), fmt.Sprintf("%.3f", c.Ratio))
		}
		for _, t := range r.Torch.Conv {
			key := t
			key.Seconds = 0
			theirs[key] = t.Seconds
		}
	}
	m.line("\n## Convolutions\n")
	m.table("net", "layer", "times", "pass", "precision", "µs", "TFLOP/s", "floor µs", "floor by", "cuDNN µs")
	for _, c := range r.Measured.Conv {
		cudnn := ""
		if t := theirs[TorchConv{ConvLayer: c.ConvLayer, Pass: c.Pass, Precision: c.Precision}]; t > 0 {
			cudnn = micros(t)
		}
		m.row(c.Net, c.Layer, fmt.Sprint(c.Times), c.Pass, c.Precision, micros(c.Seconds), fmt.Sprintf("%.4g", c.TFLOPS), micros(c.Floor), c.FloorBy, cudnn)
	}
}

func (m *markdown) searches(list []SearchResult) {
	for _, s := range list {
		if !s.Finished {
			continue
		}
		m.line("\n## Search %s: %.0f s, fp32 test %.2f %%\n", s.Name, s.Seconds, 100*s.FP32)
		m.table("eta", "BOPs of the widest child's", "val %", "test %")
		for _, p := range s.Front {
			m.row(fmt.Sprintf("%.4g", p.Eta), fmt.Sprintf("%.4f", p.RelativeBOPs), fmt.Sprintf("%.2f", 100*p.AccuracyVal), fmt.Sprintf("%.2f", 100*p.AccuracyTest))
		}
	}
}

func micros(seconds float64) string { return fmt.Sprintf("%.4g", 1e6*seconds) }

// markdown writes lines and keeps the first error.
type markdown struct {
	w   io.Writer
	err error
}

func (m *markdown) line(format string, args ...any) {
	if m.err == nil {
		_, m.err = fmt.Fprintf(m.w, format+"\n", args...)
	}
}

func (m *markdown) row(cells ...string) { m.line("%s", "| "+strings.Join(cells, " | ")+" |") }

func (m *markdown) table(head ...string) {
	m.row(head...)
	m.line("%s", "|"+strings.Repeat(" --- |", len(head)))
}
