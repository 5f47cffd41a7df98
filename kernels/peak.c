#include "peak.h"
static const float vk_peak_start[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
#define VK_BODY "peak_body.h"
#include "each_isa.h"

const vk_fn vk_peak[VK_ISAS] = VK_TABLE(vk_peak_fn);
#define FLOP(chains) (2.0 * 16 * (chains) * VK_PEAK_ROUNDS)
const double vk_peak_flop[VK_ISAS] = {FLOP(6), FLOP(6), FLOP(12)};
