// The PTX inside a module image.
#pragma once
#include <string>

namespace sim {

// ptx_of returns the PTX text of a fatbin made with nvcc -fatbin --no-compress, or image itself when it is PTX text (ends at
// the first NUL). Throws std::runtime_error when there is no plain PTX.
std::string ptx_of(const void *image);

}  // namespace sim
