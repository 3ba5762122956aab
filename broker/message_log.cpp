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
  const std::lock_guard lock(mutex_);
  if (!rate_.take(now_ms_, lines_a_second_, lines_a_second_)) {
    ++left_out_;
    return;
  }
  fields_.clear();
  for (const Item& item : items) fields_.emplace_back(item.key, std::string_view(item.value));
  log_->write(level_of(level), "message", fields_.data(), fields_.size());
}

void BrokerMessageLog::turn(uint64_t now_ms, uint64_t lines_a_second) {
  const std::lock_guard lock(mutex_);
  now_ms_ = now_ms;
  lines_a_second_ = lines_a_second;
  if (left_out_ == reported_ || now_ms < next_report_ms_) return;
  next_report_ms_ = now_ms + report_interval_ms;
  log_->warn("messages_not_logged", {{"count", left_out_ - reported_}, {"total", left_out_}});
  reported_ = left_out_;
}

uint64_t BrokerMessageLog::left_out() const {
  const std::lock_guard lock(mutex_);
  return left_out_;
}

}  // namespace signalbox
