// The messages of a torture run. Each carries its number in its id and again in its content, beside the flow, the
// process that sent it, and how many that process had sent before, so that whoever gets it can say which one it is. An
// event has all that in its id.
//
// Thread: any; no state. Errors: what is no message of this traffic reads as empty.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/message_view.hpp"
#include "protocol/rewrite.hpp"
#include "tests/torture/plan.hpp"

namespace signalbox::torture {

struct Identity {
  uint64_t number = 0;
  Flow flow = Flow::question;
  uint16_t process = 0;   // that sent it
  uint64_t position = 0;  // among what that process sent
};

inline void append_field(std::string& out, std::string_view key, std::string_view text) {
  append_text(out, key);
  append_text(out, text);
}

inline std::string words(const Identity& identity) {
  return "m" + std::to_string(identity.number) + " " + std::to_string(static_cast<unsigned>(identity.flow)) + " " +
         std::to_string(identity.process) + " " + std::to_string(identity.position);
}

// One user message in the place of what `out` held. An empty `in_reply_to` is nil.
inline void write_message(std::string& out, const Identity& identity, std::string_view transport,
                          std::string_view in_reply_to = {}) {
  const std::string id = "m" + std::to_string(identity.number);
  out.clear();
  out.push_back('\x88');  // a map of 8
  append_field(out, "message_type", "user_message");
  append_field(out, "message_id", id);
  append_field(out, "to_addr", "+27831234567");
  append_field(out, "from_addr", "+27821112223");
  append_text(out, "in_reply_to");
  in_reply_to.empty() ? out.push_back('\xc0') : append_text(out, in_reply_to);
  append_field(out, "content", words(identity));
  append_field(out, "transport_name", transport);
  append_text(out, "helper_metadata");
  out.push_back('\x80');
}

// One event about the message of that id: in turn that the network took it, and that it arrived.
inline void write_event(std::string& out, const Identity& identity, std::string_view transport,
                        std::string_view about) {
  const bool arrived = identity.number % 2 == 0;
  out.clear();
  out.push_back('\x86');  // a map of 6
  append_field(out, "message_type", "event");
  append_field(out, "event_id", words(identity));
  append_field(out, "event_type", arrived ? "delivery_report" : "ack");
  append_field(out, arrived ? "delivery_status" : "sent_message_id", arrived ? "delivered" : about);
  append_field(out, "user_message_id", about);
  append_field(out, "transport_name", transport);
}

inline std::optional<Identity> read_message(const MessageView& message) {
  const bool is_event = message.kind() == MessageKind::event;
  const std::string_view text = message.text(is_event ? Field::event_id : Field::content);
  if (text.size() < 2 || !(is_event || text.starts_with(message.text(Field::message_id)))) return {};
  uint64_t numbers[4] = {};
  const char* at = text.data() + 1;
  const char* const end = text.data() + text.size();
  for (uint64_t& number : numbers) {
    const std::from_chars_result read = std::from_chars(at, end, number);
    if (read.ec != std::errc{}) return {};
    at = read.ptr == end ? end : read.ptr + 1;
  }
  if (at != end || numbers[1] >= flow_count) return {};
  if (plan_of(static_cast<Flow>(numbers[1])).events != is_event) return {};
  return Identity{numbers[0], static_cast<Flow>(numbers[1]), static_cast<uint16_t>(numbers[2]), numbers[3]};
}

// What a worker does to a message that it would rather not have follows from the number, so that it is the same each
// time.
enum class Treatment : uint8_t { handle, reject, fail_twice, fail_always, hold };

inline Treatment treatment(Habit habit, uint64_t number) {
  const uint64_t dice = number * 0x9e3779b97f4a7c15u >> 40;
  if (habit == Habit::holding) return dice % 100 == 7 ? Treatment::hold : Treatment::handle;
  if (habit != Habit::unruly) return Treatment::handle;
  if (dice % 1000 == 1) return Treatment::reject;
  if (dice % 2000 == 3) return Treatment::fail_always;
  return dice % 50 == 5 ? Treatment::fail_twice : Treatment::handle;
}

}  // namespace signalbox::torture
