// A bounded queue from one thread to one other: how lanes hand things to each other and to the link's thread.
//
// Each side keeps its own index and a copy of the other's, and looks at the other's line only when its copy says that
// there is nothing left: so a run of pushes or pops costs no traffic between the cores but the elements themselves.
//
// Thread: try_push() one, try_pop() one; empty() either. Owns: the elements in it. Errors: full and empty are values.
// Bounds: the capacity it was made with.
// Tested by handover_ring_test.cpp.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

namespace signalbox {

template <typename T>
class HandoverRing {
 public:
  // Rounded up to a power of two.
  explicit HandoverRing(size_t capacity) : slots_(std::bit_ceil(capacity)) {}
  HandoverRing(const HandoverRing&) = delete;
  HandoverRing& operator=(const HandoverRing&) = delete;

  // False: it is full, and `value` is as it was.
  [[nodiscard]] bool try_push(T&& value) {
    if (!has_room()) return false;
    const size_t end = end_.load(std::memory_order_relaxed);
    slots_[end & (slots_.size() - 1)] = std::move(value);
    end_.store(end + 1, std::memory_order_release);
    return true;
  }

  // For the pushing side: the next try_push() will do.
  [[nodiscard]] bool has_room() {
    const size_t end = end_.load(std::memory_order_relaxed);
    if (end - begin_seen_ < slots_.size()) return true;
    begin_seen_ = begin_.load(std::memory_order_acquire);
    return end - begin_seen_ < slots_.size();
  }

  // False: it is empty.
  [[nodiscard]] bool try_pop(T& value) {
    const size_t begin = begin_.load(std::memory_order_relaxed);
    if (begin == end_seen_) {
      end_seen_ = end_.load(std::memory_order_acquire);
      if (begin == end_seen_) return false;
    }
    T& slot = slots_[begin & (slots_.size() - 1)];
    value = std::move(slot);
    slot = T();  // what the element held is let go of now, not when the slot is used again
    begin_.store(begin + 1, std::memory_order_release);
    return true;
  }

  // For the popping side: so many are there at least.
  size_t size() const { return end_.load(std::memory_order_acquire) - begin_.load(std::memory_order_relaxed); }

  // Nothing is in it, as far as the thread that asks can know.
  bool empty() const { return begin_.load(std::memory_order_acquire) == end_.load(std::memory_order_acquire); }
  size_t capacity() const { return slots_.size(); }

 private:
  std::vector<T> slots_;
  // The pushing side's line, and the popping side's.
  alignas(64) std::atomic<size_t> end_{0};
  size_t begin_seen_ = 0;
  alignas(64) std::atomic<size_t> begin_{0};
  size_t end_seen_ = 0;
};

}  // namespace signalbox
