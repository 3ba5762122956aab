// Idea: what all new messages have alike is encoded once, when the first is made; making one is a copy of that with its
// id and time written over.
#include "worker/message.hpp"

#include <array>
#include <cstring>
#include <msgpack.hpp>
#include <sstream>
#include <utility>

#include "protocol/rewrite.hpp"

namespace signalbox {
namespace {

constexpr std::string_view message_version = "20110921";
constexpr Bytes nil{"\xc0", 1};
constexpr Bytes empty_map{"\x80", 1};

// Where the fields of a new user message, and of a new event, stand.
enum Place : size_t {
  type_field,
  version_field,
  id_field,
  timestamp_field,
  transport_metadata_field,
  helper_metadata_field,
  routing_metadata_field,
  // Of user messages. Those that workers mostly set come last, so that setting them moves little.
  group_field,
  provider_field,
  in_reply_to_field,
  session_event_field,
  transport_type_field,
  transport_name_field,
  to_addr_field,
  from_addr_field,
  content_field,
  // Of events.
  event_transport_name_field = routing_metadata_field + 1,
  event_transport_type_field,
  event_type_field,
  user_message_id_field,
};

// Room for what is mostly set.
constexpr size_t user_message_room = 320;
constexpr size_t event_room = 192;

// What user messages and events have alike.
void begin(EncodedMap& map, std::string_view message_type, std::string_view id_key) {
  map.append_text("message_type", message_type);
  map.append_text("message_version", message_version);
  map.append_text(id_key, std::string(message_id_bytes, '0'));
  map.append_text("timestamp", std::string(timestamp_bytes, '0'));
  for (const auto key : {"transport_metadata", "helper_metadata", "routing_metadata"}) map.append_value(key, empty_map);
}

const EncodedMap& new_user_message() {
  static const EncodedMap made = [] {
    EncodedMap map;
    begin(map, "user_message", "message_id");
    for (const auto key : {"group", "provider", "in_reply_to", "session_event", "transport_type", "transport_name",
                           "to_addr", "from_addr", "content"}) {
      map.append_value(key, nil);
    }
    return map;
  }();
  return made;
}

const EncodedMap& new_event() {
  static const EncodedMap made = [] {
    EncodedMap map;
    begin(map, "event", "event_id");
    for (const auto key : {"transport_name", "transport_type", "event_type", "user_message_id"})
      map.append_value(key, nil);
    return map;
  }();
  return made;
}

// The place of a text of that length, its head written.
char* text_room(EncodedMap& map, size_t index, size_t bytes) {
  return write_text_head(map.resize_value(index, text_head_bytes(bytes) + bytes), bytes);
}

void put_endpoint_name(EncodedMap& map, size_t index, std::string_view name) {
  constexpr std::string_view head =
      "\x81\xad"
      "endpoint_name";
  static_assert(head.size() == 2 + std::string_view("endpoint_name").size());
  char* const place = map.resize_value(index, head.size() + text_head_bytes(name.size()) + name.size());
  std::memcpy(place, head.data(), head.size());
  std::memcpy(write_text_head(place + head.size(), name.size()), name.data(), name.size());
}

// The value within a map, or the map itself where the path ends.
Bytes value_within(Bytes map, Message::Path path, const std::string_view* key) {
  for (; key != path.end() && !map.empty(); ++key) map = find_value(map, {*key});
  return map;
}

// `map` with the value at the end of the path set.
std::string set_within(Bytes map, Message::Path path, const std::string_view* key, Bytes encoded) {
  std::string changed(is_map(map) ? map : empty_map);
  std::string inner;
  if (key + 1 != path.end()) {
    inner = set_within(find_value(changed, {*key}), path, key + 1, encoded);
    encoded = inner;
  }
  // Never refused: what it is given is a map, and the path one key.
  static_cast<void>(rewrite(changed, {Edit::Operation::set, {*key}, encoded}));
  return changed;
}

}  // namespace

Message Message::user_message() {
  Message message(new_user_message(), user_message_room);
  message.fill_in();
  return message;
}

void Message::fill_in() {
  write_message_id(text_room(map_, id_field, message_id_bytes));
  write_timestamp(text_room(map_, timestamp_field, timestamp_bytes), std::chrono::system_clock::now());
}

std::string Message::to_text() const {
  const Bytes encoded = bytes();
  std::ostringstream out;
  out << msgpack::unpack(encoded.data(), encoded.size()).get();
  return out.str();
}

Bytes Message::value(Path path) const {
  return path.size() == 0 ? Bytes{} : value_within(value(*path.begin()), path, path.begin() + 1);
}

Message& Message::set_own_text(std::string_view key, std::string_view text) {
  return set_text(std::string(key), std::string(text));
}

Message& Message::set_own_value(std::string_view key, Bytes encoded) {
  return set_value(std::string(key), std::string(encoded));
}

Message& Message::set_binary(std::string_view key, Bytes binary) {
  std::string encoded(binary_head_bytes(binary.size()), '\0');
  write_binary_head(encoded.data(), binary.size());
  return set_value(key, encoded.append(binary));
}

Message& Message::set_integer(std::string_view key, int64_t number) {
  return set_value(key, EncodedScalar::integer(number).bytes());
}

Message& Message::set_real(std::string_view key, double number) {
  return set_value(key, EncodedScalar::real(number).bytes());
}

Message& Message::set_boolean(std::string_view key, bool flag) {
  return set_value(key, EncodedScalar::boolean(flag).bytes());
}

Message& Message::set_time(TimePoint time) {
  std::array<char, timestamp_bytes> text;
  write_timestamp(text.data(), time);
  return set_text("timestamp", {text.data(), text.size()});
}

Message& Message::remove(std::string_view key) {
  const size_t index = map_.find(key);
  if (index != EncodedMap::none) map_.erase(index);
  return *this;
}

Message& Message::set_value(Path path, Bytes encoded) {
  if (path.size() == 0) return *this;
  if (path.size() == 1) return set_value(*path.begin(), encoded);
  return set_value(*path.begin(), set_within(value(*path.begin()), path, path.begin() + 1, encoded));
}

Message& Message::set_text(Path path, std::string_view text) {
  std::string encoded;
  append_text(encoded, text);
  return set_value(path, encoded);
}

Message& Message::set_integer(Path path, int64_t number) {
  return set_value(path, EncodedScalar::integer(number).bytes());
}

Message& Message::set_real(Path path, double number) {
  return set_value(path, EncodedScalar::real(number).bytes());
}

Message& Message::set_boolean(Path path, bool flag) {
  return set_value(path, EncodedScalar::boolean(flag).bytes());
}

Message& Message::set_nil(Path path) {
  return set_value(path, nil);
}

Message Message::reply(std::string_view content, Session session) const {
  return answer(content, session, false);
}

Message Message::reply_group(std::string_view content, Session session) const {
  return answer(content, session, has("group"));
}

Message Message::answer(std::string_view content, Session session, bool to_group) const {
  // Each of our values comes in once at the most, so this is room for all of them.
  Message message(new_user_message(), bytes().size() + content.size() + user_message_room);
  EncodedMap& map = message.map_;
  message.fill_in();
  const auto copy = [&](std::string_view key, Place to) {
    const Bytes found = value(key);
    if (!found.empty()) map.set_value(to, found);
  };
  // From the first to the last, so that what has grown is moved no more.
  copy("transport_metadata", transport_metadata_field);
  copy("helper_metadata", helper_metadata_field);
  const std::string_view endpoint = endpoint_name();
  if (!endpoint.empty()) put_endpoint_name(map, routing_metadata_field, endpoint);
  copy("group", group_field);
  copy("provider", provider_field);
  map.set_text(in_reply_to_field, message_id());
  if (session == Session::close) map.set_text(session_event_field, "close");
  copy("transport_type", transport_type_field);
  copy("transport_name", transport_name_field);
  if (!to_group) copy("from_addr", to_addr_field);
  copy("to_addr", from_addr_field);
  map.set_text(content_field, content);
  return message;
}

// The broker fills in transport_name with the name of the transport that sends the event.
Message Message::event(std::string_view event_type) const {
  Message message(new_event(), event_room);
  EncodedMap& map = message.map_;
  message.fill_in();
  const Bytes transport_type = value("transport_type");
  if (!transport_type.empty()) map.set_value(event_transport_type_field, transport_type);
  map.set_text(event_type_field, event_type);
  map.set_text(user_message_id_field, message_id());
  return message;
}

Message Message::ack(std::string_view sent_message_id) const {
  Message message = event("ack");
  message.set_text("sent_message_id", sent_message_id);
  return message;
}

Message Message::nack(std::string_view reason) const {
  Message message = event("nack");
  message.set_text("nack_reason", reason);
  return message;
}

Message Message::delivery_report(std::string_view delivery_status) const {
  Message message = event("delivery_report");
  message.set_text("delivery_status", delivery_status);
  return message;
}

}  // namespace signalbox
