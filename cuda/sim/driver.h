// The simulated driver's model: devices, contexts, streams that are late, and graphs. The entry points of libcuda.so.1, in
// driver_*.cpp, are thin on top of it. What an entry point does is under one lock; kernels run inside it, one at a time.
//
// The environment, which a program may change at any time between its calls, asks for what a test needs:
//
//   VIMPS_SIM_DEVICES=2                number of GPUs, read by cuInit; 0: a driver without a GPU (default 1)
//   VIMPS_SIM_MEMORY=1048576           bytes of memory of each, read by cuInit (default 4 GiB)
//   VIMPS_SIM_CC=7.5,9.0               compute capability of each (default 8.0)
//   VIMPS_SIM_ORDER=early              what no event keeps back overtakes the work that is waited for (default: late)
//   VIMPS_SIM_FAIL=cuMemAlloc_v2:3:2   the 3rd call from now returns 2; 0 for 3: every call; more than one with commas
//   VIMPS_SIM_WEDGE=cuCtxSynchronize:1 that call never returns
//   VIMPS_SIM_NOCODE=1                 no image has code for the card
//   VIMPS_SIM_DELETE=kernel:line       that kernel's module is loaded without a line of its PTX
//   VIMPS_SIM_MUTATE=file             each launch also without each of its barriers and waits; file: which of them are missed
//   VIMPS_SIM_LOG=file                 where errors are told in full (default stderr)
//   VIMPS_SIM_TRACE=file               one line a driver call: name(arguments) = result
//   VIMPS_SIM_LEAKS=1                  a context that ends tells what it still holds
#pragma once
#define __CUDA_API_VERSION_INTERNAL  // declares every version of every name and renames none
#include <cuda.h>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "memory.h"
#include "module.h"
#include "run.h"

