package haq

import (
	"fmt"
	"math"
)

// network is a fully connected net in float64: linear layers with ReLU between them, one output. All its parameters
// are one vector: for each layer a matrix [in][out], then a bias [out].
type network struct {
	sizes       []int // of the input, the hidden layers and the output
	value, grad []float64
	nonzero     sparse
}

func newNetwork(sizes ...int) *network {
	n := 0
	for l := range len(sizes) - 1 {
		n += (sizes[l] + 1) * sizes[l+1]
	}
	return &network{sizes: sizes, value: make([]float64, n), grad: make([]float64, n)}
}

// layer is the matrix and the bias of layer l within a vector of all parameters.
func (n *network) layer(all []float64, l int) (w, b []float64) {
	from := 0
	for k := range l {
		from += (n.sizes[k] + 1) * n.sizes[k+1]
	}
	in, out := n.sizes[l], n.sizes[l+1]
	return all[from:][:in*out], all[from+in*out:][:out]
}

// start draws parameters as PyTorch's nn.Linear does, which the authors keep: uniform within 1/sqrt(inputs).
func (n *network) start(r random) {
	i := uint32(0)
	for l := range len(n.sizes) - 1 {
		w, b := n.layer(n.value, l)
		bound := 1 / math.Sqrt(float64(n.sizes[l]))
		for _, v := range [][]float64{w, b} {
			for j := range v {
				v[j] = single(bound * (2*r.uniform(i, 0) - 1))
				i++
			}
		}
	}
}

// batch is what the layers of a network yield for some inputs: rows[l] is [size][sizes[l]]; rows[0] is the input.
type batch struct {
	size int
	rows [][]float64
	back [][]float64 // gradients of rows
}

func (n *network) newBatch(size int) *batch {
	b := &batch{size: size}
	for _, s := range n.sizes {
		b.rows, b.back = append(b.rows, make([]float64, size*s)), append(b.back, make([]float64, size*s))
	}
	return b
}

// output is the network's output, one a row.
func (b *batch) output() []float64 { return b.rows[len(b.rows)-1] }

// forward computes rows[1:] from rows[0].
func (n *network) forward(b *batch) {
	for l := range len(n.sizes) - 1 {
		in, out := n.sizes[l], n.sizes[l+1]
		w, bias := n.layer(n.value, l)
		for i := range b.size {
			y := b.rows[l+1][i*out:][:out]
			copy(y, bias)
			n.nonzero.gather(b.rows[l][i*in:], 1, in)
			n.nonzero.addTo(y, w)
			if l+2 < len(n.sizes) {
				for j, v := range y {
					y[j] = max(v, 0)
				}
			}
		}
	}
}

// backward takes the gradient of the output, [size], to the parameters (added to n.grad) where params is set, and to
// the input (b.back[0]) where input is.
func (n *network) backward(b *batch, dOutput []float64, params, input bool) {
	last := len(n.sizes) - 1
	if len(dOutput) != b.size || n.sizes[last] != 1 {
		panic(fmt.Sprintf("haq.network.backward: %d gradients for %d rows of %d outputs", len(dOutput), b.size, n.sizes[last]))
	}
	copy(b.back[last], dOutput)
	for l := last - 1; l >= 0; l-- {
		if params {
			n.addParameterGradients(b, l)
		}
		if l > 0 || input {
			n.inputGradients(b, l)
		}
	}
}

func (n *network) addParameterGradients(b *batch, l int) {
	in, out := n.sizes[l], n.sizes[l+1]
	dw, db := n.layer(n.grad, l)
	for i := range in {
		n.nonzero.gather(b.rows[l][i:], in, b.size)
		n.nonzero.addTo(dw[i*out:][:out], b.back[l+1])
	}
	for i := range b.size {
		for j, v := range b.back[l+1][i*out:][:out] {
			db[j] += v
		}
	}
}

// inputGradients computes b.back[l]; behind a ReLU only what passed it has one.
func (n *network) inputGradients(b *batch, l int) {
	in, out := n.sizes[l], n.sizes[l+1]
	w, _ := n.layer(n.value, l)
	clear(b.back[l])
	for i := range b.size {
		if l == 0 {
			n.nonzero.all(in)
		} else {
			n.nonzero.gather(b.rows[l][i*in:], 1, in)
		}
		n.nonzero.dots(b.back[l][i*in:][:in], b.back[l+1][i*out:][:out], w)
	}
}

// adam is Adam (Kingma & Ba, ICLR 2015) with beta 0.9 and 0.999, epsilon 1e-8.
type adam struct {
	rate   float64
	m1, m2 []float64
}

// step is update t (from 1) of the parameters by their gradients, which become 0.
func (a *adam) step(value, grad []float64, t int) {
	const beta1, beta2, epsilon = 0.9, 0.999, 1e-8
	rate := a.rate / (1 - math.Pow(beta1, float64(t)))
	root := math.Sqrt(1 - math.Pow(beta2, float64(t)))
	for i, g := range grad {
		m1 := single(beta1*a.m1[i] + (1-beta1)*g)
		m2 := single(beta2*a.m2[i] + (1-beta2)*g*g)
		a.m1[i], a.m2[i] = m1, m2
		value[i] = single(value[i] - rate*m1/(math.Sqrt(m2)/root+epsilon))
	}
	clear(grad)
}

// single rounds to float32. Everything that outlives an update is kept so: a state file, whose numbers are float32,
// then holds it exactly.
func single(v float64) float64 { return float64(float32(v)) }
