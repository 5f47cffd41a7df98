// Memory: device memory, pinned host memory, copies and fills. A copy from pinned memory reads it when the copy's turn comes; pageable
// memory is staged at the call, and a copy to it returns when it is done, as CUDA does both.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "driver.h"

namespace sim {
namespace {

Memory &memory() { return *current_context()->device->memory; }

void need_range(uint64_t p, size_t bytes) {
  if (!memory().find(p).holds(p, bytes))
    refuse(CUDA_ERROR_INVALID_VALUE, "%zu bytes at %#llx lie outside every allocation", bytes, static_cast<unsigned long long>(p));
}

bool is_pinned(const void *p, size_t bytes) {
  auto &all = driver().pinned;
  uintptr_t at = reinterpret_cast<uintptr_t>(p);
  auto after = all.upper_bound(at);
  if (after == all.begin()) return false;
  auto block = std::prev(after);
  uintptr_t offset = at - block->first;
  if (offset >= block->second.bytes) return false;
  if (bytes > block->second.bytes - offset) refuse(CUDA_ERROR_INVALID_VALUE, "%zu bytes at %p are pinned only in part", bytes, p);
  return true;
}

void refuse_pageable_capture(CUstream stream) {
  if (!stream->capture) return;
  stream->capture->spoiled = true;
  refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "a captured copy needs pinned host memory: pageable memory would be read at the capture only");
}

void copy_in(CUstream stream, uint64_t dst, const void *src, size_t bytes) {
  need_range(dst, bytes);
  Memory *to = &memory();
  if (is_pinned(src, bytes)) {
    put(stream, {CU_GRAPH_NODE_TYPE_MEMCPY, "copy to the device", [=] { to->write(dst, src, bytes); }});
    return;
  }
  refuse_pageable_capture(stream);
  auto from = static_cast<const uint8_t *>(src);
  auto staged = std::make_shared<std::vector<uint8_t>>(from, from + bytes);
  put(stream, {CU_GRAPH_NODE_TYPE_MEMCPY, "copy to the device", [=] { to->write(dst, staged->data(), bytes); }});
}

void copy_out(CUstream stream, void *dst, uint64_t src, size_t bytes) {
  need_range(src, bytes);
  Memory *from = &memory();
  bool pinned = is_pinned(dst, bytes);
  if (!pinned) refuse_pageable_capture(stream);
  put(stream, {CU_GRAPH_NODE_TYPE_MEMCPY, "copy to the host", [=] { from->read(dst, src, bytes); }});
  if (!pinned) synchronise(stream);
}

void copy_within(CUstream stream, uint64_t dst, uint64_t src, size_t bytes) {
  need_range(dst, bytes);
  need_range(src, bytes);
  Memory *m = &memory();
  put(stream, {CU_GRAPH_NODE_TYPE_MEMCPY, "copy on the device", [=] { m->copy(dst, src, bytes); }});
}

// fill sets count values of width bytes each.
void fill(CUstream stream, uint64_t dst, uint32_t value, size_t count, unsigned width) {
  if (dst % width) refuse(CUDA_ERROR_INVALID_VALUE, "%#llx is not aligned to %u bytes", static_cast<unsigned long long>(dst), width);
  need_range(dst, count * width);
  Memory *m = &memory();
  put(stream, {CU_GRAPH_NODE_TYPE_MEMSET, "fill", [=] {
    bool same = width == 1 || value == (value & 0xFF) * 0x01010101u;
    if (same) return m->fill(dst, static_cast<uint8_t>(value), count * width);
    std::vector<uint32_t> values(count, value);
    m->write(dst, values.data(), count * width);
  }});
}

// legacy is the default stream for a call that the host waits in: not while anything is captured.
CUstream legacy() {
  refuse_implicit(current_context());
  unsafe();
  return current_context()->legacy;
}

// A block with a page behind it that nobody may touch.
void *map_pinned(size_t bytes, size_t *mapped) {
  size_t page = sysconf(_SC_PAGESIZE);
  *mapped = (bytes + page - 1) / page * page + page;
  void *p = mmap(nullptr, *mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) refuse(CUDA_ERROR_OUT_OF_MEMORY, "no %zu bytes of host memory", bytes);
  mprotect(static_cast<char *>(p) + *mapped - page, page, PROT_NONE);
  memset(p, 0xFF, bytes);  // NaN
  return p;
}

void host_alloc(void **p, size_t bytes) {
  unsafe();
  if (!bytes) refuse(CUDA_ERROR_INVALID_VALUE, "0 bytes");
  size_t mapped;
  *p = map_pinned(bytes, &mapped);
  driver().pinned[reinterpret_cast<uintptr_t>(*p)] = {bytes, mapped, current_context()};
}

void host_release(void *p, bool registered) {
  unsafe();
  auto found = driver().pinned.find(reinterpret_cast<uintptr_t>(p));
  if (found == driver().pinned.end() || (found->second.mapped == 0) != registered)
    refuse(registered ? CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED : CUDA_ERROR_INVALID_VALUE, "%p is no block of pinned memory", p);
  drain(current_context());  // work that still reads it
  if (!registered) munmap(p, found->second.mapped);
  driver().pinned.erase(found);
}

template <class T>
size_t count_of(CUcontext context) {
  size_t n = 0;
  each<T>([&](T *object) { n += object->context == context; });
  return n;
}

}  // namespace

