package onnx

import (
	"fmt"
	"math"
	"slices"

	"vimps-gpu/nn"
)

func (im *importer) resize(n *Node) (*value, error) {
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	r, err := n.resampling()
	if err != nil {
		return nil, err
	}
	h, w, err := im.resized(n, v)
	if err != nil {
		return nil, err
	}
	return v.keep(im, im.g.Resize(v.node, h, w, r)), nil
}

func (n *Node) resampling() (r nn.Resize, err error) {
	switch mode := n.text("mode", "nearest"); mode {
	case "nearest":
	case "linear", "bilinear":
		r.Mode = nn.ResizeLinear
	case "cubic":
		if r.Mode = nn.ResizeCubic; n.float("cubic_coeff_a", -0.75) != -0.75 {
			return r, fmt.Errorf("cubic_coeff_a is %g, want -0.75", n.float("cubic_coeff_a", -0.75))
		}
	default:
		return r, fmt.Errorf("mode %q", mode)
	}
	otherwise := "half_pixel"
	if n.Op == "Upsample" || len(n.In) == 2 { // opset 10
		otherwise = "asymmetric"
	}
	switch c := n.text("coordinate_transformation_mode", otherwise); c {
	case "half_pixel", "pytorch_half_pixel":
	case "asymmetric":
		r.Coordinates = nn.Asymmetric
	case "align_corners":
		r.Coordinates = nn.AlignCorners
	default:
		return r, fmt.Errorf("coordinates by %q", c)
	}
	switch nearest := n.text("nearest_mode", map[bool]string{true: "floor", false: "round_prefer_floor"}[otherwise == "asymmetric"]); {
	case r.Mode != nn.ResizeNearest:
	case nearest == "floor":
		r.Floor = true
	case nearest != "round_prefer_floor":
		return r, fmt.Errorf("nearest_mode %q", nearest)
	}
	if n.int("antialias", 0) != 0 || n.int("exclude_outside", 0) != 0 {
		return r, fmt.Errorf("antialias or exclude_outside")
	}
	if p := n.text("keep_aspect_ratio_policy", "stretch"); p != "stretch" {
		return r, fmt.Errorf("keep_aspect_ratio_policy %q", p)
	}
	return r, nil
}

// resized is the size after a Resize: by its sizes, or by scales that give whole numbers.
func (im *importer) resized(n *Node, v *image) (h, w int, err error) {
	scales, sizes := 2, 3
	if len(n.In) <= 2 {
		scales, sizes = 1, 4
	}
	to := slices.Clone(n.attrFloats("scales"))
	var exact []int64
	if n.has(sizes) {
		c, err := im.constant(n, sizes)
		if err != nil {
			return 0, 0, fmt.Errorf("the sizes: %w", err)
		}
		exact = c.ints
	} else if n.has(scales) {
		c, err := im.floatsOf(n, scales)
		if err != nil {
			return 0, 0, fmt.Errorf("the scales: %w", err)
		}
		to = c.floats
	}
	axes := n.ints("axes")
	if axes == nil {
		for i := range v.groups {
			axes = append(axes, int64(i))
		}
	}
	if len(exact)+len(to) != len(axes) {
		return 0, 0, fmt.Errorf("%d sizes or scales of %d dimensions", len(exact)+len(to), len(axes))
	}
	h, w = v.h, v.w
	for i, a := range axes {
		if a < 0 {
			a += int64(len(v.groups))
		}
		if a < 0 || a >= int64(len(v.groups)) {
			return 0, 0, fmt.Errorf("axes %v", axes)
		}
		size := float64(v.dims()[a])
		if exact != nil {
			size = float64(exact[i])
		} else {
			size *= float64(to[i])
		}
		switch g := v.groups[a]; {
		case size < 1 || size > sizeLimit || size != math.Trunc(size):
			return 0, 0, fmt.Errorf("a size of %g", size)
		case g == "H":
			h = int(size)
		case g == "W":
			w = int(size)
		case size != float64(v.dims()[a]):
			return 0, 0, fmt.Errorf("another number of channels or images")
		}
	}
	return h, w, nil
}

func (n *Node) attrFloats(name string) []float32 {
	if a := n.attr(name, AttrFloats); a != nil {
		return a.Floats
	}
	return nil
}
