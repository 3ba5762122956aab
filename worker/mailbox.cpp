#include "worker/mailbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace signalbox {

Mailbox::Mailbox() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "no descriptor to be woken by");
}

Mailbox::~Mailbox() {
  ::close(descriptor_);
}

bool Mailbox::post(std::function<void()> function) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || functions_.size() >= functions_max) return false;
    functions_.push_back(std::move(function));
    if (functions_.size() > 1) return true;  // the bell has been rung for those before it
    pending_.store(true, std::memory_order_release);
  }
  ring();
  return true;
}

void Mailbox::ring() noexcept {
  const int saved = errno;  // a signal handler leaves it as it was
  const uint64_t one = 1;
  // It fails only where the counter is full, and then the loop has been woken.
  [[maybe_unused]] const ssize_t written = write(descriptor_, &one, sizeof one);
  errno = saved;
}

void Mailbox::take(std::vector<std::function<void()>>& functions) {
  const std::lock_guard lock(mutex_);
  std::swap(functions, functions_);
  pending_.store(false, std::memory_order_release);
}

void Mailbox::clear() {
  uint64_t count = 0;
  // It fails where nobody rang; either way it is silent now.
  [[maybe_unused]] const ssize_t got = read(descriptor_, &count, sizeof count);
}

void Mailbox::close() {
  std::vector<std::function<void()>> dropped;  // destroyed without the lock: they may own anything
  const std::lock_guard lock(mutex_);
  closed_ = true;
  std::swap(dropped, functions_);
  pending_.store(false, std::memory_order_release);
}

}  // namespace signalbox
