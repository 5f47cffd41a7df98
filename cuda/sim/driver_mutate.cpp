// Mutation tests. With VIMPS_SIM_MUTATE=file a launch is done again without each of its kernel's barriers and cp.async waits in turn, until
// that one is caught: by a fault, or because it leaves other memory behind than the kernel as it is. The program under test
// sees none of this. The file grows by lines
//
//   kernel <tab> PTX line <tab> instruction <tab> never run | run | missed: why | caught by result | caught by fault: text
//
// as soon as each is known, line 0 for the kernel itself. Of lines about the same, in whatever process, the furthest to
// the right in this list holds.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include "driver.h"
#include "program.h"

namespace sim {
namespace {

// How often a launch is repeated for one mutant: until so many came to where the instruction was, in at most so many tries. Launches of
// more work than this, in instructions of threads, or with more device memory in use are not repeated.
constexpr int most_attempts = 6, most_tries = 24;
constexpr uint64_t most_work = 400'000'000, most_bytes = 512 << 20;

struct Mutant {
  size_t at;  // instruction
  bool caught = false;
  int attempts = 0, tries = 0;
  bool open() const { return !caught && attempts < most_attempts && tries < most_tries; }
};

struct Subject {
  std::shared_ptr<const Program> program;  // keeps the key of subjects() alive
  std::vector<Mutant> mutants;
  bool ran = false;
  uint64_t too_large = 0;    // launches
  std::set<std::string> done;  // launches, by shape and work
  bool open() const {
    for (const Mutant &m : mutants)
      if (m.open()) return true;
    return false;
  }
};

std::map<const Program *, Subject> &subjects() {
  static auto *all = new std::map<const Program *, Subject>;
  return *all;
}

bool is_sync(const std::string &text) {
  size_t begin = text[0] == '@' ? text.find(' ') + 1 : 0;
  std::string opcode = text.substr(begin, text.find_first_of(" ;", begin) - begin);
  if (opcode.rfind("bar", 0) == 0) return opcode.find(".sync") != std::string::npos;
  return opcode.rfind("cp.async.wait_", 0) == 0;
}

// tell adds a line with one write, so that the lines of processes do not mix.
void tell(const Program &p, int line, const std::string &text, const std::string &verdict) {
  std::string file = env("VIMPS_SIM_MUTATE"), row = p.kernel + "\t" + std::to_string(line) + "\t" + text + "\t" + verdict + "\n";
  int to = open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (to < 0 || write(to, row.data(), row.size()) != static_cast<ssize_t>(row.size())) {
    fprintf(stderr, "[sim] VIMPS_SIM_MUTATE=%s: %s\n", file.c_str(), strerror(errno));
    abort();  // a test that asks for a report must not pass without one
  }
  close(to);
}

void tell(const Subject &s, const Mutant &m, const std::string &verdict) {
  tell(*s.program, s.program->line[m.at], s.program->text[m.at], verdict);
}

std::string why_missed(const Subject &s, const Mutant &m) {
  if (m.attempts) return "missed: nothing changes without it in " + std::to_string(m.attempts) + " launches";
  if (m.tries) return "missed: " + std::to_string(m.tries) + " launches never come to it";
  if (s.too_large) return "missed: " + std::to_string(s.too_large) + " launches are too large to repeat";
  return "missed: never run";
}

// Snapshot is what a device's allocations hold: bytes, and which of them were ever written.
class Snapshot {
 public:
  explicit Snapshot(const Device &device) : memory_(*device.memory) {
    for (CUcontext context : driver().contexts)
      if (context->device == &device)
        for (auto [base, size] : context->allocations) {
          const uint8_t *bytes = memory_.bytes(base), *written = memory_.written(base);
          pieces_.push_back({base, {bytes, bytes + size}, {written, written + size}});
        }
  }
  void restore() const {
    for (const Piece &p : pieces_) {
      memcpy(memory_.bytes(p.base), p.bytes.data(), p.bytes.size());
      memcpy(memory_.written(p.base), p.written.data(), p.written.size());
    }
  }
  bool holds_now() const {
    for (const Piece &p : pieces_)
      if (memcmp(memory_.bytes(p.base), p.bytes.data(), p.bytes.size()) || memcmp(memory_.written(p.base), p.written.data(), p.written.size())) return false;
    return true;
  }

