// A first-in, first-out buffer that grows when it must and keeps its memory: std::deque frees and allocates as it moves
// on, and the hot path may do neither.
//
// Thread: one. Owns: its elements. Bounds: the user's, stated where it is used.
// Tested by ring_test.cpp.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "broker/core/assert.hpp"

namespace signalbox {

template <typename T>
class Ring {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The element `i` from the front. REQUIRES: i < size().
  T& operator[](size_t i) { return slots_[(first_ + i) & (slots_.size() - 1)]; }
  const T& operator[](size_t i) const { return slots_[(first_ + i) & (slots_.size() - 1)]; }
  T& front() { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }

  void push_back(T value) {
    if (size_ == slots_.size()) grow();
    ++size_;
    back() = std::move(value);
  }

  void pop_front() {
    SIGNALBOX_ASSERT(size_ > 0, "pop from an empty ring");
    front() = T();
    first_ = (first_ + 1) & (slots_.size() - 1);
    --size_;
  }

  void clear() {
    while (!empty()) pop_front();
  }

  // Keeps the elements for which `keep` is true, in their order.
  template <typename Keep>
  void retain(Keep keep) {
    size_t kept = 0;
    for (size_t i = 0; i < size_; ++i) {
      if (!keep((*this)[i])) continue;
      if (kept != i) (*this)[kept] = std::move((*this)[i]);
      ++kept;
    }
    for (size_t i = kept; i < size_; ++i) (*this)[i] = T();
    size_ = kept;
  }

 private:
  void grow() {
    std::vector<T> larger(slots_.empty() ? 8 : 2 * slots_.size());
    for (size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    slots_ = std::move(larger);
    first_ = 0;
  }

  std::vector<T> slots_;  // a power of two of them, or none
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace signalbox
