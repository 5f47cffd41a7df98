package onnx

import (
	"fmt"
	"strings"
	"sync"

	"vimps-gpu/cuda"
)

// Runner runs the files that Export writes, on the host: quantized convolutions by the integer kernels, everything else in float32 by
// plain loops, each operation rounded. It shares no code with the plans of package nn beyond those kernels.
type Runner struct {
	// Seen, where not nil, is shown the value [N,H,W,C] or [N,C] of every node by name, and may give another that the nodes behind then read.
	Seen func(name string, shape []int, values []float32) []float32

	dev    *cuda.Device
	model  *Model
	consts map[string]*array
	convs  map[string]*intConv
	last   map[string]int // the last node that reads a value
	size   int            // elements of the constants, and 16 for each node
	steps  float64        // that this run may still take
	held   int            // elements of the values at hand
}

// array is a value: float32 whatever its type in the file, all of which float32 holds exactly. Images are [N,H,W,C].
type array struct {
	dims  []int
	f     []float32
	image bool
	dtype DType  // of a constant or of codes, in the file
	codes *codes // what the elements stand for; nil: themselves
}

// codes stand for (f - zero) * scale.
type codes struct {
	scale  []float32
	zero   float32
	signed bool // f - zero may be below 0
}

// NewRunner prepares a file. dev must be the host. The error lists every node that cannot be run.
func NewRunner(dev *cuda.Device, m *Model) (*Runner, error) {
	r := &Runner{dev: dev, model: m, consts: map[string]*array{}, convs: map[string]*intConv{}, last: map[string]int{}}
	var wrong []string
	for i := range m.Graph.Initializers {
		t := &m.Graph.Initializers[i]
		a, err := runConstant(t)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		r.consts[t.Name] = a
		r.size += len(a.f)
	}
	r.size += 16 * len(m.Graph.Nodes)
	known := map[string]bool{"": true}
	for name := range r.consts {
		known[name] = true
	}
	if len(m.Graph.Inputs) != 1 || len(m.Graph.Outputs) != 1 {
		return nil, fmt.Errorf("the file has %d inputs and %d outputs, want one of each", len(m.Graph.Inputs), len(m.Graph.Outputs))
	}
	known[m.Graph.Inputs[0].Name] = true
	for i, n := range m.Graph.Nodes {
		if _, ok := runOps[n.Op]; !ok || len(n.Out) != 1 {
			wrong = append(wrong, fmt.Sprintf("node of %q: op %s is none that export writes", n.Out, n.Op))
			continue
		}
		for _, in := range n.In {
			if !known[in] {
				wrong = append(wrong, fmt.Sprintf("node of %q reads %q, which nothing before it writes", n.Out, in))
			}
			r.last[in] = i
		}
		if known[n.Out[0]] {
			wrong = append(wrong, fmt.Sprintf("node of %q writes what there is already", n.Out))
		}
		known[n.Out[0]] = true
	}
	if out := m.Graph.Outputs[0].Name; !known[out] {
		wrong = append(wrong, fmt.Sprintf("nothing writes the output %q", out))
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("cannot be run here: %s", strings.Join(wrong, "; "))
	}
	return r, nil
}

// Free returns the memory on the device.
func (r *Runner) Free() {
	for _, c := range r.convs {
		c.free()
	}
}

// Run computes the output, [N,classes] or [N,H,W,C], of images [n,h,w,c].
func (r *Runner) Run(images []float32, n, h, w, c int) (out []float32, err error) {
	values := map[string]*array{r.model.Graph.Inputs[0].Name: {dims: []int{n, h, w, c}, f: images, image: true}}
	r.steps, r.held = enlarged*float64(n*h*w)*float64(r.size+c), len(images)
	for i := range r.model.Graph.Nodes {
		node := &r.model.Graph.Nodes[i]
		in := make([]*array, len(node.In))
		for k, name := range node.In {
			if in[k] = values[name]; in[k] == nil {
				in[k] = r.consts[name]
			}
		}
		v, err := r.op(node, in)
		if err != nil {
			return nil, fmt.Errorf("%s that writes %q: %w", node.Op, node.Out[0], err)
		}
		if r.Seen != nil && v.codes == nil {
			if other := r.Seen(node.Out[0], v.dims, v.f); other != nil {
				v.f = other
			}
		}
		values[node.Out[0]] = v
		r.held += len(v.f)
		for _, name := range node.In {
			if r.last[name] == i {
				r.drop(values, name)
			}
		}
	}
	return values[r.model.Graph.Outputs[0].Name].f, nil
}

