// Lines to a descriptor that may be slow, or gone: a pipe, a file or a terminal.
//
// Lines gather until flush(), which writes all of them, and written_bytes() tells how far they are out. It
// writes at most what a pipe takes at once, so that it waits in poll() and never in write(): a reader that stands still
// keeps nobody from stopping the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace signalbox {

// Thread: one.
// Owns:   what was not written. Not the descriptor.
// Errors: a descriptor that cannot be written to is closed, and fault() says why.
// Bounds: the caller's, who flushes when size() is large.
// Tested by tests/program/output_lines_test.cpp.
class OutputLines {
 public:
  explicit OutputLines(int fd);

  std::string& text() { return text_; }  // append whole lines to it
  size_t size() const { return text_.size(); }
  uint64_t written_bytes() const { return written_bytes_; }  // of all that was ever appended

  // Writes it all, and waits for the reader where it must. False: the output is closed, or `stop_fd` became readable
  // while the reader took nothing; then the rest is kept.
  [[nodiscard]] bool flush(int stop_fd);

  bool is_closed() const { return !fault_.empty(); }

  // A pipe that nobody reads can be noticed before there is something to write: its descriptor is polled for input,
  // which it never has, and the end of its reader shows as an error.
  bool is_pipe() const { return is_pipe_; }
  void look_for_reader();  // closed if there is none; does not wait
  int fd() const { return fd_; }
  const std::string& fault() const { return fault_; }

 private:
  const int fd_;
  const bool is_pipe_;
  std::string text_;
  uint64_t written_bytes_ = 0;
  std::string fault_;
};

}  // namespace signalbox
