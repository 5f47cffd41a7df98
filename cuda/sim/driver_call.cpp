// The frame of every driver call: what the environment asks for, the lock, the trace, results; and the tests' own exports.
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "driver.h"

namespace sim {
namespace {

std::mutex mutex;
thread_local const char *call_name = "";

[[noreturn]] void bad_variable(const char *name, const std::string &value, const char *want) {
  fprintf(stderr, "[sim] %s=%s: want %s\n", name, value.c_str(), want);
  abort();  // a test that asks for nothing must not pass
}

void append(const std::string &file, const std::string &line) {
  FILE *to = file.empty() ? stderr : fopen(file.c_str(), "a");
  if (!to) bad_variable("VIMPS_SIM_LOG or VIMPS_SIM_TRACE", file, "a file that can be written");
  fprintf(to, "%s\n", line.c_str());
  if (to != stderr) fclose(to);
}

// Plan is a variable "name:n:code,...": what is to happen to the n-th call of an entry point (0: to every one).
class Plan {
 public:
  Plan(const char *variable, bool with_code) : variable_(variable), with_code_(with_code) {}

  // hit counts a call and is the code asked for, or -1.
  int hit(const std::string &name) {
    std::string now = env(variable_);
    if (now != text_) read(now);
    int code = -1;
    for (Item &item : items_)
      if ((item.name == name || item.name == without_version(name)) && (++item.seen == item.nth || !item.nth)) code = item.code;
    return code;
  }

 private:
  struct Item {
    std::string name;
    unsigned long nth, seen;
    int code;
  };

  static std::string without_version(const std::string &name) {
    size_t at = name.rfind("_v");
    return at == std::string::npos ? name : name.substr(0, at);
  }

  void read(const std::string &text) {
    text_ = text;
    items_.clear();
    std::istringstream list(text);
    for (std::string one; std::getline(list, one, ',');) {
      char name[80], more;
      unsigned long nth;
      int code = 0;
      int n = with_code_ ? sscanf(one.c_str(), "%79[A-Za-z0-9_]:%lu:%d%c", name, &nth, &code, &more)
                         : sscanf(one.c_str(), "%79[A-Za-z0-9_]:%lu%c", name, &nth, &more);
      if (n != (with_code_ ? 3 : 2)) bad_variable(variable_, text, with_code_ ? "name:n:code,..." : "name:n,...");
      items_.push_back({name, nth, 0, code});
    }
  }

  const char *variable_;
  bool with_code_;
  std::string text_;
  std::vector<Item> items_;
};

// Errors after which a context does nothing more.
bool is_sticky(CUresult r) {
  return r == CUDA_ERROR_ECC_UNCORRECTABLE || r == CUDA_ERROR_ILLEGAL_ADDRESS || r == CUDA_ERROR_LAUNCH_TIMEOUT ||
         (r >= CUDA_ERROR_ASSERT && r <= CUDA_ERROR_LAUNCH_FAILED && r != CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED &&
          r != CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}

CUresult injected() {
  static Plan fail("VIMPS_SIM_FAIL", true);
  int code = fail.hit(call_name);
  if (code <= 0) return CUDA_SUCCESS;
  CUresult r = static_cast<CUresult>(code);
  CUcontext context = current_context();
  if (is_sticky(r) && context && context->alive && !context->sticky) context->sticky = r;
  return r;
}

void check(Needs needs) {
  if (needs == Needs::nothing) return;
  if (!driver().started) refuse(CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called, or failed");
  if (needs == Needs::started) return;
  CUcontext context = current_context();
  if (!context) refuse(CUDA_ERROR_INVALID_CONTEXT, "no context is current on this thread");
  if (!context->alive) refuse(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the current context was destroyed");
  if (needs == Needs::healthy) healthy(context);
}

CUresult guarded(Needs needs, const std::function<CUresult()> &body) {
  try {
    if (CUresult r = injected()) return r;
    check(needs);
    return body();
  } catch (const Refused &e) {
    if (!e.why.empty()) log(e.why);
    return e.code;
  } catch (const std::bad_alloc &) {
    log("the simulator is out of memory");
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception &e) {
    log(e.what());
    return CUDA_ERROR_UNKNOWN;
  }
}

// Whatever still lives when the program ends. os.Exit of Go, and with it the end of every Go program, comes without this.
struct AtExit {
  ~AtExit() {
    std::lock_guard<std::mutex> lock(mutex);
    call_name = "exit";
    for (CUcontext context : driver().contexts) report_leaks(context);
  }
} at_exit;

}  // namespace

Driver &driver() {
  static Driver *d = new Driver;  // outlives AtExit
  return *d;
}

std::string env(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

uint64_t env_number(const char *name, uint64_t otherwise) {
  std::string value = env(name);
  if (value.empty()) return otherwise;
  char *end;
  uint64_t n = strtoull(value.c_str(), &end, 10);
  if (*end || value[0] == '-') bad_variable(name, value, "a number");
  return n;
}

void log(const std::string &text) { append(env("VIMPS_SIM_LOG"), std::string("[sim] ") + call_name + ": " + text); }

void refuse(CUresult code, const char *format, ...) {
  char text[1000];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  throw Refused{code, text};
}

CUresult enter(const char *name, Needs needs, const std::function<std::string()> &args, const std::function<CUresult()> &body) {
  bool wedged;
  CUresult r = CUDA_SUCCESS;
  {
    std::lock_guard<std::mutex> lock(mutex);
    call_name = name;
    static Plan wedge("VIMPS_SIM_WEDGE", false);
    wedged = wedge.hit(name) >= 0;
    if (!wedged) r = guarded(needs, body);
    std::string trace = env("VIMPS_SIM_TRACE");
    if (!trace.empty()) append(trace, std::string(name) + "(" + args() + ") = " + (wedged ? "never" : std::to_string(r)));
  }
  while (wedged) pause();  // without the lock: other threads go on
  return r;
}

}  // namespace sim

// vimps_sim_counter gives a number that tests assert; 1 for a name that it does not know.
extern "C" int vimps_sim_counter(const char *name, uint64_t *value) {
  using namespace sim;
  std::lock_guard<std::mutex> lock(mutex);
  const Counters &c = driver().counters;
  uint64_t live = 0, live_bytes = 0, queued = 0;
  for (CUcontext context : driver().contexts) {
    live += context->allocations.size();
    for (auto &a : context->allocations) live_bytes += a.second;
    for (CUstream s : context->streams) queued += s->queue.size();
  }
  const std::map<std::string, uint64_t> all = {
      {"launches", c.launches},
      {"graph_launches", driver().graph_launches},
      {"warp_instructions", c.warp_instructions},
      {"thread_instructions", c.thread_instructions},
      {"global_load_bytes", c.global_load_bytes},
      {"global_load_sectors", c.global_load_sectors},
      {"global_store_bytes", c.global_store_bytes},
      {"global_store_sectors", c.global_store_sectors},
      {"shared_waves", c.shared_waves},
      {"shared_ideal_waves", c.shared_ideal_waves},
      {"mma", c.mma},
      {"live_allocations", live},
      {"live_bytes", live_bytes},
      {"pinned_blocks", driver().pinned.size()},
      {"queued", queued},
  };
  auto found = all.find(name);
  if (found == all.end()) return 1;
  *value = found->second;
  return 0;
}
