// Lines from a descriptor, read as they come: a pipe, a file or a terminal.
//
// Nothing here waits by itself: next() gives what is at hand, and read_more() reads once, which whoever polls the
// descriptor calls when there is something. The descriptor is left in its blocking mode, since the mode belongs to
// everybody who shares the terminal or the pipe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/program/json_message.hpp"
#include "protocol/limits.hpp"

namespace signalbox {

// Thread: one.
// Owns:   what was read and not given out. Not the descriptor.
// Errors: a descriptor that cannot be read has ended, and fault() says why.
// Bounds: line_bytes_max; of a longer line only its number is given out.
// Tested by tests/program/input_lines_test.cpp.
class InputLines {
 public:
  // What append_json makes of the largest message is read back.
  static constexpr size_t line_bytes_max = json_bytes_per_byte_max * limits::max_message_bytes;
  static constexpr size_t read_bytes = 64 * limits::kibibyte;

  struct Line {
    uint64_t number = 0;    // from 1
    std::string_view text;  // without its end; empty where it is too long
    bool is_too_long = false;
  };

  explicit InputLines(int fd) : fd_(fd) {}

  // The next line at hand; the last one of the input needs no end. Holds until read_more().
  std::optional<Line> next();

  // One read; waits where there is nothing to read.
  void read_more();

  // Is there something to read, or the end? Does not wait.
  bool is_readable() const;

  int fd() const { return fd_; }
  bool ended() const { return ended_; }  // read_more() brings nothing more; next() may still
  bool is_used_up() const { return ended_ && !in_long_line_ && begin_ == buffer_.size(); }
  const std::string& fault() const { return fault_; }

 private:
  Line take(size_t end);

  const int fd_;
  std::string buffer_;
  size_t begin_ = 0;     // of what was not given out
  size_t searched_ = 0;  // no line ends before this
  uint64_t number_ = 0;
  bool in_long_line_ = false;  // and what has come of it is dropped
  bool ended_ = false;
  std::string fault_;
};

}  // namespace signalbox
