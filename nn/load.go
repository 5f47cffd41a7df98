package nn

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"vimps-gpu/kernels"
	"vimps-gpu/nn/weights"
)

// LoadReport is what a weight file and a net have in common.
type LoadReport struct {
	Matched    []string // tensors of the file that were loaded, by the file's names
	Unused     []string // tensors of the file that the net has no place for
	Parameters int      // values loaded, running statistics not counted
}

// Load fills an fp32 net from a file with torchvision's names: NAME.weight [K,C,R,S] and NAME.bias of convolutions (linear:
// [K,C*R*S]), NAME.weight, .bias, .running_mean, .running_var of norms, NAME.weight [C] or [1] of PReLUs; of a layer with an alias, the
// alias's names where the file has those. Every tensor of the net must be there in its shape and finite; the error is one
// line and lists all that are not, and then nothing is loaded.
func (p *Params) Load(f *weights.File) (LoadReport, error) {
	l := &loader{f: f, used: map[string]bool{}}
	for i, node := range p.Graph.Convs() {
		l.layer(&p.Layers[i], p.Graph.Nodes[node])
	}
	for i, n := range p.Graph.Nodes {
		if n.Op == OpNorm {
			l.norm(p.Norm(i), n)
		}
		if slope, ok := p.slope[i]; ok {
			l.slopes(p.Slopes[slope], n)
		}
	}
	if len(l.missing) > 0 {
		l.wrong = append(l.wrong, "missing "+strings.Join(l.missing, ", "))
	}
	if len(l.wrong) > 0 {
		return LoadReport{}, fmt.Errorf("%s: of the %d tensors that %s needs: %s", f.Path, l.wanted, p.Graph.Name, strings.Join(l.wrong, "; "))
	}
	for _, b := range l.bind {
		b()
	}
	for _, name := range f.Names() {
		switch {
		case l.used[name]:
			l.report.Matched = append(l.report.Matched, name)
		case !strings.HasSuffix(name, ".num_batches_tracked"):
			l.report.Unused = append(l.report.Unused, name)
		}
	}
	return l.report, nil
}

// loader collects what is wrong with a file before it changes anything.
type loader struct {
	f       *weights.File
	used    map[string]bool
	wanted  int
	missing []string // names, quoted
	wrong   []string
	bind    []func() // set the values
	report  LoadReport
}

// name is what the file calls a node.
func (l *loader) name(n Node) string {
	if n.Alias != "" && l.f.Tensors[n.Name+".weight"] == nil && l.f.Tensors[n.Alias+".weight"] != nil {
		return n.Alias
	}
	return n.Name
}

// get reads a tensor of one of the shapes, or notes what is wrong with it.
func (l *loader) get(name string, shapes ...[]int) []float32 {
	l.wanted++
	t, ok := l.f.Tensors[name]
	if !ok {
		l.missing = append(l.missing, strconv.Quote(name))
		return nil
	}
	l.used[name] = true
	shape := shapes[0]
	for _, s := range shapes[1:] {
		if slices.Equal([]int(t.Shape()), s) {
			shape = s
		}
	}
	v, err := l.f.Float32(name, shape...)
	if err == nil {
		err = finite(name, v)
	}
	if err != nil {
		l.wrong = append(l.wrong, strings.TrimPrefix(err.Error(), l.f.Path+": "))
		return nil
	}
	return v
}

// count is get of parameters.
func (l *loader) count(name string, shapes ...[]int) []float32 {
	v := l.get(name, shapes...)
	l.report.Parameters += len(v)
	return v
}

func (l *loader) layer(p *LayerParams, n Node) {
	c, name := p.W.Dim(4), l.name(n)
	shapes := [][]int{{n.C, c, n.Conv.R, n.Conv.S}, {n.C, c * n.Conv.R * n.Conv.S}}
	if n.Conv.Linear {
		slices.Reverse(shapes)
	}
	w := l.count(name+".weight", shapes...)
	l.bind = append(l.bind, func() { p.SetFilter(toKRSC(w, n.C, c, n.Conv.R*n.Conv.S)) })
	if p.Bias != nil {
		bias := l.count(name+".bias", []int{n.C})
		l.bind = append(l.bind, func() { p.Bias.Set(bias) })
	}
}

func (l *loader) norm(p *NormParams, n Node) {
	name, shape := l.name(n), []int{n.C}
	gamma, beta := l.count(name+".weight", shape), l.count(name+".bias", shape)
	mean, variance := l.get(name+".running_mean", shape), l.get(name+".running_var", shape)
	for j, v := range variance {
		if v < 0 {
			l.wrong = append(l.wrong, fmt.Sprintf("tensor %q is negative at %d", name+".running_var", j))
			break
		}
	}
	l.bind = append(l.bind, func() { p.SetAffine(gamma, beta); p.SetStats(mean, variance) })
}

func (l *loader) slopes(p SlopeParams, n Node) {
	v := l.count(l.name(n)+".weight", []int{n.C}, []int{1})
	l.bind = append(l.bind, func() {
		if len(v) == 1 { // one for all channels
			fillWith(p.Slope, v[0])
			return
		}
		p.Slope.Set(v)
	})
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
	for i, n := range p.Graph.Nodes {
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
	for p.Graph.Nodes[i].Name == "" {
		i = p.Graph.Nodes[i].In[0]
	}
	return p.Graph.Nodes[i].Name
}
