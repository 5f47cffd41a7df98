package onnx

import (
	"fmt"
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
)

// other writes the ops that compute in floats.
func (e *exporter) other(i int, n nn.Node, in []string, out string) error {
	from := e.c.Graph.Nodes[n.In[0]]
	switch n.Op {
	case nn.OpAdd:
		e.add("Add", []string{in[0], e.shortcut(n, in[1], out)}, out)
	case nn.OpAvgPool:
		e.add("GlobalAveragePool", in, out)
	case nn.OpAct:
		return e.activation(n.Act, e.c.Slopes[i], in[0], out)
	case nn.OpMul:
		e.add("Mul", in, out)
	case nn.OpConcat:
		e.add("Concat", in, out, withInt("axis", 1))
	case nn.OpPool:
		w := n.Pool
		attrs := []Attr{withInts("kernel_shape", int64(w.R), int64(w.S)), withInts("strides", int64(w.Stride), int64(w.Stride)),
			withInts("pads", int64(w.PadTop), int64(w.PadLeft), int64(w.PadBottom), int64(w.PadRight))}
		if w.Max {
			e.add("MaxPool", in, out, attrs...)
		} else {
			counted := int64(0)
			if w.CountPad {
				counted = 1
			}
			e.add("AveragePool", in, out, append(attrs, withInt("count_include_pad", counted))...)
		}
	case nn.OpShuffle:
		mode := "CRD"
		if n.Shuffle.DCR {
			mode = "DCR"
		}
		e.add("DepthToSpace", in, out, withInt("blocksize", int64(n.Shuffle.Block)), withText("mode", mode))
	case nn.OpResize:
		e.resize(n, from, in[0], out)
	case nn.OpPad:
		p := n.Pads
		e.pad(in[0], out, 0, p.Top, p.Left, 0, p.Bottom, p.Right)
	default:
		return fmt.Errorf("the op %v has no ONNX form", n.Op)
	}
	return nil
}

// pad puts zeros before and behind channels, rows and columns.
func (e *exporter) pad(in, out string, c0, h0, w0, c1, h1, w1 int) {
	pads := e.ints(out+".pads", 0, int64(c0), int64(h0), int64(w0), 0, int64(c1), int64(h1), int64(w1))
	e.add("Pad", []string{in, pads, e.floats(out+".zero", []float32{0})}, out, withText("mode", "constant"))
}

// shortcut is an addition's second input, brought to the size of the first as in ResNet's option A.
func (e *exporter) shortcut(n nn.Node, in, out string) string {
	from := e.c.Graph.Nodes[n.In[1]]
	if n.Stride > 1 {
		e.add("Slice", []string{in, e.ints(out+".starts", 0, 0), e.ints(out+".ends", math.MaxInt32, math.MaxInt32),
			e.ints(out+".axes", 2, 3), e.ints(out+".steps", int64(n.Stride), int64(n.Stride))}, out+".sliced")
		in = out + ".sliced"
	}
	if from.C == n.C {
		return in
	}
	e.pad(in, out+".padded", n.Offset, 0, 0, n.C-from.C-n.Offset, 0, 0)
	return out + ".padded"
}

func (e *exporter) activation(a nn.Activation, slopes []float32, in, out string) error {
	switch a.Kind {
	case cuda.ActClip:
		e.clip(in, out, a.Alpha, a.Beta)
	case cuda.ActLeakyReLU:
		e.add("LeakyRelu", []string{in}, out, withFloat("alpha", a.Alpha))
	case cuda.ActPReLU:
		if slopes == nil {
			return fmt.Errorf("its slopes are not among the net's parameters")
		}
		e.add("PRelu", []string{in, e.floats(out+".slope", slopes, int64(len(slopes)), 1, 1)}, out)
	case cuda.ActHardSigmoid:
		e.add("HardSigmoid", []string{in}, out, withFloat("alpha", a.Alpha), withFloat("beta", a.Beta))
	case cuda.ActHardSwish:
		e.add("HardSwish", []string{in}, out)
	case cuda.ActSigmoid:
		e.add("Sigmoid", []string{in}, out)
	case cuda.ActSiLU:
		e.add("Sigmoid", []string{in}, out+".gate")
		e.add("Mul", []string{in, out + ".gate"}, out)
	case cuda.ActTanh:
		e.add("Tanh", []string{in}, out)
	default:
		return fmt.Errorf("the activation %v has no ONNX form", a.Kind)
	}
	return nil
}

// resize keeps a ratio where the sizes have a whole one, so that images of other sizes pass too.
func (e *exporter) resize(n, from nn.Node, in, out string) {
	r := n.Resize
	coordinates := [...]string{nn.HalfPixel: "half_pixel", nn.Asymmetric: "asymmetric", nn.AlignCorners: "align_corners"}[r.Coordinates]
	attrs := []Attr{withText("mode", [...]string{nn.ResizeNearest: "nearest", nn.ResizeLinear: "linear", nn.ResizeCubic: "cubic"}[r.Mode]),
		withText("coordinate_transformation_mode", coordinates), withInts("axes", 2, 3)}
	if r.Mode == nn.ResizeNearest {
		rounding := "round_prefer_floor"
		if r.Floor {
			rounding = "floor"
		}
		attrs = append(attrs, withText("nearest_mode", rounding))
	}
	operands := []string{in, ""}
	if n.H%from.H == 0 && n.W%from.W == 0 {
		operands = append(operands, e.floats(out+".scales", []float32{float32(n.H / from.H), float32(n.W / from.W)}, 2))
	} else {
		operands = append(operands, "", e.ints(out+".sizes", int64(n.H), int64(n.W)))
	}
	e.add("Resize", operands, out, attrs...)
}
