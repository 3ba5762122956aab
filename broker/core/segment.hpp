// The bytes of queues: reference-counted blocks, and runs that point into them.
//
// A block is written once, front to back, by its queue, and read by the link's thread while it sends. What is
// sent leaves by reference; whoever drops the last reference hands the block back to its pool, from whatever thread,
// over a lock-free list that the pool's own thread empties. Blocks of the usual sizes are kept and used again, so that
// a busy broker neither allocates nor touches fresh pages.
//
// Thread: SegmentPool one thread (the lane's); Run any; handing back any.
// Bounds: limits::segment_bytes_max for a block of several messages; a larger message has one of its own.
// Tested by segment_test.cpp, and by every simulation.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "protocol/codes.hpp"
#include "protocol/limits.hpp"

namespace signalbox {

class SegmentPool;

// A block of bytes with its head in front of them. Only the pool makes and frees them.
struct Block {
  std::atomic<uint32_t> references{0};  // the queue's one, and one for each run under way
  uint32_t capacity = 0;                // bytes behind the head
  SegmentPool* pool = nullptr;
  Block* next = nullptr;  // in a free list

  char* data() { return reinterpret_cast<char*>(this + 1); }
};

// A packed block: messages end to end from its front, and from its end backwards the size of each.
inline constexpr size_t packed_size_bytes = sizeof(uint32_t);
inline void set_packed_size(Block& block, uint32_t message, uint32_t bytes) {
  std::memcpy(block.data() + block.capacity - packed_size_bytes * (message + 1), &bytes, packed_size_bytes);
}
inline uint32_t packed_size(Block& block, uint32_t message) {
  uint32_t bytes = 0;
  std::memcpy(&bytes, block.data() + block.capacity - packed_size_bytes * (message + 1), packed_size_bytes);
  return bytes;
}

// A reference to whole messages that lie end to end in one block. Empty by default.
class Run {
 public:
  Run() = default;
  Run(Block* block, Bytes bytes) : block_(block), bytes_(bytes) {
    block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Run(Run&& other) noexcept : block_(std::exchange(other.block_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
  Run& operator=(Run&& other) noexcept {
    Run(std::move(other)).swap(*this);
    return *this;
  }
  Run(const Run&) = delete;  // a second reference is a decision: make it with the constructor
  Run& operator=(const Run&) = delete;
  ~Run();

  // A second reference to the same.
  Run shared() const { return block_ != nullptr ? Run(block_, bytes_) : Run(); }

  Bytes bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

  // For carrying a run through a C interface: gives the reference up as a pointer; adopt() takes it back.
  Block* release() {
    bytes_ = {};
    return std::exchange(block_, nullptr);
  }
  static void drop(Block* block);  // ends a released reference

 private:
  void swap(Run& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(bytes_, other.bytes_);
  }

  Block* block_ = nullptr;
  Bytes bytes_;
};

// Blocks by size class, 1 to 256 KiB in powers of two; larger ones come from and go to the heap each time.
//
// REQUIRES: every Run is gone before its pool is destroyed.
class SegmentPool {
 public:
  explicit SegmentPool(size_t free_bytes_max = 64 * limits::mebibyte);
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  // A block with at least `bytes` of room and one reference, the caller's.
  Block* take(size_t bytes);
  // Takes back what other threads have let go of since. Once a turn, so that a burst's blocks do not pile up.
  void collect();
  // Bytes of blocks that are neither free nor freed: in queues, under way, or handed back and not yet collected.
  uint64_t bytes_in_use() const;

 private:
  friend class Run;
  static constexpr size_t class_count = 9;
  static_assert(limits::segment_bytes_min << (class_count - 1) == limits::segment_bytes_max);

  void hand_back(Block* block);  // any thread
  static Block* allocate(size_t capacity);
  static void free(Block* block);

  // The pool's thread only.
  std::array<Block*, class_count> free_{};
  size_t free_bytes_ = 0;
  const size_t free_bytes_max_;
  uint64_t taken_bytes_ = 0;

  // Any thread pushes, the pool's thread takes the whole list: no element is ever popped alone, hence no ABA.
  alignas(64) std::atomic<Block*> returned_{nullptr};
};

}  // namespace signalbox
