// Device memory of the simulated GPU: an arena of addresses that the host cannot touch.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

namespace sim {

// Fault is a mistake of the program under test: an access outside memory, a race, a barrier that is missed ... Its text names
// the kernel, the thread, and the PTX line and instruction where they are known.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Memory hands out device addresses. The addresses themselves are a PROT_NONE reservation and the bytes live in an alias
// mapping at a fixed distance, so host code that follows a device pointer dies at once. Every byte has a shadow that says
// whether it was ever written. Allocations must not change while a kernel runs.
class Memory {
 public:
  explicit Memory(uint64_t arena_bytes);  // throws std::runtime_error when the address space cannot be reserved
  ~Memory();
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  // alloc returns an address aligned to 256 bytes, or 0 when no gap of the arena is large enough (or bytes is 0). The bytes
  // count as not initialised. Allocations never touch: at least 256 bytes that belong to nobody lie between two of them.
  uint64_t alloc(uint64_t bytes);
  bool free(uint64_t p);  // false when p is not the start of a live allocation
  uint64_t used() const { return used_; }
  uint64_t arena() const { return arena_; }
  size_t live() const { return blocks_.size(); }

  // Host copies. They throw Fault when a range does not lie inside one allocation, or (read) holds bytes never written.
  // copy carries the initialised state along, and its ranges may overlap.
  void write(uint64_t dst, const void *src, uint64_t n);
  void read(void *dst, uint64_t src, uint64_t n);
  void copy(uint64_t dst, uint64_t src, uint64_t n);
  void fill(uint64_t dst, uint8_t v, uint64_t n);

  // For the interpreter. find gives the allocation that holds p, or size 0.
  struct Range {
    uint64_t base, size;
    bool holds(uint64_t p, uint64_t n) const { return p >= base && n <= size && p - base <= size - n; }
  };
  Range find(uint64_t p) const;
  uint8_t *bytes(uint64_t p) const { return reinterpret_cast<uint8_t *>(p - reserved_ + data_); }
  uint8_t *written(uint64_t p) const { return reinterpret_cast<uint8_t *>(p - reserved_ + shadow_); }  // 1 a written byte

 private:
  void need(const char *what, uint64_t p, uint64_t n) const;
  std::map<uint64_t, uint64_t> blocks_;  // base -> size
  uint64_t arena_ = 0, used_ = 0, next_ = 0;
  uint64_t reserved_ = 0, data_ = 0, shadow_ = 0;
};

}  // namespace sim
