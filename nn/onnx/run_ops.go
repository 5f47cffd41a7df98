package onnx

import (
	"fmt"
	"math"
)

// runOps are the ops that a Runner knows.
var runOps = map[string]func(*Runner, *Node, []*array) (*array, error){
	"Conv": runConv, "ConvInteger": runConvInteger, "QuantizeLinear": runQuantize, "DequantizeLinear": runDequantize,
	"Cast": func(_ *Runner, _ *Node, in []*array) (*array, error) { y := *in[0]; return &y, nil },
	"Add":  runBinary(func(a, b float32) float32 { return a + b }),
	"Mul":  runBinary(func(a, b float32) float32 { return a * b }),
	"Relu": runUnary(func(x float32) float32 { return max(x, 0) }),
	"Clip": runClip, "PRelu": runBinary(runPReLU), "LeakyRelu": runLeakyReLU, "HardSigmoid": runHardSigmoid,
	"HardSwish": runUnary(func(x float32) float32 { return x * min(max(float32(x/6)+0.5, 0), 1) }),
	"Sigmoid":   runUnary(func(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }),
	"Tanh":      runUnary(func(x float32) float32 { return float32(math.Tanh(float64(x))) }),
	"Concat":    runConcat, "Pad": runPad, "Slice": runSlice, "Flatten": runFlatten, "DepthToSpace": runDepthToSpace,
	"GlobalAveragePool": runGlobalAverage, "MaxPool": runWindow, "AveragePool": runWindow, "Resize": runResize,
}

func runPReLU(x, slope float32) float32 {
	if x < 0 {
		return x * slope
	}
	return x
}

func runLeakyReLU(r *Runner, n *Node, in []*array) (*array, error) {
	slope := runFloat(n, "alpha", 0.01)
	return runUnary(func(x float32) float32 { return runPReLU(x, slope) })(r, n, in)
}

func runHardSigmoid(r *Runner, n *Node, in []*array) (*array, error) {
	a, b := runFloat(n, "alpha", 0.2), runFloat(n, "beta", 0.5)
	return runUnary(func(x float32) float32 { return min(max(float32(a*x)+b, 0), 1) })(r, n, in)
}

func runUnary(f func(x float32) float32) func(*Runner, *Node, []*array) (*array, error) {
	return func(r *Runner, _ *Node, in []*array) (*array, error) {
		x, y := in[0], r.newArray(1, in[0].dims...)
		size := len(x.f) / x.dims[0]
		r.each(x.dims[0], func(i int) {
			for k := i * size; k < (i+1)*size; k++ {
				y.f[k] = f(x.f[k])
			}
		})
		return y, nil
	}
}

// runClip is Clip, of floats or of codes.
func runClip(r *Runner, n *Node, in []*array) (*array, error) {
	lo, hi := in[1].f[0], in[2].f[0]
	y, err := runUnary(func(x float32) float32 { return min(max(x, lo), hi) })(r, n, in)
	y.dtype, y.codes = in[0].dtype, in[0].codes
	return y, err
}

// runBinary computes on an image and another, a constant [C,1,1] or [1], or an image of 1x1.
func runBinary(f func(a, b float32) float32) func(*Runner, *Node, []*array) (*array, error) {
	return func(r *Runner, n *Node, in []*array) (*array, error) {
		a, b := in[0], in[1]
		y := r.newArray(1, a.dims...)
		c, size := a.dims[len(a.dims)-1], len(a.f)/a.dims[0]
		perImage, repeat := len(b.f)/a.dims[0], c
		switch {
		case b.image && len(a.f) == len(b.f):
			repeat = size
		case b.image && b.dims[0] == a.dims[0] && b.dims[1] == 1 && b.dims[2] == 1 && b.dims[3] == c:
		case !b.image && len(b.f) == c && len(b.dims) == 3 && b.dims[0] == c:
			perImage = 0
		case !b.image && len(b.f) == 1:
			perImage, repeat = 0, 1
		default:
			return nil, fmt.Errorf("%v and %v do not fit", a.dims, b.dims)
		}
		r.each(a.dims[0], func(i int) {
			with := b.f[i*perImage:][:repeat]
			for from := i * size; from < (i+1)*size; from += repeat {
				x, to := a.f[from:][:repeat], y.f[from:][:repeat]
				for k, v := range with {
					to[k] = f(x[k], v)
				}
			}
		})
		return y, nil
	}
}

func runFlatten(_ *Runner, _ *Node, in []*array) (*array, error) {
	x := in[0]
	if !x.image || x.dims[1] != 1 || x.dims[2] != 1 {
		return nil, fmt.Errorf("want an image of 1x1, not %v", x.dims)
	}
	return &array{dims: []int{x.dims[0], x.dims[3]}, f: x.f}, nil
}

// runGlobalAverage sums as onnxruntime's CPU kernel: four sums of every fourth pixel, then those, then what is left over.
func runGlobalAverage(r *Runner, _ *Node, in []*array) (*array, error) {
	x := in[0]
	pixels, c := x.dims[1]*x.dims[2], x.dims[3]
	y := r.newArray(pixels, x.dims[0], 1, 1, c)
	r.each(x.dims[0], func(i int) {
		image := x.f[i*pixels*c:][:pixels*c]
		for ch := range c {
			var lane [4]float32
			p := 0
			for ; p+4 <= pixels; p += 4 {
				for k := range lane {
					lane[k] += image[(p+k)*c+ch]
				}
			}
			sum := (lane[0] + lane[2]) + (lane[1] + lane[3])
			for ; p < pixels; p++ {
				sum += image[p*c+ch]
			}
			y.f[i*c+ch] = sum / float32(pixels)
		}
	})
	return y, nil
}

