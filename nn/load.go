package nn

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"vimps-gpu/kernels"
	"vimps-gpu/nn/weights"
)

// Load fills an fp32 net from a file with torchvision's names: NAME.weight [K,C,R,S] and NAME.bias of
// convolutions (linear: [K,C]), NAME.weight, .bias, .running_mean, .running_var of norms. Every tensor of the
// net must be there in its shape and finite; the error lists all that are not. It returns the names of tensors
// in the file that the net has no place for.
func (p *Params) Load(f *weights.File) (unused []string, err error) {
	used := map[string]bool{}
	var wrong []error
	get := func(name string, shape ...int) []float32 {
		used[name] = true
		v, err := f.Float32(name, shape...)
		if err == nil {
			if err = finite(name, v); err != nil {
				err = fmt.Errorf("%s: %w", f.Path, err)
			}
		}
		if err != nil {
			wrong = append(wrong, err)
			return nil
		}
		return v
	}
	var bind []func()
	for i, node := range p.Graph.Convs() {
		l, n := &p.Layers[i], p.Graph.Nodes[node]
		c := l.W.Dim(4)
		shape := []int{n.C, c, n.Conv.R, n.Conv.S}
		if n.Conv.Bias && n.Conv.R*n.Conv.S == 1 {
			shape = shape[:2]
		}
		w := get(l.Name+".weight", shape...)
		bind = append(bind, func() { l.SetFilter(toKRSC(w, n.C, c, n.Conv.R*n.Conv.S)) })
		if l.Bias != nil {
			bias := get(l.Name+".bias", n.C)
			bind = append(bind, func() { l.Bias.Set(bias) })
		}
	}
	for i := range p.Norms {
		n := &p.Norms[i]
		c := n.Gamma.Dim(1)
		gamma, beta := get(n.Name+".weight", c), get(n.Name+".bias", c)
		mean, variance := get(n.Name+".running_mean", c), get(n.Name+".running_var", c)
		for j, v := range variance {
			if v < 0 {
				wrong = append(wrong, fmt.Errorf("%s: tensor %q is negative at %d", f.Path, n.Name+".running_var", j))
				break
			}
		}
		bind = append(bind, func() { n.SetAffine(gamma, beta); n.SetStats(mean, variance) })
	}
	if len(wrong) > 0 {
		return nil, oneLine(f.Path, p.Graph.Name, wrong)
	}
	for _, b := range bind {
		b()
	}
	for _, name := range f.Names() {
		if !used[name] && !strings.HasSuffix(name, ".num_batches_tracked") {
			unused = append(unused, name)
		}
	}
	return unused, nil
}

// oneLine joins what is wrong with a file, the first few in full.
func oneLine(path, net string, wrong []error) error {
	const most = 3
	if extra := len(wrong) - most; extra > 0 {
		return fmt.Errorf("%w; and %d more tensors that %s needs", joinLine(wrong[:most]), extra, net)
	}
	return joinLine(wrong)
}

func joinLine(errs []error) error {
	var text []string
	for _, e := range errs {
		text = append(text, e.Error())
	}
	return errors.New(strings.Join(text, "; "))
}

func finite(name string, values []float32) error {
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("tensor %q holds %v at %d", name, v, i)
		}
	}
	return nil
}

// toKRSC turns filters [K,C,RS] into [K,RS,C].
func toKRSC(w []float32, k, c, rs int) []float32 {
	out := make([]float32, len(w))
	for i := range k {
		for j := range c {
			for t := range rs {
				out[(i*rs+t)*c+j] = w[(i*c+j)*rs+t]
			}
		}
	}
	return out
}

// philoxInit keeps the draws of initial filters apart from others under the same seed.
const philoxInit = 0x1A

// Init draws the filters of an fp32 net from normal distributions of variance 2/fan_in (He et al. 2015),
// biases 0.
func (p *Params) Init(seed uint64) {
	key := [2]uint32{uint32(seed), uint32(seed >> 32)}
	for i := range p.Layers {
		w := p.Layers[i].W
		values := make([]float32, w.Len())
		std := math.Sqrt(2 / float64(w.Len()/(w.Dim(0)*w.Dim(1))))
		for j := range values {
			r := kernels.Philox([4]uint32{uint32(j), uint32(i), 0, philoxInit}, key)
			u1, u2 := (float64(r[0])+1)/(1<<32), float64(r[1])/(1<<32)
			values[j] = float32(std * math.Sqrt(-2*math.Log(u1)) * math.Cos(2*math.Pi*u2))
		}
		w.Set(values)
	}
}

// NonFinite names the first convolution or unit in forward order whose values are not all finite; "" if none.
func (p *Plan) NonFinite() string {
	for i, n := range p.Params.Graph.Nodes {
		if p.value[i] == nil || finite("", p.value[i].Get(nil)) == nil {
			continue
		}
		if n.Name != "" {
			return n.Name
		}
		return fmt.Sprintf("%v after %s", n.Op, p.nameBefore(i))
	}
	return ""
}

// nameBefore is the name of the nearest named node that feeds node i.
func (p *Plan) nameBefore(i int) string {
	for p.Params.Graph.Nodes[i].Name == "" {
		i = p.Params.Graph.Nodes[i].In[0]
	}
	return p.Params.Graph.Nodes[i].Name
}
