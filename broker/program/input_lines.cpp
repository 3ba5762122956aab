#include "broker/program/input_lines.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace signalbox {

InputLines::Line InputLines::take(size_t end) {
  const std::string_view text = std::string_view(buffer_).substr(begin_, end - begin_);
  const bool is_too_long = in_long_line_ || text.size() > line_bytes_max;
  in_long_line_ = false;
  begin_ = searched_ = end;
  return {++number_, is_too_long ? std::string_view() : text, is_too_long};
}

std::optional<InputLines::Line> InputLines::next() {
  const size_t end = buffer_.find('\n', searched_);
  if (end != std::string::npos) {
    const Line line = take(end);
    begin_ = searched_ = end + 1;
    return line;
  }
  searched_ = buffer_.size();
  if (ended_ && (in_long_line_ || begin_ < buffer_.size())) return take(buffer_.size());
  if (buffer_.size() - begin_ > line_bytes_max) {
    in_long_line_ = true;
    buffer_.clear();
    begin_ = searched_ = 0;
  }
  return {};
}

void InputLines::read_more() {
  if (ended_) return;
  buffer_.erase(0, begin_);
  searched_ -= begin_;
  begin_ = 0;
  const size_t before = buffer_.size();
  buffer_.resize(before + read_bytes);
  const ssize_t got = read(fd_, buffer_.data() + before, read_bytes);
  const int reason = errno;
  buffer_.resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
  if (got > 0 || (got < 0 && (reason == EINTR || reason == EAGAIN))) return;
  ended_ = true;
  if (got < 0) fault_ = std::strerror(reason);
}

bool InputLines::is_readable() const {
  pollfd item{fd_, POLLIN, 0};
  return !ended_ && poll(&item, 1, 0) > 0;
}

}  // namespace signalbox
