// Shared memory of a block with its checks: bounds, alignment, bytes never written, races, cp.async not yet waited for.
#pragma once
#include <cstdint>
#include <vector>

namespace sim {

// WarpOrder remembers which accesses of a warp's lanes lie before which lane's present. Time counts upwards within a launch.
struct WarpOrder {
  uint32_t all = 0;             // every lane is ordered after everything that any lane did up to here
  std::vector<uint32_t> pair;   // [lane][other]; empty until a collective leaves out live lanes
  bool after(uint32_t lane, uint32_t other, uint32_t time) const { return time <= all || (!pair.empty() && time <= pair[lane * 32 + other]); }
  void join(uint32_t members, bool everyone, uint32_t now);
  void reset(uint32_t now) { all = now; pair.clear(); }
};

enum class Use { load, store, atomic };

class Shared {
 public:
  static constexpr uint16_t kAtomic = 0xFFFF, kMany = 0xFFFF;

  void start_launch(uint32_t bytes);
  void start_block();
  void barrier() { barrier_ = ++now_; }
  uint32_t tick() { return ++now_; }

  // The checks of one warp instruction, lane by lane. They return nullptr, or what is wrong; lane() is then the lane that does
  // it, and other() the thread on the other side of a race (kAtomic: several threads, or an atomic).
  const char *check(Use use, uint32_t mask, const uint64_t *address, uint32_t bytes, uint32_t warp, const WarpOrder &order);
  const char *check_matrix_row(uint64_t address, uint32_t warp, uint32_t lane, const WarpOrder &order);  // 16 bytes that all lanes receive
  const char *check_async_issue(uint32_t mask, const uint64_t *address, uint32_t bytes, uint32_t warp, const WarpOrder &order);
  void async_land(uint32_t address, uint32_t bytes, uint32_t thread, const uint8_t *data);
  uint32_t lane() const { return lane_; }
  uint32_t other() const { return other_; }
  uint8_t *bytes(uint32_t address) { return &data_[address]; }

 private:
  // Last accesses of a word (or, where bytes differ, of one byte: see split).
  struct Cell {
    uint32_t written = 0, read = 0;  // times
    uint32_t read_lanes = 0;         // lanes of the reading warp
    uint16_t writer = 0;             // thread, kAtomic
    uint16_t reader_warp = 0;        // or kMany, kSplit
  };
  static constexpr uint16_t kSplit = 0xFFFE;
  enum Byte : uint8_t { unwritten = 0, written = 1, pending = 2 };
  // Who makes an access: thread = warp * 32 + lane.
  struct Access {
    uint32_t warp, lane;
    const WarpOrder *order;
    uint32_t thread() const { return warp * 32 + lane; }
  };

  const char *place(uint64_t address, uint32_t bytes) const;  // bounds and alignment
  const char *unreadable(uint32_t address, uint32_t bytes) const;
  const char *after_write(const Cell &c, const Access &a, const char *race);
  const char *read_cell(Cell &c, const Access &a);
  const char *write_cell(Cell &c, const Access &a);
  const char *atomic_cell(Cell &c, const Access &a);
  Cell *split(uint32_t word);
  using CellCheck = const char *(Shared::*)(Cell &, const Access &);
  template <CellCheck F>
  const char *cells(uint32_t address, uint32_t bytes, const Access &a);
  template <Use U>
  const char *check_lane(uint32_t address, uint32_t bytes, const Access &a);
  template <Use U, uint32_t Bytes>
  const char *check_lanes(uint32_t mask, const uint64_t *address, Access a);
  template <Use U>
  const char *check_width(uint32_t mask, const uint64_t *address, uint32_t bytes, const Access &a);

  uint32_t now_ = 0, barrier_ = 0, other_ = 0, lane_ = 0;
  std::vector<uint8_t> data_, state_;
  std::vector<Cell> cells_;
  std::vector<Cell> parts_;           // four a split word
  std::vector<uint32_t> split_words_;
};

}  // namespace sim
