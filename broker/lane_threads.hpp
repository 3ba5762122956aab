// The lanes' threads: how they take their turns, how they wait, and how they stand still for the link's thread.
//
// The link's thread stops them by raising a number to an odd one: each lane, between two of its turns, says that it has
// seen it, and waits for the next. Nobody holds a lock, and a lane that is about to go on cannot be taken for one that
// stands.
//
// Thread: the link's; wake() any. Owns: the threads. The lanes and the link's waker must outlive it.
// Errors: the constructor throws std::system_error where a thread or a descriptor cannot be had.
// Bounds: limits::lanes_max threads.
// Tested by tests/broker/lanes_test.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <thread>
#include <vector>

#include "broker/core/lanes.hpp"
#include "broker/idle.hpp"
#include "broker/waker.hpp"

namespace signalbox {

class LaneThreads final : public Lanes::Conductor {
 public:
  // `cpus`: the processor of each lane; empty: whichever.
  LaneThreads(Lanes& lanes, Idle idle, const std::vector<uint32_t>& cpus, Waker& link);
  ~LaneThreads() override;

  void stop() override;
  void go_on() override;
  void wake(uint32_t lane) override { lanes_here_[lane].waker.wake(); }
  void wake_link() override { link_.wake(); }

  // Lanes that could not have the processor that they were to have.
  const std::vector<uint32_t>& not_pinned() const { return not_pinned_; }

 private:
  struct Here {
    Waker waker;
    std::atomic<uint32_t> stood_at{0};
    std::thread thread;
  };

  void run(uint32_t lane);
  void stand(Here& here, uint32_t number);

  Lanes& lanes_;
  const Idle idle_;
  Waker& link_;
  std::atomic<uint32_t> stop_number_{0};  // odd: the lanes stand, or are about to
  std::atomic<bool> ending_{false};
  std::deque<Here> lanes_here_;
  std::vector<uint32_t> not_pinned_;
};

}  // namespace signalbox
