#include "broker/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "broker/clock.hpp"

namespace signalbox {

namespace {

std::string_view to_string(Log::Level level) {
  switch (level) {
    case Log::Level::debug:
      return "debug";
    case Log::Level::info:
      return "info";
    case Log::Level::warning:
      return "warning";
    case Log::Level::error:
      return "error";
    case Log::Level::critical:
      return "critical";
  }
  return "";
}

std::string_view colour_of(Log::Level level) {
  switch (level) {
    case Log::Level::debug:
    case Log::Level::info:
      return "\x1b[32m";
    case Log::Level::warning:
      return "\x1b[33m";
    case Log::Level::error:
    case Log::Level::critical:
      return "\x1b[31m";
  }
  return "";
}

bool needs_quotes(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= ' ' || byte == 0x7f || c == '"' || c == '\\' || c == '=';
}

void append_value(std::string& line, std::string_view value) {
  if (!value.empty() && std::none_of(value.begin(), value.end(), needs_quotes)) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (byte < ' ' || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      line += escaped;
    } else {
      line += c;
    }
  }
  line += '"';
}

}  // namespace

std::string utc_text(int64_t wall_us) {
  const time_t seconds = static_cast<time_t>(wall_us / 1'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(wall_us / 1000 % 1000));
  return text;
}

Log::Log(std::FILE* stream)
    : stream_(stream), colour_(isatty(fileno(stream)) == 1 && std::getenv("NO_COLOR") == nullptr) {}

void Log::write(Level level, std::string_view event, const LogField* fields, size_t count) {
  std::string line = utc_text(read_clock().wall_us);
  line += ' ';
  if (colour_) line += colour_of(level);
  line += to_string(level);
  if (colour_) line += "\x1b[0m";
  line += ' ';
  line += event;
  for (size_t i = 0; i < count; ++i) {
    line += ' ';
    line += fields[i].key;
    line += '=';
    append_value(line, fields[i].value);
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stream_);
  std::fflush(stream_);
}

}  // namespace signalbox
