// One row of the whole core: a warm CoreHarness of a shape, and turns of it under the clock.
//
// Thread: the benchmark's. Owns: a harness for each shape, as long as the program lives, so that each repetition finds
// it warm: its table touched, its blocks pooled.
// Errors: a message lost, refused or repeated ends the row.
#pragma once

#include <benchmark/benchmark.h>

#include "bench/core_configuration.hpp"

namespace signalbox::bench {

// A turn is a batch of so many messages; pairs take turns.
void run_core(benchmark::State& state, const CoreShape& shape, size_t batch);

}  // namespace signalbox::bench
