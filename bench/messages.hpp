// The messages that benchmarks move, and the number that makes each copy of them another message.
//
// 424 bytes: a vumi user message with 21 fields, as a gateway really sends it. 73 bytes: the smallest user message that
// routes (its type, its id, its transport), so that what a message costs beside its bytes shows. 4,096 bytes: the first
// with a long content, so that the bytes show.
//
// A message carries its number as hexadecimal digits at the end of its message_id, always in the same place: a producer
// copies the template and writes the number over it, a consumer compares it with the one expected. Both cost a few
// nanoseconds, and no two messages of a run share an id, so the routing memory works as it would in service.
//
// Thread: any; no state. Tested by tests/core/allocation_test.cpp, and by every consumer of a bench.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "protocol/rewrite.hpp"

namespace signalbox::bench {

// The endpoints of the benchmarks' dispatcher. Every message names this transport.
inline constexpr std::string_view transport_name = "smpp";
inline constexpr std::string_view application_name = "app";

inline constexpr size_t vumi_message_bytes = 424;
inline constexpr size_t small_message_bytes = 73;
inline constexpr size_t large_message_bytes = 4096;
inline constexpr size_t number_digits = 14;
inline constexpr size_t stamp_digits = 16;  // at the front of the vumi message's id; the small one has no room for it

struct Message {
  std::string bytes;     // one encoded user message
  size_t id_offset = 0;  // where the text of message_id begins
  size_t id_bytes = 0;

  size_t number_offset() const { return id_offset + id_bytes - number_digits; }
  bool has_stamp() const { return id_bytes >= number_digits + stamp_digits; }
};

// Writes `digits` hexadecimal digits of `value`, the lowest ones. REQUIRES: digits is even.
inline void write_hexadecimal(char* at, size_t digits, uint64_t value) {
  static constexpr auto pairs = [] {
    std::array<char, 512> table{};
    constexpr char digit[] = "0123456789abcdef";
    for (size_t byte = 0; byte < 256; ++byte) {
      table[2 * byte] = digit[byte >> 4];
      table[2 * byte + 1] = digit[byte & 15];
    }
    return table;
  }();
  for (size_t pair = digits / 2; pair-- > 0; value >>= 8) std::memcpy(at + 2 * pair, &pairs[2 * (value & 255)], 2);
}

inline uint64_t read_hexadecimal(const char* at, size_t digits) {
  uint64_t value = 0;
  for (size_t i = 0; i < digits; ++i)
    value = value << 4 | static_cast<uint64_t>(at[i] <= '9' ? at[i] - '0' : at[i] - 'a' + 10);
  return value;
}

// `number` in its place in the copy of `message` that lies at `at`.
inline void write_number(char* at, const Message& message, uint64_t number) {
  write_hexadecimal(at + message.number_offset(), number_digits, number);
}

// Does the copy of `message` at `at` carry `number`?
inline bool has_number(const char* at, const Message& message, uint64_t number) {
  std::array<char, number_digits> expected;
  write_hexadecimal(expected.data(), number_digits, number);
  return std::memcmp(at + message.number_offset(), expected.data(), number_digits) == 0;
}

// `count` copies of `message` end to end, numbered from `first`, in the place of what `batch` held.
inline void write_batch(std::string& batch, const Message& message, uint64_t first, size_t count) {
  batch.resize(count * message.bytes.size());
  for (size_t i = 0; i < count; ++i) {
    char* at = batch.data() + i * message.bytes.size();
    std::memcpy(at, message.bytes.data(), message.bytes.size());
    write_number(at, message, first + i);
  }
}

namespace detail {

inline void text(std::string& out, std::string_view key, std::string_view value) {
  append_text(out, key);
  append_text(out, value);
}

inline void raw(std::string& out, std::string_view key, char value) {
  append_text(out, key);
  out.push_back(value);
}

inline void id(Message& message, size_t id_bytes) {
  text(message.bytes, "message_id", std::string(id_bytes, '0'));
  message.id_bytes = id_bytes;
  message.id_offset = message.bytes.size() - id_bytes;
}

}  // namespace detail

// 424 bytes, 21 fields, with what is given by default.
inline Message vumi_message(std::string_view transport = transport_name,
                            std::string_view content = "How much airtime left", std::string_view in_reply_to = {}) {
  constexpr char nil = '\xc0';
  constexpr char empty_map = '\x80';
  Message message;
  std::string& out = message.bytes;
  out.append("\xde\x00\x15", 3);  // map16 of 21
  detail::text(out, "message_type", "user_message");
  detail::text(out, "message_version", "20110921");
  detail::text(out, "timestamp", "2024-03-01 12:34:56.789012");
  detail::id(message, 32);
  detail::text(out, "to_addr", "+27831234567");
  detail::text(out, "from_addr", "+27821112223");
  in_reply_to.empty() ? detail::raw(out, "in_reply_to", nil) : detail::text(out, "in_reply_to", in_reply_to);
  detail::raw(out, "session_event", nil);
  detail::text(out, "content", content);
  detail::text(out, "transport_name", transport);
  detail::text(out, "transport_type", "sms");
  detail::raw(out, "transport_metadata", empty_map);
  detail::raw(out, "helper_metadata", empty_map);
  detail::raw(out, "routing_metadata", empty_map);
  detail::raw(out, "group", nil);
  detail::raw(out, "provider", nil);
  detail::text(out, "to_addr_type", "msisdn");
  detail::text(out, "from_addr_type", "msisdn");
  detail::raw(out, "expires_at", nil);
  detail::raw(out, "priority", nil);
  detail::raw(out, "__cache__", empty_map);
  return message;
}

// 73 bytes, 3 fields; the id is as long as fits.
inline Message small_message(std::string_view transport = transport_name) {
  Message message;
  std::string& out = message.bytes;
  out.push_back('\x83');
  detail::text(out, "message_type", "user_message");
  detail::text(out, "transport_name", transport);
  detail::id(message, number_digits);
  return message;
}

// The one of that size. REQUIRES: vumi_message_bytes, small_message_bytes or large_message_bytes.
inline Message message_of(size_t bytes, std::string_view transport = transport_name) {
  if (bytes == small_message_bytes) return small_message(transport);
  if (bytes == vumi_message_bytes) return vumi_message(transport);
  constexpr size_t content_bytes = large_message_bytes - vumi_message_bytes + 19;  // 21 of a content, 2 of its head
  return vumi_message(transport, std::string(content_bytes, 'x'));
}

}  // namespace signalbox::bench
