// Batches in which no two messages are the same in more than their keys, as a gateway sends them; and such as the
// scanner of messages must not be led astray by.
//
// Thread: any; no state but a seed. Tested by the benchmarks that read them: each message must be a good one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/messages.hpp"

namespace signalbox::bench {

class Traffic {
 public:
  // What differs from message to message, beside identifiers, times and the digits of addresses.
  enum class Kind : uint8_t {
    usual,        // lengths of contents and addresses; a third are replies; one of 20 has a field more
    alternating,  // the same, and every other one has a field more, at random
    unlike,       // a key of its own in each message
  };

  explicit Traffic(Kind kind) : kind_(kind) {}

  std::string batch(size_t count) {
    std::string out;
    for (size_t i = 0; i < count; ++i) append(out);
    return out;
  }

 private:
  using Text = std::string_view;

  uint64_t below(uint64_t limit) {
    random_ = random_ * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    return (random_ >> 33) % limit;
  }
  std::string random_text(size_t bytes, Text characters) {
    std::string out;
    while (out.size() < bytes) out += characters[below(characters.size())];
    return out;
  }
  std::string digits(size_t count) { return random_text(count, "0123456789"); }
  std::string identifier() { return random_text(32, "0123456789abcdef"); }
  std::string address() { return "+27" + digits(7 + below(4)); }
  bool has_field_more() {
    if (kind_ == Kind::unlike) return true;
    return below(kind_ == Kind::usual ? 20 : 2) == 0;
  }

  // A vumi user message with its 21 fields, or one more.
  void append(std::string& out) {
    constexpr char nil = '\xc0';
    constexpr char empty_map = '\x80';
    const bool more = has_field_more();
    out.append("\xde\x00", 2);
    out.push_back(more ? 22 : 21);
    detail::text(out, "message_type", "user_message");
    detail::text(out, "message_version", "20110921");
    detail::text(out, "timestamp", "2024-03-01 12:34:" + digits(2) + "." + digits(6));
    detail::text(out, "message_id", identifier());
    detail::text(out, "to_addr", address());
    detail::text(out, "from_addr", address());
    below(3) == 0 ? detail::text(out, "in_reply_to", identifier()) : detail::raw(out, "in_reply_to", nil);
    detail::raw(out, "session_event", nil);
    detail::text(out, "content", random_text(below(161), "abcdefghijklmnopqrstuvwxyz .,?"));
    detail::text(out, "transport_name", transport_name);
    detail::text(out, "transport_type", "sms");
    for (const Text key : {"transport_metadata", "helper_metadata", "routing_metadata"})
      detail::raw(out, key, empty_map);
    for (const Text key : {"group", "provider"}) detail::raw(out, key, nil);
    for (const Text key : {"to_addr_type", "from_addr_type"}) detail::text(out, key, "msisdn");
    for (const Text key : {"expires_at", "priority"}) detail::raw(out, key, nil);
    if (more) detail::text(out, kind_ == Kind::unlike ? "key_" + digits(6) : "session_id", digits(8));
    detail::raw(out, "__cache__", empty_map);
  }

  const Kind kind_;
  uint64_t random_ = 1;
};

}  // namespace signalbox::bench