// report_leaks says with VIMPS_SIM_LEAKS=1 what a context that ends still holds.
void report_leaks(CUcontext context) {
  if (env("VIMPS_SIM_LEAKS") != "1") return;
  size_t bytes = 0, blocks = 0, streams = count_of<CUstream_st>(context) - 1;
  for (auto &a : context->allocations) bytes += a.second;
  for (auto &block : driver().pinned) blocks += block.second.context == context;
  auto say = [](size_t n, const std::string &what) {
    if (n) log("leak: " + std::to_string(n) + " " + what);
  };
  say(context->allocations.size(), "allocations, " + std::to_string(bytes) + " bytes");
  say(blocks, "blocks of pinned memory");
  say(streams, "streams");
  say(count_of<CUevent_st>(context), "events");
  say(count_of<CUmod_st>(context), "modules");
}

}  // namespace sim

using namespace sim;
using std::tie;

extern "C" {

CUresult cuMemAlloc_v2(CUdeviceptr *p, size_t bytes) {
  return call(__func__, Needs::healthy, tie(bytes), [&] {
    unsafe();
    if (!bytes) refuse(CUDA_ERROR_INVALID_VALUE, "0 bytes");
    *p = memory().alloc(bytes);
    if (!*p) refuse(CUDA_ERROR_OUT_OF_MEMORY, "%zu bytes wanted, %zu of %zu in use", bytes, size_t(memory().used()), size_t(memory().arena()));
    current_context()->allocations[*p] = bytes;
  });
}

CUresult cuMemFree_v2(CUdeviceptr p) {
  return call(__func__, Needs::healthy, tie(p), [&] {
    unsafe();
    CUcontext context = current_context();
    if (!context->allocations.count(p)) refuse(CUDA_ERROR_INVALID_VALUE, "%#llx is no allocation, or was freed before", p);
    drain(context);  // work that still uses it
    memory().free(p);
    context->allocations.erase(p);
    healthy(context);
  });
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  return call(__func__, Needs::healthy, tie(), [&] {
    *total = memory().arena();
    *free = memory().arena() - memory().used();
  });
}

CUresult cuMemHostAlloc(void **p, size_t bytes, unsigned flags) {
  return call(__func__, Needs::healthy, tie(bytes, flags), [&] { host_alloc(p, bytes); });
}

CUresult cuMemAllocHost_v2(void **p, size_t bytes) {
  return call(__func__, Needs::healthy, tie(bytes), [&] { host_alloc(p, bytes); });
}

CUresult cuMemFreeHost(void *p) {
  return call(__func__, Needs::healthy, tie(p), [&] { host_release(p, false); });
}

CUresult cuMemHostRegister_v2(void *p, size_t bytes, unsigned flags) {
  return call(__func__, Needs::healthy, tie(p, bytes, flags), [&] {
    unsafe();
    if (!p || !bytes) refuse(CUDA_ERROR_INVALID_VALUE, "no memory");
    if (is_pinned(p, 1)) refuse(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "%p is pinned already", p);
    driver().pinned[reinterpret_cast<uintptr_t>(p)] = {bytes, 0, current_context()};
  });
}

CUresult cuMemHostUnregister(void *p) {
  return call(__func__, Needs::healthy, tie(p), [&] { host_release(p, true); });
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src, size_t bytes) {
  return call(__func__, Needs::healthy, tie(dst, src, bytes), [&] {
    copy_in(legacy(), dst, src, bytes);
    synchronise(current_context()->legacy);
  });
}

CUresult cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t bytes) {
  return call(__func__, Needs::healthy, tie(dst, src, bytes), [&] {
    copy_out(legacy(), dst, src, bytes);
    synchronise(current_context()->legacy);
  });
}

// Like the fills below this one takes its turn on the default stream, and the host does not wait for it.
CUresult cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes) {
  return call(__func__, Needs::healthy, tie(dst, src, bytes), [&] { copy_within(legacy(), dst, src, bytes); });
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t bytes, CUstream stream) {
  return call(__func__, Needs::healthy, tie(dst, src, bytes, stream), [&] { copy_in(stream_of(stream), dst, src, bytes); });
}

CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t bytes, CUstream stream) {
  return call(__func__, Needs::healthy, tie(dst, src, bytes, stream), [&] { copy_out(stream_of(stream), dst, src, bytes); });
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream) {
  return call(__func__, Needs::healthy, tie(dst, src, bytes, stream), [&] { copy_within(stream_of(stream), dst, src, bytes); });
}

CUresult cuMemsetD8_v2(CUdeviceptr dst, unsigned char value, size_t n) {
  return call(__func__, Needs::healthy, tie(dst, value, n), [&] { fill(legacy(), dst, value, n, 1); });
}

CUresult cuMemsetD32_v2(CUdeviceptr dst, unsigned value, size_t n) {
  return call(__func__, Needs::healthy, tie(dst, value, n), [&] { fill(legacy(), dst, value, n, 4); });
}

CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char value, size_t n, CUstream stream) {
  return call(__func__, Needs::healthy, tie(dst, value, n, stream), [&] { fill(stream_of(stream), dst, value, n, 1); });
}

CUresult cuMemsetD32Async(CUdeviceptr dst, unsigned value, size_t n, CUstream stream) {
  return call(__func__, Needs::healthy, tie(dst, value, n, stream), [&] { fill(stream_of(stream), dst, value, n, 4); });
}

}  // extern "C"
