#include "broker/posted_functions.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace signalbox {

PostedFunctions::PostedFunctions() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "no descriptor to be woken by");
}

PostedFunctions::~PostedFunctions() {
  ::close(fd_);
}

bool PostedFunctions::put(std::function<void()> function, size_t most) {
  const std::lock_guard lock(mutex_);
  if (closed_ || functions_.size() >= most) return false;
  functions_.push_back(std::move(function));
  waiting_.store(functions_.size(), std::memory_order_relaxed);
  if (functions_.size() > 1) return true;  // the descriptor is readable already
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
  return true;
}

size_t PostedFunctions::run() {
  size_t called = 0;
  while (called < turn_functions_max && !empty()) {
    std::function<void()> function;
    {
      const std::lock_guard lock(mutex_);
      function = std::move(functions_.front());
      functions_.pop_front();
      waiting_.store(functions_.size(), std::memory_order_relaxed);
      if (functions_.empty()) {
        uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof count);
      }
    }
    ++called;
    function();
  }
  return called;
}

void PostedFunctions::close() {
  Ring<std::function<void()>> dropped;  // outside the lock: what a function owns may do anything as it goes
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    std::swap(dropped, functions_);
    waiting_.store(0, std::memory_order_relaxed);
  }
}

}  // namespace signalbox
