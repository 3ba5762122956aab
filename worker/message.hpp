// A message as a worker builds and reads it: vumi's fields by name, every other field within reach.
//
// A message is one MessagePack map. Message keeps it encoded, entry by entry, in one buffer, with the place of each
// entry beside it: reading a field decodes that field alone, changing one touches no other, and what a message does not
// know it carries on. Rejected: a struct of strings, which allocates for each field and loses what it has no name for.
// msgpack-c reads and writes all of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/codes.hpp"

namespace signalbox {

// A field that is absent and one that is nil read alike: as empty text. Texts that are returned, and Bytes, point into
// the message and hold until it is next changed.
//
// Thread: any, one at a time.
// Owns:   its bytes.
// Errors: decode() alone can fail; a field of another type than asked for reads as absent.
// Bounds: limits::nesting_levels_max in decode().
// Tested by message_test.cpp.
class Message {
 public:
  // No fields at all.
  Message() = default;
  // One encoded message, taken over as decode() does; without fields where the bytes are no message.
  explicit Message(Bytes encoded) { (void)decode(encoded); }

  // A user message with vumi's fields in their order: id and timestamp filled in, metadata empty, the others nil.
  static Message user_message();

  // Replaces the content by a copy of one encoded message (capacity is kept, so a reused Message hardly allocates).
  // False, and empty: the bytes are not one MessagePack map with text for keys.
  [[nodiscard]] bool decode(Bytes bytes);

  // Replaces `out` by the encoded message.
  void encode(std::string& out) const;
  std::string encoded() const;

  // --- fields by name
  bool is_user_message() const { return message_type() == "user_message"; }
  bool is_event() const { return message_type() == "event"; }
  std::string_view message_type() const { return text("message_type"); }
  std::string_view message_id() const { return text("message_id"); }
  std::string_view timestamp() const { return text("timestamp"); }
  std::string_view to_addr() const { return text("to_addr"); }
  std::string_view from_addr() const { return text("from_addr"); }
  std::string_view in_reply_to() const { return text("in_reply_to"); }
  std::string_view content() const { return text("content"); }
  std::string_view session_event() const { return text("session_event"); }
  std::string_view transport_name() const { return text("transport_name"); }
  std::string_view transport_type() const { return text("transport_type"); }
  std::string_view group() const { return text("group"); }
  std::string_view provider() const { return text("provider"); }
  std::string_view endpoint_name() const;  // within routing_metadata
  // Of events.
  std::string_view user_message_id() const { return text("user_message_id"); }
  std::string_view event_id() const { return text("event_id"); }
  std::string_view event_type() const { return text("event_type"); }
  std::string_view sent_message_id() const { return text("sent_message_id"); }
  std::string_view nack_reason() const { return text("nack_reason"); }
  std::string_view delivery_status() const { return text("delivery_status"); }

  Message& set_message_id(std::string_view id) { return set_text("message_id", id); }
  Message& set_to_addr(std::string_view address) { return set_text("to_addr", address); }
  Message& set_from_addr(std::string_view address) { return set_text("from_addr", address); }
  Message& set_in_reply_to(std::string_view id) { return set_text("in_reply_to", id); }
  Message& set_content(std::string_view content) { return set_text("content", content); }
  Message& set_session_event(std::string_view event) { return set_text("session_event", event); }
  Message& set_transport_name(std::string_view name) { return set_text("transport_name", name); }
  Message& set_transport_type(std::string_view type) { return set_text("transport_type", type); }
  Message& set_endpoint_name(std::string_view name);  // the rest of routing_metadata goes

  // --- any field
  // There and not nil.
  bool has(std::string_view key) const;
  std::string_view text(std::string_view key) const;
  std::optional<int64_t> integer(std::string_view key) const;
  // The encoded value; empty where the field is absent. A map's entries are reached by find_value
  // (protocol/rewrite.hpp).
  Bytes value(std::string_view key) const;
  size_t fields() const { return entries_.size(); }

  // A field that is not there yet is added at the end.
  Message& set_text(std::string_view key, std::string_view text);
  Message& set_integer(std::string_view key, int64_t number);
  Message& set_nil(std::string_view key);
  Message& set_value(std::string_view key, Bytes encoded);  // REQUIRES: exactly one MessagePack value

  // --- what follows from a message
  enum class Session : uint8_t { keep, close };

  // An answer to the one who wrote this: addresses swapped, in_reply_to set, and what leads it back copied as vumi
  // does (transport, its metadata, helper_metadata, group, provider, the endpoint).
  Message reply(std::string_view content, Session session = Session::keep) const;

  // Events for the application that sent this message: the network took it under `sent_message_id`; it did not, because
  // of `reason`; what became of it ("pending", "failed", "delivered").
  Message ack(std::string_view sent_message_id) const;
  Message nack(std::string_view reason) const;
  Message delivery_report(std::string_view delivery_status) const;

 private:
  class Reader;  // msgpack-c's visitor

  // Offsets into bytes_: key (encoded) from offset, its text from key_text, value from value to end.
  struct Entry {
    uint32_t offset = 0;
    uint32_t key_text = 0;
    uint32_t value = 0;
    uint32_t end = 0;
  };

  const Entry* find(std::string_view key) const;
  Bytes slice(uint32_t from, uint32_t to) const { return Bytes(bytes_).substr(from, to - from); }
  void begin_entry(std::string_view key);
  void end_entry() { entries_.back().end = static_cast<uint32_t>(bytes_.size()); }
  Message& place(std::string_view key, Bytes head, Bytes body);
  void copy_field(std::string_view key, const Message& from);
  Message event(std::string_view event_type) const;

  std::string bytes_;           // entries as encoded, replaced ones included
  std::vector<Entry> entries_;  // those in force, in order
};

// A new random id as vumi writes it: the 32 hexadecimal digits of a version 4 UUID.
std::string new_message_id();

// Now, in UTC, in vumi's format: "2026-01-31 23:59:59.000000".
std::string timestamp_now();

}  // namespace signalbox
