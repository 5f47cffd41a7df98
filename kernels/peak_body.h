// Independent chains of multiply-adds, as many as hide the latency and fit the registers; see peak.h.
#if VK_ISA == 512
#define VK_CHAINS(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11)
enum { VK(CHAINS) = 12 };
#else
#define VK_CHAINS(op) op(0) op(1) op(2) op(3) op(4) op(5)
enum { VK(CHAINS) = 6 };
#endif

static void VK(vk_peak_fn)(const void *args, int begin, int end) {
	const vk_peak_args *a = args;
	for (int unit = begin; unit < end; unit++) {
		const v16 x = v_set1(0.999f), y = v_set1(1e-3f), lanes = v_load(vk_peak_start);
		// No two lanes start alike, or the compiler would compute equal halves of a vector once.
#define VK_START(i) v16 s##i = v_add(lanes, v_set1(i));
		VK_CHAINS(VK_START)
#undef VK_START
		for (int r = 0; r < VK_PEAK_ROUNDS; r++) {
#define VK_STEP(i) s##i = v_mul_add(s##i, x, y);
			VK_CHAINS(VK_STEP)
#undef VK_STEP
		}
		v16 sum = v_zero();
#define VK_ADD(i) sum = v_add(sum, s##i);
		VK_CHAINS(VK_ADD)
#undef VK_ADD
		v_store(a->out + 16 * unit, sum);
	}
}
#undef VK_CHAINS
