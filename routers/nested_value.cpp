#include "routers/nested_value.hpp"

#include "protocol/value.hpp"

namespace signalbox {

std::optional<std::string_view> text_of(Bytes encoded) {
  const value::Head head = value::read_head(encoded.data(), encoded.data() + encoded.size());
  if (head.payload == nullptr || head.type != value::Type::text) return std::nullopt;
  return std::string_view(head.payload, head.count);
}

Bytes last_of(Bytes encoded_array) {
  const char* const end = encoded_array.data() + encoded_array.size();
  const value::Head head = value::read_head(encoded_array.data(), end);
  if (head.payload == nullptr || head.type != value::Type::array) return {};
  Bytes last;
  const char* at = head.payload;
  for (uint32_t i = 0; i < head.count; ++i) {
    const char* const behind = value::skip(at, end);
    if (behind == nullptr) return {};
    last = {at, static_cast<size_t>(behind - at)};
    at = behind;
  }
  return last;
}

}  // namespace signalbox
