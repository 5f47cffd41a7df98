#include "peak.h"
#define VK_BODY "peak_body.h"
#include "each_isa.h"

const vk_fn vk_peak[VK_ISAS] = VK_TABLE(vk_peak_fn);
#define FLOP(chains) (2.0 * 16 * (chains) * VK_PEAK_ROUNDS)
const double vk_peak_flop[VK_ISAS] = {FLOP(6), FLOP(6), FLOP(12)};
