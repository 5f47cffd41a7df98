// Winograd convolution F(2x2, 3x3) (Lavin and Gray 2016): 16 products for 4 outputs where the direct sum takes 36.
// With B' = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1], G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1],
// A' = [1 1 1 0; 0 1 -1 -1]: y = A' [(G g G') . (B' d B)] A, and dg = G' [(B' d B) . (A dy A')] G.
#include "act.h"
#include "kernels.h"
#include <string.h>
enum { WINO_TILES = 16, WINO_CHANNELS = VK_WINO_CHANNELS };
#define VK_BODY "winograd_body.h"
#include "each_isa.h"

const vk_fn vk_wino_conv[VK_ISAS] = VK_TABLE(vk_wino_conv_fn);
const vk_fn vk_wino_wgrad[VK_ISAS] = VK_TABLE(vk_wino_wgrad_fn);
const vk_fn vk_wino_pack[VK_ISAS] = VK_TABLE(vk_wino_pack_fn);
const vk_fn vk_wino_wgrad_reduce[VK_ISAS] = VK_TABLE(vk_wino_wgrad_reduce_fn);
