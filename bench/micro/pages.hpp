// Memory straight from the kernel, in large pages where it has them, as the routing memory has its own. Touched once,
// so that no measurement pays for the first touch.
//
// Thread: any. Owns: the mapping. Errors: std::bad_alloc.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <new>

namespace signalbox::bench {

class Pages {
 public:
  explicit Pages(size_t bytes) : bytes_(bytes) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    ::madvise(memory, bytes, MADV_HUGEPAGE);
    std::memset(memory, 'x', bytes);
    data_ = static_cast<char*>(memory);
  }
  ~Pages() { ::munmap(data_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  char* data() { return data_; }
  size_t size() const { return bytes_; }

 private:
  char* data_ = nullptr;
  const size_t bytes_;
};

}  // namespace signalbox::bench
