package nn

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn/data"
)

// Augment says how training images are varied. Those of one size are padded with Pad black pixels before
// normalisation, cropped back at a random place, flipped left to right with probability 1/2. Those of a
// data.Split that is Varied go through data.Split.Sample or, in super-resolution, SamplePair; Pad means nothing
// to them, and Flip lets patches be turned too. The zero Augment is that of evaluation.
type Augment struct {
	Pad  int
	Flip bool
}

// Feed brings images to a Plan's Input, and to its Target where it has one: pixels are copied to the device
// as they are, and cropped, flipped and normalised there.
type Feed struct {
	plan      *Plan
	augment   Augment
	pixels    *cuda.Tensor // u8 [N,H,W,C]
	draws     *cuda.Tensor // i32 [N,3]: top, left of the crop, flip
	mean, std *cuda.Tensor // f32 [C]
	target    *feedTarget  // nil in classification
	inbox     *cuda.Inbox  // of pixels, draws, labels and the target's pixels
	batch     batch        // the memory to fill, anew each time
}

// feedTarget brings the pixels of targets, u8 [N,sH,sW,C], to Plan.Target.
type feedTarget struct{ pixels, draws, mean, std *cuda.Tensor }

// NewFeed makes a feed with the normalisation of a data set; the zero Augment leaves images as they are.
func NewFeed(p *Plan, mean, std []float32, a Augment) *Feed {
	shape := p.Input.Shape()
	f := &Feed{plan: p, augment: a}
	f.pixels = p.keep(p.dev.New(cuda.Uint8, shape...))
	f.draws = p.keep(p.dev.New(cuda.Int32, shape[0], 3))
	f.mean, f.std = p.keep(p.dev.From(mean, len(mean))), p.keep(p.dev.From(std, len(std)))
	f.batch = batch{n: shape[0], h: shape[1], w: shape[2], augment: a}
	parts := []*cuda.Tensor{f.pixels, f.draws, p.Labels}
	if p.Target != nil {
		f.target = newFeedTarget(p)
		parts = append(parts, f.target.pixels)
	}
	f.inbox = p.dev.NewInbox(parts...)
	clear(f.inbox.Int32(1)) // what Fill does not draw is "not moved, not flipped"
	return f
}

func newFeedTarget(p *Plan) *feedTarget {
	shape := p.Target.Shape()
	zero, one := make([]float32, shape[3]), make([]float32, shape[3])
	for i := range one {
		one[i] = 1
	}
	t := &feedTarget{pixels: p.dev.New(cuda.Uint8, shape...), draws: p.dev.New(cuda.Int32, shape[0], 3),
		mean: p.dev.From(zero, len(zero)), std: p.dev.From(one, len(one))}
	t.draws.SetInt32(make([]int32, 3*shape[0]))
	for _, owned := range []*cuda.Tensor{t.pixels, t.draws, t.mean, t.std} {
		p.keep(owned)
	}
	return t
}

// Emit puts the crop, flip and normalisation on the device's queue.
func (f *Feed) Emit() {
	cuda.Augment(f.plan.Input, f.pixels, f.draws, f.mean, f.std)
	if t := f.target; t != nil {
		cuda.Augment(f.plan.Target, t.pixels, t.draws, t.mean, t.std)
	}
}

// Draw is where the random numbers of a batch come from: a Philox key and the part of the counter that
// sets batches apart.
type Draw struct {
	Seed  uint64
	Batch uint64 // counts batches over the whole run
}

// philoxAugment keeps these draws apart from others under the same seed.
const philoxAugment = 0xA6

// Fill copies the images at the given positions of a split; a short batch is filled up with its last
// image. draw is used only where the feed augments.
//
// A device with a queue of its own works on the batch before meanwhile: a step waits for its images only where Fill
// takes longer than the step. An image file that cannot be read any more is a panic with a cuda.Failure, which
// cuda.Guard makes an error.
func (f *Feed) Fill(s data.Split, positions []int, draw Draw) {
	f.inbox.Open()
	b := &f.batch
	b.pixels, b.draws, b.labels = f.inbox.Uint8(0), f.inbox.Int32(1), f.inbox.Int32(2)
	if f.target != nil {
		b.target = f.inbox.Uint8(3)
	}
	if err := b.fill(s, positions, draw); err != nil {
		panic(cuda.Failure{Err: err})
	}
	f.inbox.Send()
}

