package kernels

// #include "kernels.h"
import "C"

import "fmt"

// ActLoad sets a bf16 activation tensor, inside its border, from dense f32 [N,H,W,C]. GPU only. Units: images.
func ActLoad(dst Act, dense Ptr) Call {
	checkBF16("ActLoad", dst)
	return newGPUCall(C.vk_act_copy_args{act: dst.c(), dense: f32(dense)}, eachValue("act_load", dst))
}

// ActStore is the reverse of [ActLoad].
func ActStore(dense Ptr, src Act) Call {
	checkBF16("ActStore", src)
	return newGPUCall(C.vk_act_copy_args{act: src.c(), dense: f32(dense)}, eachValue("act_store", src))
}

func checkBF16(op string, a Act) {
	if a.Storage != BF16 {
		panic(fmt.Sprintf("%s: [%d,%d,%d] is not bf16", op, a.H, a.W, a.C))
	}
}

const maxGridY = 65535

// eachValue is the launch of a kernel that gives each value of an activation tensor a thread, images along the grid's y.
func eachValue(kernel string, a Act) func(int) Launch {
	return func(images int) Launch {
		if images > maxGridY {
			panic(fmt.Sprintf("%s: %d images, a grid has room for %d", kernel, images, maxGridY))
		}
		l := elementwise(kernel, a.H*a.W*a.C)
		l.Grid[1] = images
		return l
	}
}
