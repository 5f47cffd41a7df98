// A stand-in for libnccl.so.2, for tests: processes of one machine, or threads, sum through shared memory, in float32 and in the order of their
// ranks. Streams are those of the driver that the program uses. As NCCL's, a sum is only on its way when ncclAllReduce returns: it comes
// to the GPU as a copy on the stream, and what goes wrong with another process is told by ncclCommGetAsyncError.
//
//   VIMPS_NCCL_LOG=file                  one line a call, as VIMPS_SIM_TRACE, which may name the same file
//   VIMPS_NCCL_FAIL=ncclAllReduce:3:2    the 3rd call from now returns 2; 0 for 3: every call; more than one with commas.
//                                        async:3:6: from the 3rd ncclCommGetAsyncError on it tells of the error 6
//   VIMPS_NCCL_WEDGE=ncclAllReduce:1     that call never returns
//   VIMPS_NCCL_PATIENCE=2                seconds without another process before it is given up (default 10)
#include <cuda.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace {

enum Result { success, cuda_error, system_error, internal_error, invalid_argument, invalid_usage, remote_error };
constexpr const char *texts[] = {"no error", "unhandled cuda error", "unhandled system error", "internal error",
                                 "invalid argument", "invalid usage", "remote process exited or there was a network error"};

constexpr int most_ranks = 64;
constexpr size_t piece = 1 << 16;  // floats that go round at once
constexpr int float32 = 7, sum = 0;

struct Id {
  char name[128];  // of the shared memory
};

// Shared is zero when it is made.
struct Shared {
  struct Rank {
    std::atomic<uint64_t> here, given, taken;  // joined; pieces put into values, pieces of all ranks summed
    std::atomic<uint64_t> length;              // of the sum under way, so that different ones do not mix
    float values[piece];
  } ranks[most_ranks];
};

std::string env(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

// Plan is a variable "name:n:code,...", or "name:n,..." for code 1.
class Plan {
 public:
  explicit Plan(const char *variable) : variable_(variable) {}

  // hit counts a call; its code, or 0. A sticky one stays.
  int hit(const std::string &name, bool sticky = false) {
    if (std::string now = env(variable_); now != text_) read(now);
    int code = 0;
    for (Item &item : items_)
      if (item.name == name && (++item.seen == item.nth || !item.nth || (sticky && item.seen > item.nth))) code = item.code;
    return code;
  }

 private:
  struct Item {
    std::string name;
    unsigned long nth, seen;
    int code;
  };

  void read(const std::string &text) {
    text_ = text;
    items_.clear();
    std::istringstream list(text);
    for (std::string one; std::getline(list, one, ',');) {
      char name[80];
      unsigned long nth;
      int code = 1;
      if (sscanf(one.c_str(), "%79[A-Za-z]:%lu:%d", name, &nth, &code) < 2) {
        fprintf(stderr, "[nccl] %s=%s: want name:n:code,...\n", variable_, text.c_str());
        abort();  // a test that asks for nothing must not pass
      }
      items_.push_back({name, nth, 0, code});
    }
  }

  const char *variable_;
  std::string text_;
  std::vector<Item> items_;
};

std::mutex mutex;  // of what follows; ranks may be threads of one process

Plan fail("VIMPS_NCCL_FAIL"), wedge("VIMPS_NCCL_WEDGE");

void log(const std::string &line) {
  std::string file = env("VIMPS_NCCL_LOG");
  if (file.empty()) return;
  FILE *to = fopen(file.c_str(), "a");
  if (!to) abort();
  fprintf(to, "%s\n", line.c_str());
  fclose(to);
}

// call is every entry point's frame.
int call(const char *name, const std::string &args, const std::function<int()> &body) {
  std::unique_lock<std::mutex> lock(mutex);
  if (wedge.hit(name)) {
    log(std::string(name) + "(" + args + ") = never");
    lock.unlock();
    for (;;) pause();
  }
  int result = fail.hit(name);
  lock.unlock();
  if (!result) result = body();
  lock.lock();
  log(std::string(name) + "(" + args + ") = " + std::to_string(result));
  return result;
}

// The driver that the program uses.
struct Driver {
  void *library = dlopen(env("VIMPS_LIBCUDA").empty() ? "libcuda.so.1" : env("VIMPS_LIBCUDA").c_str(), RTLD_NOW | RTLD_LOCAL);
  template <class F>
  F *find(const char *name) {
    void *f = library ? dlsym(library, name) : nullptr;
    if (!f) {
      fprintf(stderr, "[nccl] no driver, or no %s in it\n", name);
      abort();
    }
    return reinterpret_cast<F *>(f);
  }
  CUresult (*current)(CUcontext *) = find<CUresult(CUcontext *)>("cuCtxGetCurrent");
  CUresult (*synchronise)(CUstream) = find<CUresult(CUstream)>("cuStreamSynchronize");
  CUresult (*pin)(void **, size_t, unsigned) = find<CUresult(void **, size_t, unsigned)>("cuMemHostAlloc");
  CUresult (*unpin)(void *) = find<CUresult(void *)>("cuMemFreeHost");
  CUresult (*out)(void *, CUdeviceptr, size_t, CUstream) = find<CUresult(void *, CUdeviceptr, size_t, CUstream)>("cuMemcpyDtoHAsync_v2");
  CUresult (*in)(CUdeviceptr, const void *, size_t, CUstream) = find<CUresult(CUdeviceptr, const void *, size_t, CUstream)>("cuMemcpyHtoDAsync_v2");
};
Driver &driver() {
  static Driver d;
  return d;
}

bool has_context() {
  CUcontext c = nullptr;
  return driver().current(&c) == CUDA_SUCCESS && c;
}

}  // namespace

