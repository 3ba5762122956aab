// What LoggingMiddleware has to say, as lines of the broker's log: the event is `message`.
//
// Peers decide how many messages there are, and a log is written while the loop waits; so there are so many lines a
// second and no more. What is left out is counted, and a line says so each second: `messages_not_logged`.
//
// Thread: any: lanes share the bound, and a line is written under a lock in any case. Owns: nothing; the log must
// outlive it. Errors: as Log. Bounds: Settings::max_log_lines_a_second, as many at once. Tested by
// tests/broker/log_test.cpp, tests/wire/test_middleware.py.
#pragma once

#include <mutex>

#include "broker/core/rate_limit.hpp"
#include "broker/log.hpp"
#include "protocol/limits.hpp"
#include "routers/message_log.hpp"

namespace signalbox {

class BrokerMessageLog final : public MessageLog {
 public:
  // `log` may be null: then nothing is written.
  explicit BrokerMessageLog(Log* log) : log_(log) {}

  void message(Level level, const std::vector<Item>& items) override;

  // The time that a turn begins at, and how many lines a second there may be from now on. Says what was left out since
  // it last did, once a second.
  void turn(uint64_t now_ms, uint64_t lines_a_second);

  // Messages that were not logged, ever.
  uint64_t left_out() const;

 private:
  static constexpr uint64_t report_interval_ms = 1000;

  Log* const log_;
  mutable std::mutex mutex_;  // guards what follows
  RateLimit rate_;
  uint64_t now_ms_ = 0;
  uint64_t lines_a_second_ = limits::max_log_lines_a_second;
  uint64_t left_out_ = 0;
  uint64_t reported_ = 0;  // of those
  uint64_t next_report_ms_ = 0;
  std::vector<LogField> fields_;
};

}  // namespace signalbox
