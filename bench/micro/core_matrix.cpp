// The whole core at every combination of what it may meet, for --all: minutes, and some GiB of memory.
//
//   core_matrix/BYTES/BATCH/TARGETS/ENDPOINTS/SESSIONS
//
// Sessions are those of applications at work: one each on the first of the applications, several each where there are
// more sessions than applications. Endpoints that are left over have none.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>

#include "bench/micro/core_run.hpp"
#include "bench/micro/rows.hpp"

namespace signalbox::bench {
namespace {

constexpr uint64_t memory_bytes = uint64_t{3} * 1024 * limits::mebibyte;  // all shapes are there at once

void core_matrix(benchmark::State& state) {
  const auto argument = [&](size_t i) { return static_cast<size_t>(state.range(i)); };
  CoreShape shape;
  shape.message_bytes = argument(0);
  shape.fan_out = argument(2);
  shape.pairs = std::max<size_t>(1, argument(3) / (1 + shape.fan_out));
  const size_t sessions = argument(4);
  shape.active = std::clamp<size_t>(sessions / shape.fan_out, 1, shape.pairs);
  shape.instances = std::max<size_t>(1, sessions / (shape.active * shape.fan_out));
  shape.routing_memory_bytes = 16 * limits::mebibyte;
  run_core(state, shape, argument(1));
}

}  // namespace

std::vector<std::string> register_core_matrix() {
  const auto free_bytes =
      static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (free_bytes < memory_bytes) return {"core_matrix: takes 3 GiB of memory"};
  benchmark::RegisterBenchmark("core_matrix", core_matrix)
      ->ArgsProduct({{small_message_bytes, vumi_message_bytes, large_message_bytes},
                     {1, 16, 256},
                     {1, 3, 10},
                     {10, 1000, 10'000},
                     {1, 30, 1000}});
  return {};
}

}  // namespace signalbox::bench
