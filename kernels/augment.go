package kernels

// #include "kernels.h"
import "C"

// AugmentArgs are those of [Augment]. Units: images.
type AugmentArgs struct {
	Pixels    Ptr // u8 [N][H][W][C]
	Draw      Ptr // i32 [N][3]: top and left of the crop in the padded image minus the padding, so -pad..pad; flip 0 or 1
	X         Act // out
	Mean, Std Ptr // f32 [C]
}

// Augment crops, then flips left to right, then normalises: x = (pixel/255 - mean)/std in float32. What lies outside the image is
// black before normalisation, as torchvision pads (method.md trap 4).
func Augment(a AugmentArgs) Call {
	return newCall(C.vk_augment, C.vk_augment_args{pixels: (*C.uint8_t)(a.Pixels), draw: i32(a.Draw), x: a.X.c(), mean: f32(a.Mean), std: f32(a.Std)}).
		gpu(eachValue("augment"+a.X.Storage.suffix(), a.X))
}
