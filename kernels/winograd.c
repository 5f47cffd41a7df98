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

// u = G g, for one row or column g of three.
static void spread(const float g0, const float g1, const float g2, float *u) {
	const float ends = g0 + g2;
	u[0] = g0;
	u[1] = 0.5f * (ends + g1);
	u[2] = 0.5f * (ends - g1);
	u[3] = g2;
}

static void wino_pack(const void *args, int begin, int end) {
	const vk_wino_pack_args *a = args;
	static const int turned[4] = {3, 1, 2, 0}; // G with its columns reversed is G with these rows
	const int64_t pos = (int64_t)a->c * a->k;
	for (int k = begin; k < end; k++)
		for (int c = 0; c < a->c; c++) {
			const float *g = a->w + (int64_t)k * 9 * a->c + c;
			float rows[3][4], u[4][4];
			for (int r = 0; r < 3; r++) spread(g[3 * r * a->c], g[(3 * r + 1) * a->c], g[(3 * r + 2) * a->c], rows[r]);
			for (int j = 0; j < 4; j++) {
				float column[4];
				spread(rows[0][j], rows[1][j], rows[2][j], column);
				for (int i = 0; i < 4; i++) u[i][j] = column[i];
			}
			for (int i = 0; i < 4; i++)
				for (int j = 0; j < 4; j++) {
					a->forward[(4 * i + j) * pos + (int64_t)c * a->k + k] = u[i][j];
					if (a->backward) a->backward[(4 * turned[i] + turned[j]) * pos + (int64_t)k * a->c + c] = u[i][j];
				}
		}
}
const vk_fn vk_wino_pack = wino_pack;

enum { LANES = 16 };

// One input channel and 16 output channels: the chunks summed in order, then G' s G.
static void gather(const vk_wino_wgrad_reduce_args *a, int c, int k) {
	const int64_t pos = (int64_t)a->c * a->k, chunk = 16 * pos;
	float s[16][LANES], rows[3][4][LANES];
	for (int p = 0; p < 16; p++) {
		const float *from = a->partial + p * pos + (int64_t)c * a->k + k;
		for (int l = 0; l < LANES; l++) s[p][l] = from[l];
		for (int t = 1; t < a->chunks; t++)
			for (int l = 0; l < LANES; l++) s[p][l] += from[t * chunk + l];
	}
	for (int j = 0; j < 4; j++)
		for (int l = 0; l < LANES; l++) {
			const float sum = s[4 + j][l] + s[8 + j][l], difference = s[4 + j][l] - s[8 + j][l];
			rows[0][j][l] = s[j][l] + 0.5f * sum;
			rows[1][j][l] = 0.5f * difference;
			rows[2][j][l] = 0.5f * sum + s[12 + j][l];
		}
	for (int r = 0; r < 3; r++)
		for (int l = 0; l < LANES; l++) {
			const float sum = rows[r][1][l] + rows[r][2][l], difference = rows[r][1][l] - rows[r][2][l];
			float *to = a->dw + ((int64_t)(k + l) * 9 + 3 * r) * a->c + c;
			to[0] = rows[r][0][l] + 0.5f * sum;
			to[a->c] = 0.5f * difference;
			to[2 * a->c] = 0.5f * sum + rows[r][3][l];
		}
}

static void wino_wgrad_reduce(const void *args, int begin, int end) {
	const vk_wino_wgrad_reduce_args *a = args;
	for (int c = begin; c < end; c++)
		for (int k = 0; k < a->k; k += LANES) gather(a, c, k);
}
const vk_fn vk_wino_wgrad_reduce = wino_wgrad_reduce;
