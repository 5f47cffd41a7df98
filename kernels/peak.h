// What a core can do at most: fused multiply-adds on registers alone, for comparison with the kernels.
#include "kernels.h"

enum { VK_PEAK_ROUNDS = 100000 };
typedef struct {
	float *out; // [units][16]: so that nothing is optimised away
} vk_peak_args;
extern const vk_fn vk_peak[VK_ISAS];
// Floating-point operations of one unit.
extern const double vk_peak_flop[VK_ISAS];
