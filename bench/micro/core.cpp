// The whole core, one thread, no socket: a SEND comes in, is viewed, routed, remembered, queued, delivered, confirmed,
// and acknowledged. Numbering each message anew is part of what is measured (a copy of the message, and some
// nanoseconds).
//
//   core/BYTES/BATCH                 one transport to one application
//   growth/ENDPOINTS/IDLE/TRAFFIC    the same among many endpoints and idle workers, traffic on that many pairs
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "bench/allocations.hpp"
#include "bench/core_harness.hpp"

namespace signalbox::bench {
namespace {

// A harness lives as long as the program, so that each repetition finds it warm: its table touched, its blocks pooled.
CoreHarness& harness(const CoreShape& shape) {
  static std::map<std::array<size_t, 4>, std::unique_ptr<CoreHarness>> all;
  std::unique_ptr<CoreHarness>& found = all[{shape.pairs, shape.active, shape.idle_workers, shape.message_bytes}];
  if (!found) {
    found = std::make_unique<CoreHarness>(shape);
    const size_t turns = std::max<size_t>(2000, 40 * shape.active);
    for (size_t i = 0; i < turns; ++i) {
      found->send(i % shape.active, 16);
      found->flush();
    }
    found->settle();
  }
  return *found;
}

void run(benchmark::State& state, const CoreShape& shape, size_t batch) {
  CoreHarness& core = harness(shape);
  const uint64_t messages_before = core.messages();
  const uint64_t allocations_before = allocation_count();
  size_t pair = 0;
  for (auto _ : state) {
    core.send(pair, batch);
    core.flush();
    if (++pair == shape.active) pair = 0;
  }
  const auto allocations = static_cast<double>(allocation_count() - allocations_before);
  const auto messages = static_cast<double>(core.messages() - messages_before);
  core.settle();
  if (!core.flawless()) return state.SkipWithError("the core lost, refused or repeated a message");
  state.SetItemsProcessed(static_cast<int64_t>(messages));
  state.counters["allocations"] = allocations / messages;
}

void core(benchmark::State& state) {
  CoreShape shape;
  shape.message_bytes = static_cast<size_t>(state.range(0));
  run(state, shape, static_cast<size_t>(state.range(1)));
}
BENCHMARK(core)->ArgsProduct({{vumi_message_bytes, small_message_bytes}, {1, 16, 150}});

void growth(benchmark::State& state) {
  CoreShape shape;
  shape.pairs = static_cast<size_t>(state.range(0)) / 2;
  shape.idle_workers = static_cast<size_t>(state.range(1));
  shape.active = static_cast<size_t>(state.range(2));
  shape.routing_memory_bytes = 64 * limits::mebibyte;
  run(state, shape, 16);
}
BENCHMARK(growth)->Args({20, 0, 10})->Args({10'000, 0, 10})->Args({10'000, 1000, 10})->Args({10'000, 0, 5000});

}  // namespace
}  // namespace signalbox::bench
