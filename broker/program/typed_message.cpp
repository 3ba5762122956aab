#include "broker/program/typed_message.hpp"

#include <array>
#include <string_view>

#include "worker/message.hpp"

namespace signalbox {
namespace {

constexpr std::array<std::string_view, 16> user_message_fields = {
    "message_type",    "message_version",  "message_id",    "timestamp",      "to_addr",        "from_addr",
    "in_reply_to",     "content",          "session_event", "transport_name", "transport_type", "transport_metadata",
    "helper_metadata", "routing_metadata", "group",         "provider"};

constexpr std::array<std::string_view, 8> event_fields = {"message_version", "event_id",        "timestamp",
                                                          "transport_name",  "transport_type",  "transport_metadata",
                                                          "helper_metadata", "routing_metadata"};

template <typename Fields>
void add_missing(Message& message, const Fields& fields, const Message& whole) {
  for (const std::string_view key : fields)
    if (message.value(key).empty()) message.set_value(key, whole.value(key));
}

}  // namespace

void fill_in(std::string& encoded) {
  Message message;
  if (!message.decode(encoded)) return;
  const bool has_type = !message.value("message_type").empty();
  if (has_type && message.is_event()) {
    add_missing(message, event_fields, Message().ack(""));
  } else if (!has_type || message.is_user_message()) {
    add_missing(message, user_message_fields, Message::user_message());
  } else {
    return;
  }
  message.encode(encoded);
}

}  // namespace signalbox
