// Counts what this program's own code asks of malloc, directly or by operator new.
//
// The linker's --wrap sends every call of malloc and its kin in the objects of this program here; those inside shared
// libraries stay uncounted, but for operator new, which is replaced for all.
#include "bench/allocations.hpp"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<uint64_t> allocations{0};

// Not fetch_add: a locked instruction a call would flatter whatever allocates nothing beside what allocates. A count
// that two threads make at once may be lost; where it matters, one thread works.
void count() {
  allocations.store(allocations.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void* allocate(size_t bytes) {
  if (void* block = std::malloc(bytes != 0 ? bytes : 1)) return block;
  throw std::bad_alloc();
}

void* allocate(size_t bytes, std::align_val_t alignment) {
  const auto boundary = static_cast<size_t>(alignment);
  // aligned_alloc wants a multiple of the boundary.
  const size_t whole = (bytes + boundary - 1) / boundary * boundary;
  if (void* block = std::aligned_alloc(boundary, whole != 0 ? whole : boundary)) return block;
  throw std::bad_alloc();
}

}  // namespace

// The names are the linker's, not ours.
extern "C" {
void* __real_malloc(size_t bytes);
void* __real_calloc(size_t items, size_t bytes);
void* __real_realloc(void* block, size_t bytes);
void* __real_aligned_alloc(size_t alignment, size_t bytes);

void* __wrap_malloc(size_t bytes) {
  count();
  return __real_malloc(bytes);
}
void* __wrap_calloc(size_t items, size_t bytes) {
  count();
  return __real_calloc(items, bytes);
}
void* __wrap_realloc(void* block, size_t bytes) {
  count();
  return __real_realloc(block, bytes);
}
void* __wrap_aligned_alloc(size_t alignment, size_t bytes) {
  count();
  return __real_aligned_alloc(alignment, bytes);
}
}

void* operator new(size_t bytes) {
  return allocate(bytes);
}
void* operator new[](size_t bytes) {
  return allocate(bytes);
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, alignment);
}
void* operator new[](size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, alignment);
}
// A sanitizer brings these too, and they must not meet our operator delete.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes != 0 ? bytes : 1);
}
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes != 0 ? bytes : 1);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
  std::free(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
  std::free(block);
}
void operator delete(void* block) noexcept {
  std::free(block);
}
void operator delete[](void* block) noexcept {
  std::free(block);
}
void operator delete(void* block, size_t) noexcept {
  std::free(block);
}
void operator delete[](void* block, size_t) noexcept {
  std::free(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  std::free(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
  std::free(block);
}
void operator delete(void* block, size_t, std::align_val_t) noexcept {
  std::free(block);
}
void operator delete[](void* block, size_t, std::align_val_t) noexcept {
  std::free(block);
}

namespace signalbox::bench {

uint64_t allocation_count() {
  return allocations.load(std::memory_order_relaxed);
}

uint64_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace signalbox::bench
