#include "bench/micro/core_run.hpp"

#include <algorithm>
#include <map>
#include <memory>

#include "bench/core_harness.hpp"
#include "bench/micro/floors.hpp"
#include "bench/micro/measured.hpp"

namespace signalbox::bench {
namespace {

CoreHarness& harness(const CoreShape& shape) {
  static std::map<CoreShape, std::unique_ptr<CoreHarness>> all;
  std::unique_ptr<CoreHarness>& found = all[shape];
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

// Spread over many queues, no message goes where the cache still has the last one.
std::string floor_of(const CoreShape& shape) {
  constexpr size_t few = 100;
  if (shape.fan_out > 1) return copies_floor(shape.message_bytes, shape.fan_out);
  return copy_floor(shape.message_bytes, shape.active > few ? apart_kib : batch_kib);
}

}  // namespace

void run_core(benchmark::State& state, const CoreShape& shape, size_t batch) {
  CoreHarness& core = harness(shape);
  size_t pair = 0;
  {
    const Measured measured(state, {.messages = batch, .message_bytes = shape.message_bytes, .floor = floor_of(shape)});
    for (auto _ : state) {
      core.send(pair, batch);
      core.flush();
      if (++pair == shape.active) pair = 0;
    }
  }
  core.settle();
  if (!core.flawless()) state.SkipWithError("the core lost, refused or repeated a message");
}

}  // namespace signalbox::bench
