#include "broker/message_log.hpp"

namespace signalbox {

namespace {

Log::Level level_of(MessageLog::Level level) {
  switch (level) {
    case MessageLog::Level::debug:
      return Log::Level::debug;
    case MessageLog::Level::info:
      return Log::Level::info;
    case MessageLog::Level::warning:
      return Log::Level::warning;
    case MessageLog::Level::error:
      return Log::Level::error;
    case MessageLog::Level::critical:
      return Log::Level::critical;
  }
  return Log::Level::info;
}

}  // namespace

void BrokerMessageLog::message(Level level, const std::vector<Item>& items) {
  if (log_ == nullptr) return;
  fields_.clear();
  for (const Item& item : items) fields_.emplace_back(item.key, std::string_view(item.value));
  log_->write(level_of(level), "message", fields_.data(), fields_.size());
}

}  // namespace signalbox
