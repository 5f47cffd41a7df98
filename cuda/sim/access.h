// Where loads and stores of a warp go: addresses to host pointers, with every check on the way.
#pragma once
#include "warp.h"

namespace sim {

// addresses fills a[lane] for the whole warp from the base register `base`.
void addresses(Warp &w, uint32_t base, bool wide, int64_t offset, uint64_t *a);

// locate checks the access of `bytes` a lane at a[lane] and gives the bytes' host addresses. Returns true when all 32 lanes are
// on and their accesses follow each other without a gap. Counts sectors and waves.
bool locate(Warp &w, const Inst &i, uint32_t mask, Space space, const uint64_t *a, uint32_t bytes, Use use, uint8_t **p);

// Bank waves of a shared request, and the waves of a conflict-free one.
void count_waves(Warp &w, uint32_t mask, const uint64_t *a, uint32_t bytes);

// Fails with the lane that Shared found, and a race's other side, named.
[[noreturn]] void fail_shared(Warp &w, const Inst &i, const char *what, const uint64_t *address, uint32_t bytes);

}  // namespace sim