func (r *Runner) drop(values map[string]*array, name string) {
	if v := values[name]; v != nil {
		r.held -= len(v.f)
		delete(values, name)
	}
}

// op runs one node. A file may ask for what no array can do, such as the third dimension of a scalar: that is an error, not a panic.
func (r *Runner) op(n *Node, in []*array) (v *array, err error) {
	defer func() {
		if bad := recover(); bad != nil {
			v, err = nil, fmt.Errorf("%v", bad)
		}
	}()
	return runOps[n.Op](r, n, in)
}

// each calls f for 0..n-1, several at a time. A panic in one is the caller's, where op makes it an error.
func (r *Runner) each(n int, f func(i int)) {
	var wait sync.WaitGroup
	workers := min(n, max(1, r.dev.Threads()))
	bad := make([]any, workers)
	for k := range workers {
		wait.Go(func() {
			defer func() { bad[k] = recover() }()
			for i := k; i < n; i += workers {
				f(i)
			}
		})
	}
	wait.Wait()
	for _, b := range bad {
		if b != nil {
			panic(b)
		}
	}
}

// runConstant reads an initializer.
func runConstant(t *Tensor) (*array, error) {
	a := &array{dtype: t.Type}
	if size, err := t.size(); err != nil || size != int64(len(t.Raw)) {
		return a, fmt.Errorf("tensor %q has %d bytes of %v for dimensions %v", t.Name, len(t.Raw), t.Type, t.Dims)
	}
	for _, d := range t.Dims {
		a.dims = append(a.dims, int(d))
	}
	if t.Type == Float32 {
		var err error
		a.f, err = t.Floats()
		return a, err
	}
	values, err := t.Ints()
	for _, v := range values {
		a.f = append(a.f, float32(v))
	}
	a.codes = &codes{scale: []float32{1}, signed: isSigned(t.Type)}
	return a, err
}

func isSigned(t DType) bool { return t == Int8 || t == Int4 || t == Int2 }

// What a file can ask for. A net reads each weight once a pixel at most, and has no more than 64 times the pixels of its input, as much as
// making images 8 times larger takes; each node takes some steps a pixel beyond that.
const (
	enlarged    = 64
	maxElements = 1 << 29 // of the values at hand at a time: 2 GiB
)

// newArray is a value to fill, whose every element takes so many steps. What is beyond a run's bounds panics, before any memory is taken.
func (r *Runner) newArray(steps int, dims ...int) *array {
	n := 1.0
	for _, d := range dims {
		if d < 0 {
			panic(fmt.Sprintf("a value of %v", dims))
		}
		n *= float64(d)
	}
	r.spend(n*float64(steps), n)
	return &array{dims: dims, f: make([]float32, int(n)), image: len(dims) == 4}
}

func (r *Runner) spend(steps, elements float64) {
	r.steps -= max(steps, elements)
	if !(r.steps >= 0) || !(float64(r.held)+elements <= maxElements) {
		panic("this takes more steps or memory than the file's weights and the size of the images account for")
	}
}

// runInt, runInts, runFloat and runText read an attribute, or what stands for it.
func runInt(n *Node, name string, otherwise int) int {
	for _, a := range n.Attrs {
		if a.Name == name {
			return int(a.I)
		}
	}
	return otherwise
}

func runInts(n *Node, name string, otherwise ...int) []int {
	for _, a := range n.Attrs {
		if a.Name == name {
			var out []int
			for _, v := range a.Ints {
				out = append(out, int(v))
			}
			return out
		}
	}
	return otherwise
}

func runFloat(n *Node, name string, otherwise float32) float32 {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a.F
		}
	}
	return otherwise
}

func runText(n *Node, name, otherwise string) string {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a.S
		}
	}
	return otherwise
}

// whole are the elements of a constant as whole numbers.
func (a *array) whole() []int {
	out := make([]int, len(a.f))
	for i, v := range a.f {
		out[i] = int(v)
	}
	return out
}
