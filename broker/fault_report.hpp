// What went wrong lately, in the log: one line for each code and second at most, with how often it happened.
//
// It compares the counters with what they were a second ago, so that the way of a message knows nothing of logging, and
// a peer that misbehaves a million times a second writes one line.
//
// Thread: the broker's.
// Bounds: one line a second for each ErrorCode, RefusalCode and counter named in it: lines_a_second_max of them.
// Tested by tests/broker/log_test.cpp.
#pragma once

#include <type_traits>

#include "broker/core/core.hpp"
#include "broker/link.hpp"
#include "broker/log.hpp"

namespace signalbox {

class FaultReport {
 public:
  static constexpr uint64_t interval_ms = 1000;
  // The codes, and ten counters.
  static constexpr size_t lines_a_second_max =
      std::extent_v<decltype(Counters::errors)> + std::extent_v<decltype(Counters::refusals)> + 10;

  // Writes what has grown since the last time, unless that was less than interval_ms ago.
  void look(const Counters& counters, const LinkCounters& link, uint64_t now_ms, Log& log);
  // The same, whenever that was: the broker ends, and nobody looks again.
  void finish(const Counters& counters, const LinkCounters& link, Log& log);

 private:
  Counters counters_;
  LinkCounters link_;
  uint64_t next_ms_ = 0;
};

}  // namespace signalbox
