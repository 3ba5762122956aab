// How many messages, and which: a count, and a sum over their numbers.
//
// Two accounts that agree hold the same messages, but for an accident of one in 2^64: a number is squared before it is
// added, so that one message too many does not make up for another that is missing.
//
// Thread: one. Errors: none. Tested by test_load.py.
#pragma once

#include <cstdint>

#include "bench/load/topology.hpp"

namespace signalbox::bench {

struct Account {
  uint64_t count = 0;
  uint64_t sum = 0;

  void add(const MessageNumber& number) {
    ++count;
    sum += number.packed() * number.packed();
  }
  Account& operator+=(const Account& other) {
    count += other.count;
    sum += other.sum;
    return *this;
  }
  bool operator==(const Account&) const = default;
};

}  // namespace signalbox::bench
