package bench

import (
	"fmt"
	"io"
	"slices"

	"vimps-gpu/cuda"
)

// ScalingOptions says what to compute.
type ScalingOptions struct {
	Models   []string
	OfFloor  float64 // the share of the floor's speed that the passes are taken to reach
	Bucket   int64   // see Load
	Picture  float64 // bytes of an image file
	Packed   float64 // bytes of an image in a pack
	Decode   float64 // images/s that a core of the host reads from files, measured
	Unpacked float64 // images/s that a core reads from a pack, measured
}

// ScalingReport is computed throughout: nothing in it was measured but Decode and Unpacked.
type ScalingReport struct {
	Options ScalingOptions
	Nets    []*ScalingNet
	Servers []Server
}

// Scaling reads off the nets what they must add up.
func Scaling(dev *cuda.Device, o ScalingOptions) (*ScalingReport, error) {
	r := &ScalingReport{Options: o, Servers: Servers()}
	for _, name := range o.Models {
		n, err := NewScalingNet(dev, name)
		if err != nil {
			return nil, err
		}
		r.Nets = append(r.Nets, n)
	}
	return r, nil
}

// gpuCount is a number of GPUs in as few servers as hold them.
type gpuCount struct{ gpus, nodes int }

func (j gpuCount) String() string {
	if j.nodes == 1 {
		return fmt.Sprintf("%d GPUs", j.gpus)
	}
	return fmt.Sprintf("%d nodes", j.nodes)
}

// gpuCounts are 2 to 8 GPUs of a server, and 2 to 64 servers.
func gpuCounts() (list []gpuCount) {
	for gpus := 2; gpus <= GPUsOfServer; gpus *= 2 {
		list = append(list, gpuCount{gpus, 1})
	}
	for nodes := 2; nodes <= 64; nodes *= 2 {
		list = append(list, gpuCount{nodes * GPUsOfServer, nodes})
	}
	return list
}

// shownImages are the sizes of a micro-batch that are told, and mostImages the largest that is tried.
var shownImages = []int{16, 64, 128}

const (
	mostImages = 4096
	barWeak    = 0.9 // of weak scaling
)

func (r *ScalingReport) load(images int) Load {
	return Load{Images: images, Micros: 1, OfFloor: r.Options.OfFloor, Bucket: r.Options.Bucket}
}

// WriteMarkdown writes the tables of bench/results/scaling.md.
func (r *ScalingReport) WriteMarkdown(w io.Writer) error {
	m := &markdown{w: w}
	bucket := "as the search has them"
	if r.Options.Bucket > 0 {
		bucket = fmt.Sprintf("of %.4g MB", float64(r.Options.Bucket)/1e6)
	}
	m.line("Computed, not measured: passes at %.0f %% of their floor's speed, buckets %s.", 100*r.Options.OfFloor, bucket)
	r.writeBytes(m)
	r.writeServers(m)
	r.writeSteps(m)
	r.writeEfficiency(m)
	r.writeLeast(m)
	r.writeMicros(m)
	r.writeExposed(m)
	r.writeInput(m)
	return m.err
}

func (r *ScalingReport) writeBytes(m *markdown) {
	m.line("\n### Bytes a step\n")
	m.table("net", "filters", "affine", "steps", "theta", "all, bytes", "through a GPU at N = 2", "N = 8", "N = 512", "GFLOP an image")
	for _, n := range r.Nets {
		through := func(gpus float64) string { return megabytes(2 * (gpus - 1) / gpus * float64(n.Total())) }
		m.row(n.Model, fmt.Sprint(n.Filters), fmt.Sprint(n.Affine), fmt.Sprint(n.Steps), fmt.Sprint(n.Theta), fmt.Sprint(n.Total()),
			through(2), through(8), through(512), fmt.Sprintf("%.3f", n.FLOP()/1e9))
	}
}

func (r *ScalingReport) writeServers(m *markdown) {
	m.line("\n### Servers\n")
	m.table("server of 8", "links", "memory TB/s", "bf16 TFLOP/s", "f32 TFLOP/s", "from a GPU, GB/s", "from a server, GB/s", "µs of 4 MB: 2 GPUs", "8 GPUs", "8 nodes", "64 nodes", "µs of 4 kB: 8 GPUs", "64 nodes")
	for _, s := range r.Servers {
		reduce := func(bytes float64, j gpuCount) string { return microseconds(s.AllReduce(bytes, j.gpus, j.nodes)) }
		m.row(s.Name, s.Links, fmt.Sprintf("%.3g", s.Rates.Copy/1e12), fmt.Sprintf("%.0f", s.Rates.Tensor/1e12), fmt.Sprintf("%.3g", s.Rates.Plain/1e12),
			fmt.Sprintf("%.0f", s.Inside/1e9), fmt.Sprintf("%.0f", float64(s.NICs)*s.NIC/1e9),
			reduce(4e6, gpuCount{2, 1}), reduce(4e6, gpuCount{8, 1}), reduce(4e6, gpuCount{64, 8}), reduce(4e6, gpuCount{512, 64}), reduce(4e3, gpuCount{8, 1}), reduce(4e3, gpuCount{512, 64}))
	}
	m.line("")
	for _, s := range r.Servers {
		m.line("- %s: %s", s.Name, s.Source)
	}
}

