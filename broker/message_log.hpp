// What LoggingMiddleware has to say, as lines of the broker's log: the event is `message`.
//
// Thread: that of the core. Owns: nothing; the log must outlive it. Errors: as Log.
// Tested by tests/wire/test_middleware.py.
#pragma once

#include "broker/log.hpp"
#include "routers/message_log.hpp"

namespace signalbox {

class BrokerMessageLog final : public MessageLog {
 public:
  // `log` may be null: then nothing is written.
  explicit BrokerMessageLog(Log* log) : log_(log) {}

  void message(Level level, const std::vector<Item>& items) override;

 private:
  Log* const log_;
  std::vector<LogField> fields_;
};

}  // namespace signalbox
