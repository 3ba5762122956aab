// What the applications did, in memory that outlives them: a process that is killed leaves no report, but what it wrote
// into a shared mapping stays.
//
// Thread: any process and thread; every cell is an atomic of its own.
// Owns: the mapping; the descriptor behind it goes to child processes by its number.
// Errors: exceptions, since a run without a scoreboard is none.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace signalbox::endurance {

// Of one question. `process` numbers the application processes in the order in which they were started, from 1;
// `broker` numbers the brokers likewise.
struct Mark {
  std::atomic<uint8_t> handled{0};         // how often an application was handed it
  std::atomic<uint8_t> handled_fresh{0};   // of these, as a first delivery
  std::atomic<uint8_t> last_process{0};    // the last one that answered
  std::atomic<uint8_t> answer_settled{0};  // the broker that confirmed the last answer confirmed
};

struct Totals {
  std::atomic<uint64_t> brokers_started{0};
  std::atomic<uint64_t> refused{0};  // answers that the broker would not take
  std::atomic<uint64_t> strange{0};  // deliveries that were no question
  // Of each process: the broker that it is registered with, once that has confirmed all that it sent to another before.
  std::atomic<uint64_t> resumed[256] = {};
};

static_assert(std::atomic<uint8_t>::is_always_lock_free && std::atomic<uint64_t>::is_always_lock_free,
              "processes share these");

class Scoreboard {
 public:
  // A new one, all zero.
  static int create(uint64_t messages) {
    const int descriptor = memfd_create("scoreboard", 0);  // without CLOEXEC: it is for children
    if (descriptor < 0) fail("memfd_create");
    if (ftruncate(descriptor, static_cast<off_t>(bytes(messages))) != 0) fail("ftruncate");
    return descriptor;
  }

  Scoreboard(int descriptor, uint64_t messages) : descriptor_(descriptor), messages_(messages) {
    memory_ = mmap(nullptr, bytes(messages), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (memory_ == MAP_FAILED) fail("mmap");
  }
  ~Scoreboard() {
    munmap(memory_, bytes(messages_));
    close(descriptor_);
  }
  Scoreboard(const Scoreboard&) = delete;
  Scoreboard& operator=(const Scoreboard&) = delete;

  int descriptor() const { return descriptor_; }
  uint64_t messages() const { return messages_; }
  Totals& totals() { return *static_cast<Totals*>(memory_); }
  // REQUIRES: number < messages().
  Mark& mark(uint64_t number) { return reinterpret_cast<Mark*>(static_cast<char*>(memory_) + sizeof(Totals))[number]; }

 private:
  static size_t bytes(uint64_t messages) { return sizeof(Totals) + messages * sizeof(Mark); }
  [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

  const int descriptor_;
  const uint64_t messages_;
  void* memory_ = nullptr;
};

}  // namespace signalbox::endurance
