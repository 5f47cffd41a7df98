package nn

import (
	"gorgonia.org/tensor"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/weights"
)

// NamedTensor is a device tensor and its name in a state file.
type NamedTensor struct {
	Name string
	T    *cuda.Tensor
}

// State lists everything that training changes: values and optimizer moments of every parameter, one tensor each,
// and the running statistics.
func (p *Params) State() []NamedTensor {
	var list []NamedTensor
	for _, e := range p.Entries {
		n, shape := e.Value.Len(), e.Value.Shape()
		g := p.Groups[e.Group]
		list = append(list, NamedTensor{e.Name, e.Value}, NamedTensor{e.Name + ".moment", g.M.View(e.Offset, shape...)})
		if g.V != nil && n > 0 {
			list = append(list, NamedTensor{e.Name + ".moment2", g.V.View(e.Offset, shape...)})
		}
	}
	for _, n := range p.Norms {
		list = append(list, NamedTensor{n.Name + ".running_mean", n.Mean}, NamedTensor{n.Name + ".running_var", n.Var})
	}
	return list
}

// Dense copies device tensors to the host, for a file.
func Dense(list []NamedTensor) []weights.Named {
	out := make([]weights.Named, len(list))
	for i, t := range list {
		out[i] = weights.Named{Name: t.Name, Tensor: tensor.New(tensor.WithShape(t.T.Shape()...), tensor.WithBacking(t.T.Get(nil)))}
	}
	return out
}

// Restore sets device tensors from a file, all or none.
func Restore(list []NamedTensor, f *weights.File) error {
	values := make([][]float32, len(list))
	for i, t := range list {
		v, err := f.Float32(t.Name, t.T.Shape()...)
		if err != nil {
			return err
		}
		values[i] = v
	}
	for i, t := range list {
		t.T.Set(values[i])
	}
	return nil
}
