// The tag of a message, which TaggingMiddleware gives it and others read: helper_metadata.tag.tag, an array of the
// pool's name and the tag's own.
//
// Thread: any; no state. Errors: a tag of another shape reads as none.
// Tested by middleware_tagging_test.cpp, middleware_session_test.cpp.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "protocol/message_view.hpp"
#include "protocol/rewrite.hpp"

namespace signalbox {

inline constexpr std::array<std::string_view, Edit::path_keys_max> tag_path = {"helper_metadata", "tag", "tag"};

struct MessageTag {
  std::string_view pool;
  std::string_view name;
};

[[nodiscard]] std::optional<MessageTag> tag_of(const MessageView& message);

}  // namespace signalbox
