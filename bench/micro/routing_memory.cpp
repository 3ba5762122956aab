// The routing memory at 1 to 64 million entries, by one thread and by several: what finding and remembering a message
// costs. Each works on ids that are far apart in the table, as in service, so in a large one nearly every one misses
// the caches. Two tables of each size: one that is only read, half full, and one that is full, where each insert pushes
// something out, as after some days.
//
// Beside it the same work by std::unordered_map with a mutex around it, and by oneTBB's concurrent_hash_map where that
// is installed (bench/micro/other_maps.hpp).
#include "broker/core/routing_memory.hpp"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bench/messages.hpp"
#include "bench/micro/floors.hpp"
#include "bench/micro/measured.hpp"
#include "bench/micro/other_maps.hpp"
#include "bench/micro/random.hpp"
#include "bench/micro/rows.hpp"
#include "protocol/limits.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t million = size_t{1} << 20;
constexpr uint32_t now_s = 1000;
constexpr uint64_t age_s = limits::expire_routing_memory_s;
constexpr size_t group = 16;  // keys hashed and prefetched together where that is measured

class OurMemory {
 public:
  using Key = RoutingMemory::Key;
  explicit OurMemory(size_t entries) : memory_(entries * 16, {}) {}

  Key key(Bytes id) const { return memory_.key(0, RoutingMemory::Direction::inbound, id); }
  void prefetch(const Key& key) const { memory_.prefetch(key); }
  bool find(const Key& key) const { return memory_.find(key, now_s).has_value(); }
  void add(const Key& key) { memory_.remember(key, {1, 0}, now_s, age_s); }

 private:
  RoutingMemory memory_;
};

// One message's id, written anew for each number.
class Id {
 public:
  Bytes of(uint64_t number) {
    write_hexadecimal(text_.data() + text_.size() - number_digits, number_digits, number);
    return text_;
  }

 private:
  std::string text_ = std::string(32, '0');
};

// A table that holds messages with consecutive numbers. Threads take new numbers in blocks, so that they do not wait
// for each other there.
template <typename Map>
class Table {
 public:
  static constexpr uint64_t block = 1024;

  Table(size_t entries, size_t filled) : map_(entries), filled_(filled), next_(filled) {
    Id id;
    for (uint64_t number = 0; number < filled; ++number) map_.add(map_.key(id.of(number)));
  }
  Map& map() { return map_; }
  uint64_t filled() const { return filled_; }
  uint64_t take_block() { return next_.fetch_add(block, std::memory_order_relaxed); }

 private:
  Map map_;
  const uint64_t filled_;
  std::atomic<uint64_t> next_;
};

// Made when it is first asked for, and kept: filling it takes longer than any measurement.
template <typename Map>
Table<Map>& table(size_t million_entries, bool is_full) {
  static std::mutex mutex;
  static std::map<std::pair<size_t, bool>, std::unique_ptr<Table<Map>>> all;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Table<Map>>& found = all[{million_entries, is_full}];
  const size_t entries = million_entries * million;
  if (!found) found = std::make_unique<Table<Map>>(entries, is_full ? entries : entries / 2);
  return *found;
}

size_t million_entries(const benchmark::State& state) {
  return static_cast<size_t>(state.range(0));
}

template <typename Map>
void find(benchmark::State& state, bool known) {
  Table<Map>& shared = table<Map>(million_entries(state), false);
  Random random(static_cast<uint64_t>(state.thread_index()));
  Id id;
  uint64_t looked_for = 0;
  uint64_t found = 0;
  {
    const Measured measured(state, {.floor = line_floor(Lines::one_by_one, million_entries(state), state.threads())});
    for (auto _ : state) {
      const uint64_t number = random.below(shared.filled()) + (known ? 0 : uint64_t{1} << 50);
      found += shared.map().find(shared.map().key(id.of(number)));
      ++looked_for;
    }
  }
  // Of a half full table nearly nothing has been pushed out.
  if (known ? found < looked_for / 10 * 9 : found > 0) state.SkipWithError("found what it should not, or did not find");
}

