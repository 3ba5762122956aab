#include "broker/stop_signal.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace signalbox {

StopSignal::StopSignal() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "no descriptor to be woken by");
}

StopSignal::~StopSignal() {
  close(fd_);
}

void StopSignal::request() noexcept {
  const int saved = errno;  // a handler leaves it as it was
  requests_.fetch_add(1, std::memory_order_relaxed);
  const uint64_t one = 1;
  // It fails only where the counter is full, and then the loop has been woken.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
  errno = saved;
}

void StopSignal::clear() {
  uint64_t count = 0;
  // It fails where there was no request; either way there is none to be read now.
  [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof count);
}

}  // namespace signalbox
