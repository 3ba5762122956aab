// Bytes that are appended to here while libzmq's thread may still be reading what was lent of them before.
//
// Whoever fills them has one reference, and each loan has one; the last that goes frees them, on whatever thread. They
// are never moved: what is appended must fit. What a loan shows is never written again, and they begin anew only where
// nothing is lent.
//
// Thread: one fills and lends; any ends a loan. Owns: one block of the heap.
// Errors: none but memory. Bounds: the capacity. Tested by send_window_test.cpp, worker_test.cpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "protocol/codes.hpp"

namespace signalbox {

class LendableBytes {
 public:
  LendableBytes() = default;
  explicit LendableBytes(size_t capacity) : block_(allocate(capacity)), capacity_(capacity) {}
  ~LendableBytes() {
    if (block_ != nullptr) end_loan(block_);
  }
  LendableBytes(LendableBytes&& other) noexcept { swap(other); }
  LendableBytes& operator=(LendableBytes&& other) noexcept {
    LendableBytes(std::move(other)).swap(*this);
    return *this;
  }

  Bytes bytes() const { return {data(), size_}; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  // REQUIRES: there is room.
  void append(Bytes bytes) {
    std::memcpy(data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // REQUIRES: is_lent() is false.
  void clear() { size_ = 0; }

  // Someone else may still read them. Once false it stays so until the next loan.
  bool is_lent() const { return block_ != nullptr && block_->references.load(std::memory_order_acquire) > 1; }
  // Keeps them until end_loan() is called with what is returned. REQUIRES: a capacity.
  void* lend() const {
    block_->references.fetch_add(1, std::memory_order_relaxed);
    return block_;
  }
  static void end_loan(void* loan) {
    auto* const block = static_cast<Block*>(loan);
    if (block->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    block->~Block();
    std::free(block);
  }

 private:
  struct Block {
    std::atomic<size_t> references{1};  // and the bytes behind it
  };

  static Block* allocate(size_t capacity) {
    void* const memory = std::malloc(sizeof(Block) + capacity);
    if (memory == nullptr) throw std::bad_alloc();
    return new (memory) Block;
  }
  char* data() const { return reinterpret_cast<char*>(block_ + 1); }
  void swap(LendableBytes& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  Block* block_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace signalbox
