package bench

import (
	"fmt"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// ScalingNet is what a supernet's training step computes, and what data-parallel ranks must add up of it. Bytes are those of the
// float32 gradient buffers as the supernet allocates them.
type ScalingNet struct {
	Model   string
	H, W    int            // of an image
	Filters int64          // a filter for each candidate weight width
	Affine  int64          // norms, biases, slopes
	Steps   int64          // of the quantizers
	Theta   int64          // of the bit model
	Layers  []ScalingLayer // in the order of the net
}

// ScalingLayer is a convolution or linear layer. Work is counted as stepWork does, for one image, activations in bf16.
type ScalingLayer struct {
	Name                        string
	Filters                     int64   // bytes of the gradient
	Depthwise                   bool    // no tensor cores
	Forward, Backward           float64 // operations, a multiply-add being two
	ForwardMoved, BackwardMoved float64 // bytes
}

// Total is the bytes of gradients that cross in a step.
func (n *ScalingNet) Total() int64 { return n.Filters + n.small() }

// small is what is summed once the whole backward pass is over.
func (n *ScalingNet) small() int64 { return n.Affine + n.Steps + n.Theta }

// FLOP is the operations of a training step's convolutions for one image, a multiply-add being two.
func (n *ScalingNet) FLOP() (sum float64) {
	for _, l := range n.Layers {
		sum += l.Forward + l.Backward
	}
	return sum
}

// NewScalingNet allocates the supernet of a model, as a search with its default settings does, and reads off what crosses.
func NewScalingNet(dev *cuda.Device, name string) (*ScalingNet, error) {
	m, err := model.Find(name)
	if err != nil {
		return nil, err
	}
	in, err := m.MadeFor()
	if err != nil {
		return nil, err
	}
	g, err := m.Graph(in)
	if err != nil {
		return nil, err
	}
	space, err := quant.NewSpace(g.Layers(), quant.DefaultPolicy())
	if err != nil {
		return nil, err
	}
	s, err := onesot.NewSupernet(dev, g, space, quant.BOPs(space), onesot.Defaults(onesot.OneShot, name))
	if err != nil {
		return nil, err
	}
	defer s.Free()
	bytesOf := func(t *cuda.Tensor) int64 { return 4 * int64(t.Len()) }
	n := &ScalingNet{Model: name, H: in.H, W: in.W,
		Filters: bytesOf(s.Params.Groups[nn.Filters].Grad), Affine: bytesOf(s.Params.Groups[nn.Affine].Grad), Steps: bytesOf(s.Params.Groups[nn.Steps].Grad)}
	for _, t := range s.State() {
		if t.Name == "theta" {
			n.Theta = bytesOf(t.T)
		}
	}
	if n.Theta == 0 {
		return nil, fmt.Errorf("model %s: its supernet has no theta", name)
	}
	for k, node := range g.Convs() {
		n.Layers = append(n.Layers, scalingLayer(g, node, k, bytesOf(s.Params.Layers[k].DW)))
	}
	return n, nil
}

// scalingLayer splits what stepWork counts into passes: forward reads the input and writes the output, which the unit behind reads,
// and the mixed input is written; all else is backward.
func scalingLayer(g *nn.Graph, node, k int, filters int64) ScalingLayer {
	const size = 2 // bytes of an activation
	out := g.Nodes[node]
	x := g.Nodes[out.In[0]]
	input, output := size*float64(x.H*x.W*x.C), size*float64(out.H*out.W*out.C)
	macs := float64(g.Layers()[k].MACs)
	l := ScalingLayer{Name: out.Name, Filters: filters, Depthwise: out.Conv.Groups > 1, Forward: 2 * macs, Backward: 4 * macs,
		ForwardMoved: 2*input + 2*output, BackwardMoved: 4*input + 5*output}
	if k == 0 {
		l.Backward = 2 * macs // no gradient of the image
	}
	return l
}

// bucket is a stretch of filter gradients that is final after layer first, counted from the net's input.
type bucket struct {
	first int
	bytes int64
}

// buckets cuts the filter gradients, from the last layer to the first, into stretches of at least so many bytes; what is left at the
// first layers is the last. 0 stands for what the search takes.
func (n *ScalingNet) buckets(least int64) (list []bucket) {
	if least == 0 {
		least = int64(onesot.SumBytes(int(n.Filters)))
	}
	var bytes int64
	for k := len(n.Layers) - 1; k >= 0; k-- {
		bytes += n.Layers[k].Filters
		if bytes >= least || k == 0 {
			list = append(list, bucket{k, bytes})
			bytes = 0
		}
	}
	return list
}

// passes is the least seconds of the forward pass and of each layer's backward pass for a micro-batch: of every layer the larger of
// its bytes and its operations over what the card can do.
func (n *ScalingNet) passes(r Rates, images int) (forward float64, backward []float64) {
	for _, l := range n.Layers {
		f, _ := r.floor(float64(images)*l.ForwardMoved, float64(images)*l.Forward, !l.Depthwise)
		b, _ := r.floor(float64(images)*l.BackwardMoved, float64(images)*l.Backward, !l.Depthwise)
		forward += f
		backward = append(backward, b)
	}
	return forward, backward
}

// Load is how a job is run.
type Load struct {
	Images  int     // of a micro-batch
	Micros  int     // micro-batches of a step on each GPU
	OfFloor float64 // the share of the floor's speed that the passes reach, 0 to 1
	Bucket  int64   // bytes of filter gradients that are summed at once; 0: what the search takes
}

// StepCost is a step's seconds on every GPU of a job.
type StepCost struct {
	Alone   float64 // passes and update, as one GPU by itself
	Reduce  float64 // all-reduces, laid end to end
	Exposed float64 // what of them the backward pass does not hide
}

// Efficiency is the share of the step that is not waiting: that of weak scaling.
func (c StepCost) Efficiency() float64 { return c.Alone / (c.Alone + c.Exposed) }

// updateMoves is how often an update by SGD moves the filters: value, gradient and moment are read, value and moment written.
const updateMoves = 5

// Cost lays out the step in time: a bucket's all-reduce starts when its last layer's backward pass, of the last micro-batch, is done
// and the bucket before it has gone; the affine parameters, steps and theta follow the whole pass, as one group.
func (n *ScalingNet) Cost(s Server, gpus, nodes int, l Load) StepCost {
	forward, backward := n.passes(s.Rates, l.Images)
	pass := 0.0
	for _, b := range backward {
		pass += b / l.OfFloor
	}
	c := StepCost{Alone: float64(l.Micros)*(forward/l.OfFloor+pass) + updateMoves*float64(n.Filters)/s.Rates.Copy}
	if gpus == 1 {
		return c
	}
	now, free, layer := 0.0, 0.0, len(n.Layers)
	send := func(bytes int64) {
		t := s.AllReduce(float64(bytes), gpus, nodes)
		c.Reduce += t
		free = max(now, free) + t
	}
	for _, b := range n.buckets(l.Bucket) {
		for layer > b.first {
			layer--
			now += backward[layer] / l.OfFloor
		}
		send(b.bytes)
	}
	send(n.small())
	c.Exposed = free - now
	return c
}

// LeastImages is the smallest power of two of images of a micro-batch at which the efficiency is at least the given, one
// micro-batch a GPU; 0 where most is not enough.
func (n *ScalingNet) LeastImages(s Server, gpus, nodes int, l Load, efficiency float64, most int) int {
	for l.Images = 1; l.Images <= most; l.Images *= 2 {
		if n.Cost(s, gpus, nodes, l).Efficiency() >= efficiency {
			return l.Images
		}
	}
	return 0
}

// LeastMicros is the fewest micro-batches on each GPU at which the efficiency is at least the given: the all-reduces stay the same,
// and the step gets longer.
func (n *ScalingNet) LeastMicros(s Server, gpus, nodes int, l Load, efficiency float64) int {
	l.Micros = 1
	for n.Cost(s, gpus, nodes, l).Efficiency() < efficiency {
		l.Micros++
	}
	return l.Micros
}

// NeverHidden is the seconds that stay exposed however long the backward pass is: of the last bucket, which is final with the pass
// itself, and of the small buffers behind it.
func (n *ScalingNet) NeverHidden(s Server, gpus, nodes int, bucket int64) float64 {
	list := n.buckets(bucket)
	return s.AllReduce(float64(list[len(list)-1].bytes), gpus, nodes) + s.AllReduce(float64(n.small()), gpus, nodes)
}