template <typename Map>
void remember(benchmark::State& state) {
  Table<Map>& shared = table<Map>(million_entries(state), true);
  Id id;
  uint64_t number = 0;
  uint64_t left = 0;
  const Measured measured(state, {.floor = line_floor(Lines::one_by_one, million_entries(state), state.threads())});
  for (auto _ : state) {
    if (left == 0) {
      number = shared.take_block();
      left = Table<Map>::block;
    }
    if constexpr (std::is_same_v<Map, OurMemory>) {
      shared.map().add(shared.map().key(id.of(number)));  // it chooses what goes
    } else {
      const auto oldest = shared.map().key(id.of(number - shared.filled()));
      shared.map().replace(oldest, shared.map().key(id.of(number)));
    }
    ++number;
    --left;
  }
}

// As the core does it for a batch: hash ahead, so that the cache lines are under way together.
void remember_prefetched(benchmark::State& state) {
  Table<OurMemory>& shared = table<OurMemory>(million_entries(state), true);
  std::array<OurMemory::Key, group> keys;
  Id id;
  uint64_t number = 0;
  uint64_t left = 0;
  const Measured measured(state, {.messages = group, .floor = line_floor(Lines::at_once, million_entries(state))});
  for (auto _ : state) {
    if (left == 0) {
      number = shared.take_block();
      left = Table<OurMemory>::block;
    }
    for (auto& key : keys) {
      key = shared.map().key(id.of(number++));
      shared.map().prefetch(key);
    }
    for (const auto& key : keys) shared.map().add(key);
    left -= group;
  }
}
static_assert(Table<OurMemory>::block % group == 0, "a block is whole groups");

void register_row(const std::string& name, void (*function)(benchmark::State&), size_t entries, int threads_max) {
  for (int threads = 1; threads <= threads_max; threads *= 2) {
    auto* const row = benchmark::RegisterBenchmark(name.c_str(), function)->Arg(static_cast<int64_t>(entries));
    if (threads > 1) row->Threads(threads)->UseRealTime();
  }
}

template <typename Map>
void register_map(const std::string& ending, size_t entries, int threads_max) {
  register_row(
      "find_known" + ending, [](benchmark::State& state) { find<Map>(state, true); }, entries, threads_max);
  register_row(
      "find_unknown" + ending, [](benchmark::State& state) { find<Map>(state, false); }, entries, threads_max);
  register_row(
      "remember" + ending, [](benchmark::State& state) { remember<Map>(state); }, entries, threads_max);
}

}  // namespace

std::vector<std::string> register_routing_memory(bool all, int threads_max) {
  std::vector<std::string> left_out;
  uint64_t free_bytes = static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  free_bytes -= free_bytes / 4;  // for the rest of this program, and of the machine
  // The tables are all there at once: what is read, and what is written.
  const auto fits = [&](const std::string& what, size_t entries, uint64_t entry_bytes) {
    const uint64_t bytes = entries * million * entry_bytes;
    if (bytes <= free_bytes) {
      free_bytes -= bytes;
      return true;
    }
    left_out.push_back(what + " of " + std::to_string(entries) + " million entries: takes " +
                       std::to_string(bytes / limits::mebibyte) + " MiB of memory");
    return false;
  };
  std::vector<size_t> sizes{1, 4, 16};
  if (all) sizes.push_back(64);
  for (const size_t entries : sizes) {
    if (!fits("the routing memory", entries, 2 * 16 + 16)) continue;  // and its floor
    register_line_floors(entries, threads_max);
    register_map<OurMemory>("", entries, threads_max);
    register_row("remember_prefetched", remember_prefetched, entries, 1);
    if (!all && entries > 4) continue;
    if (fits("std::unordered_map", entries, LockedMap::entry_bytes * 3 / 2))
      register_map<LockedMap>("_locked_map", entries, threads_max);
#ifdef SIGNALBOX_WITH_TBB
    if (fits("tbb::concurrent_hash_map", entries, TbbMap::entry_bytes * 3 / 2))
      register_map<TbbMap>("_tbb", entries, threads_max);
#endif
  }
#ifndef SIGNALBOX_WITH_TBB
  left_out.push_back("tbb::concurrent_hash_map: oneTBB is not installed");
#endif
  return left_out;
}

}  // namespace signalbox::bench
