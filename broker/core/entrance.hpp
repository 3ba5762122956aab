// What the broker refuses of a message before any rule is asked: what is no message, too large, or not this sender's to
// send. The core and `signalbox explain` ask the same function.
//
// Thread: any; no state. Tested by core_test.cpp, tests/program/explain_test.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "broker/core/settings.hpp"
#include "protocol/codes.hpp"
#include "protocol/message_view.hpp"

namespace signalbox {

struct EntranceRefusal {
  RefusalCode code = RefusalCode::malformed;
  std::string_view text;  // holds as long as the view and its bytes
};

// Empty: the message may be routed. REQUIRES: `scan`, what scanning the message gave, is not Scan::broken.
inline std::optional<EntranceRefusal> refused_at_entrance(const EndpointSettings& sender, Scan scan,
                                                          const MessageView& message, uint64_t max_message_bytes) {
  if (scan == Scan::malformed) return EntranceRefusal{RefusalCode::malformed, message.fault()};
  if (message.bytes().size() > max_message_bytes)
    return EntranceRefusal{RefusalCode::too_large, "the message is over max_message_bytes"};
  if (sender.dead_letters) return EntranceRefusal{RefusalCode::not_permitted, "nothing is sent from dead letters"};
  if (sender.role == Role::application && message.kind() == MessageKind::event)
    return EntranceRefusal{RefusalCode::malformed, "events come from transports alone"};
  return std::nullopt;
}

}  // namespace signalbox
