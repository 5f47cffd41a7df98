// Winograd convolution F(2x2, 3x3) (Lavin and Gray 2016): 16 products for 4 outputs where the direct sum takes 36.
// With B' = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1], G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1],
// A' = [1 1 1 0; 0 1 -1 -1]: y = A' [(G g G') . (B' d B)] A, and dg = G' [(B' d B) . (A dy A')] G.
#include "act.h"
#include "kernels.h"
#include <stddef.h>
#include <string.h>

// Tiles a block. The filter gradient loads and stores its sums once a block, and so wants longer ones.
enum { WINO_TILES = 16, WINO_WGRAD_TILES = 32, WINO_CHANNELS = VK_WINO_CHANNELS };
// Floats from one of the 4x4 positions of a block to the next: a vector more than they take, because positions a
// multiple of 4 KiB apart would share the few lines of one cache set.
#define WINO_POS(tiles, channels) ((ptrdiff_t)(tiles) * (channels) + 16)

// Tiles of an image from row i and column j of tiles on, in rows of `across`; both move as the block is walked.
typedef struct {
	int count, across, i, j;
} wino_block;

// How many tiles lie side by side from the block's tile t, at (i, j), on. No division: the addresses wait for it.
static inline int wino_run(wino_block b, int t) {
	const int row = b.across - b.j, left = b.count - t;
	return row < left ? row : left;
}

#define VK_BODY "winograd_body.h"
#include "each_isa.h"

const vk_fn vk_wino_conv[VK_ISAS] = VK_TABLE(vk_wino_conv_fn);
const vk_fn vk_wino_wgrad[VK_ISAS] = VK_TABLE(vk_wino_wgrad_fn);
const vk_fn vk_wino_pack[VK_ISAS] = VK_TABLE(vk_wino_pack_fn);
const vk_fn vk_wino_wgrad_reduce[VK_ISAS] = VK_TABLE(vk_wino_wgrad_reduce_fn);
