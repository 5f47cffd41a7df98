package nn

import (
	"fmt"
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
)

// Restores tells whether the net yields an image, as for super-resolution, and not answers to choose from.
func (g *Graph) Restores() bool {
	out := g.Output()
	return out.H != 1 || out.W != 1
}

// restoreBatch is the patches of a batch on which a restoring net's statistics are re-estimated; its values are large.
const restoreBatch = 32

// CheckSizes tells for which image of a super-resolution split the net cannot be made, or makes an image of another
// size than the target's.
func (g *Graph) CheckSizes(s data.Split) error {
	for i := range s.Len() {
		h, w := s.Size(i)
		at, err := g.At(h, w)
		if err != nil {
			return err
		}
		if out := at.Output(); out.H != h*s.Scale() || out.W != w*s.Scale() || out.C != s.C() {
			return fmt.Errorf("%s makes %dx%dx%d of an image of %dx%d, want %dx%dx%d", g.Name, out.H, out.W, out.C, h, w, h*s.Scale(), w*s.Scale(), s.C())
		}
	}
	return nil
}

// restored scores whole images, of any size, one at a time: outputs are rounded to uint8, and PSNR is that of data.PSNR
// with as many pixels left out at the borders as the net enlarges. The loss is the mean absolute difference before the
// rounding, of pixels of 0 to 1.
func (e *Evaluator) restored(s data.Split, integer bool) Score {
	score := Score{Images: s.Len()}
	type size struct{ h, w int }
	images := map[size][]int{}
	var order []size
	for i := range s.Len() {
		h, w := s.Size(i)
		if len(images[size{h, w}]) == 0 {
			order = append(order, size{h, w})
		}
		images[size{h, w}] = append(images[size{h, w}], i)
	}
	losses, decibels := make([]float64, s.Len()), make([]float64, s.Len())
	for _, at := range order {
		p := e.newWhole(at.h, at.w, integer)
		for _, i := range images[at] {
			losses[i], decibels[i] = p.score(s.Image(i), s.Target(i), s.Scale())
		}
		p.release()
	}
	for i := range losses { // in the order of the split
		score.Loss += losses[i] / float64(s.Len())
		score.PSNR += decibels[i] / float64(s.Len())
	}
	return score
}

// whole is a pass over one image of a size of its own.
type whole struct {
	pass
	pixels *cuda.Tensor // u8 [1,h,w,c]
	extra  []*cuda.Tensor
	out    []float32
}

func (e *Evaluator) newWhole(h, w int, integer bool) *whole {
	g, err := e.params.Graph.At(h, w)
	if err != nil {
		panic(fmt.Sprintf("nn.Evaluator: %v; Graph.CheckSizes tells it before", err))
	}
	dev := e.params.Dev
	p := &whole{pass: pass{scalars: NewScalars(dev)}}
	p.plan = NewPlan(e.params, e.gates, p.scalars, PlanOptions{Batch: 1, Graph: g, Integer: integer})
	p.pixels = dev.New(cuda.Uint8, 1, h, w, g.Nodes[0].C)
	draws, mean, std := dev.New(cuda.Int32, 1, 3), dev.From(e.set.Mean, len(e.set.Mean)), dev.From(e.set.Std, len(e.set.Std))
	p.extra = []*cuda.Tensor{p.pixels, draws, mean, std}
	p.graph = dev.Record(func() {
		cuda.Augment(p.plan.Input, p.pixels, draws, mean, std)
		p.plan.PackFilters()
		p.plan.Forward()
	})
	p.out = make([]float32, p.plan.Logits.Len())
	return p
}

func (p *whole) release() {
	p.graph.Free()
	p.plan.Free()
	p.scalars.Free()
	for _, t := range p.extra {
		t.Free()
	}
}

func (p *whole) score(image, target []uint8, shave int) (loss, decibels float64) {
	p.pixels.SetUint8(image)
	p.graph.Launch()
	p.plan.Logits.Get(p.out)
	rounded := make([]uint8, len(p.out))
	for i, v := range p.out {
		loss += math.Abs(float64(v) - float64(target[i])/255)
		rounded[i] = uint8(math.Floor(255*min(max(float64(v), 0), 1) + 0.5))
	}
	shape := p.plan.Logits.Shape()
	decibels = min(data.PSNR(rounded, target, shape[1], shape[2], shape[3], shave), MaxPSNR)
	return loss / float64(len(p.out)), decibels
}
