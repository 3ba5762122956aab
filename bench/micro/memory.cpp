// What the core keeps on the heap for what lies still: a queued message, an idle endpoint, a quiet connection, a
// remembered message. No times: each row has `used` and `budget`, and is over at once.
// tests/core/allocation_test.cpp holds the same budgets.
#include <benchmark/benchmark.h>

#include "bench/allocations.hpp"
#include "bench/core_harness.hpp"
#include "broker/core/routing_memory.hpp"

namespace signalbox::bench {
namespace {

constexpr uint64_t routing_memory_bytes = limits::mebibyte;

CoreShape small() {
  CoreShape shape;
  shape.routing_memory_bytes = routing_memory_bytes;
  return shape;
}

// What the heap holds more when `make` is through.
template <typename Make>
double heap_growth(const Make& make) {
  const uint64_t before = heap_bytes();
  const auto made = make();
  return static_cast<double>(heap_bytes() - before);
}

void report(benchmark::State& state, double used, double budget) {
  for (auto _ : state) benchmark::DoNotOptimize(used);
  state.counters["used"] = used;
  state.counters["budget"] = budget;
}

// Of the bytes that wait.
void memory_queued(benchmark::State& state) {
  constexpr size_t batch = 100;
  constexpr size_t batches = 1000;
  CoreShape shape = small();
  shape.prefetch = 0;
  CoreHarness core(shape);
  const uint64_t before = heap_bytes();
  for (size_t i = 0; i < batches; ++i) {
    core.send(0, batch);
    core.flush();
  }
  if (core.delivered(0) != 0) return state.SkipWithError("something was delivered");
  const auto used = static_cast<double>(heap_bytes() - before);
  report(state, used / static_cast<double>(batches * batch * vumi_message_bytes), 1.1);
}
BENCHMARK(memory_queued)->Iterations(1);

// MiB for ten thousand.
void memory_idle_endpoints(benchmark::State& state) {
  CoreShape shape = small();
  shape.pairs = 5000;
  shape.active = 0;
  const double used = heap_growth([&] { return std::make_unique<CoreHarness>(shape); });
  report(state, used / limits::mebibyte, 32);
}
BENCHMARK(memory_idle_endpoints)->Iterations(1);

// Bytes for each, what libzmq keeps of its own left out.
void memory_quiet_connection(benchmark::State& state) {
  constexpr size_t workers = 10'000;
  CoreShape shape = small();
  const double without = heap_growth([&] { return std::make_unique<CoreHarness>(shape); });
  shape.idle_workers = workers;
  const double with = heap_growth([&] { return std::make_unique<CoreHarness>(shape); });
  report(state, (with - without) / static_cast<double>(workers), 2.0 * limits::kibibyte);
}
BENCHMARK(memory_quiet_connection)->Iterations(1);

// Bytes for each, in a full table.
void memory_remembered(benchmark::State& state) {
  const RoutingMemory memory(routing_memory_bytes, {});
  report(state, static_cast<double>(routing_memory_bytes) / static_cast<double>(memory.entries_max()), 16);
}
BENCHMARK(memory_remembered)->Iterations(1);

}  // namespace
}  // namespace signalbox::bench