struct ncclComm {
  int rank = 0, size = 0;
  Shared *shared = nullptr;
  uint64_t pieces = 0;   // that went round
  int state = success;   // what ncclCommGetAsyncError tells
  float *room = nullptr;  // pinned
  size_t length = 0;      // of room
};

namespace {

// until waits for another process; false where it does not come.
bool until(const std::function<bool()> &ready) {
  std::string text = env("VIMPS_NCCL_PATIENCE");
  auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(text.empty() ? 10 : atof(text.c_str()));
  while (!ready()) {
    if (std::chrono::steady_clock::now() > end) return false;
    usleep(50);
  }
  return true;
}

bool all(const ncclComm &c, const std::function<bool(const Shared::Rank &)> &is) {
  return until([&] { return std::all_of(c.shared->ranks, c.shared->ranks + c.size, is); });
}

int join(ncclComm *c, const Id &id) {
  int file = shm_open(id.name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, sizeof(Shared))) return system_error;
  void *at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (at == MAP_FAILED) return system_error;
  c->shared = static_cast<Shared *>(at);
  if (c->shared->ranks[c->rank].here.exchange(1)) return invalid_usage;  // two processes of one rank
  bool came = all(*c, [](const Shared::Rank &r) { return r.here.load(); });
  if (c->rank == 0 || !came) shm_unlink(id.name);  // who came keeps it
  return came ? success : remote_error;
}

// exchange makes values the sum over the ranks.
int exchange(ncclComm &c, float *values, size_t n) {
  Shared::Rank &own = c.shared->ranks[c.rank];
  for (size_t at = 0; at < n; at += piece) {
    size_t m = std::min(piece, n - at);
    uint64_t before = c.pieces++;
    if (!all(c, [=](const Shared::Rank &r) { return r.taken >= before; })) return remote_error;
    memcpy(own.values, values + at, m * sizeof(float));
    own.length = n;
    own.given = before + 1;
    if (!all(c, [=](const Shared::Rank &r) { return r.given > before; })) return remote_error;
    for (int r = 0; r < c.size; r++)
      if (c.shared->ranks[r].length != n) return invalid_usage;
    for (size_t i = 0; i < m; i++) {
      float total = c.shared->ranks[0].values[i];
      for (int r = 1; r < c.size; r++) total += c.shared->ranks[r].values[i];
      values[at + i] = total;
    }
    own.taken = before + 1;
  }
  return success;
}

