// Memory that several processes see and that outlives each of them: a process that is killed leaves no report, but what
// it wrote there stays.
//
// Thread: any; what lies in the memory is the user's to make atomic.
// Owns:   the mapping, and the descriptor behind it, which goes to child processes by its number.
// Errors: exceptions, since a run without it is none. Bounds: what create() was asked for; pages are taken as they are
//         written.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <system_error>

namespace signalbox::harness {

class SharedMemory {
 public:
  // A new one, all zero: its descriptor.
  static int create(const char* name, size_t bytes) {
    const int descriptor = memfd_create(name, 0);  // without CLOEXEC: it is for children
    if (descriptor < 0) fail("memfd_create");
    if (ftruncate(descriptor, static_cast<off_t>(bytes)) != 0) fail("ftruncate");
    return descriptor;
  }

  SharedMemory(int descriptor, size_t bytes) : descriptor_(descriptor), bytes_(bytes) {
    memory_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (memory_ == MAP_FAILED) fail("mmap");
  }
  ~SharedMemory() {
    munmap(memory_, bytes_);
    close(descriptor_);
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  int descriptor() const { return descriptor_; }
  char* at(size_t offset) const { return static_cast<char*>(memory_) + offset; }

 private:
  [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

  const int descriptor_;
  const size_t bytes_;
  void* memory_ = nullptr;
};

}  // namespace signalbox::harness
