// Where LoggingMiddleware writes. Middleware does no I/O: the broker stands behind this with its log, a test with a
// list.
//
// Thread: one, that of the dispatcher. Errors: none; a line that cannot be written is lost.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace signalbox {

class MessageLog {
 public:
  enum class Level : uint8_t { debug, info, warning, error, critical };

  // One `key=value` of a line. Values hold no control characters and nothing that is not UTF-8.
  struct Item {
    std::string_view key;
    std::string value;
  };

  virtual ~MessageLog() = default;
  // One line about one message.
  virtual void message(Level level, const std::vector<Item>& items) = 0;
};

}  // namespace signalbox