int grow(ncclComm &c, size_t n) {
  if (n <= c.length) return success;
  if (c.room && driver().unpin(c.room)) return cuda_error;
  c.room = nullptr;
  if (driver().pin(reinterpret_cast<void **>(&c.room), n * sizeof(float), 0)) return cuda_error;
  c.length = n;
  return success;
}

int reduce(ncclComm &c, const void *from, void *to, size_t n, CUstream stream) {
  if (!has_context()) return invalid_usage;
  if (driver().synchronise(stream)) return cuda_error;  // room is free, and the values are there
  if (int r = grow(c, n)) return r;
  size_t bytes = n * sizeof(float);
  if (driver().out(c.room, reinterpret_cast<CUdeviceptr>(from), bytes, stream) || driver().synchronise(stream)) return cuda_error;
  if (!c.state) c.state = exchange(c, c.room, n);
  return driver().in(reinterpret_cast<CUdeviceptr>(to), c.room, bytes, stream) ? cuda_error : success;
}

int leave(ncclComm *c) {
  if (c->room) driver().unpin(c->room);
  if (c->shared) munmap(c->shared, sizeof(Shared));
  delete c;
  return success;
}

thread_local int depth;
thread_local std::vector<std::function<int()>> group;

}  // namespace

extern "C" {

int ncclGetVersion(int *version) {
  return call(__func__, "", [&] { return *version = 22105, success; });
}

int ncclGetUniqueId(Id *id) {
  return call(__func__, "", [&] {
    std::random_device random;
    memset(id, 0, sizeof *id);
    snprintf(id->name, sizeof id->name, "/vimps-nccl-%d-%08x%08x", getpid(), random(), random());
    return success;
  });
}

int ncclCommInitRank(ncclComm **comm, int size, Id id, int rank) {
  return call(__func__, std::to_string(size) + ", " + std::to_string(rank), [&]() -> int {
    if (rank < 0 || rank >= size || size > most_ranks || id.name[0] != '/') return invalid_argument;
    if (!has_context()) return invalid_usage;
    auto *c = new ncclComm;
    c->rank = rank;
    c->size = size;
    if (int r = join(c, id)) return leave(c), r;
    *comm = c;
    return success;
  });
}

int ncclAllReduce(const void *from, void *to, size_t n, int type, int op, ncclComm *c, CUstream stream) {
  std::ostringstream args;
  args << from << ", " << n << ", " << stream;
  return call(__func__, args.str(), [&]() -> int {
    if (type != float32 || op != sum || !c) return invalid_argument;
    if (!depth) return reduce(*c, from, to, n, stream);
    group.push_back([=] { return reduce(*c, from, to, n, stream); });
    return success;
  });
}

int ncclGroupStart() {
  depth++;
  return call(__func__, "", [] { return success; });
}

int ncclGroupEnd() {
  depth--;
  return call(__func__, "", []() -> int {
    if (depth) return success;
    int result = success;
    for (auto &start : group) result = result ? result : start();
    group.clear();
    return result;
  });
}

int ncclCommGetAsyncError(ncclComm *c, int *state) {
  int planned;
  {
    std::lock_guard<std::mutex> lock(mutex);
    planned = fail.hit("async", true);
  }
  return call(__func__, "", [&] { return *state = planned ? planned : c->state, success; });
}

int ncclCommDestroy(ncclComm *c) {
  return call(__func__, "", [&] { return leave(c); });
}

int ncclCommAbort(ncclComm *c) {
  return call(__func__, "", [&] { return leave(c); });
}

const char *ncclGetErrorString(int result) {
  return result >= 0 && result <= remote_error ? texts[result] : "unknown result code";
}

}  // extern "C"
