#include "bench/micro/floors.hpp"

#include <benchmark/benchmark.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "bench/messages.hpp"
#include "bench/micro/measured.hpp"
#include "bench/micro/pages.hpp"
#include "bench/micro/random.hpp"
#include "protocol/limits.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t batch_messages = 150;

// As a queue does it: message by message, each behind the last.
void floor_copy(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  Pages from(static_cast<size_t>(state.range(1)) * limits::kibibyte);
  Pages to(from.size());
  const size_t messages = from.size() / bytes;
  const Measured measured(state, {.messages = messages, .message_bytes = bytes});
  for (auto _ : state) {
    for (size_t at = 0; at + bytes <= from.size(); at += bytes) std::memcpy(to.data() + at, from.data() + at, bytes);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(floor_copy)
    ->ArgsProduct({{small_message_bytes, vumi_message_bytes, large_message_bytes}, {batch_kib, apart_kib}})
    ->Args({vumi_message_bytes, round_kib})
    ->Args({vumi_message_bytes, first_cache_kib})
    ->Args({32, first_cache_kib})
    ->Args({64 * limits::kibibyte, 2 * batch_kib});

void floor_copies(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  const auto copies = static_cast<size_t>(state.range(1));
  const size_t set_bytes = batch_messages * bytes;
  Pages from(set_bytes);
  Pages to(set_bytes * copies);
  const Measured measured(state, {.messages = batch_messages, .message_bytes = bytes});
  for (auto _ : state) {
    for (size_t at = 0; at < set_bytes; at += bytes)
      for (size_t copy = 0; copy < copies; ++copy)
        std::memcpy(to.data() + copy * set_bytes + at, from.data() + at, bytes);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(floor_copies)
    ->ArgsProduct({{small_message_bytes, vumi_message_bytes, large_message_bytes}, {10}})
    ->Args({vumi_message_bytes, 2})
    ->Args({vumi_message_bytes, 3});

Pages& table(size_t million_entries) {
  static std::mutex mutex;
  static std::map<size_t, std::unique_ptr<Pages>> all;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Pages>& found = all[million_entries];
  if (!found) found = std::make_unique<Pages>(million_entries * 16 * limits::mebibyte);
  return *found;
}

void floor_line(benchmark::State& state, Lines lines) {
  constexpr size_t line_bytes = 64;
  Pages& pages = table(static_cast<size_t>(state.range(0)));
  const size_t line_count = pages.size() / line_bytes;
  Random random(static_cast<uint64_t>(state.thread_index()));
  uint64_t last = 0;
  const Measured measured(state, {});
  for (auto _ : state) {
    // What was read is never odd: the address waits for it all the same.
    const uint64_t wait = lines == Lines::one_by_one ? last & 1 : 0;
    auto& word = *reinterpret_cast<uint64_t*>(pages.data() + (random.below(line_count) + wait) * line_bytes);
    const std::atomic_ref<uint64_t> line(word);
    last = line.load(std::memory_order_relaxed);
    line.store(last + 2, std::memory_order_relaxed);
    benchmark::DoNotOptimize(last);
  }
}

}  // namespace

void register_line_floors(size_t million_entries, int threads_max) {
  for (const Lines lines : {Lines::one_by_one, Lines::at_once}) {
    for (int threads = 1; threads <= threads_max; threads *= 2) {
      auto* const row = benchmark::RegisterBenchmark(lines == Lines::one_by_one ? "floor_line" : "floor_lines",
                                                     [=](benchmark::State& state) { floor_line(state, lines); })
                            ->Arg(static_cast<int64_t>(million_entries));
      if (threads > 1) row->Threads(threads)->UseRealTime();
    }
  }
}

}  // namespace signalbox::bench
