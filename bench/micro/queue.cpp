// One endpoint's queue by itself: a batch of messages is appended, cut into runs, and settled one by one in order.
#include "broker/core/queue.hpp"

#include <benchmark/benchmark.h>

#include <string>

#include "bench/messages.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t batch_messages = 150;
constexpr uint64_t run_bytes_max = 96 * 1024;

// Hands out all that waits, and settles it.
uint64_t drain(Queue& queue, uint32_t& ticket) {
  uint64_t settled = 0;
  for (Place first = queue.fresh(MessageKind::user_message); first; first = queue.fresh(MessageKind::user_message)) {
    const Extent extent = queue.extent(first, batch_messages, run_bytes_max);
    queue.hand_out(MessageKind::user_message, extent, ticket);
    ticket += extent.count;
    benchmark::DoNotOptimize(Run(first.segment->block, {first.bytes().data(), extent.bytes}));
    for (uint32_t i = 0; i < extent.count; ++i)
      queue.finish(MessageKind::user_message, {first.segment, first.index + i}, Queue::Outcome::settled);
    settled += extent.count;
  }
  return settled;
}

void queue(benchmark::State& state) {
  const Message message = message_of(static_cast<size_t>(state.range(0)));
  EndpointSettings settings;
  SegmentPool pool;
  SegmentStore store;
  Queue queue(settings, pool, store);
  uint32_t ticket = 1;
  for (auto _ : state) {
    for (size_t i = 0; i < batch_messages; ++i) {
      if (!queue.make_room(message.bytes.size(), false)) return state.SkipWithError("the queue is full");
      queue.append(MessageKind::user_message, message.bytes, 0);
    }
    if (drain(queue, ticket) != batch_messages) return state.SkipWithError("messages are missing");
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(batch_messages));
}
BENCHMARK(queue)->Arg(vumi_message_bytes)->Arg(small_message_bytes);

}  // namespace
}  // namespace signalbox::bench
