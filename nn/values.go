package nn

import "vimps-gpu/cuda"

// Value is what node i of the graph came to in the last Forward, [N,H,W,C]: of a Plan that keeps its values. nil where a later node's op
// took it in.
func (p *Plan) Value(i int) *cuda.Tensor { return p.value[i] }
