// The message view beside msgpack::unpack, on the same bytes: a batch of 150 messages end to end, as a SEND carries
// them. The view says what routing needs and has checked every field that the protocol names; unpack builds an object
// of all, copying texts, as it does by default. `view` goes by way of the scanner, as the core does; `plain_view` is
// the pass that the scanner falls back on.
#include "protocol/message_view.hpp"

#include <benchmark/benchmark.h>

#include <msgpack.hpp>
#include <string>

#include "bench/messages.hpp"
#include "bench/micro/floors.hpp"
#include "bench/micro/measured.hpp"
#include "bench/micro/traffic.hpp"
#include "protocol/message_scanner.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t batch_messages = 150;

// What is no message's size is a batch of many.
constexpr int64_t mixed = 0;        // contents and replies of many lengths
constexpr int64_t traffic = 1;      // and addresses, and now and then a field more
constexpr int64_t alternating = 2;  // with or without that field, at random
constexpr int64_t unlike = 3;       // no two messages have the same keys

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
  if (message_bytes == traffic) return Traffic(Traffic::Kind::usual).batch(batch_messages);
  if (message_bytes == alternating) return Traffic(Traffic::Kind::alternating).batch(batch_messages);
  if (message_bytes == unlike) return Traffic(Traffic::Kind::unlike).batch(batch_messages);
  std::string batch;
  write_batch(batch, message_of(static_cast<size_t>(message_bytes)), 1, batch_messages);
  return batch;
}

Measured::Iteration one(const std::string& batch) {
  const size_t bytes = batch.size() / batch_messages;
  // The mixed batch's mean is no size that a floor is measured for; that of the message that it varies is near.
  const bool is_mixed = bytes * batch_messages != batch.size() || bytes > vumi_message_bytes;
  const size_t floor_bytes = is_mixed && bytes < large_message_bytes ? vumi_message_bytes : bytes;
  return {.messages = batch_messages, .message_bytes = bytes, .floor = copy_floor(floor_bytes, batch_kib)};
}

void unpack(benchmark::State& state) {
  const std::string batch = batch_of(state.range(0));
  const Measured measured(state, one(batch));
  for (auto _ : state) {
    for (size_t offset = 0; offset < batch.size();) {
      msgpack::object_handle handle = msgpack::unpack(batch.data(), batch.size(), offset);
      benchmark::DoNotOptimize(handle.get());
    }
  }
}
BENCHMARK(unpack)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(large_message_bytes);
BENCHMARK(unpack)->Arg(mixed)->Arg(traffic)->Arg(alternating)->Arg(unlike);

// The same parser without an object: it tells a visitor what it meets, and this one does not care.
void parse(benchmark::State& state) {
  const std::string batch = batch_of(state.range(0));
  msgpack::null_visitor visitor;
  const Measured measured(state, one(batch));
  for (auto _ : state) {
    for (size_t offset = 0; offset < batch.size();)
      if (!msgpack::parse(batch.data(), batch.size(), offset, visitor)) return state.SkipWithError("no message");
  }
}
BENCHMARK(parse)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(large_message_bytes)->Arg(mixed);

// Goes over a batch with `scan`.
template <typename Scanning>
void walk(benchmark::State& state, Scanning scan) {
  const std::string batch = batch_of(state.range(0));
  MessageView message;
  const Measured measured(state, one(batch));
  for (auto _ : state) {
    for (Bytes rest = batch; !rest.empty(); rest.remove_prefix(message.bytes().size())) {
      if (scan(rest, message) != Scan::ok) return state.SkipWithError("the message is not well-formed");
      benchmark::DoNotOptimize(message);
    }
  }
}

void view(benchmark::State& state) {
  MessageScanner scanner;
  walk(state, [&](Bytes bytes, MessageView& message) { return scanner.scan(bytes, message); });
}
BENCHMARK(view)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(large_message_bytes);
BENCHMARK(view)->Arg(mixed)->Arg(traffic)->Arg(alternating)->Arg(unlike);

void plain_view(benchmark::State& state) {
  walk(state, [](Bytes bytes, MessageView& message) { return message.scan(bytes); });
}
BENCHMARK(plain_view)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(large_message_bytes);
BENCHMARK(plain_view)->Arg(mixed)->Arg(traffic)->Arg(alternating)->Arg(unlike);

// What a consumer pays that only counts.
void boundaries(benchmark::State& state) {
  const std::string batch = batch_of(state.range(0));
  const Measured measured(state, one(batch));
  for (auto _ : state) {
    for (Bytes rest = batch; !rest.empty(); rest.remove_prefix(map_bytes(rest).value())) benchmark::DoNotOptimize(rest);
  }
}
BENCHMARK(boundaries)->Arg(vumi_message_bytes)->Arg(small_message_bytes)->Arg(mixed);

}  // namespace
}  // namespace signalbox::bench
