// What vumi, vumi2 and Junebug remember of outbound messages, for the three routers that keep a memory of their own
// where the broker's is off (reply_tracking = false): one text for each message_id.
//
// Thread: one. Owns: a state table. Bounds: max_users entries. Time: as handed in.
// Tested through ContentKeywordRouter, ToAddressRouter and FromAddressRouter.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "routers/router.hpp"

namespace signalbox {

class OutboundMemory {
 public:
  // Does nothing, and remembers nothing, where the broker does.
  OutboundMemory(RouterSetup& setup, std::string_view name, uint64_t keep_ms) {
    if (setup.reply_tracking()) return;
    table_ = setup.state().open({.name = std::string(name) + ":message",
                                 .entries_max = setup.max_users(),
                                 .keep_ms = keep_ms,
                                 .reading_renews = false});
  }

  // For Router::taken: an outbound message has been taken, and `text` is what an event about it will be routed by.
  void remember(const Incoming& outbound, std::string_view text) {
    if (table_ != nullptr) table_->put(outbound.message.text(Field::message_id), text, outbound.now);
  }

  // What was remembered of the message that the event is about; valid until the next call.
  std::optional<std::string_view> of(const Incoming& event) {
    if (table_ == nullptr) return std::nullopt;
    return table_->get(event.message.text(Field::user_message_id), event.now);
  }

 private:
  std::unique_ptr<StateTable> table_;  // null: the broker remembers
};

}  // namespace signalbox
