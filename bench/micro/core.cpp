// The whole core, one thread, no socket: a SEND comes in, is viewed, routed, remembered, queued, delivered, confirmed,
// and acknowledged. Numbering each message anew is part of what is measured (a copy of the message, and some
// nanoseconds).
//
//   core/BYTES/BATCH                 one transport to one application
//   growth/ENDPOINTS/IDLE/TRAFFIC    the same among many endpoints and idle workers, traffic on that many pairs
//   fan_out/BYTES/TARGETS            each message to so many applications; it counts once
//   instances/BYTES/WORKERS          so many workers share one application
//   chain/DISPATCHERS                through so many of them
//   middleware/PIECES                with so many pieces that rewrite an address
#include <benchmark/benchmark.h>

#include "bench/micro/core_run.hpp"

namespace signalbox::bench {
namespace {

// Larger than the caches; the default of 256 MiB, for every shape at once, would ask much of a small machine.
constexpr uint64_t routing_memory_bytes = 64 * limits::mebibyte;
constexpr size_t batch_messages = 150;

void core(benchmark::State& state) {
  CoreShape shape;
  shape.message_bytes = static_cast<size_t>(state.range(0));
  run_core(state, shape, static_cast<size_t>(state.range(1)));
}
BENCHMARK(core)->ArgsProduct({{vumi_message_bytes, small_message_bytes, large_message_bytes}, {1, 16, 150, 256}});

void growth(benchmark::State& state) {
  CoreShape shape;
  shape.pairs = static_cast<size_t>(state.range(0)) / 2;
  shape.idle_workers = static_cast<size_t>(state.range(1));
  shape.active = static_cast<size_t>(state.range(2));
  shape.routing_memory_bytes = routing_memory_bytes;
  run_core(state, shape, 16);
}
BENCHMARK(growth)
    ->ArgsProduct({{20, 100, 1000, 10'000}, {0}, {10}})
    ->ArgsProduct({{10'000}, {1, 10, 100, 1000}, {10}})
    ->Args({100, 0, 50})
    ->Args({1000, 0, 500})
    ->Args({10'000, 0, 5000});

void fan_out(benchmark::State& state) {
  CoreShape shape;
  shape.message_bytes = static_cast<size_t>(state.range(0));
  shape.fan_out = static_cast<size_t>(state.range(1));
  shape.routing_memory_bytes = routing_memory_bytes;
  run_core(state, shape, batch_messages);
}
BENCHMARK(fan_out)
    ->ArgsProduct({{vumi_message_bytes}, {1, 2, 3, 10}})
    ->ArgsProduct({{small_message_bytes, large_message_bytes}, {1, 10}});

void instances(benchmark::State& state) {
  CoreShape shape;
  shape.message_bytes = static_cast<size_t>(state.range(0));
  shape.instances = static_cast<size_t>(state.range(1));
  shape.routing_memory_bytes = routing_memory_bytes;
  run_core(state, shape, batch_messages);
}
BENCHMARK(instances)->ArgsProduct({{vumi_message_bytes}, {1, 10, 100, 1000}});

void chain(benchmark::State& state) {
  CoreShape shape;
  shape.dispatchers = static_cast<size_t>(state.range(0));
  shape.routing_memory_bytes = routing_memory_bytes;
  run_core(state, shape, batch_messages);
}
BENCHMARK(chain)->Arg(1)->Arg(2)->Arg(4);

void middleware(benchmark::State& state) {
  CoreShape shape;
  shape.middleware = static_cast<size_t>(state.range(0));
  shape.routing_memory_bytes = routing_memory_bytes;
  run_core(state, shape, batch_messages);
}
BENCHMARK(middleware)->Arg(0)->Arg(1)->Arg(4);

}  // namespace
}  // namespace signalbox::bench
