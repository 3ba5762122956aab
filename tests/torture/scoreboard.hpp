// What everybody did, in memory that outlives them: one record a message, and what the driver tells the workers.
//
// A sender writes its record before it hands a message over, and again when it is told what became of it. A receiver
// writes before it settles. So whoever is killed, and whenever: a record never claims more than has happened.
//
// Thread: any process and thread; every cell is an atomic of its own.
// Owns:   the mapping. Errors: exceptions. Bounds: `messages` records; faults_max faults in words.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <string_view>

#include "tests/harness/shared_memory.hpp"
#include "tests/torture/plan.hpp"

namespace signalbox::torture {

enum class State : uint8_t {
  unused,
  handed_over,  // to the sender's library; nothing is promised
  confirmed,
  refused,
};

// What became of one copy.
struct Copy {
  static constexpr uint8_t dead_letter_read = 1;
  static constexpr uint8_t expired = 2;  // that dead letter had waited too long

  std::atomic<uint8_t> handled;       // how often a receiver handled it; stays at the most that fits
  std::atomic<uint8_t> dead;          // bits
  std::atomic<uint8_t> delivered;     // how often it was handed out; the same
  std::atomic<uint8_t> delivered_by;  // the last broker that handed it out
  std::atomic<uint8_t> fresh_by;      // the last one that did so as a first delivery
  std::atomic<uint8_t> dead_by;       // the broker that handed out the dead letter
};

struct Record {
  std::atomic<State> state;
  std::atomic<uint8_t> flow;
  std::atomic<uint8_t> settled_by;  // the broker that confirmed or refused it
  std::atomic<uint8_t> about_by;    // of an event: the broker that handed out the message that it is about
  std::atomic<uint16_t> process;    // that sent it
  std::atomic<uint16_t> second;     // of the run, when it was sent
  Copy copies[copies_max];
};

inline void count_up(std::atomic<uint8_t>& cell) {
  uint8_t value = cell.load();
  while (value < UINT8_MAX && !cell.compare_exchange_weak(value, static_cast<uint8_t>(value + 1))) continue;
}

struct Totals {
  std::atomic<uint64_t> deliveries;
  std::atomic<uint64_t> redeliveries;
  std::atomic<uint64_t> confirmed;
  std::atomic<uint64_t> refused;
  std::atomic<uint64_t> nacked;
  std::atomic<uint64_t> rejected;
  std::atomic<uint64_t> held;
  std::atomic<uint64_t> dead_letters;
  std::atomic<uint64_t> expired_letters[256];  // different copies, by the broker that handed them out
};

// What the driver tells a slot, and what its worker tells the driver.
struct Desk {
  std::atomic<uint32_t> delay_us;  // for each message that it handles
  std::atomic<uint32_t> prefetch;  // 0: as it began
  std::atomic<uint8_t> broker;     // that it is registered with; 0: none
  std::atomic<uint64_t> unconfirmed;
};

class Scoreboard {
 public:
  static constexpr size_t faults_max = 16;
  static constexpr size_t fault_bytes_max = 240;

  static int create(uint64_t messages) { return harness::SharedMemory::create("torture", bytes(messages)); }

  Scoreboard(int descriptor, uint64_t messages) : memory_(descriptor, bytes(messages)), messages_(messages) {}

  int descriptor() const { return memory_.descriptor(); }
  uint64_t messages() const { return messages_; }
  // Numbers given out so far are 1 to used().
  uint64_t used() const { return std::min(top().last_number.load(), messages_ - 1); }
  // A new number; 0: there are no more.
  uint64_t take_number() {
    const uint64_t number = ++top().last_number;
    return number < messages_ ? number : 0;
  }

  // REQUIRES: 0 < number < messages().
  Record& record(uint64_t number) { return reinterpret_cast<Record*>(memory_.at(sizeof(Top)))[number]; }
  const Record& record(uint64_t number) const {
    return reinterpret_cast<const Record*>(memory_.at(sizeof(Top)))[number];
  }
  Totals& totals() const { return top().totals; }
  Desk& desk(size_t slot) const { return top().desks[slot]; }
  std::atomic<uint32_t>& rate(Flow flow) const { return top().rates[static_cast<size_t>(flow)]; }
  std::atomic<bool>& sending() const { return top().sending; }
  // Receivers keep silent about each message whose number this divides; 0: about none.
  std::atomic<uint32_t>& planted_loss() const { return top().planted_loss; }

  void fault(std::string_view text) {
    const size_t index = top().faults++;
    if (index >= faults_max) return;
    const size_t length = std::min(text.size(), fault_bytes_max - 1);
    std::memcpy(top().fault_texts[index], text.data(), length);
  }
  uint64_t faults() const { return top().faults.load(); }
  std::string_view fault_text(size_t index) const { return top().fault_texts[index]; }

 private:
  struct Top {
    std::atomic<uint64_t> last_number;
    std::atomic<bool> sending;
    std::atomic<uint32_t> planted_loss;
    std::atomic<uint32_t> rates[flow_count];
    Desk desks[slot_count];
    Totals totals;
    std::atomic<uint64_t> faults;
    char fault_texts[faults_max][fault_bytes_max];
  };

  static size_t bytes(uint64_t messages) { return sizeof(Top) + messages * sizeof(Record); }
  Top& top() const { return *reinterpret_cast<Top*>(memory_.at(0)); }

  const harness::SharedMemory memory_;
  const uint64_t messages_;
};

static_assert(std::atomic<uint8_t>::is_always_lock_free && std::atomic<uint64_t>::is_always_lock_free,
              "processes share these");

}  // namespace signalbox::torture
