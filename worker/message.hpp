// A message as a worker builds and reads it: vumi's fields by name, every other field within reach.
//
//   Message message = Message::user_message();
//   message.set_to_addr("+27831234567").set_content("hello").set_text({"helper_metadata", "tag", "campaign"}, "june");
//
//   const Message received(delivery.bytes);
//   if (received.content() == "balance") worker.send(received.reply("You have 5.00 left"));
//   for (const auto [key, value] : received) …
//
// A message is one MessagePack map, and Message keeps it encoded, in one piece, with an index of its fields
// (encoded_map.hpp): reading a field decodes that field alone, changing one touches no other byte, what a message does
// not know it carries on, and bytes() is what goes over the wire. Taking bytes over, or making a message, allocates
// once. Rejected: a struct of strings, which allocates for each field and loses what it has no name for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/codes.hpp"
#include "worker/encoded_map.hpp"
#include "worker/field_value.hpp"
#include "worker/message_id.hpp"
#include "worker/timestamp.hpp"

namespace signalbox {

// A field that is absent and one that is nil read alike: as empty text. Texts that are returned, and Bytes, point into
// the message and hold until it is next changed, moved or gone. What is set may be a part of the message itself.
//
// Thread: any, one at a time; any number while none changes it.
// Owns:   its bytes.
// Errors: decode() alone can fail; a field of another type than asked for reads as absent. Growing past
//         EncodedMap::bytes_max throws std::length_error.
// Bounds: limits::nesting_levels_max in decode(); EncodedMap::bytes_max.
// Tested by message_test.cpp, random_messages_test.cpp.
class Message {
 public:
  // Keys from the top of the message inwards: {"helper_metadata", "tag"}. REQUIRES: one or more, none empty.
  using Path = std::initializer_list<std::string_view>;

  struct Field {
    std::string_view key;
    Bytes value;  // encoded; as_text and its kin (field_value.hpp) read it
  };

  // No fields at all.
  Message() = default;
  // One encoded message, taken over as decode() does; without fields where the bytes are no message.
  explicit Message(Bytes encoded) { (void)decode(encoded); }

  // A user message with vumi's fields: id and timestamp filled in, metadata empty, the others nil.
  static Message user_message();

  // Replaces the content by a copy of one encoded message (what was allocated is used again, so a reused Message hardly
  // allocates). False, and empty: the bytes are not one MessagePack map with text for keys. REQUIRES: not its own.
  [[nodiscard]] bool decode(Bytes bytes) { return map_.assign(bytes); }
  // The same with the first message of a batch: where it ends. 0, and empty: there is none.
  [[nodiscard]] size_t decode_first(Bytes batch) { return map_.assign_first(batch); }

  // The encoded message, as it goes over the wire.
  Bytes bytes() const { return map_.bytes(); }
  // The same as a copy.
  std::string encoded() const { return std::string(bytes()); }
  void encode(std::string& out) const { out.assign(bytes()); }
  // The same bytes. (Another order of the fields is another message.)
  bool operator==(const Message& other) const { return bytes() == other.bytes(); }
  // For people, somewhat like JSON.
  std::string to_text() const;

  // --- fields by name
  bool is_user_message() const { return message_type() == "user_message"; }
  bool is_event() const { return message_type() == "event"; }
  std::string_view message_type() const { return text("message_type"); }
  std::string_view message_id() const { return text("message_id"); }
  std::string_view timestamp() const { return text("timestamp"); }
  std::optional<TimePoint> time() const { return parse_timestamp(timestamp()); }  // empty: not in vumi's format
  std::string_view to_addr() const { return text("to_addr"); }
  std::string_view from_addr() const { return text("from_addr"); }
  std::string_view in_reply_to() const { return text("in_reply_to"); }
  std::string_view content() const { return text("content"); }
  std::string_view session_event() const { return text("session_event"); }  // "new", "resume", "close" or empty
  std::string_view transport_name() const { return text("transport_name"); }
  std::string_view transport_type() const { return text("transport_type"); }
  std::string_view group() const { return text("group"); }
  std::string_view provider() const { return text("provider"); }
  std::string_view endpoint_name() const { return text({"routing_metadata", "endpoint_name"}); }
  // Of events.
  std::string_view user_message_id() const { return text("user_message_id"); }
  std::string_view event_id() const { return text("event_id"); }
  std::string_view event_type() const { return text("event_type"); }
  std::string_view sent_message_id() const { return text("sent_message_id"); }
  std::string_view nack_reason() const { return text("nack_reason"); }
  std::string_view delivery_status() const { return text("delivery_status"); }

  Message& set_message_id(std::string_view id) { return set_text("message_id", id); }
  Message& set_time(TimePoint time);  // the field `timestamp`
  Message& set_to_addr(std::string_view address) { return set_text("to_addr", address); }
  Message& set_from_addr(std::string_view address) { return set_text("from_addr", address); }
  Message& set_in_reply_to(std::string_view id) { return set_text("in_reply_to", id); }
  Message& set_content(std::string_view content) { return set_text("content", content); }
  Message& set_session_event(std::string_view event) { return set_text("session_event", event); }
  Message& set_transport_name(std::string_view name) { return set_text("transport_name", name); }
  Message& set_transport_type(std::string_view type) { return set_text("transport_type", type); }
  Message& set_group(std::string_view group) { return set_text("group", group); }
  Message& set_provider(std::string_view provider) { return set_text("provider", provider); }
  Message& set_endpoint_name(std::string_view name) { return set_text({"routing_metadata", "endpoint_name"}, name); }