// gather writes y [N,h,w,c], whose every element comes from an element of the same image of x, or is 0.
func (r *Runner) gather(x *array, h, w, c int, from func(i, j, ch int) (y, x, c int, ok bool)) *array {
	y := r.newArray(1, x.dims[0], h, w, c)
	in := x.dims[1] * x.dims[2] * x.dims[3]
	r.each(x.dims[0], func(n int) {
		image, to := x.f[n*in:][:in], y.f[n*h*w*c:][:h*w*c]
		for at := range to {
			if i, j, ch, ok := from(at/c/w, at/c%w, at%c); ok {
				to[at] = image[(i*x.dims[2]+j)*x.dims[3]+ch]
			}
		}
	})
	return y
}

func runPad(r *Runner, _ *Node, in []*array) (*array, error) {
	x, p := in[0], in[1].whole()
	if !x.image || len(p) != 8 || p[0] != 0 || p[4] != 0 || min(p[1], p[2], p[3], p[5], p[6], p[7]) < 0 || in[2].f[0] != 0 {
		return nil, fmt.Errorf("pads %v of %v", p, x.dims)
	}
	return r.gather(x, x.dims[1]+p[2]+p[6], x.dims[2]+p[3]+p[7], x.dims[3]+p[1]+p[5], func(i, j, ch int) (int, int, int, bool) {
		i, j, ch = i-p[2], j-p[3], ch-p[1]
		return i, j, ch, i >= 0 && i < x.dims[1] && j >= 0 && j < x.dims[2] && ch >= 0 && ch < x.dims[3]
	}), nil
}

func runSlice(r *Runner, _ *Node, in []*array) (*array, error) {
	x, step := in[0], in[4].whole()
	if a := in[3].whole(); !x.image || len(a) != 2 || a[0] != 2 || a[1] != 3 || len(step) != 2 || min(step[0], step[1]) < 1 || in[1].f[0] != 0 || in[1].f[1] != 0 {
		return nil, fmt.Errorf("want every n-th row and column of an image")
	}
	h, w := (x.dims[1]+step[0]-1)/step[0], (x.dims[2]+step[1]-1)/step[1]
	return r.gather(x, h, w, x.dims[3], func(i, j, ch int) (int, int, int, bool) { return i * step[0], j * step[1], ch, true }), nil
}

func runDepthToSpace(r *Runner, n *Node, in []*array) (*array, error) {
	x, b := in[0], runInt(n, "blocksize", 1)
	if !x.image || b < 1 || x.dims[3]%(b*b) != 0 {
		return nil, fmt.Errorf("blocks of %d in %v", b, x.dims)
	}
	c, dcr := x.dims[3]/(b*b), runText(n, "mode", "DCR") == "DCR"
	return r.gather(x, x.dims[1]*b, x.dims[2]*b, c, func(i, j, ch int) (int, int, int, bool) {
		at := i%b*b + j%b
		if dcr {
			return i / b, j / b, at*c + ch, true
		}
		return i / b, j / b, ch*b*b + at, true
	}), nil
}

func runConcat(r *Runner, n *Node, in []*array) (*array, error) {
	c := 0
	for _, x := range in {
		if !x.image || x.dims[0] != in[0].dims[0] || x.dims[1] != in[0].dims[1] || x.dims[2] != in[0].dims[2] || runInt(n, "axis", 0) != 1 {
			return nil, fmt.Errorf("%v beside %v", in[0].dims, x.dims)
		}
		c += x.dims[3]
	}
	y, at := r.newArray(1, in[0].dims[0], in[0].dims[1], in[0].dims[2], c), 0
	for _, x := range in {
		k := x.dims[3]
		for p := range len(x.f) / k {
			copy(y.f[p*c+at:][:k], x.f[p*k:])
		}
		at += k
	}
	return y, nil
}

// runWindow is the maximum or the average over windows.
func runWindow(r *Runner, n *Node, in []*array) (*array, error) {
	x, size, stride, p := in[0], runInts(n, "kernel_shape"), runInts(n, "strides", 1, 1), runInts(n, "pads", 0, 0, 0, 0)
	if !x.image || len(size) != 2 || len(stride) != 2 || len(p) != 4 || min(size[0], size[1], stride[0], stride[1]) < 1 ||
		max(size[0], size[1], p[0], p[1], p[2], p[3]) > maxStep || min(p[0], p[1], p[2], p[3]) < 0 {
		return nil, fmt.Errorf("windows %v, strides %v, pads %v on %v", size, stride, p, x.dims)
	}
	most, counted, c := n.Op == "MaxPool", runInt(n, "count_include_pad", 0) == 1, x.dims[3]
	h, w := (x.dims[1]+p[0]+p[2]-size[0])/stride[0]+1, (x.dims[2]+p[1]+p[3]-size[1])/stride[1]+1
	y := r.newArray(size[0]*size[1], x.dims[0], h, w, c)
	r.each(x.dims[0], func(image int) {
		for at := range h * w * c {
			best, sum, count := float32(math.Inf(-1)), float32(0), 0
			for tap := range size[0] * size[1] {
				i, j := at/c/w*stride[0]+tap/size[1]-p[0], at/c%w*stride[1]+tap%size[1]-p[1]
				if i < 0 || i >= x.dims[1] || j < 0 || j >= x.dims[2] {
					continue
				}
				v := x.f[((image*x.dims[1]+i)*x.dims[2]+j)*c+at%c]
				best, sum, count = max(best, v), sum+v, count+1
			}
			if counted {
				count = size[0] * size[1]
			}
			if y.f[image*h*w*c+at] = best; !most {
				y.f[image*h*w*c+at] = sum / float32(count)
			}
		}
	})
	return y, nil
}
