// One pass over a message: where it ends, and where the few fields lie that routing reads.
//
// The hot path of the whole broker. A message is one MessagePack map; the pass walks its top level, recognises the keys
// of protocol page section 8 by length and bytes, skips every other value without looking inside, and notes offsets.
// Nothing is decoded, copied or allocated. msgpack-c's parser is the oracle for where a message ends and what it holds.
//
// Three outcomes: `ok`; `malformed` (a whole map, but not a message: it alone is refused and the batch goes on behind
// it); `broken` (the bytes end within the map, or are no map, so nothing behind them can be found either).
//
// Thread: any, one at a time. Owns: nothing, points into the bytes scanned.
// Bounds: any nesting is skipped in constant memory; past limits::nesting_levels_max the message is malformed.
// Tested by message_view_test.cpp, fuzz_body.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/codes.hpp"

namespace signalbox {

enum class Field : uint8_t {
  message_type,
  message_id,
  in_reply_to,
  transport_name,
  to_addr,
  from_addr,
  content,
  routing_metadata,
  helper_metadata,
  user_message_id,
  event_id,
  event_type,
};
inline constexpr size_t field_count = 12;

// As the key stands in a message.
std::string_view to_string(Field field);

enum class MessageKind : uint8_t { user_message, event };

enum class Scan : uint8_t { ok, malformed, broken };

class MessageView {
 public:
  // Scans the message at the start of `bytes` (which may go on behind it). After `ok` everything below holds; after
  // `malformed` only bytes() and fault(); after `broken` only fault().
  [[nodiscard]] Scan scan(Bytes bytes);

  Bytes bytes() const { return {data_, size_}; }
  MessageKind kind() const { return kind_; }

  // There and not nil. A field whose row of the table is not for this kind of message is not judged, and reads as
  // absent.
  bool has(Field field) const { return (present_ >> index(field) & 1) != 0; }
  // A text field's text; empty where it is nil or absent. REQUIRES: a text field.
  std::string_view text(Field field) const {
    const Value& value = fields_[index(field)];
    return {data_ + value.text_offset, value.end - value.text_offset};
  }
  // The encoded value, its MessagePack header included (nil: one byte); empty where the field is absent.
  Bytes value(Field field) const {
    const Value& value = fields_[index(field)];
    return {data_ + value.offset, value.end - value.offset};
  }
  // routing_metadata.endpoint_name; empty where it is nil or absent.
  std::string_view endpoint_name() const { return endpoint_name_; }

  // Why it is malformed or broken, one line for people: "message_id is missing".
  std::string_view fault() const { return fault_; }

 private:
  // Offsets from data_. Absent: all 0. Nil: text_offset == end. A map's text_offset is where its entries begin.
  struct Value {
    uint32_t offset = 0;
    uint32_t text_offset = 0;
    uint32_t end = 0;
  };
  static constexpr size_t index(Field field) { return static_cast<size_t>(field); }
  struct Findings;  // what the pass noted for the verdict at its end, in message_view.cpp
  class Pass;       // the pass itself
  friend class Stencil;

  // What routing_metadata holds for us.
  struct RoutingMetadata {
    const char* behind = nullptr;  // null: broken
    std::string_view endpoint_name;
    bool too_deep = false;
    bool seen = false;
    bool twice = false;
    bool wrong_type = false;
  };
  // Passes the map at `at`.
  static RoutingMetadata pass_routing_metadata(const char* at, const char* end);

  Scan broken(std::string_view fault);
  // What is wrong with the message; empty: nothing.
  std::string_view judge(const Findings& found);
  std::string_view judge_values() const;

  const char* data_ = nullptr;
  uint32_t size_ = 0;
  uint16_t present_ = 0;  // bit i: field i is there and not nil
  MessageKind kind_ = MessageKind::user_message;
  std::array<Value, field_count> fields_;
  std::string_view endpoint_name_;
  std::string_view fault_;
};

// Bytes of the MessagePack map at the start of `bytes`, whatever it holds; empty where it is broken or no map.
// What a worker uses to walk a batch that it only counts or hands on.
[[nodiscard]] std::optional<size_t> map_bytes(Bytes bytes);

}  // namespace signalbox
