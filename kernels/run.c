#include "kernels.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static int64_t now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void vk_run(const vk_call *calls, int ncalls, int begin, int end, int block, int64_t *ns) {
	for (int u = begin; u < end; u += block) {
		int stop = u + block < end ? u + block : end;
		if (!ns) {
			for (int i = 0; i < ncalls; i++) calls[i].fn(calls[i].args, u, stop);
			continue;
		}
		int64_t last = now_ns();
		for (int i = 0; i < ncalls; i++) {
			calls[i].fn(calls[i].args, u, stop);
			int64_t t = now_ns();
			ns[i] += t - last;
			last = t;
		}
	}
}

static void zero(const void *args, int begin, int end) {
	const vk_zero_args *a = args;
	(void)begin, (void)end;
	memset(a->p, 0, (size_t)a->len * sizeof(float));
}
const vk_fn vk_zero = zero;

// Activations are hundreds of megabytes that every step streams through: with 4 KiB pages a good part of the time
// goes into page-table walks, so large blocks ask for huge ones. Where the system has none, nothing changes.
void *vk_alloc(int64_t bytes) {
	const size_t huge = 2 << 20, align = (size_t)bytes >= 2 * huge ? huge : 64;
	const size_t size = bytes > 0 ? ((size_t)bytes + align - 1) / align * align : align;
	void *p = aligned_alloc(align, size);
	if (!p) return p;
#ifdef MADV_HUGEPAGE
	if (align == huge) madvise(p, size, MADV_HUGEPAGE);
#endif
	memset(p, 0, size);
	return p;
}

void vk_free(void *p) { free(p); }

int vk_isa_supported(int isa) {
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (isa == VK_AVX512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
	if (isa == VK_AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	return isa == VK_PORTABLE;
}
