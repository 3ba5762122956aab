#include "routers/message_tag.hpp"

#include "protocol/value.hpp"
#include "routers/nested_value.hpp"

namespace signalbox {

std::optional<MessageTag> tag_of(const MessageView& message) {
  if (!message.has(Field::helper_metadata)) return std::nullopt;
  const Bytes tag = find_value(message.bytes(), tag_path);
  const char* const end = tag.data() + tag.size();
  const value::Head head = value::read_head(tag.data(), end);
  if (head.payload == nullptr || head.type != value::Type::array || head.count < 2) return std::nullopt;
  const char* const second = value::skip(head.payload, end);
  if (second == nullptr) return std::nullopt;
  const auto pool = text_of({head.payload, static_cast<size_t>(second - head.payload)});
  const auto name = text_of({second, static_cast<size_t>(end - second)});
  if (!pool || !name) return std::nullopt;
  return MessageTag{*pool, *name};
}

}  // namespace signalbox
