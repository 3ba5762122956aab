#include "broker/core/segment.hpp"

#include <bit>
#include <cstdlib>
#include <new>

#include "broker/core/assert.hpp"

namespace signalbox {

namespace {

// A block for one message this large is made to measure: rounding up to the next class would waste up to half of it.
constexpr size_t made_to_measure_bytes = limits::segment_bytes_max / 2;

// Index of the smallest class that holds `bytes`.
size_t class_of(size_t bytes) {
  if (bytes <= limits::segment_bytes_min) return 0;
  return static_cast<size_t>(std::bit_width((bytes - 1) / limits::segment_bytes_min));
}

constexpr size_t class_bytes(size_t index) {
  return limits::segment_bytes_min << index;
}

}  // namespace

Run::~Run() {
  if (block_ != nullptr) drop(block_);
}

void Run::drop(Block* block) {
  // The last one out sees every write that the others made before they let go.
  if (block->references.fetch_sub(1, std::memory_order_acq_rel) == 1) block->pool->hand_back(block);
}

SegmentPool::SegmentPool(size_t free_bytes_max) : free_bytes_max_(free_bytes_max) {}

SegmentPool::~SegmentPool() {
  collect();
  SIGNALBOX_ASSERT(taken_bytes_ == 0, "a run outlived its pool");
  for (Block*& head : free_) {
    while (head != nullptr) free(std::exchange(head, head->next));
  }
}

Block* SegmentPool::take(size_t bytes) {
  Block* block = nullptr;
  if (bytes > limits::segment_bytes_max) {
    block = allocate(bytes);
  } else {
    const size_t index = class_of(bytes);
    if (free_[index] == nullptr) collect();
    if (free_[index] != nullptr) {
      block = std::exchange(free_[index], free_[index]->next);
      free_bytes_ -= block->capacity;
    } else {
      block =
          allocate(bytes > made_to_measure_bytes && bytes != limits::segment_bytes_max ? bytes : class_bytes(index));
    }
  }
  block->pool = this;
  block->next = nullptr;
  block->references.store(1, std::memory_order_relaxed);
  taken_bytes_ += block->capacity;
  return block;
}

uint64_t SegmentPool::bytes_in_use() const {
  return taken_bytes_;
}

void SegmentPool::hand_back(Block* block) {
  Block* head = returned_.load(std::memory_order_relaxed);
  do {
    block->next = head;
  } while (!returned_.compare_exchange_weak(head, block, std::memory_order_release, std::memory_order_relaxed));
}

void SegmentPool::collect() {
  if (returned_.load(std::memory_order_relaxed) == nullptr) return;
  Block* block = returned_.exchange(nullptr, std::memory_order_acquire);
  while (block != nullptr) {
    Block* const next = block->next;
    const size_t capacity = block->capacity;
    taken_bytes_ -= capacity;
    const size_t index = class_of(capacity);
    if (index < class_count && capacity == class_bytes(index) && free_bytes_ + capacity <= free_bytes_max_) {
      block->next = free_[index];
      free_[index] = block;
      free_bytes_ += capacity;
    } else {
      free(block);
    }
    block = next;
  }
}

Block* SegmentPool::allocate(size_t capacity) {
  void* memory = std::malloc(sizeof(Block) + capacity);
  if (memory == nullptr) throw std::bad_alloc();
  auto* block = new (memory) Block;
  block->capacity = static_cast<uint32_t>(capacity);
  return block;
}

void SegmentPool::free(Block* block) {
  block->~Block();
  std::free(block);
}

}  // namespace signalbox
