// One endpoint's queue by itself: a batch of messages is appended, cut into runs, and settled one by one in order; the
// whole, and each part apart. For the parts a clock is read between them, once for each batch.
#include "broker/core/queue.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "bench/messages.hpp"
#include "bench/micro/floors.hpp"
#include "bench/micro/measured.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t batch_messages = 150;
constexpr uint64_t run_bytes_max = 96 * 1024;

class FilledQueue {
 public:
  explicit FilledQueue(size_t message_bytes) : message_(message_of(message_bytes)), queue_(settings_, pool_, store_) {}

  bool append() {
    for (size_t i = 0; i < batch_messages; ++i) {
      if (!queue_.make_room(message_.bytes.size(), false)) return false;
      queue_.append(MessageKind::user_message, message_.bytes, 0);
    }
    return true;
  }
  // Hands out all that waits. False: that is not one batch.
  bool run() {
    extents_.clear();
    uint64_t messages = 0;
    for (Place first = queue_.fresh(MessageKind::user_message); first;
         first = queue_.fresh(MessageKind::user_message)) {
      const Extent extent = queue_.extent(first, batch_messages, run_bytes_max);
      queue_.hand_out(MessageKind::user_message, extent, ticket_);
      ticket_ += extent.count;
      benchmark::DoNotOptimize(Run(first.segment->block, {first.bytes().data(), extent.bytes}));
      extents_.push_back(extent);
      messages += extent.count;
    }
    return messages == batch_messages;
  }
  void settle() {
    for (const Extent& extent : extents_) {
      for (uint32_t i = 0; i < extent.count; ++i) {
        const Place place{extent.first.segment, extent.first.index + i};
        queue_.finish(MessageKind::user_message, place, Queue::Outcome::settled);
      }
    }
  }

 private:
  const Message message_;
  const EndpointSettings settings_;
  SegmentPool pool_;
  SegmentStore store_;
  Queue queue_;
  uint32_t ticket_ = 1;
  std::vector<Extent> extents_;
};

void queue(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  FilledQueue queue(bytes);
  const Measured measured(state,
                          {.messages = batch_messages, .message_bytes = bytes, .floor = copy_floor(bytes, batch_kib)});
  for (auto _ : state) {
    if (!queue.append() || !queue.run()) return state.SkipWithError("the queue is full, or messages are missing");
    queue.settle();
  }
}
BENCHMARK(queue)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(large_message_bytes);

enum class Part : uint8_t { append, run, settle };

// Only appending touches the bytes.
void part_of_queue(benchmark::State& state, Part part) {
  using Clock = std::chrono::steady_clock;
  const auto bytes = static_cast<size_t>(state.range(0));
  FilledQueue queue(bytes);
  Measured::Iteration iteration{.messages = batch_messages};
  if (part == Part::append) {
    iteration.message_bytes = bytes;
    iteration.floor = copy_floor(bytes, batch_kib);
  }
  const auto place = static_cast<size_t>(part);
  double least_s = 1;
  const Measured measured(state, iteration);
  for (auto _ : state) {
    std::array<Clock::time_point, 4> at;
    at[0] = Clock::now();
    bool is_sound = queue.append();
    at[1] = Clock::now();
    is_sound = is_sound && queue.run();
    at[2] = Clock::now();
    queue.settle();
    at[3] = Clock::now();
    if (!is_sound) return state.SkipWithError("the queue is full, or messages are missing");
    const double elapsed_s = std::chrono::duration<double>(at[place + 1] - at[place]).count();
    least_s = std::min(least_s, elapsed_s);
    // Where another program had its turn in between, that is not the queue's time.
    state.SetIterationTime(elapsed_s < 20 * least_s ? elapsed_s : least_s);
  }
}

void queue_append(benchmark::State& state) {
  part_of_queue(state, Part::append);
}
void queue_run(benchmark::State& state) {
  part_of_queue(state, Part::run);
}
void queue_settle(benchmark::State& state) {
  part_of_queue(state, Part::settle);
}
BENCHMARK(queue_append)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(large_message_bytes)->UseManualTime();
BENCHMARK(queue_run)->Arg(vumi_message_bytes)->UseManualTime();
BENCHMARK(queue_settle)->Arg(vumi_message_bytes)->UseManualTime();

}  // namespace
}  // namespace signalbox::bench
