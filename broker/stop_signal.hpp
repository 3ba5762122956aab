// How the broker's loop is asked to stop: from another thread, or from a signal handler.
//
// The first request drains, the second stops at once. A descriptor wakes the loop where it waits.
//
// Thread: request() any, and signal handlers (it makes one atomic increment and one write); the rest the loop's.
// Owns: one descriptor. Errors: the constructor throws std::system_error where there is no descriptor left.
// Tested by tests/broker/broker_test.cpp, program_test.cpp.
#pragma once

#include <atomic>

namespace signalbox {

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  void request() noexcept;
  unsigned requests() const { return requests_.load(std::memory_order_relaxed); }

  int fd() const { return fd_; }  // readable after a request, until it is cleared
  void clear();

 private:
  static_assert(std::atomic<unsigned>::is_always_lock_free, "a signal handler takes no lock");
  std::atomic<unsigned> requests_{0};
  const int fd_;
};

}  // namespace signalbox