func (r *ScalingReport) writeSteps(m *markdown) {
	m.line("\n### A step of one GPU with one micro-batch, ms (images/s)\n")
	m.table(append([]string{"net", "images"}, r.names()...)...)
	for _, n := range r.Nets {
		for _, images := range shownImages {
			cells := []string{n.Model, fmt.Sprint(images)}
			for _, s := range r.Servers {
				c := n.Cost(s, 1, 1, r.load(images))
				cells = append(cells, fmt.Sprintf("%.3f (%.0f)", 1e3*c.Alone, float64(images)/c.Alone))
			}
			m.row(cells...)
		}
	}
}

func (r *ScalingReport) names() (list []string) {
	for _, s := range r.Servers {
		list = append(list, s.Name)
	}
	return list
}

func (r *ScalingReport) writeEfficiency(m *markdown) {
	m.line("\n### Efficiency of weak scaling, %%, one micro-batch a GPU")
	for _, s := range r.Servers {
		m.line("\n%s:\n", s.Name)
		m.table(r.head("net", "images")...)
		for _, n := range r.Nets {
			for _, images := range shownImages {
				cells := []string{n.Model, fmt.Sprint(images)}
				for _, j := range gpuCounts() {
					cells = append(cells, fmt.Sprintf("%.0f", 100*n.Cost(s, j.gpus, j.nodes, r.load(images)).Efficiency()))
				}
				m.row(cells...)
			}
		}
	}
}

func (r *ScalingReport) writeLeast(m *markdown) {
	m.line("\n### Where it stops hiding: the smallest micro-batch that gives %.0f %%, in powers of two; one a GPU\n", 100*barWeak)
	m.table(r.head("net", "server")...)
	for _, n := range r.Nets {
		for _, s := range r.Servers {
			cells := []string{n.Model, s.Name}
			for _, j := range gpuCounts() {
				least := n.LeastImages(s, j.gpus, j.nodes, r.load(0), barWeak, mostImages)
				if least == 0 {
					cells = append(cells, fmt.Sprintf("> %d", mostImages))
				} else {
					cells = append(cells, fmt.Sprint(least))
				}
			}
			m.row(cells...)
		}
	}
}

// writeMicros tells how many micro-batches a GPU must do in a step where one is not enough.
func (r *ScalingReport) writeMicros(m *markdown) {
	const images = 64
	m.line("\n### As many micro-batches of %d images a GPU as give %.0f %%\n", images, 100*barWeak)
	m.table(r.head("net", "server")...)
	for _, n := range r.Nets {
		for _, s := range r.Servers {
			cells := []string{n.Model, s.Name}
			for _, j := range gpuCounts() {
				cells = append(cells, fmt.Sprint(n.LeastMicros(s, j.gpus, j.nodes, r.load(images), barWeak)))
			}
			m.row(cells...)
		}
	}
}

// head is the names of columns, the last of which are the numbers of GPUs.
func (r *ScalingReport) head(first ...string) []string {
	for _, j := range gpuCounts() {
		first = append(first, j.String())
	}
	return first
}

// writeExposed tells what no micro-batch hides: the last bucket and the small buffers.
func (r *ScalingReport) writeExposed(m *markdown) {
	m.line("\n### What can never hide, µs\n")
	m.table("net", "server", "buckets", "last, kB", "2 GPUs", "8 GPUs", "2 nodes", "8 nodes", "64 nodes")
	for _, n := range r.Nets {
		buckets := n.buckets(r.Options.Bucket)
		for _, s := range r.Servers {
			cells := []string{n.Model, s.Name, fmt.Sprint(len(buckets)), fmt.Sprintf("%.1f", float64(buckets[len(buckets)-1].bytes)/1e3)}
			for _, j := range []gpuCount{{2, 1}, {8, 1}, {16, 2}, {64, 8}, {512, 64}} {
				cells = append(cells, microseconds(n.NeverHidden(s, j.gpus, j.nodes, r.Options.Bucket)))
			}
			m.row(cells...)
		}
	}
}

// writeInput tells what a server must read to keep its GPUs busy with nets of ImageNet, where there are such.
func (r *ScalingReport) writeInput(m *markdown) {
	const images, beside = 64, 256
	ofImageNet := func(n *ScalingNet) bool { return n.H >= 224 }
	if !slices.ContainsFunc(r.Nets, ofImageNet) {
		return
	}
	o := r.Options
	m.line("\n### Input of a server at %d images a micro-batch: files of %.0f kB, packed images of %.0f kB; cores at the measured %.0f and %.0f images/s\n",
		images, o.Picture/1e3, o.Packed/1e3, o.Decode, o.Unpacked)
	m.table("net", "server", "images/s", "files GB/s", "cores", "pack GB/s", "cores", "seconds an epoch of 1,281,167", fmt.Sprintf("images/s at %d", beside))
	for _, n := range r.Nets {
		if !ofImageNet(n) {
			continue
		}
		for _, s := range r.Servers {
			rate := func(images int) float64 {
				c := n.Cost(s, GPUsOfServer, 1, r.load(images))
				return float64(GPUsOfServer*images) / (c.Alone + c.Exposed)
			}
			need := rate(images)
			m.row(n.Model, s.Name, fmt.Sprintf("%.0f", need), fmt.Sprintf("%.1f", need*o.Picture/1e9), fmt.Sprintf("%.0f", need/o.Decode),
				fmt.Sprintf("%.1f", need*o.Packed/1e9), fmt.Sprintf("%.0f", need/o.Unpacked), fmt.Sprintf("%.0f", 1_281_167/need), fmt.Sprintf("%.0f", rate(beside)))
		}
	}
}

func megabytes(b float64) string          { return fmt.Sprintf("%.4g MB", b/1e6) }
func microseconds(seconds float64) string { return fmt.Sprintf("%.0f", 1e6*seconds) }
