// How other threads, and signal handlers, reach the thread that works a worker's loop: functions to run there, and a
// descriptor that wakes it where it waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

namespace signalbox {

// Thread: post() and pending() any; ring() any, and signal handlers (one write); the rest the loop's.
// Owns:   one descriptor, and the functions that wait.
// Errors: the constructor throws std::system_error where there is no descriptor left.
// Bounds: functions_max.
// Tested by posting_test.cpp.
class Mailbox {
 public:
  static constexpr size_t functions_max = 65'536;

  Mailbox();
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False: it is full or closed, and the function was not taken.
  bool post(std::function<void()> function);
  bool pending() const { return pending_.load(std::memory_order_acquire); }
  // Wakes the loop; knock() also has it see pending().
  void ring() noexcept;
  void knock() noexcept {
    pending_.store(true, std::memory_order_release);
    ring();
  }

  // Hands over the functions that wait, in order. `functions` must be empty; its capacity is used again.
  void take(std::vector<std::function<void()>>& functions);
  int descriptor() const { return descriptor_; }  // readable after a ring, until it is cleared
  void clear();
  // From here on nothing is taken, and what waits is dropped.
  void close();

 private:
  const int descriptor_;

  std::mutex mutex_;
  std::vector<std::function<void()>> functions_;  // under mutex_
  bool closed_ = false;                           // under mutex_
  std::atomic<bool> pending_{false};              // the loop asks each turn, without the mutex
};

}  // namespace signalbox
