// The books: every message and every byte that came in is somewhere, and this says where.
//
// Two equations hold after every event, and Core::check_invariants() asserts them:
//   for each sender:                received = routed + refused + discarded
//   for each endpoint, in copies:   taken = settled + under way + waiting + dropped + expired + dead
// and over the whole broker: copies handed to queues for routed messages, and dead letters, = the sum of taken.
//
// Thread: the core's. Tested by core_test.cpp and every simulation step.
#pragma once

#include <cstdint>

namespace signalbox {

struct Count {
  uint64_t messages = 0;
  uint64_t bytes = 0;

  void add(uint64_t size) {
    ++messages;
    bytes += size;
  }
  void remove(uint64_t size) {
    --messages;
    bytes -= size;
  }
  Count& operator+=(const Count& other) {
    messages += other.messages;
    bytes += other.bytes;
    return *this;
  }
  Count& operator-=(const Count& other) {
    messages -= other.messages;
    bytes -= other.bytes;
    return *this;
  }
  friend Count operator+(Count a, const Count& b) { return a += b; }
  friend bool operator==(const Count&, const Count&) = default;
};

// What one endpoint's workers sent. Bytes as received.
struct SenderLedger {
  Count received;
  Count routed;     // at least one target took it
  Count refused;    // none did, or the message is at fault
  Count discarded;  // by the router, on purpose
  Count copies;     // what the targets took of the routed ones; bytes as queued
  Count not_taken;  // copies that one of several targets could not take; they became dead letters
};

// What one endpoint's queue took. Bytes as queued.
struct QueueLedger {
  Count taken;
  Count settled;    // ACKed
  Count under_way;  // delivered, not settled
  Count waiting;    // for a first or a repeated delivery
  Count dropped;    // made room under drop_oldest, or NACKed at dead_letters
  Count expired;
  Count dead;  // became dead letters
};

}  // namespace signalbox
