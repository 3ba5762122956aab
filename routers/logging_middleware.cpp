// LoggingMiddleware: one line in the log for each message each time that it passes, with what people look for in it:
// addresses and content included. Texts are cut at limits::peer_text_bytes_max bytes and escaped.
//
// Thread: one. Owns: the items of a line, kept from message to message. Tested by middleware_logging_test.cpp.
#include <array>
#include <utility>

#include "protocol/text.hpp"
#include "routers/built_in_middleware.hpp"
#include "routers/nested_value.hpp"
#include "routers/reading_options.hpp"

namespace signalbox {

namespace {

constexpr std::array<std::string_view, 8> user_message_fields = {
    "message_id", "in_reply_to", "transport_name", "from_addr", "to_addr", "session_event", "provider", "content"};
constexpr std::array<std::string_view, 7> event_fields = {
    "event_id", "event_type", "user_message_id", "transport_name", "sent_message_id", "delivery_status", "nack_reason"};

constexpr std::array<std::pair<std::string_view, MessageLog::Level>, 5> levels = {
    {{"debug", MessageLog::Level::debug},
     {"info", MessageLog::Level::info},
     {"warning", MessageLog::Level::warning},
     {"error", MessageLog::Level::error},
     {"critical", MessageLog::Level::critical}}};

std::string_view word_for(Direction direction) {
  switch (direction) {
    case Direction::inbound:
      return "inbound";
    case Direction::event:
      return "event";
    case Direction::outbound:
      return "outbound";
  }
  return "";
}

class LoggingMiddleware final : public Middleware {
 public:
  explicit LoggingMiddleware(MiddlewareSetup& setup)
      : name_(printable(setup.name())), dispatcher_(printable(setup.dispatcher_name())) {
    const Setting* level = setup.find("log_level");
    if (level == nullptr || !has_type(setup, *level, Setting::Type::text, "a string")) return;
    std::vector<std::string> known;
    for (const auto& [word, meaning] : levels) {
      if (word == level->text) {
        level_ = meaning;
        return;
      }
      known.emplace_back(word);
    }
    setup.unknown_name(level->position,
                       "log_level must be debug, info, warning, error or critical, not " + in_quotes(level->text),
                       level->text, known);
  }

  bool keeps_state() const override { return false; }
  void enters(const Passing& passing, Edits&) override { write(passing, "entering"); }
  void leaves(const Passing& passing, Edits&) override { write(passing, "leaving"); }

 private:
  void write(const Passing& passing, std::string_view pass) {
    if (passing.log == nullptr) return;
    items_.clear();
    items_.push_back({"middleware", name_});
    items_.push_back({"dispatcher", dispatcher_});
    items_.push_back({"pass", std::string(pass)});
    items_.push_back({"direction", std::string(word_for(passing.direction))});
    items_.push_back({"connector", printable(passing.connector_name)});
    if (passing.message.kind() == MessageKind::event) {
      for (const std::string_view field : event_fields) add(passing.message, field);
    } else {
      for (const std::string_view field : user_message_fields) add(passing.message, field);
    }
    passing.log->message(level_, items_);
  }

  void add(const MessageView& message, std::string_view field) {
    const auto text = text_of(find_value(message.bytes(), {field}));
    if (text) items_.push_back({field, printable(*text)});
  }

  const std::string name_;
  const std::string dispatcher_;
  MessageLog::Level level_ = MessageLog::Level::info;
  std::vector<MessageLog::Item> items_;
};

}  // namespace

MiddlewareClass logging_middleware() {
  return {.name = "LoggingMiddleware",
          .make = [](MiddlewareSetup& setup) -> std::unique_ptr<Middleware> {
            return std::make_unique<LoggingMiddleware>(setup);
          },
          .options = {"log_level"},
          .vumi_options = {"failure_log_level"}};
}

}  // namespace signalbox
