// Register allocation of a decoded kernel.
#pragma once
#include <vector>

#include "program.h"

namespace sim {

// PTX names a new register for almost every value: thousands, of which tens are alive at a time. allocate_registers lets
// registers of the same width share a place in the register file when their lives do not overlap, which keeps a warp's file
// in the cache. Lanes have places of their own in every register, so lanes at different instructions never meet in one.
void allocate_registers(Program &program, const std::vector<Register> &registers);

}  // namespace sim