  // --- any field
  // There and not nil.
  bool has(std::string_view key) const { return !is_nil(value(key)); }
  std::string_view text(std::string_view key) const { return as_text(value(key)); }
  std::optional<int64_t> integer(std::string_view key) const { return as_integer(value(key)); }
  std::optional<double> real(std::string_view key) const { return as_real(value(key)); }  // an integer is one too
  std::optional<bool> boolean(std::string_view key) const { return as_boolean(value(key)); }
  std::optional<Bytes> binary(std::string_view key) const { return as_binary(value(key)); }
  // The encoded value; empty where the field is absent.
  Bytes value(std::string_view key) const {
    const size_t index = map_.find(key);
    return index == EncodedMap::none ? Bytes{} : map_.value(index);
  }

  // A field that is not there yet is added at the end.
  Message& set_text(std::string_view key, std::string_view text) {
    // Our own bytes move while they are changed, so a part of them is copied first.
    if (map_.owns(key) || map_.owns(text)) return set_own_text(key, text);
    const size_t index = map_.find(key);
    index == EncodedMap::none ? map_.append_text(key, text) : map_.set_text(index, text);
    return *this;
  }
  Message& set_integer(std::string_view key, int64_t number);
  Message& set_real(std::string_view key, double number);
  Message& set_boolean(std::string_view key, bool flag);
  Message& set_binary(std::string_view key, Bytes binary);
  Message& set_nil(std::string_view key) { return set_value(key, {"\xc0", 1}); }
  // REQUIRES: exactly one MessagePack value.
  Message& set_value(std::string_view key, Bytes encoded) {
    if (map_.owns(key) || map_.owns(encoded)) return set_own_value(key, encoded);
    const size_t index = map_.find(key);
    index == EncodedMap::none ? map_.append_value(key, encoded) : map_.set_value(index, encoded);
    return *this;
  }
  Message& remove(std::string_view key);

  // --- the same within maps
  bool has(Path path) const { return !is_nil(value(path)); }
  std::string_view text(Path path) const { return as_text(value(path)); }
  std::optional<int64_t> integer(Path path) const { return as_integer(value(path)); }
  std::optional<double> real(Path path) const { return as_real(value(path)); }
  std::optional<bool> boolean(Path path) const { return as_boolean(value(path)); }
  std::optional<Bytes> binary(Path path) const { return as_binary(value(path)); }
  Bytes value(Path path) const;

  // Maps that are missing on the way are added; what stands in the way and is no map gives way to one. The rest of each
  // map stays as it is.
  Message& set_text(Path path, std::string_view text);
  Message& set_integer(Path path, int64_t number);
  Message& set_real(Path path, double number);
  Message& set_boolean(Path path, bool flag);
  Message& set_nil(Path path);
  Message& set_value(Path path, Bytes encoded);  // REQUIRES: exactly one MessagePack value

  // --- all fields, in order
  class Iterator;
  size_t fields() const { return map_.size(); }
  Field field(size_t index) const { return {map_.key(index), map_.value(index)}; }  // REQUIRES: below fields()
  Iterator begin() const;
  Iterator end() const;

  // --- what follows from a message
  enum class Session : uint8_t { keep, close };

  // An answer to the one who wrote this: addresses swapped, in_reply_to set, and what leads it back copied as vumi
  // does (transport, its metadata, helper_metadata, group, provider, the endpoint).
  Message reply(std::string_view content, Session session = Session::keep) const;
  // The same, to the group that it came from, with nobody in to_addr; without a group it is reply().
  Message reply_group(std::string_view content, Session session = Session::keep) const;

  // Events for the application that sent this message: the network took it under `sent_message_id`; it did not, because
  // of `reason`; what became of it ("pending", "failed", "delivered").
  Message ack(std::string_view sent_message_id) const;
  Message nack(std::string_view reason) const;
  Message delivery_report(std::string_view delivery_status) const;

 private:
  Message(const EncodedMap& made, size_t room) : map_(made, room) {}
  void fill_in();
  Message& set_own_text(std::string_view key, std::string_view text);
  Message& set_own_value(std::string_view key, Bytes encoded);
  Message answer(std::string_view content, Session session, bool to_group) const;
  Message event(std::string_view event_type) const;

  EncodedMap map_;
};

class Message::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Field;
  using difference_type = std::ptrdiff_t;
  using pointer = const Field*;
  using reference = Field;

  Iterator() = default;
  Iterator(const Message& message, size_t index) : message_(&message), index_(index) {}
  Field operator*() const { return message_->field(index_); }
  Iterator& operator++() {
    ++index_;
    return *this;
  }
  Iterator operator++(int) {
    const Iterator before = *this;
    ++index_;
    return before;
  }
  bool operator==(const Iterator&) const = default;

 private:
  const Message* message_ = nullptr;
  size_t index_ = 0;
};

inline Message::Iterator Message::begin() const {
  return {*this, 0};
}
inline Message::Iterator Message::end() const {
  return {*this, fields()};
}

}  // namespace signalbox
