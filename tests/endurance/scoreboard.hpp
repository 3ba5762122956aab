// What the applications did, in memory that outlives them: a process that is killed leaves no report, but what it wrote
// into a shared mapping stays.
//
// Thread: any process and thread; every cell is an atomic of its own.
// Owns: the mapping; the descriptor behind it goes to child processes by its number.
// Errors: exceptions, since a run without a scoreboard is none.
#pragma once

#include <atomic>
#include <cstdint>

#include "tests/harness/shared_memory.hpp"

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
  static int create(uint64_t messages) { return harness::SharedMemory::create("scoreboard", bytes(messages)); }

  Scoreboard(int descriptor, uint64_t messages) : memory_(descriptor, bytes(messages)), messages_(messages) {}

  int descriptor() const { return memory_.descriptor(); }
  uint64_t messages() const { return messages_; }
  Totals& totals() { return *reinterpret_cast<Totals*>(memory_.at(0)); }
  // REQUIRES: number < messages().
  Mark& mark(uint64_t number) { return reinterpret_cast<Mark*>(memory_.at(sizeof(Totals)))[number]; }

 private:
  static size_t bytes(uint64_t messages) { return sizeof(Totals) + messages * sizeof(Mark); }

  const harness::SharedMemory memory_;
  const uint64_t messages_;
};

}  // namespace signalbox::endurance
