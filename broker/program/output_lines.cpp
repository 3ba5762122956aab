#include "broker/program/output_lines.hpp"

#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace signalbox {
namespace {

bool is_a_pipe(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

OutputLines::OutputLines(int fd) : fd_(fd), is_pipe_(is_a_pipe(fd)) {}

bool OutputLines::flush(int stop_fd) {
  size_t written = 0;
  while (written < text_.size() && !is_closed()) {
    pollfd items[2] = {{fd_, POLLOUT, 0}, {stop_fd, POLLIN, 0}};
    if (poll(items, 2, -1) < 0) continue;  // a signal, whose request is next
    if (items[0].revents == 0 && items[1].revents != 0) break;
    if (items[0].revents == 0) continue;
    const ssize_t got = write(fd_, text_.data() + written, std::min<size_t>(text_.size() - written, PIPE_BUF));
    if (got >= 0) {
      written += static_cast<size_t>(got);
    } else if (errno != EINTR && errno != EAGAIN) {
      fault_ = std::strerror(errno);
    }
  }
  text_.erase(0, written);
  written_bytes_ += written;
  return text_.empty() && !is_closed();
}

void OutputLines::look_for_reader() {
  pollfd item{fd_, 0, 0};
  if (is_pipe_ && poll(&item, 1, 0) > 0) fault_ = std::strerror(EPIPE);
}

}  // namespace signalbox
