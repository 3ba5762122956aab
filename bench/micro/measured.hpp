// What a benchmark says of itself beside its time: how many messages and bytes it moved, what it asked of the heap, and
// the floor that it stands on. From its making to its end it counts; what a benchmark does before and behind is not in.
//
// Thread: the benchmark's. Owns: nothing. Bounds: none.
// Tested by every benchmark: a row without messages shows no figures.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "bench/allocations.hpp"

namespace signalbox::bench {

class Measured {
 public:
  struct Iteration {
    uint64_t messages = 1;
    size_t message_bytes = 0;  // 0: bytes are not what it is about
    std::string floor = {};    // the row (bench/micro/floors.cpp) that no implementation can beat
  };

  Measured(benchmark::State& state, Iteration iteration)
      : state_(state), iteration_(std::move(iteration)), allocations_before_(allocation_count()) {}
  ~Measured() {
    const auto messages = static_cast<uint64_t>(state_.iterations()) * iteration_.messages;
    const uint64_t allocations = allocation_count() - allocations_before_;
    state_.SetItemsProcessed(static_cast<int64_t>(messages));
    if (iteration_.message_bytes > 0)
      state_.SetBytesProcessed(static_cast<int64_t>(messages * iteration_.message_bytes));
    if (!iteration_.floor.empty()) state_.SetLabel(iteration_.floor);
    // Two threads at once count each other's.
    if (state_.threads() == 1)
      state_.counters["allocations"] = static_cast<double>(allocations) / static_cast<double>(messages);
  }
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;

 private:
  benchmark::State& state_;
  const Iteration iteration_;
  const uint64_t allocations_before_;
};

}  // namespace signalbox::bench