namespace sim {

// Refused is how an entry point fails: the result it returns and what goes to the log.
struct Refused {
  CUresult code;
  std::string why;
};
[[noreturn]] void refuse(CUresult code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// log writes a line, with the driver call it happened in, to the file VIMPS_SIM_LOG or to stderr.
void log(const std::string &text);

// env is a variable's value; "" where it is not set.
std::string env(const char *name);
uint64_t env_number(const char *name, uint64_t otherwise);  // ends the program where it is no number

// Object is what a handle points to. It stays in memory after its destruction, so that a later use is noticed.
struct Object {
  bool alive = true;
  virtual ~Object() = default;
};

// Goal is a place in a stream's order of work: the first `position` items that were ever put on it.
struct Goal {
  CUstream stream = nullptr;
  uint64_t position = 0;
  bool reached() const;
};

// Work is one item on a stream. It runs when `after` is reached, and not before somebody waits for it.
struct Work {
  std::string label;  // for messages
  std::vector<Goal> after;
  std::function<void()> run;
};

struct Node {
  CUgraphNodeType type;
  std::string label;
  std::function<void()> run;
};

// Capture is what a stream collects between cuStreamBeginCapture and cuStreamEndCapture.
struct Capture {
  CUstreamCaptureMode mode;
  std::thread::id thread;
  uint64_t id;
  bool spoiled = false;
  std::vector<Node> nodes;
};

struct Device {
  int number;
  std::unique_ptr<Memory> memory;
  CUcontext primary = nullptr;  // while it is retained
  int retained = 0;
  unsigned flags = 0;
};

struct HostBlock {
  size_t bytes;
  size_t mapped;  // 0: registered, the program's own
  CUcontext context;
};

// Driver is all state. Objects of all kinds, by handle, are in `objects`.
struct Driver {
  bool started = false;
  std::vector<Device> devices;
  std::vector<CUcontext> contexts;  // all that live
  std::unordered_map<const void *, std::unique_ptr<Object>> objects;
  std::map<uintptr_t, HostBlock> pinned;
  Counters counters;
  uint64_t graph_launches = 0, captures = 0;
};
Driver &driver();

// known is the object behind a handle. Refused with code where the handle is of another kind or was destroyed.
template <class T>
T *known(T *handle, const char *kind, CUresult code = CUDA_ERROR_INVALID_HANDLE) {
  auto found = driver().objects.find(handle);
  T *object = found == driver().objects.end() ? nullptr : dynamic_cast<T *>(found->second.get());
  if (!object) refuse(code, "%p is no %s", static_cast<const void *>(handle), kind);
  if (!object->alive) refuse(code, "use of a destroyed %s", kind);
  return object;
}

template <class T>
T *make() {
  auto object = std::make_unique<T>();
  T *handle = object.get();
  driver().objects[handle] = std::move(object);
  return handle;
}

// each calls f for every live object of a kind.
template <class T>
void each(const std::function<void(T *)> &f) {
  for (auto &entry : driver().objects)
    if (auto *object = dynamic_cast<T *>(entry.second.get()); object && object->alive) f(object);
}

}  // namespace sim

// The handles of cuda.h are pointers to these.

struct CUctx_st : sim::Object {
  sim::Device *device = nullptr;
  CUstream legacy = nullptr;         // the default stream
  std::vector<CUstream> streams;     // all that live, legacy first
  CUresult sticky = CUDA_SUCCESS;    // the first fault; every later call returns it
  std::map<uint64_t, uint64_t> allocations;  // device address -> bytes
};

struct CUstream_st : sim::Object {
  CUcontext context = nullptr;
  bool blocking = false;  // ordered with the legacy stream
  unsigned flags = 0;
  int priority = 0;
  std::deque<sim::Work> queue;
  uint64_t queued = 0, done = 0;  // items ever put on it, items run
  std::shared_ptr<sim::Capture> capture;
};

struct CUevent_st : sim::Object {
  CUcontext context = nullptr;
  unsigned flags = 0;
  bool recorded = false;
  sim::Goal at;
  std::chrono::steady_clock::time_point time;  // when `at` was reached
  std::shared_ptr<sim::Capture> capture;       // of its last record, where that was captured
};

struct CUmod_st : sim::Object {
  CUcontext context = nullptr;
  std::shared_ptr<sim::Module> module;
  std::map<std::string, CUfunction> functions;
};

struct CUfunc_st : sim::Object {
  CUmodule module = nullptr;
  const sim::Kernel *kernel = nullptr;
  int max_dynamic_shared = -1;  // bytes; -1: no opt-in, up to 48 KB together with the static
};

struct CUgraphNode_st : sim::Object {
  sim::Node node;
};

struct CUgraph_st : sim::Object {
  std::vector<CUgraphNode> nodes;  // in the order of their capture
};

struct CUgraphExec_st : sim::Object {
  std::shared_ptr<std::vector<sim::Node>> nodes;
  sim::Goal last;  // its latest launch
};

namespace sim {

// What an entry point asks for before its body runs: nothing, that cuInit was called, a current context, or a current
// context in which nothing has failed.
enum class Needs { nothing, started, context, healthy };

// call is every entry point's frame: wedges and failures asked for by the environment, the lock, what it needs, the trace, and
// the translation of Refused and Fault to a result.
CUresult enter(const char *name, Needs needs, const std::function<std::string()> &args, const std::function<CUresult()> &body);

inline void print(std::ostream &to, const char *text) { to << '"' << (text ? text : "") << '"'; }
template <class T>
void print(std::ostream &to, const T &value) {
  to << value;
}

template <class... Args, class Body>
CUresult call(const char *name, Needs needs, std::tuple<Args...> args, Body body) {
  auto text = [&] {
    std::ostringstream s;
    const char *comma = "";
    std::apply([&](auto &...arg) { ((s << comma, print(s, arg), comma = ", "), ...); }, args);
    return s.str();
  };
  return enter(name, needs, text, [&] {
    body();
    return CUDA_SUCCESS;
  });
}

// Contexts: the calling thread's stack of them (driver_context.cpp).
CUcontext current_context();  // nullptr where there is none
Device &device(CUdevice number);
void destroy_context(CUcontext context);

// Streams (driver_queue.cpp). stream_of resolves a handle, the default stream included, for the current context.
CUstream stream_of(CUstream handle);
// put queues work behind all that its stream must wait for, or adds a node to the graph being captured.
void put(CUstream stream, Node node, std::vector<Goal> after = {});
void run_to(Goal goal);                 // runs what must be done to reach it
void run_some(Goal goal);               // a little of that, for the queries
void synchronise(CUstream stream);      // all of it, as the host waits; the sticky error after it is refused
void drain(CUcontext context);          // all streams of a context
void healthy(CUcontext context);        // refuses the sticky error

// Capture rules (driver_capture.cpp).
// unsafe refuses a call that may not be made while some stream is captured, as the capture's mode says.
void unsafe();
// A synchronising call on a stream that is being captured spoils the capture and is refused.
void refuse_while_captured(CUstream stream);
// refuse_implicit refuses work on the legacy stream while a stream that is ordered with it is captured.
void refuse_implicit(CUcontext context);

// Memory (driver_memory.cpp).
void report_leaks(CUcontext context);

// Mutation tests (driver_mutate.cpp), asked for by VIMPS_SIM_MUTATE.
void note_for_mutation(const Module &module);  // a module that is loaded
// run_with_mutants runs a kernel, and apart from it, for the report, the kernel without each of its synchronisations.
void run_with_mutants(const Kernel &kernel, const LaunchConfig &config, const Device &device);

// Limits of the compute capability that VIMPS_SIM_CC names (driver_device.cpp).
struct Capability {
  int major, minor, sms, shared_opt_in, shared_per_sm, threads_per_sm, l2;
};
Capability capability(int device);

constexpr int shared_default = 48 << 10;

}  // namespace sim
