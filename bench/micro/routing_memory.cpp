// The routing memory at its default size: what remembering and finding one message costs. Each works on ids that are
// far apart in the table, so nearly every one misses the caches, as in service. Two tables: one that is only read, half
// full, and one that is full, where each insert pushes something out, as after some days.
#include "broker/core/routing_memory.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <string>

#include "bench/messages.hpp"
#include "protocol/limits.hpp"

namespace signalbox::bench {
namespace {

using Direction = RoutingMemory::Direction;
constexpr uint32_t now_s = 1000;
constexpr uint64_t age_s = limits::expire_routing_memory_s;
constexpr size_t id_bytes = 32;
constexpr size_t group = 16;  // keys hashed and prefetched together where that is measured

class Table {
 public:
  explicit Table(size_t halves) : memory_(limits::routing_memory_bytes, {}) {
    for (; next_ < memory_.entries_max() / 2 * halves; ++next_) memory_.remember(key(next_), {1, 0}, now_s, age_s);
  }
  RoutingMemory::Key key(uint64_t number) {
    write_hexadecimal(id_.data(), id_bytes, number);
    return memory_.key(0, Direction::inbound, id_);
  }
  // A number that was remembered, another one each time and far from the last.
  uint64_t known() { return (walk_ += 7'919'999) % next_; }
  uint64_t fresh() { return next_++; }
  RoutingMemory& memory() { return memory_; }

 private:
  RoutingMemory memory_;
  std::string id_ = std::string(id_bytes, '0');
  uint64_t next_ = 0;
  uint64_t walk_ = 0;
};

Table& full_table() {
  static Table table(2);
  return table;
}

Table& half_full_table() {
  static Table table(1);
  return table;
}

void remember(benchmark::State& state) {
  Table& shared = full_table();
  for (auto _ : state)
    benchmark::DoNotOptimize(shared.memory().remember(shared.key(shared.fresh()), {1, 0}, now_s, age_s));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(remember);

// As the core does it for a batch: hash ahead, so that the cache lines are under way together.
void remember_prefetched(benchmark::State& state) {
  Table& shared = full_table();
  std::array<RoutingMemory::Key, group> keys;
  for (auto _ : state) {
    for (auto& key : keys) {
      key = shared.key(shared.fresh());
      shared.memory().prefetch(key);
    }
    for (const auto& key : keys) benchmark::DoNotOptimize(shared.memory().remember(key, {1, 0}, now_s, age_s));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(group));
}
BENCHMARK(remember_prefetched);

void find_known(benchmark::State& state) {
  Table& shared = half_full_table();
  uint64_t found = 0;
  for (auto _ : state) found += shared.memory().find(shared.key(shared.known()), now_s).has_value();
  state.SetItemsProcessed(state.iterations());
  state.counters["found"] = benchmark::Counter(static_cast<double>(found), benchmark::Counter::kAvgIterations);
}
BENCHMARK(find_known);

void find_unknown(benchmark::State& state) {
  Table& shared = half_full_table();
  uint64_t number = 0;
  for (auto _ : state) benchmark::DoNotOptimize(shared.memory().find(shared.key(++number | uint64_t{1} << 60), now_s));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_unknown);

}  // namespace
}  // namespace signalbox::bench
