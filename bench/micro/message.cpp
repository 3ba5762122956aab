// The worker library's message type on the 424-byte message: made field by field, taken over and read, answered. Beside
// each the same by msgpack-c alone, in the way that its users would write it.
#include "worker/message.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <map>
#include <msgpack.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "bench/messages.hpp"
#include "bench/micro/floors.hpp"
#include "bench/micro/measured.hpp"

namespace signalbox::bench {
namespace {

using Made = signalbox::Message;

// What a consumer looks at.
constexpr std::array<std::string_view, 6> fields_read = {"message_type", "message_id",    "to_addr",
                                                         "from_addr",    "session_event", "content"};

// As long as a user message of 21 fields is: the same fields as vumi_message().
Made made_message() {
  Made message = Made::user_message();
  message.set_session_event("new").set_transport_type("sms").set_transport_name(transport_name);
  message.set_to_addr("+27831234567").set_from_addr("+27821112223").set_content("How much airtime?!");
  message.set_text("to_addr_type", "msisdn").set_text("from_addr_type", "msisdn");
  message.set_nil("expires_at").set_nil("priority").set_value("__cache__", "\x80");
  return message;
}

// The same by msgpack-c's packer.
void pack_message(msgpack::sbuffer& buffer) {
  msgpack::packer<msgpack::sbuffer> packer(buffer);
  packer.pack_map(21);
  const auto text = [&](std::string_view key, std::string_view value) { packer.pack(key).pack(value); };
  const auto nil = [&](std::string_view key) { packer.pack(key).pack_nil(); };
  const auto map = [&](std::string_view key) { packer.pack(key).pack_map(0); };
  text("message_type", "user_message");
  text("message_version", "20110921");
  text("message_id", new_message_id());
  text("timestamp", timestamp_now());
  for (const auto key : {"transport_metadata", "helper_metadata", "routing_metadata"}) map(key);
  for (const auto key : {"group", "provider", "in_reply_to"}) nil(key);
  text("session_event", "new");
  text("transport_type", "sms");
  text("transport_name", transport_name);
  text("to_addr", "+27831234567");
  text("from_addr", "+27821112223");
  text("content", "How much airtime?!");
  text("to_addr_type", "msisdn");
  text("from_addr_type", "msisdn");
  nil("expires_at");
  nil("priority");
  map("__cache__");
}

// One message, in the first cache.
Measured::Iteration one_message() {
  return {.message_bytes = vumi_message_bytes, .floor = copy_floor(vumi_message_bytes, first_cache_kib)};
}

// A text of some thirty characters.
Measured::Iteration one_text() {
  return {.floor = copy_floor(message_id_bytes, first_cache_kib)};
}

void message_build(benchmark::State& state) {
  if (made_message().bytes().size() != vumi_message_bytes) return state.SkipWithError("not 424 bytes");
  const Measured measured(state, one_message());
  for (auto _ : state) {
    const Made message = made_message();
    benchmark::DoNotOptimize(message.bytes());
  }
}
BENCHMARK(message_build);

void message_build_msgpack(benchmark::State& state) {
  const Measured measured(state, one_message());
  for (auto _ : state) {
    msgpack::sbuffer buffer;
    pack_message(buffer);
    benchmark::DoNotOptimize(buffer.data());
  }
}
BENCHMARK(message_build_msgpack);

void message_new(benchmark::State& state) {
  const Measured measured(state, one_message());
  for (auto _ : state) benchmark::DoNotOptimize(Made::user_message().bytes());
}
BENCHMARK(message_new);

void message_decode(benchmark::State& state) {
  const std::string bytes = vumi_message().bytes;
  const Measured measured(state, one_message());
  for (auto _ : state) {
    const Made message(bytes);
    benchmark::DoNotOptimize(message.bytes());
  }
}
BENCHMARK(message_decode);

// As a worker does it: one Message for all.
void message_decode_reused(benchmark::State& state) {
  const std::string bytes = vumi_message().bytes;
  const Measured measured(state, one_message());
  Made message;
  for (auto _ : state) {
    if (!message.decode(bytes)) return state.SkipWithError("no message");
    benchmark::DoNotOptimize(message.bytes());
  }
}
BENCHMARK(message_decode_reused);

void message_read(benchmark::State& state) {
  const std::string bytes = vumi_message().bytes;
  const Measured measured(state, one_message());
  for (auto _ : state) {
    const Made message(bytes);
    for (const std::string_view key : fields_read) benchmark::DoNotOptimize(message.text(key));
  }
}
BENCHMARK(message_read);

// msgpack::unpack copies texts as it does by default, and a field is found as in any array of pairs.
void message_read_msgpack(benchmark::State& state) {
  const std::string bytes = vumi_message().bytes;
  const Measured measured(state, one_message());
  for (auto _ : state) {
    const msgpack::object_handle handle = msgpack::unpack(bytes.data(), bytes.size());
    const msgpack::object_map map = handle.get().via.map;
    for (const std::string_view key : fields_read) {
      for (uint32_t i = 0; i < map.size; ++i) {
        const msgpack::object_str& text = map.ptr[i].key.via.str;
        if (std::string_view(text.ptr, text.size) != key) continue;
        benchmark::DoNotOptimize(map.ptr[i].val.via.str);
        break;
      }
    }
  }
}
BENCHMARK(message_read_msgpack);

void message_reply(benchmark::State& state) {
  const Made received(vumi_message().bytes);
  const Measured measured(state, one_message());
  for (auto _ : state) {
    const Made reply = received.reply("You have 5.00 left");
    benchmark::DoNotOptimize(reply.bytes());
  }
}
BENCHMARK(message_reply);

void message_id(benchmark::State& state) {
  const Measured measured(state, one_text());
  std::array<char, message_id_bytes> id;
  for (auto _ : state) {
    write_message_id(id.data());
    benchmark::DoNotOptimize(id);
  }
}
BENCHMARK(message_id);

void message_timestamp(benchmark::State& state) {
  const Measured measured(state, one_text());
  std::array<char, timestamp_bytes> text;
  for (auto _ : state) {
    write_timestamp(text.data(), std::chrono::system_clock::now());
    benchmark::DoNotOptimize(text);
  }
}
BENCHMARK(message_timestamp);

}  // namespace
}  // namespace signalbox::bench
