// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3" (SC 2011): four random words from a counter and a key, with no state to keep or to save.
#ifndef VK_PHILOX_H
#define VK_PHILOX_H
#include <stdint.h>

#ifdef __CUDACC__
#define VK_PHILOX static __host__ __device__ inline
#else
#define VK_PHILOX static inline
#endif

VK_PHILOX void vk_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	uint32_t k0 = key[0], k1 = key[1];
	for (int round = 0; round < 10; round++) {
		const uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
		const uint32_t n0 = (uint32_t)(b >> 32) ^ c1 ^ k0, n2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
		c0 = n0, c1 = (uint32_t)b, c2 = n2, c3 = (uint32_t)a;
		k0 += 0x9E3779B9u; // golden ratio
		k1 += 0xBB67AE85u; // sqrt(3) - 1
	}
	out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}
#endif
