// The broker: the core, the link, and the loop that joins them. Small on purpose; what it does is do_work().
//
// Thread:  one at a time; the constructor may run on another than the loop. StopSignal::request() comes from anywhere.
// Owns:    the core and the link. Not the ZeroMQ context that is handed in, nor the log, which must outlive it.
// Errors:  the constructor throws LinkError where it cannot listen; nothing throws later.
// Bounds:  turn_frames_max and turn_bytes_max for a turn.
// Tested by tests/broker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "broker/configuration.hpp"
#include "broker/core/core.hpp"
#include "broker/fault_report.hpp"
#include "broker/link.hpp"
#include "broker/log.hpp"
#include "broker/stop_signal.hpp"

namespace signalbox {

// "0.1.0"
std::string_view version();

// How a run ended, and what it leaves in its queues, endpoint by endpoint.
struct Ending {
  struct Left {
    std::string endpoint;
    uint64_t messages = 0;
    bool dead_letters = false;  // reported, but not held against anyone
  };
  bool at_once = false;  // a second request cut the draining short
  std::vector<Left> left;

  uint64_t messages() const;  // dead letters aside
};

class Broker {
 public:
  static constexpr size_t turn_frames_max = 128;
  static constexpr size_t turn_bytes_max = limits::mebibyte;
  static constexpr uint64_t tick_interval_ms = 100;
  static constexpr uint64_t linger_ms = 1500;  // for the last confirmations to leave

  // Listens when this returns. `context`: as for Link. `log` may be null.
  explicit Broker(Configuration configuration, void* context = nullptr, Log* log = nullptr);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // One turn: takes what has come in, up to a bound, and hands out what that brings. Returns how many frames there
  // were; 0 says that the input at hand is used up. For a loop of one's own; others call run().
  size_t do_work(Time now);

  // Turns until it is asked to stop and, unless asked twice, until the queues are empty or drain_ms have passed. Then
  // closes the link. Call it once.
  Ending run(StopSignal& stop);

  // As bound: "tcp://127.0.0.1:*" has its port here.
  const std::vector<std::string>& endpoints() const { return link_.endpoints(); }
  const Core& core() const { return core_; }
  const LinkCounters& link_counters() const { return link_.counters(); }

 private:
  uint64_t wait_ms(Time now);
  std::vector<Ending::Left> left_behind() const;

  // The link stands before the core, whose frames it carries, and is closed before the core goes: no run may outlive
  // the core's blocks.
  Link link_;
  Core core_;
  Log* const log_;
  FaultReport fault_report_;
  uint64_t next_tick_ms_ = 0;
  uint64_t blocked_until_ms_ = 0;  // peers may be blocked until then
};

}  // namespace signalbox
