// Log lines for people and for machines: time, level, event, then key=value, on one line.
//
//   2025-03-09T14:02:11.310Z info listening endpoints=tcp://127.0.0.1:5570 version=0.1.0
//
// A value with a space, a quote or a control character is quoted and escaped, so that nothing that came from a peer
// begins a line of its own. Colour only on a terminal, and not where NO_COLOR is set.
//
// Thread: any; a line is written in one piece. Errors: a line that cannot be written is lost.
// Tested by tests/broker/log_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>

namespace signalbox {

struct LogField {
  LogField(std::string_view name, std::string_view text) : key(name), value(text) {}
  LogField(std::string_view name, uint64_t number) : key(name), value(std::to_string(number)) {}

  std::string_view key;
  std::string value;
};

class Log {
 public:
  enum class Level : uint8_t { debug, info, warning, error, critical };

  // `stream` must outlive the log.
  explicit Log(std::FILE* stream);

  void write(Level level, std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(level, event, fields.begin(), fields.size());
  }
  void write(Level level, std::string_view event, const LogField* fields, size_t count);
  void info(std::string_view event, std::initializer_list<LogField> fields = {}) { write(Level::info, event, fields); }
  void warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(Level::warning, event, fields);
  }
  void error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(Level::error, event, fields);
  }

 private:
  std::FILE* const stream_;
  const bool colour_;
};

// "2025-03-09T14:02:11.310Z"
std::string utc_text(int64_t wall_us);

}  // namespace signalbox
