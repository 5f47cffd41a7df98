#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace sim {
namespace {

constexpr uint64_t kAlign = 256, kGap = 256, kPage = 4096;

uint64_t reserve(uint64_t bytes, int protection) {
  void *p = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::runtime_error("simulated GPU: cannot reserve " + std::to_string(bytes) + " bytes of address space");
  return reinterpret_cast<uint64_t>(p);
}

// give_back clears [p, p + n) to zeros; whole pages return to the system.
void give_back(uint8_t *p, uint64_t n) {
  uint64_t begin = reinterpret_cast<uint64_t>(p), end = begin + n;
  uint64_t first = (begin + kPage - 1) / kPage * kPage, last = end / kPage * kPage;
  if (first >= last) {
    std::memset(p, 0, n);
    return;
  }
  std::memset(p, 0, first - begin);
  madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
  std::memset(reinterpret_cast<void *>(last), 0, end - last);
}

}  // namespace

Memory::Memory(uint64_t arena_bytes) : arena_((arena_bytes + kPage - 1) / kPage * kPage) {
  reserved_ = reserve(arena_, PROT_NONE);
  data_ = reserve(arena_, PROT_READ | PROT_WRITE);
  shadow_ = reserve(arena_, PROT_READ | PROT_WRITE);
}

Memory::~Memory() {
  for (uint64_t p : {reserved_, data_, shadow_}) munmap(reinterpret_cast<void *>(p), arena_);
}

uint64_t Memory::alloc(uint64_t bytes) {
  if (bytes == 0 || bytes > arena_) return 0;
  uint64_t room = (bytes + kGap + kAlign - 1) / kAlign * kAlign;  // the allocation and the gap behind it
  uint64_t end = reserved_ + arena_, p = std::max(next_, reserved_);
  if (room > end - p) {  // the end of the arena is used up: the first gap that is large enough
    p = reserved_;
    for (const auto &b : blocks_) {
      if (b.first - p >= room) break;
      p = (b.first + b.second + kGap + kAlign - 1) / kAlign * kAlign;
    }
    if (p > end || room > end - p) return 0;
  }
  next_ = std::max(next_, p + room);
  // 0xFF in every byte is NaN in every float type. No checked read can see these bytes, so large blocks are left as they are.
  std::memset(this->bytes(p), 0xFF, std::min<uint64_t>(bytes, 1 << 16));
  blocks_[p] = bytes;
  used_ += bytes;
  return p;
}

bool Memory::free(uint64_t p) {
  auto b = blocks_.find(p);
  if (b == blocks_.end()) return false;
  give_back(bytes(p), b->second);
  give_back(written(p), b->second);
  used_ -= b->second;
  blocks_.erase(b);
  if (blocks_.empty()) next_ = reserved_;
  return true;
}

Memory::Range Memory::find(uint64_t p) const {
  auto b = blocks_.upper_bound(p);
  if (b == blocks_.begin()) return {0, 0};
  --b;
  return p - b->first < b->second ? Range{b->first, b->second} : Range{0, 0};
}

void Memory::need(const char *what, uint64_t p, uint64_t n) const {
  if (n == 0 || find(p).holds(p, n)) return;
  char text[160];
  std::snprintf(text, sizeof text, "%s of %llu bytes at 0x%llx is not inside one allocation", what, static_cast<unsigned long long>(n), static_cast<unsigned long long>(p));
  throw Fault(text);
}

void Memory::write(uint64_t dst, const void *src, uint64_t n) {
  need("copy to the device", dst, n);
  std::memcpy(bytes(dst), src, n);
  std::memset(written(dst), 1, n);
}

void Memory::read(void *dst, uint64_t src, uint64_t n) {
  need("copy from the device", src, n);
  if (const void *hole = n ? std::memchr(written(src), 0, n) : nullptr) {
    uint64_t at = static_cast<const uint8_t *>(hole) - written(src);
    throw Fault("copy from the device: byte " + std::to_string(at) + " of " + std::to_string(n) + " was never written");
  }
  std::memcpy(dst, bytes(src), n);
}

void Memory::copy(uint64_t dst, uint64_t src, uint64_t n) {
  need("device copy", src, n);
  need("device copy", dst, n);
  std::memmove(bytes(dst), bytes(src), n);
  std::memmove(written(dst), written(src), n);
}

void Memory::fill(uint64_t dst, uint8_t v, uint64_t n) {
  need("device fill", dst, n);
  std::memset(bytes(dst), v, n);
  std::memset(written(dst), 1, n);
}

}  // namespace sim
