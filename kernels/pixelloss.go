package kernels

// #include "kernels.h"
import "C"

// PixelLossArgs are those of [PixelLoss]. Units: images.
type PixelLossArgs struct {
	Y, Target Act  // f32, of one shape
	DY        Act  // f32, out; P nil: no gradient
	L1        bool // the loss is |Y-Target|, else its square
	Scale     Ptr  // f32 scalar that multiplies DY; nil: 1
	Partial   Ptr  // f32 [N][2], out: mean loss of the image; mean square
	N         int  // images that the gradient is averaged over
}

// PixelLoss is the mean absolute or mean squared difference of each image, and the gradient of the batch's mean. Sums are in float64, in an
// order that every device keeps.
func PixelLoss(a PixelLossArgs) Call {
	const op = "pixel loss"
	sameShape(op, a.Y, a.Target)
	if a.DY.P != nil {
		sameShape(op, a.Y, a.DY)
	}
	if a.Y.Storage != F32 || a.Target.Storage != F32 || a.DY.Storage != F32 {
		panic(op + ": images and their gradient are f32")
	}
	return newCall(C.vk_pixel_loss, C.vk_pixel_loss_args{y: a.Y.c(), target: a.Target.c(), dy: a.DY.c(), scale: f32(a.Scale),
		partial:                      f32(a.Partial), n: C.int(a.N), l1: cbool(a.L1)}).
		gpu(func(images int) Launch { // a block an image
			return Launch{Kernel: "pixel_loss", Grid: [3]int{images, 1, 1}, Block: C.VK_PIXEL_SUMS}
		})
}
