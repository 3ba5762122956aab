// The message view beside msgpack::unpack, on the same bytes: a batch of 150 messages end to end, as a SEND carries
// them. The view says what routing needs and has checked every field that the protocol names; unpack builds an object
// of all, copying texts, as it does by default.
#include "protocol/message_view.hpp"

#include <benchmark/benchmark.h>

#include <msgpack.hpp>
#include <string>

#include "bench/messages.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t batch_messages = 150;

constexpr int64_t mixed = 0;

std::string mixed_batch() {
  const std::string text(160, 'x');
  std::string batch;
  uint32_t random = 1;
  for (size_t i = 0; i < batch_messages; ++i) {
    random = random * 1'664'525 + 1'013'904'223;
    const std::string_view content = std::string_view(text).substr(0, (random >> 16) % 161);
    const std::string_view in_reply_to = std::string_view(text).substr(0, (random >> 8) % 3 == 0 ? 32 : 0);
    Message message = vumi_message(transport_name, content, in_reply_to);
    write_number(message.bytes.data(), message, i);
    batch += message.bytes;
  }
  return batch;
}

std::string batch_of(int64_t message_bytes) {
  if (message_bytes == mixed) return mixed_batch();
  std::string batch;
  write_batch(batch, message_of(static_cast<size_t>(message_bytes)), 1, batch_messages);
  return batch;
}

void count(benchmark::State& state) {
  const auto messages = static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(batch_messages);
  state.SetItemsProcessed(messages);
}

void unpack(benchmark::State& state) {
  const std::string batch = batch_of(state.range(0));
  for (auto _ : state) {
    for (size_t offset = 0; offset < batch.size();) {
      msgpack::object_handle handle = msgpack::unpack(batch.data(), batch.size(), offset);
      benchmark::DoNotOptimize(handle.get());
    }
  }
  count(state);
}
BENCHMARK(unpack)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(mixed);

void view(benchmark::State& state) {
  const std::string batch = batch_of(state.range(0));
  MessageView message;
  for (auto _ : state) {
    for (Bytes rest = batch; !rest.empty(); rest.remove_prefix(message.bytes().size())) {
      if (message.scan(rest) != Scan::ok) return state.SkipWithError("the message is not well-formed");
      benchmark::DoNotOptimize(message);
    }
  }
  count(state);
}
BENCHMARK(view)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(mixed);

// What a consumer pays that only counts.
void boundaries(benchmark::State& state) {
  const std::string batch = batch_of(state.range(0));
  for (auto _ : state) {
    for (Bytes rest = batch; !rest.empty(); rest.remove_prefix(map_bytes(rest).value())) benchmark::DoNotOptimize(rest);
  }
  count(state);
}
BENCHMARK(boundaries)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(mixed);

}  // namespace
}  // namespace signalbox::bench
