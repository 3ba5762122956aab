// The broker: the core, the link, the in-process endpoints, and the loop that joins them. Small on purpose; what it
// does is do_work().
//
// A program that embeds it picks one of three ways to work it, and stays with it:
//   start(), stop()             a thread of the broker's own
//   run(stop)                   a thread of the host's, given to it until somebody asks it to stop
//   do_work(now), idle_ms, fd   a turn now and then in a loop of the host's
// docs/embedding.md shows all three.
//
// Thread:  one at a time works it; the constructor may run on another. post() and StopSignal::request() come from
//          anywhere; start() and stop() from one thread of the host's, not from a handler. Everything else on the
//          thread that works the broker, or while nobody does.
// Owns:    the core, the link, and its own thread where it has one. Not the ZeroMQ context that is handed in, nor the
//          log, which must outlive it.
// Errors:  the constructor throws LinkError where it cannot listen, std::system_error where there is no descriptor
// left;
//          nothing of the broker's throws later. What a posted function or a callback of an in-process endpoint throws
//          passes through do_work() and run(), and ends the program where the thread is the broker's own.
// Bounds:  turn_frames_max and turn_bytes_max for the link's part of a turn, those of PostedFunctions and LocalPeers
// for theirs. Tested by tests/broker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "broker/configuration.hpp"
#include "broker/core/lanes.hpp"
#include "broker/fault_report.hpp"
#include "broker/lane_threads.hpp"
#include "broker/link.hpp"
#include "broker/local_peers.hpp"
#include "broker/log.hpp"
#include "broker/message_log.hpp"
#include "broker/posted_functions.hpp"
#include "broker/stop_signal.hpp"
#include "broker/waker.hpp"

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

  // Listens when this returns; with no endpoint in `configuration.endpoints` there is no socket at all. `context`: as
  // for Link. `log` may be null.
  explicit Broker(Configuration configuration, void* context = nullptr, Log* log = nullptr);
  // Stops at once, where it has a thread. In-process endpoints may live on: they are closed.
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // --- from any thread
  // Calls `function` on the thread that works the broker, which it wakes, in the order of the calls. False: too many
  // wait there (PostedFunctions::functions_max), or the broker has ended. One that has been taken runs, unless the
  // broker ends before its turn comes; while it drains there is time for all.
  bool post(std::function<void()> function) { return posted_.put(std::move(function)); }

  // --- a thread of its own
  void start();
  // Drains, as run() does, or ends at once; returns when the thread has ended. A second call returns the same.
  Ending stop(bool at_once = false);

  // --- a thread of the host's
  // Turns until it is asked to stop and, unless asked twice, until the queues are empty or drain_ms have passed. Then
  // closes. Call it once.
  Ending run(StopSignal& stop);

  // --- a loop of the host's
  // One turn: takes what has come in, up to a bound, hands out what that brings, and calls in-process handlers. Returns
  // how many frames, functions and calls there were; 0 says that the input at hand is used up. `now` is read_clock()'s,
  // or goes on from there; it never goes back.
  size_t do_work(Time now);
  // How long the loop may sleep at most, unless fd() becomes readable: 0 where there is something to do now. Ask after
  // each turn, right before sleeping.
  uint64_t idle_ms(Time now);
  // Readable when something has come in; for poll() and its kin, nothing is to be read from it. -1: no descriptor left.
  int fd();
  // Swaps the configuration, see Core::reload(). `next` was read for the one that runs (configuration_again.hpp). Also
  // from a posted function; `now` as for do_work().
  void reload(Configuration next, Time now);
  // Begins the end: transports are told, what is queued goes on being delivered.
  void drain(Time now);
  // Nothing waits or is under way any more, dead letters aside.
  bool drained() const;
  // Ends: closes the link and the in-process endpoints, and says what is left in the queues. At once: what was sent
  // last is not waited for.
  Ending close(bool at_once = false);

  // As bound: "tcp://127.0.0.1:*" has its port here.
  const std::vector<std::string>& endpoints() const { return link_.endpoints(); }
  const Lanes& core() const { return core_; }
  const LinkCounters& link_counters() const { return link_.counters(); }

 private:
  friend class LocalEndpoint;

  LocalPeers& local_peers() { return local_peers_; }
  bool take_input(Time now, size_t& frames);
  void start_lanes(const std::vector<uint32_t>& cpus);
  void idle(Time now, StopSignal& stop);
  uint64_t wait_ms(Time now);
  std::vector<Ending::Left> left_behind() const;

  // The link and the in-process peers stand before the core, whose frames they carry, and let go of every run before
  // the core goes: no run may outlive the core's blocks.
  Link link_;
  PostedFunctions posted_;
  LocalPeers local_peers_;
  BrokerMessageLog message_log_;
  Lanes core_;
  const Idle idle_;
  Waker waker_;                                // by which lanes wake the loop
  std::unique_ptr<LaneThreads> lane_threads_;  // null: there are no lanes
  Log* const log_;
  FaultReport fault_report_;
  uint64_t next_tick_ms_ = 0;
  size_t unread_turns_ = 0;        // in a row, each of which left something unread
  uint64_t blocked_until_ms_ = 0;  // peers may be blocked until then
  bool in_turn_ = false;
  bool ended_ = false;
  int poll_fd_ = -1;  // what fd() returns, made when it is asked for

  // Of start().
  std::thread thread_;
  std::optional<StopSignal> stop_;
  Ending ending_;
};

}  // namespace signalbox
