#include "fatbin.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace sim {

std::string ptx_of(const void *image) {
  const char *p = static_cast<const char *>(image);
  uint32_t magic;
  std::memcpy(&magic, p, 4);
  if (magic != 0xBA55ED50u) {
    std::string text(p);
    if (text.find(".version") == std::string::npos) throw std::runtime_error("module image: neither a fatbin nor PTX text");
    return text;
  }
  uint16_t header;
  uint64_t body;
  std::memcpy(&header, p + 6, 2);
  std::memcpy(&body, p + 8, 8);
  const char *end = p + header + body;
  // Entries follow each other: kind (1 is PTX) and version, size of the entry's own header, size of its payload.
  for (const char *entry = p + header; entry + 16 <= end;) {
    uint16_t kind;
    uint32_t entry_header;
    uint64_t payload;
    std::memcpy(&kind, entry, 2);
    std::memcpy(&entry_header, entry + 4, 4);
    std::memcpy(&payload, entry + 8, 8);
    if (entry_header < 16 || entry_header > static_cast<uint64_t>(end - entry) || payload > static_cast<uint64_t>(end - entry) - entry_header)
      throw std::runtime_error("fatbin: an entry is longer than the file");
    if (kind == 1) {
      std::string text(entry + entry_header, strnlen(entry + entry_header, payload));
      if (text.find(".version") == std::string::npos) throw std::runtime_error("fatbin: its PTX is compressed; build it with nvcc --no-compress");
      return text;
    }
    entry += entry_header + payload;
  }
  throw std::runtime_error("fatbin: it holds no PTX");
}

}  // namespace sim
