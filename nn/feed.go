package nn

import (
	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn/data"
)

// Augment says how training images are varied: padded with Pad black pixels before normalisation, cropped
// back at a random place, flipped left to right with probability 1/2.
type Augment struct {
	Pad  int
	Flip bool
}

// Feed brings images to a Plan's Input: pixels are copied to the device as they are, and cropped,
// flipped and normalised there.
type Feed struct {
	plan      *Plan
	augment   Augment
	pixels    *cuda.Tensor // u8 [N,H,W,C]
	draws     *cuda.Tensor // i32 [N,3]: top, left of the crop, flip
	mean, std *cuda.Tensor // f32 [C]
	inbox     *cuda.Inbox  // of pixels, draws and labels
}

// NewFeed makes a feed with the normalisation of a data set; the zero Augment leaves images as they are.
func NewFeed(p *Plan, mean, std []float32, a Augment) *Feed {
	shape := p.Input.Shape()
	f := &Feed{plan: p, augment: a}
	f.pixels = p.keep(p.dev.New(cuda.Uint8, shape...))
	f.draws = p.keep(p.dev.New(cuda.Int32, shape[0], 3))
	f.mean, f.std = p.keep(p.dev.From(mean, len(mean))), p.keep(p.dev.From(std, len(std)))
	f.inbox = p.dev.NewInbox(f.pixels, f.draws, p.Labels)
	clear(f.inbox.Int32(1)) // what Fill does not draw is "not moved, not flipped"
	return f
}

// Emit puts the crop, flip and normalisation on the device's queue.
func (f *Feed) Emit() { cuda.Augment(f.plan.Input, f.pixels, f.draws, f.mean, f.std) }

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
func (f *Feed) Fill(s data.Split, positions []int, draw Draw) {
	f.inbox.Open()
	pixels, draws, labels := f.inbox.Uint8(0), f.inbox.Int32(1), f.inbox.Int32(2)
	n := len(labels)
	size := len(pixels) / n
	key := [2]uint32{uint32(draw.Seed), uint32(draw.Seed >> 32)}
	for i := range n {
		at := positions[min(i, len(positions)-1)]
		copy(pixels[i*size:(i+1)*size], s.Image(at))
		labels[i] = s.Label(at)
		if f.augment == (Augment{}) {
			continue
		}
		r := kernels.Philox([4]uint32{uint32(draw.Batch), uint32(draw.Batch >> 32), uint32(i), philoxAugment}, key)
		span := uint32(2*f.augment.Pad + 1)
		draws[3*i] = int32(r[0]%span) - int32(f.augment.Pad)
		draws[3*i+1] = int32(r[1]%span) - int32(f.augment.Pad)
		if f.augment.Flip {
			draws[3*i+2] = int32(r[2] >> 31)
		}
	}
	f.inbox.Send()
}

// Free returns the memory of the batches on their way; the Plan owns the rest.
func (f *Feed) Free() { f.inbox.Free() }

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
