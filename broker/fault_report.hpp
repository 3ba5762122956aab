// What went wrong lately, in the log: one line for each code and second at most, with how often it happened.
//
// It compares the counters with what they were a second ago, so that the way of a message knows nothing of logging, and
// a peer that misbehaves a million times a second writes one line. What queues have dropped stands in the ledger alone,
// and is reported endpoint by endpoint.
//
// Thread: the broker's.
// Bounds: one line a second for each ErrorCode, RefusalCode and counter named in it: lines_a_second_max of them;
//         and one for each endpoint that drops.
// Tested by tests/broker/log_test.cpp.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "broker/core/lanes.hpp"
#include "broker/link.hpp"
#include "broker/log.hpp"

namespace signalbox {

class FaultReport {
 public:
  static constexpr uint64_t interval_ms = 1000;
  // The codes, and ten counters.
  static constexpr size_t lines_a_second_max =
      std::extent_v<decltype(Counters::errors)> + std::extent_v<decltype(Counters::refusals)> + 10;

  // Writes what has grown since the last time, unless that was less than interval_ms ago; false then.
  bool look(const Counters& counters, const LinkCounters& link, uint64_t now_ms, Log& log);
  // The same, whenever that was: the broker ends, and nobody looks again.
  void finish(const Counters& counters, const LinkCounters& link, Log& log);
  // What queues have dropped since the last time, to make room or since a dead letter was NACKed.
  void report_dropped(const Lanes& core, Log& log);

 private:
  Counters counters_;
  LinkCounters link_;
  std::vector<uint64_t> dropped_;  // messages, by EndpointId
  uint64_t next_ms_ = 0;
};

}  // namespace signalbox
