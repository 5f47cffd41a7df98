// Contexts: primary and created ones, and each thread's stack of them.
#include <algorithm>

#include "driver.h"

namespace sim {
namespace {

thread_local std::vector<CUcontext> stack;

CUcontext make_context(Device &device) {
  CUcontext context = make<CUctx_st>();
  context->device = &device;
  context->legacy = make<CUstream_st>();
  context->legacy->context = context;
  context->streams.push_back(context->legacy);
  driver().contexts.push_back(context);
  return context;
}

void release_primary(Device &device, int count) {
  if (!device.retained) refuse(CUDA_ERROR_INVALID_CONTEXT, "the primary context of device %d is not retained", device.number);
  device.retained = std::max(0, device.retained - count);
  if (device.retained) return;
  destroy_context(device.primary);
  device.primary = nullptr;
}

template <class T>
void end(CUcontext context) {
  each<T>([&](T *object) {
    if (object->context == context) object->alive = false;
  });
}

}  // namespace

CUcontext current_context() { return stack.empty() ? nullptr : stack.back(); }

// destroy_context finishes the context's work and ends all that belongs to it.
void destroy_context(CUcontext context) {
  drain(context);
  report_leaks(context);
  for (auto &a : context->allocations) context->device->memory->free(a.first);
  context->allocations.clear();
  end<CUstream_st>(context);
  end<CUevent_st>(context);
  each<CUmod_st>([&](CUmodule m) {
    if (m->context != context) return;
    m->alive = false;
    for (auto &f : m->functions) f.second->alive = false;
  });
  context->streams.clear();
  context->alive = false;
  auto &all = driver().contexts;
  all.erase(std::find(all.begin(), all.end(), context));
}

}  // namespace sim

using namespace sim;
using std::tie;

extern "C" {

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice number) {
  return call(__func__, Needs::started, tie(number), [&] {
    Device &d = device(number);
    if (!d.primary) d.primary = make_context(d);
    d.retained++;
    *context = d.primary;
  });
}

// When the last reference goes the context is destroyed, and with it a fault: the next one is whole.
static CUresult release(const char *name, CUdevice number) {
  return call(name, Needs::started, tie(number), [&] { release_primary(device(number), 1); });
}
CUresult cuDevicePrimaryCtxRelease(CUdevice number) { return release(__func__, number); }
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice number) { return release(__func__, number); }

static CUresult reset(const char *name, CUdevice number) {
  return call(name, Needs::started, tie(number), [&] {
    Device &d = device(number);
    if (d.retained) release_primary(d, d.retained);
  });
}
CUresult cuDevicePrimaryCtxReset(CUdevice number) { return reset(__func__, number); }
CUresult cuDevicePrimaryCtxReset_v2(CUdevice number) { return reset(__func__, number); }

static CUresult set_flags(const char *name, CUdevice number, unsigned flags) {
  return call(name, Needs::started, tie(number, flags), [&] { device(number).flags = flags; });
}
CUresult cuDevicePrimaryCtxSetFlags(CUdevice number, unsigned flags) { return set_flags(__func__, number, flags); }
CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice number, unsigned flags) { return set_flags(__func__, number, flags); }

CUresult cuDevicePrimaryCtxGetState(CUdevice number, unsigned *flags, int *active) {
  return call(__func__, Needs::started, tie(number), [&] {
    *flags = device(number).flags;
    *active = device(number).retained > 0;
  });
}

CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice number) {
  return call(__func__, Needs::started, tie(flags, number), [&] {
    *context = make_context(device(number));
    stack.push_back(*context);
  });
}

CUresult cuCtxDestroy_v2(CUcontext context) {
  return call(__func__, Needs::started, tie(context), [&] {
    known(context, "context", CUDA_ERROR_INVALID_CONTEXT);
    if (context->device->primary == context) refuse(CUDA_ERROR_INVALID_CONTEXT, "a primary context is released, not destroyed");
    destroy_context(context);
    if (current_context() == context) stack.pop_back();
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return call(__func__, Needs::started, tie(context), [&] {
    if (context) known(context, "context", CUDA_ERROR_INVALID_CONTEXT);
    if (!stack.empty()) stack.pop_back();
    if (context) stack.push_back(context);
  });
}

CUresult cuCtxGetCurrent(CUcontext *context) {
  return call(__func__, Needs::started, tie(), [&] { *context = current_context(); });
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  return call(__func__, Needs::started, tie(context), [&] { stack.push_back(known(context, "context", CUDA_ERROR_INVALID_CONTEXT)); });
}

CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  return call(__func__, Needs::context, tie(), [&] {
    if (context) *context = current_context();
    stack.pop_back();
  });
}

CUresult cuCtxGetDevice(CUdevice *number) {
  return call(__func__, Needs::context, tie(), [&] { *number = current_context()->device->number; });
}

CUresult cuCtxSynchronize(void) {
  return call(__func__, Needs::healthy, tie(), [&] {
    CUcontext context = current_context();
    for (CUstream s : context->streams) refuse_while_captured(s);
    drain(context);
    healthy(context);
  });
}

}  // extern "C"
