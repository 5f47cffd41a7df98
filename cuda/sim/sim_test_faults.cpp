// Every fault that the simulator claims to find is planted once; correct kernels must stay quiet.
#include "sim_test.h"

namespace simtest {
namespace {

struct Planted {
  const char *kernel, *expect;
};

const Planted kPlanted[] = {
    {"fault_global_write_bounds", "thread (63,0,0): global write out of bounds"},
    {"fault_global_read_bounds", "thread (0,0,0): global read out of bounds"},
    {"fault_global_misaligned", "misaligned global write of 16 bytes"},
    {"fault_global_unwritten", "global read of bytes never written"},
    {"fault_global_half_written", "global read of bytes never written"},
    {"fault_global_one_lane", "thread (40,0,0): global read of bytes never written"},
    {"fault_trap", "trap"},
    {"fault_endless", "the kernel does not end"},
    {"fault_shared_bounds", "thread (63,0,0): shared access out of bounds"},
    {"fault_shared_misaligned", "misaligned shared access"},
    {"fault_shared_unwritten", "thread (32,0,0): shared read of bytes never written"},
    {"fault_race_read_after_write", "race"},
    {"fault_race_write_after_read", "race: shared"},
    {"fault_race_write_after_write", "race: shared write after write"},
    {"fault_race_second_reader", "thread (40,0,0): race: shared write after read"},
    {"fault_race_in_warp", "thread (0,0,0): race: shared read after write, of 4 bytes at 0x4, with thread (1,0,0)"},
    {"fault_race_in_warp_write_after_read", "race: shared write after read"},
    {"fault_race_between_halves", "race: shared read after write"},
    {"fault_race_one_instruction", "race: shared write after write"},
    {"fault_race_bytes", "race: shared read after write"},
    {"fault_race_byte_in_word", "race: shared read after write"},
    {"fault_race_atomic_and_read", "race: shared read after write"},
    {"fault_barrier_two_places", "barrier met at two places: warp 0"},
    {"fault_barrier_in_divergent_warp", "barrier met at two places: lanes"},
    {"fault_shuffle_lanes_missing", "collective with lanes missing: members 0xffffffff"},
    {"fault_shuffle_lanes_ended", "shfl reads lane 0, which does not take part"},
    {"fault_shuffle_inactive_lane", "shfl reads lane 16, which does not take part"},
    {"fault_member_mask", "not in the member mask of its own collective"},
    {"fault_syncwarp_lanes_missing", "collective with lanes missing"},
    {"fault_ldmatrix_lanes_missing", "ldmatrix with lanes missing"},
    {"fault_mma_lanes_missing", "mma with lanes missing"},
    {"fault_ldmatrix_race", "race: shared read after write"},
    {"fault_async_no_wait", "cp.async destination before the cp.async wait"},
    {"fault_async_wait_too_few", "cp.async destination before the cp.async wait"},
    {"fault_async_not_committed", "cp.async destination before the cp.async wait"},
    {"fault_async_no_barrier", "never written"},
    {"fault_async_no_warp_sync", "race: shared read after write"},
    {"fault_async_over_readers", "race: shared"},
    {"fault_async_store_over_pending", "shared write to a cp.async destination"},
    {"fault_async_source_bounds", "thread (32,0,0): global read out of bounds"},
    {"fault_async_source_unwritten", "global read of bytes never written"},
    {"fault_async_misaligned", "misaligned shared access"},
    {"fault_async_shared_bounds", "shared access out of bounds"},
};

// launch runs a kernel of faults.cu on fresh memory and returns what the simulator found, "" for nothing.
std::string launch(const sim::Module &m, const std::string &kernel, std::vector<float> *q = nullptr, sim::Counters *counters = nullptr, int n = 0, unsigned threads = 64, size_t floats = 128) {
  sim::Memory memory(1 << 20);
  std::vector<float> p(floats);
  for (size_t i = 0; i < p.size(); i++) p[i] = static_cast<float>(i) * 0.5f;
  uint64_t pd = upload(memory, p), qd = memory.alloc(4 * floats);
  sim::LaunchConfig c;
  c.block[0] = threads;
  c.params = Args().add(pd).add(qd).add(n).bytes;
  sim::Counters own;
  const sim::Kernel *k = m.find(kernel);
  if (!k) return "no such kernel";
  try {
    sim::run(*k, c, memory, counters ? *counters : own);
    if (q) *q = download<float>(memory, qd, 64);
  } catch (const sim::Fault &f) {
    return f.what();
  }
  return "";
}

void test_planted(Report &r, const sim::Module &m) {
  for (const Planted &f : kPlanted) {
    std::string found = launch(m, f.kernel);
    // every message names kernel, thread, line and instruction
    bool ok = !found.empty() && found.find(f.expect) != std::string::npos && found.find(f.kernel) != std::string::npos && found.find("thread (") != std::string::npos && found.find("; PTX line ") != std::string::npos;
    r.check(f.kernel, ok, found);
  }
  for (const auto &k : m.kernels()) {
    if (k.first.compare(0, 5, "good_") == 0) {
      std::string found = launch(m, k.first);
      r.check(k.first, found.empty(), found);
    }
    bool listed = k.first.compare(0, 6, "fault_") != 0;
    for (const Planted &f : kPlanted) listed |= k.first == f.kernel;
    if (!listed) r.check(k.first, false, "planted, but not in the table");
  }
}

void test_mutations(Report &r, const std::string &ptx) {
  int points = 0;
  for (const sim::SyncPoint &s : sim::sync_points(ptx)) {
    if (s.kernel != "good_pipeline" && s.kernel != "good_block_exchange" && s.kernel != "good_async_in_warp") continue;
    points++;
    std::string found = launch(*sim::Module::parse(sim::without_line(ptx, s.line)), s.kernel);
    r.check("without " + s.text + " of " + s.kernel, !found.empty(), found);
  }
  r.check("synchronisation points", points >= 8, std::to_string(points));
}

void test_results(Report &r, const sim::Module &m) {
  std::vector<float> q;
  launch(m, "good_constant", &q);
  bool ok = true;
  for (int t = 0; t < 64; t++) ok &= q[static_cast<size_t>(t)] == static_cast<float>(t) * 0.5f * static_cast<float>(1 << (t & 3));
  r.check("constants", ok, "");
  launch(m, "good_async_two_stages", &q);
  ok = true;
  for (int t = 0; t < 64; t++) ok &= q[static_cast<size_t>(t)] == static_cast<float>(2 * t + 64) * 0.5f;
  r.check("cp.async data", ok, "");
  launch(m, "good_async_zero_fill", &q);
  ok = q[31] == 15.5f && q[32] == 0.0f;
  r.check("cp.async zero fill", ok, "");
  launch(m, "good_switch", &q);
  r.check("switch", q[0] == 0.0f && q[1] == 7.0f && q[10] == -5.0f && q[3] == 22.0f && q[4] == -27.0f && q[7] == -1.0f, "");
}

// One warp, stride n words: sectors and bank waves are known exactly.
void test_counters(Report &r, const sim::Module &m) {
  for (int stride : {1, 2, 8, 32}) {
    sim::Counters c;
    std::string found = launch(m, "count_strided", nullptr, &c, stride, 32, 1024);
    uint64_t sectors = stride >= 8 ? 32 : 4u * static_cast<uint64_t>(stride);
    bool ok = found.empty() && c.launches == 1 && c.global_load_sectors == sectors && c.global_store_sectors == sectors && c.global_load_bytes == 128 && c.global_store_bytes == 128 &&
              c.shared_ideal_waves == 2 && c.shared_waves == 2 * static_cast<uint64_t>(stride);
    r.check("counters, stride " + std::to_string(stride), ok, found + std::to_string(c.global_load_sectors) + " sectors, " + std::to_string(c.shared_waves) + " waves");
  }
}

void test_configuration(Report &r, const sim::Module &m) {
  sim::Memory memory(1 << 20);
  sim::Counters counters;
  const sim::Kernel *k = m.find("good_plain");
  auto refuse = [&](const char *name, void (*change)(sim::LaunchConfig &)) {
    sim::LaunchConfig c;
    c.params.resize(k->param_bytes);
    change(c);
    std::string found;
    try {
      sim::run(*k, c, memory, counters);
    } catch (const sim::Fault &f) {
      found = f.what();
    }
    r.check(name, found.find("launch configuration") != std::string::npos, found);
  };
  refuse("too many threads", [](sim::LaunchConfig &c) { c.block[0] = 65; });
  refuse("no blocks", [](sim::LaunchConfig &c) { c.grid[1] = 0; });
  refuse("too much shared memory", [](sim::LaunchConfig &c) { c.dynamic_shared = 228 * 1024; });
  refuse("wrong parameters", [](sim::LaunchConfig &c) { c.params.push_back(0); });
  r.check("layout of parameters", k->params.size() == 3 && k->params[2].offset == 16 && k->param_bytes == 20 && k->max_threads == 64, "");
}

}  // namespace

void test_faults(Report &r, const std::string &ptx) {
  std::shared_ptr<sim::Module> m = sim::Module::parse(ptx);
  test_planted(r, *m);
  test_mutations(r, ptx);
  test_results(r, *m);
  test_counters(r, *m);
  test_configuration(r, *m);
}

}  // namespace simtest
