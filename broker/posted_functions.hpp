// Functions from other threads for the thread that works the broker, in the order in which they came; and the
// descriptor that wakes it where it waits.
//
// Thread: put() and put_anyway() any; the rest the broker's. Owns: the functions and one descriptor.
// Errors: the constructor throws std::system_error where there is no descriptor left; put() says no where it is full or
//         closed. What a function throws passes through run(); those behind it stay.
// Bounds: functions_max; turn_functions_max for one run().
// Tested by tests/broker/embedding_test.cpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>

#include "broker/core/ring.hpp"

namespace signalbox {

class PostedFunctions {
 public:
  static constexpr size_t functions_max = 65'536;
  static constexpr size_t turn_functions_max = 128;

  PostedFunctions();
  ~PostedFunctions();
  PostedFunctions(const PostedFunctions&) = delete;
  PostedFunctions& operator=(const PostedFunctions&) = delete;

  // False: it is full, or closed; the function will not run.
  [[nodiscard]] bool put(std::function<void()> function) { return put(std::move(function), functions_max); }
  // The same past the bound, for what each caller waits for.
  [[nodiscard]] bool put_anyway(std::function<void()> function) { return put(std::move(function), SIZE_MAX); }

  // Calls what is there, up to a bound. Returns how many were called.
  size_t run();
  bool empty() const { return waiting_.load(std::memory_order_relaxed) == 0; }

  // Takes nothing more, and drops what has not been called.
  void close();

  int fd() const { return fd_; }  // readable while something is there

 private:
  bool put(std::function<void()> function, size_t most);

  const int fd_;
  std::atomic<size_t> waiting_{0};  // a look without the lock, since nearly every turn finds nothing
  std::mutex mutex_;                // guards what follows
  Ring<std::function<void()>> functions_;
  bool closed_ = false;
};

}  // namespace signalbox
