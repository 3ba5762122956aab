#include "broker/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace signalbox {

void fill_random(void* bytes, size_t size) {
  char* next = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t got = getrandom(next, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::system_error(errno, std::generic_category(), "no randomness from the kernel");
    next += got;
    size -= static_cast<size_t>(got);
  }
}

}  // namespace signalbox
