#include "broker/waker.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace signalbox {

Waker::Waker() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "no descriptor to be woken by");
}

Waker::~Waker() {
  ::close(fd_);
}

void Waker::wake_descriptor() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

void Waker::wait(uint64_t timeout_ms) {
  pollfd item{.fd = fd_, .events = POLLIN, .revents = 0};
  poll(&item, 1, static_cast<int>(timeout_ms));
}

void Waker::rise() {
  // Still dozing: nobody has written to the descriptor, nor will.
  if (dozing_.exchange(false, std::memory_order_acq_rel)) return;
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof count);
}

}  // namespace signalbox
