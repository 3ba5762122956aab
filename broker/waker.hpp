// Wakes a thread that waits at a descriptor, and costs one atomic exchange where it does not.
//
// Who is about to wait says so with doze(), and looks once more whether there is something to do. Both sides exchange
// the same flag: so either the one who brings something sees that the other dozes, or the other sees what was brought.
//
// Thread: wake() any; the rest the one that waits. Owns: one descriptor.
// Errors: the constructor throws std::system_error where there is no descriptor left. Tested by
// tests/broker/lanes_test.cpp.
#pragma once

#include <atomic>
#include <cstdint>

namespace signalbox {

class Waker {
 public:
  Waker();
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // There is something to do, and what it is has been put where it will be looked for.
  void wake() {
    if (dozing_.exchange(false, std::memory_order_acq_rel)) wake_descriptor();
  }

  void doze() { dozing_.exchange(true, std::memory_order_acq_rel); }
  // Waits until it is woken, at most `timeout_ms`.
  void wait(uint64_t timeout_ms);
  // Awake, for whatever reason.
  void rise();
  int fd() const { return fd_; }  // readable once it has been woken, until it rises

 private:
  void wake_descriptor();

  const int fd_;
  std::atomic<bool> dozing_{false};
};

}  // namespace signalbox
