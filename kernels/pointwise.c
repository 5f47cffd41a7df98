// Activation functions beside relu, and products: kernels_pointwise.h says what each op does.
// A loop with a comparison becomes vectors only where that may raise a floating-point flag that the plain loop would not.
#pragma GCC optimize("no-trapping-math")
#include "pointwise.h"
#include "act.h"
#define VK_BODY "pointwise_body.h"
#include "each_isa.h"

const vk_fn vk_activate_fwd[VK_ISAS] = VK_TABLE(vk_activate_fwd_fn);
const vk_fn vk_activate_bwd[VK_ISAS] = VK_TABLE(vk_activate_bwd_fn);
const vk_fn vk_multiply[VK_ISAS] = VK_TABLE(vk_multiply_fn);
const vk_fn vk_multiply_sum[VK_ISAS] = VK_TABLE(vk_multiply_sum_fn);
