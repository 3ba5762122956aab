// The balance at the end of a torture run: what every sender was told against what every receiver got.
//
// Each copy of each confirmed message was handled by a receiver at least once, or became a dead letter that was read.
// Otherwise there has to be somebody who answers for it: a broker that was killed with its queues in memory, a broker
// that drained for as long as it may and said how much it leaves, or a policy that drops, whose drops the broker
// counted. Everything else is lost. No message that was refused by a broker was handed out by it, or later.
//
// Thread: any; the scoreboard may still be written to, then the balance is one of the moment.
// Owns:   nothing. Errors: none. Bounds: faults_max faults in words; all are counted.
// Tested by balance_test.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/torture/scoreboard.hpp"

namespace signalbox::torture {

// One broker's end; brokers are numbered from 1.
struct BrokerEnd {
  bool killed = false;
  bool running = false;      // it has not ended: what is missing may still come
  uint64_t left_behind = 0;  // messages, dead letters included
  uint64_t expired = 0;      // by its log
  uint64_t dropped = 0;      // likewise, at the endpoint that makes room by dropping
};

struct Balance {
  static constexpr size_t faults_max = 10;

  uint64_t messages = 0;
  uint64_t confirmed = 0;
  uint64_t refused = 0;
  uint64_t untold = 0;  // their senders were killed before they were told
  // Copies of confirmed messages.
  uint64_t handled = 0;
  uint64_t handled_again = 0;      // past the first time
  uint64_t dead_letters = 0;       // not handled but read as a dead letter
  uint64_t events = 0;             // of those handled
  uint64_t expired = 0;            // missing, and dropped as too old by the broker's own count
  uint64_t dropped = 0;            // missing, and dropped to make room by the broker's own count
  uint64_t killed = 0;             // missing, confirmed by a broker that was killed
  uint64_t left_behind = 0;        // missing, confirmed by a broker that said it left as many
  uint64_t lost = 0;               // missing
  uint64_t wrongly_delivered = 0;  // refused and handed out
  std::vector<std::string> faults;

  bool holds() const { return lost == 0 && wrongly_delivered == 0 && faults.empty(); }
};

// REQUIRES: brokers[n - 1] for each broker n on the scoreboard.
Balance strike_balance(const Scoreboard& scoreboard, const std::vector<BrokerEnd>& brokers);

}  // namespace signalbox::torture
