// Filters to and from the Winograd domain, for one instruction set; part of winograd_body.h.

// u = G g for one row or column of three.
#define WINO_SPREAD(g0, g1, g2, u) \
	do { \
		const v16 ends = v_add(g0, g2); \
		(u)[0] = g0; \
		(u)[1] = v_mul(half, v_add(ends, g1)); \
		(u)[2] = v_mul(half, v_sub(ends, g1)); \
		(u)[3] = g2; \
	} while (0)

static void VK(vk_wino_pack_fn)(const void *args, int begin, int end) {
	const vk_wino_pack_args *a = args;
	static const int turned[4] = {3, 1, 2, 0}; // G with its columns reversed is G with these rows
	const int64_t pos = (int64_t)a->c * a->k;
	const v16 half = v_set1(0.5f);
	for (int k = begin; k < end; k++)
		for (int c = 0; c < a->c; c += 16) {
			const float *g = a->w + (int64_t)k * 9 * a->c + c;
			v16 rows[3][4], column[4];
			for (int r = 0; r < 3; r++)
				WINO_SPREAD(v_load(g + 3 * r * a->c), v_load(g + (3 * r + 1) * a->c), v_load(g + (3 * r + 2) * a->c), rows[r]);
			for (int j = 0; j < 4; j++) {
				WINO_SPREAD(rows[0][j], rows[1][j], rows[2][j], column);
				for (int i = 0; i < 4; i++) {
					float lane[16], *to = a->forward + (4 * i + j) * pos + (int64_t)c * a->k + k;
					v_store(lane, column[i]);
					for (int l = 0; l < 16; l++) to[(int64_t)l * a->k] = lane[l];
					if (a->backward) v_store(a->backward + (4 * turned[i] + turned[j]) * pos + (int64_t)k * a->c + c, column[i]);
				}
			}
		}
}
#undef WINO_SPREAD

// One input channel and all output channels: the chunks summed in order, then G' s G.
static void VK(wino_gather)(const vk_wino_wgrad_reduce_args *a, int c) {
	const int64_t pos = (int64_t)a->c * a->k, chunk = 16 * pos;
	float s[16][WINO_CHANNELS];
	for (int p = 0; p < 16; p++) {
		const float *from = a->partial + p * pos + (int64_t)c * a->k;
		for (int k = 0; k < a->k; k += 16) {
			v16 sum = v_load(from + k);
			for (int t = 1; t < a->chunks; t++) sum = v_add(sum, v_load(from + t * chunk + k));
			v_store(s[p] + k, sum);
		}
	}
	const v16 half = v_set1(0.5f);
	for (int k = 0; k < a->k; k += 16) {
		v16 rows[3][4];
		for (int j = 0; j < 4; j++) {
			const v16 s1 = v_load(s[4 + j] + k), s2 = v_load(s[8 + j] + k), sum = v_mul(half, v_add(s1, s2));
			rows[0][j] = v_add(v_load(s[j] + k), sum);
			rows[1][j] = v_mul(half, v_sub(s1, s2));
			rows[2][j] = v_add(sum, v_load(s[12 + j] + k));
		}
		for (int r = 0; r < 3; r++) {
			const v16 sum = v_mul(half, v_add(rows[r][1], rows[r][2]));
			const v16 g[3] = {v_add(rows[r][0], sum), v_mul(half, v_sub(rows[r][1], rows[r][2])), v_add(sum, rows[r][3])};
			for (int i = 0; i < 3; i++) {
				float lane[16], *to = a->dw + ((int64_t)k * 9 + 3 * r + i) * a->c + c;
				v_store(lane, g[i]);
				for (int l = 0; l < 16; l++) to[(int64_t)l * 9 * a->c] = lane[l];
			}
		}
	}
}

static void VK(vk_wino_wgrad_reduce_fn)(const void *args, int begin, int end) {
	const vk_wino_wgrad_reduce_args *a = args;
	for (int c = begin; c < end; c++) VK(wino_gather)(a, c);
}
