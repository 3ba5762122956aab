// Two message views beside each other: what one says of a message, and what the other does.
#pragma once

#include <string>

#include "protocol/message_view.hpp"

namespace signalbox {

// What differs, in words; empty: nothing. Both scans were of the same bytes, and ended as `scan`.
inline std::string view_difference(const MessageView& left, const MessageView& right, Scan scan) {
  if (left.fault() != right.fault()) return "fault";
  if (scan == Scan::broken) return "";
  if (left.bytes().data() != right.bytes().data() || left.bytes().size() != right.bytes().size()) return "bytes";
  if (scan != Scan::ok) return "";
  if (left.kind() != right.kind()) return "kind";
  const auto differs = [](std::string_view one, std::string_view other) {
    return one.data() != other.data() || one.size() != other.size();
  };
  if (differs(left.endpoint_name(), right.endpoint_name())) return "endpoint_name";
  for (size_t i = 0; i < field_count; ++i) {
    const auto field = static_cast<Field>(i);
    const std::string name(to_string(field));
    if (left.has(field) != right.has(field)) return name + ": there or not";
    if (differs(left.value(field), right.value(field))) return name + ": value";
    if (differs(left.text(field), right.text(field))) return name + ": text";
  }
  return "";
}

}  // namespace signalbox
