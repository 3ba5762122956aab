// What the threads of a load run share: the step that the run is in, the time at which what counts began, and the first
// fault, which ends the run for all.
//
// Thread: any. The one that made it leads: it alone begins steps.
// Errors: wait_for and wait_for_all throw once the run is given up.
// Tested by test_load.py.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "bench/load/crew.hpp"

namespace signalbox::bench {

class Stage {
 public:
  enum class Step : uint8_t { registering, warming_up, measuring, over };

  explicit Stage(const Plan& plan) : plan_(plan) {}

  // --- of clients
  // Another client is through with what it had to do.
  void arrive();
  void wait_for(Step step);
  bool is_over() const { return step_.load(std::memory_order_acquire) == Step::over; }
  void fail(const std::string& fault);
  const std::atomic<bool>& is_abandoned() const { return is_abandoned_; }

  // --- of the one who leads
  void begin(Step step);
  // Until `arrivals` have come, or `wait_ns` are over (false).
  bool wait_for_all(size_t arrivals, uint64_t wait_ns);
  [[noreturn]] void give_up(const std::string& fault);
  std::string fault();

  // --- of both
  // When what counts began; 0: it has not.
  uint64_t start_ns() const { return start_ns_.load(std::memory_order_acquire); }
  // Where slow consumers are measured: the phase of a time. REQUIRES: start_ns() is not 0.
  size_t phase_of(uint64_t time_ns) const;
  uint64_t phase_ends_ns(size_t phase) const;

 private:
  const Plan plan_;
  std::atomic<Step> step_{Step::registering};
  std::atomic<uint64_t> start_ns_{0};
  std::atomic<bool> is_abandoned_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t arrivals_ = 0;
  std::string fault_;
};

}  // namespace signalbox::bench
