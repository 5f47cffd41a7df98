package bench

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

func scalingNet(t *testing.T, name string) *ScalingNet {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	n, err := NewScalingNet(dev, name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestScalingBytes: ResNet-20 has 267,264 weights in searched layers, with a filter for each of 2, 4 and 8 bits, 432 and 640 in the ends,
// which are pinned; theta is two layers of 64 and an output of 8 for each of 36 gates.
func TestScalingBytes(t *testing.T) {
	n := scalingNet(t, "resnet20")
	if want := int64(4 * (3*267_264 + 432 + 640)); n.Filters != want {
		t.Errorf("%d bytes of filters, want %d", n.Filters, want)
	}
	if want := int64(4 * (64 + 64 + 64*64 + 64 + 36*8*64 + 36*8)); n.Theta != want {
		t.Errorf("%d bytes of theta, want %d", n.Theta, want)
	}
	var filters int64
	for _, l := range n.Layers {
		filters += l.Filters
	}
	if filters != n.Filters || n.Affine == 0 || n.Steps == 0 || n.Total() != n.Filters+n.Affine+n.Steps+n.Theta {
		t.Errorf("layers hold %d of %d bytes; affine %d, steps %d, all %d", filters, n.Filters, n.Affine, n.Steps, n.Total())
	}
}

// TestScalingWork: the passes together are what bench gpu takes a step's floor from.
func TestScalingWork(t *testing.T) {
	for _, name := range []string{"resnet20", "mobilenetv2"} {
		m, err := model.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		in, err := m.MadeFor()
		if err != nil {
			t.Fatal(err)
		}
		g, err := m.Graph(in)
		if err != nil {
			t.Fatal(err)
		}
		n := scalingNet(t, name)
		flop, moved := stepWork(g, 1, 2)
		sum := 0.0
		for _, l := range n.Layers {
			sum += l.ForwardMoved + l.BackwardMoved
		}
		if math.Abs(n.FLOP()-flop) > 1e-6*flop || math.Abs(sum-moved) > 1e-6*moved {
			t.Errorf("%s: %v FLOP and %v bytes, want %v and %v", name, n.FLOP(), sum, flop, moved)
		}
	}
}

// TestAllReduce: long ones take what a ring moves, short ones NCCL's latency, and no link is free.
func TestAllReduce(t *testing.T) {
	h100, l40s := Servers()[1], Servers()[4]
	if got, want := h100.AllReduce(1e12, 8, 1), 2*7./8*1e12/370.8e9; math.Abs(got-want) > 1e-3*want {
		t.Errorf("1 TB over 8 GPUs by NVLink: %v s, want %v", got, want)
	}
	if got, want := l40s.AllReduce(1e12, 64, 8), 2*63./64*1e12/12e9; math.Abs(got-want) > 1e-3*want {
		t.Errorf("1 TB over 8 servers by 100 GbE: %v s, want %v", got, want)
	}
	if got, want := h100.AllReduce(4, 2, 1), 8.4e-6+2*3.4e-6; math.Abs(got-want) > 1e-9 {
		t.Errorf("4 bytes over 2 GPUs: %v s, want %v", got, want)
	}
	if got, want := h100.AllReduce(4, 512, 64), (8.4+2*(7*4+6*14))*1e-6; math.Abs(got-want) > 1e-9 {
		t.Errorf("4 bytes over 64 servers: %v s, want a tree's %v", got, want)
	}
	if h100.AllReduce(1e6, 1, 1) != 0 {
		t.Error("one GPU has nobody to add up with")
	}
	for _, s := range Servers() {
		before := 0.0
		for _, j := range gpuCounts() {
			now := s.AllReduce(1e6, j.gpus, j.nodes)
			if now <= before {
				t.Errorf("%s: 1 MB takes %v s over %v and %v s over fewer GPUs", s.Name, now, j, before)
			}
			before = now
		}
	}
}

// TestScalingCost: buckets hold all filters; what is exposed is all of it where the pass takes no time, and the last bucket and the
// small buffers where it takes long; the thresholds are those of the efficiency.
func TestScalingCost(t *testing.T) {
	n, s := scalingNet(t, "resnet18"), Servers()[2]
	l := Load{Images: 64, Micros: 1, OfFloor: 0.3, Bucket: 4e6}
	var bytes int64
	list := n.buckets(l.Bucket)
	for i, b := range list {
		bytes += b.bytes
		if i+1 < len(list) && b.bytes < l.Bucket || i+1 == len(list) && b.first != 0 {
			t.Errorf("bucket %d of %d: %+v", i, len(list), b)
		}
	}
	if search := n.buckets(0); len(search) < 5 || search[0].bytes < int64(onesot.SumBytes(int(n.Filters))) {
		t.Errorf("the search's buckets: %+v", search)
	}
	if bytes != n.Filters {
		t.Errorf("buckets hold %d of %d bytes", bytes, n.Filters)
	}
	if c := n.Cost(s, 1, 1, l); c.Exposed != 0 || c.Reduce != 0 || c.Efficiency() != 1 {
		t.Errorf("one GPU: %+v", c)
	}
	fast := l
	fast.OfFloor = 1e12
	if c := n.Cost(s, 8, 1, fast); math.Abs(c.Exposed-c.Reduce) > 1e-9 {
		t.Errorf("no pass to hide behind: %+v", c)
	}
	slow := l
	slow.OfFloor = 1e-3
	if c, want := n.Cost(s, 8, 1, slow), n.NeverHidden(s, 8, 1, l.Bucket); math.Abs(c.Exposed-want) > 1e-9 {
		t.Errorf("a long pass leaves %v s, want %v", c.Exposed, want)
	}
	efficiency := func(images, micros int) float64 {
		l := l
		l.Images, l.Micros = images, micros
		return n.Cost(s, 64, 8, l).Efficiency()
	}
	images := n.LeastImages(s, 64, 8, l, 0.9, 4096)
	if images < 2 || efficiency(images, 1) < 0.9 || efficiency(images/2, 1) >= 0.9 {
		t.Errorf("%d images: efficiency %v, of half as many %v", images, efficiency(images, 1), efficiency(images/2, 1))
	}
	l.Images = images / 2
	micros := n.LeastMicros(s, 64, 8, l, 0.9)
	if micros < 2 || efficiency(images/2, micros) < 0.9 || efficiency(images/2, micros-1) >= 0.9 {
		t.Errorf("%d micro-batches: efficiency %v, of one fewer %v", micros, efficiency(images/2, micros), efficiency(images/2, micros-1))
	}
	if got := n.LeastImages(s, 64, 8, l, 0.9999999, 64); got != 0 {
		t.Errorf("%d images hide everything", got)
	}
}

// TestScalingBuckets: they are those in which a plan's backward pass yields its filter gradients.
func TestScalingBuckets(t *testing.T) {
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	o := StepOptions{Model: "digitsnet", H: 8, W: 8, C: 1, Classes: 10, Policy: quant.DefaultPolicy(), Settings: onesot.Defaults(onesot.OneShot, "digitsnet")}
	m, err := model.Find(o.Model)
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: o.H, W: o.W, C: o.C, Classes: o.Classes})
	if err != nil {
		t.Fatal(err)
	}
	space, err := quant.NewSpace(g.Layers(), o.Policy)
	if err != nil {
		t.Fatal(err)
	}
	params := nn.NewParams(dev, g, nn.Config{Space: space, Norm: o.Settings.Norm})
	defer params.Free()
	plan := nn.NewPlan(params, nn.NewGates(dev, space), nn.NewScalars(dev), nn.PlanOptions{Batch: 2, Train: true})
	defer plan.Free()
	n := scalingNet(t, o.Model)
	for _, least := range []int{1, 100_000, 1 << 30} {
		var want []int64
		for _, part := range plan.BackwardParts(least) {
			if part.Filters != nil {
				want = append(want, 4*int64(part.Filters.Len()))
			}
		}
		var got []int64
		for _, b := range n.buckets(int64(least)) {
			got = append(got, b.bytes)
		}
		if !slices.Equal(got, want) {
			t.Errorf("buckets of %d bytes: %v, the plan has %v", least, got, want)
		}
	}
}

// TestScalingReport: every table has a row for what it is about.
func TestScalingReport(t *testing.T) {
	r := &ScalingReport{Options: ScalingOptions{OfFloor: 0.3, Bucket: 4e6, Picture: 110e3, Packed: 262e3, Decode: 100, Unpacked: 1000},
		Nets: []*ScalingNet{scalingNet(t, "resnet18"), scalingNet(t, "espcn")}, Servers: Servers()}
	var text bytes.Buffer
	if err := r.WriteMarkdown(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Computed, not measured", "| resnet18 | 135975680 |", "64 nodes", "| espcn | L40S |", "100 and 1000 images/s"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the tables do not say %q:\n%s", want, text.String())
		}
	}
	if _, input, _ := strings.Cut(text.String(), "### Input"); strings.Contains(input, "espcn") || !strings.Contains(input, "resnet18") {
		t.Errorf("ImageNet's input is of its nets: %s", input)
	}
}