 private:
  struct Piece {
    uint64_t base;
    std::vector<uint8_t> bytes, written;
  };
  Memory &memory_;
  std::vector<Piece> pieces_;
};

// reached: a warp came to the place of the instruction that is left out. Kernels run one at a time.
bool reached;
void left_out(Warp &, const Inst &, uint32_t) { reached = true; }

Kernel without(const Kernel &kernel, size_t at) {
  auto program = std::make_shared<Program>(*kernel.program);
  Inst gap, &old = program->code[at];
  gap.exec = left_out;
  gap.guard = old.guard;
  gap.guard_negated = old.guard_negated;
  old = gap;
  Kernel mutant = kernel;
  mutant.program = program;
  return mutant;
}

// attempt runs one mutant, from memory as it was before the launch.
void attempt(Subject &s, Mutant &m, const Kernel &kernel, const LaunchConfig &config, Memory &memory, const Snapshot &result) {
  Counters apart;
  std::string verdict;
  reached = false;
  try {
    run(without(kernel, m.at), config, memory, apart);
    if (!result.holds_now()) verdict = "caught by result";
  } catch (const Fault &fault) {
    verdict = std::string("caught by fault: ") + fault.what();
  }
  m.caught = !verdict.empty();
  m.attempts += reached;
  m.tries++;
  tell(s, m, m.caught ? verdict : why_missed(s, m));
}

std::string shape(const LaunchConfig &c, uint64_t work) {
  std::ostringstream s;
  for (unsigned n : {c.grid[0], c.grid[1], c.grid[2], c.block[0], c.block[1], c.block[2], c.dynamic_shared}) s << n << ' ';
  s << work;
  return s.str();
}

}  // namespace

void note_for_mutation(const Module &module) {
  if (env("VIMPS_SIM_MUTATE").empty()) return;
  for (auto &[name, kernel] : module.kernels()) {
    Subject &s = subjects()[kernel.program.get()];
    if (s.program) continue;
    s.program = kernel.program;
    tell(*s.program, 0, "kernel", "never run");
    for (size_t i = 0; i < s.program->code.size(); i++)
      if (is_sync(s.program->text[i])) {
        s.mutants.push_back({i});
        tell(s, s.mutants.back(), why_missed(s, s.mutants.back()));
      }
  }
}

void run_with_mutants(const Kernel &kernel, const LaunchConfig &config, const Device &device) {
  Memory &memory = *device.memory;
  Counters &counters = driver().counters;
  auto found = subjects().find(kernel.program.get());
  if (found == subjects().end()) return run(kernel, config, memory, counters);
  Subject &s = found->second;
  std::unique_ptr<Snapshot> before;
  if (s.open() && memory.used() <= most_bytes) before = std::make_unique<Snapshot>(device);
  uint64_t work = counters.thread_instructions;
  run(kernel, config, memory, counters);
  work = counters.thread_instructions - work;
  if (!s.ran) tell(*s.program, 0, "kernel", "run");
  s.ran = true;
  if (!s.open()) return;
  if (!before || work > most_work) {
    s.too_large++;
    for (Mutant &m : s.mutants)
      if (!m.tries) tell(s, m, why_missed(s, m));
    return;
  }
  if (!s.done.insert(shape(config, work)).second) return;
  Snapshot after(device);
  for (Mutant &m : s.mutants) {
    if (!m.open()) continue;
    before->restore();
    attempt(s, m, kernel, config, memory, after);
  }
  after.restore();
}

}  // namespace sim
