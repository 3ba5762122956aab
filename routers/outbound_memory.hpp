// What vumi, vumi2 and Junebug remember of outbound messages, for the three routers that keep a memory of their own
// where the broker's is off (reply_tracking = false): one text, or that there was none, for each message_id.
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

  bool is_kept() const { return table_ != nullptr; }

  // For Router::taken: an outbound message has been taken, and that field of it is what an event about it will be
  // routed by.
  void remember(const Incoming& outbound, Field field) {
    if (table_ == nullptr) return;
    const bool has_text = outbound.message.has(field);
    table_->put(outbound.message.text(Field::message_id), has_text ? outbound.message.text(field) : null, outbound.now);
  }

  struct Remembered {
    bool has_text = false;  // false: the field was absent or nil
    std::string_view text;
  };
  // What was remembered of the message that the event is about; valid until the next call.
  std::optional<Remembered> of(const Incoming& event) {
    if (table_ == nullptr) return std::nullopt;
    const auto text = table_->get(event.message.text(Field::user_message_id), event.now);
    if (!text) return std::nullopt;
    return *text == null ? Remembered{} : Remembered{.has_text = true, .text = *text};
  }

 private:
  // No text of a message is equal to it, since it is no UTF-8.
  static constexpr std::string_view null = "\xff";

  std::unique_ptr<StateTable> table_;  // null: the broker remembers
};

}  // namespace signalbox