// Free returns the memory of the batches on their way; the Plan owns the rest.
func (f *Feed) Free() { f.inbox.Free() }

// batch is the host's memory of a batch.
type batch struct {
	n, h, w int // images and the size that the net reads
	augment Augment
	pixels  []uint8 // [n,h,w,C]
	draws   []int32 // [n,3]
	labels  []int32 // [n]
	target  []uint8 // [n,s*h,s*w,C]; nil in classification
}

func (b *batch) fill(s data.Split, positions []int, draw Draw) error {
	if (s.Scale() > 0) != (b.target != nil) {
		panic(fmt.Sprintf("nn.Feed.Fill: images of scale %d for a plan with targets: %v", s.Scale(), b.target != nil))
	}
	for i := range b.n {
		b.labels[i] = s.Label(positions[min(i, len(positions)-1)])
	}
	if s.Varied() {
		return b.sampleAll(s, positions, draw)
	}
	b.copyAll(s, positions, draw)
	return nil
}

// copyAll takes images of the size that the net reads as they are, and draws how the device moves them.
func (b *batch) copyAll(s data.Split, positions []int, draw Draw) {
	size := len(b.pixels) / b.n
	key := [2]uint32{uint32(draw.Seed), uint32(draw.Seed >> 32)}
	for i := range b.n {
		copy(b.pixels[i*size:(i+1)*size], s.Image(positions[min(i, len(positions)-1)]))
		if b.augment == (Augment{}) {
			continue
		}
		r := kernels.Philox([4]uint32{uint32(draw.Batch), uint32(draw.Batch >> 32), uint32(i), philoxAugment}, key)
		span := uint32(2*b.augment.Pad + 1)
		b.draws[3*i] = int32(r[0]%span) - int32(b.augment.Pad)
		b.draws[3*i+1] = int32(r[1]%span) - int32(b.augment.Pad)
		if b.augment.Flip {
			b.draws[3*i+2] = int32(r[2] >> 31)
		}
	}
}

// sampleAll crops images of any size on all cores. An image depends on its own draws alone: the bits are equal for any
// number of cores.
func (b *batch) sampleAll(s data.Split, positions []int, draw Draw) error {
	n := b.n
	if b.augment == (Augment{}) {
		n = min(n, len(positions)) // the rest are the same as the last
	}
	errs := make([]error, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = b.sample(s, positions[min(i, len(positions)-1)], i, draw)
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for _, part := range [][]uint8{b.pixels, b.target} {
		size := len(part) / b.n
		for i := n; i < b.n; i++ {
			copy(part[i*size:(i+1)*size], part[(n-1)*size:n*size])
		}
	}
	return nil
}

func (b *batch) sample(s data.Split, at, i int, draw Draw) error {
	var draws *data.Draws
	if b.augment != (Augment{}) {
		r := data.NewDraws(draw.Seed, draw.Batch, i)
		draws = &r
	}
	size := len(b.pixels) / b.n
	pixels := b.pixels[i*size : (i+1)*size]
	if b.target == nil {
		return s.Sample(pixels, at, b.h, draws, b.augment.Flip)
	}
	large := len(b.target) / b.n
	s.SamplePair(pixels, b.target[i*large:(i+1)*large], at, b.h, b.w, draws, b.augment.Flip)
	return nil
}

// Order writes a permutation of 0..len(dst)-1 that depends on seed and epoch alone (Fisher-Yates).
func Order(dst []int, seed uint64, epoch int) {
	key := [2]uint32{uint32(seed), uint32(seed >> 32)}
	for i := range dst {
		dst[i] = i
	}
	for i := len(dst) - 1; i > 0; i-- {
		r := kernels.Philox([4]uint32{uint32(i), uint32(epoch), 0, philoxOrder}, key)
		j := int(uint64(r[0]) * uint64(i+1) >> 32)
		dst[i], dst[j] = dst[j], dst[i]
	}
}

const philoxOrder = 0x0D
