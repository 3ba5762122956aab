// An application of a load run: takes what comes and checks it; answers it where round trips are measured; and, as the
// slow consumer of a run, stops reading for a while.
//
// Thread: run() is the whole of one; the accessors marked so are for any, the others for whoever leads once run() has
//         returned.
// Errors: told to the stage.
// Bounds: the window, for what is delivered here and not taken yet.
// Tested by test_load.py.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/compare/histogram.hpp"
#include "bench/load/account.hpp"
#include "bench/load/crew.hpp"
#include "bench/load/stage.hpp"
#include "bench/load/transport.hpp"

namespace signalbox::bench {

class Application final : public Receiver {
 public:
  // `transports`: those that write to this one, whose pace says when a message was due.
  Application(const Plan& plan, Stage& stage, const std::string& endpoint, size_t index,
              const std::vector<std::unique_ptr<Transport>>& transports);

  void run() noexcept;

  // Of any thread.
  uint64_t received() const { return received_.load(std::memory_order_relaxed); }

  const Account& account() const { return account_; }
  uint64_t last_ns() const { return last_ns_; }  // when the last message came
  uint64_t received_in(size_t phase) const { return received_in_[phase]; }
  const Histogram& latencies_in(size_t phase) const { return latencies_in_[phase]; }

  void take(const MessageNumber& number) override;
  void refused(uint64_t sequence, const std::string& code) override;

 private:
  void work();
  bool reads_slowly(uint64_t now) const;
  void wait_for_turn();

  const Plan plan_;
  Stage& stage_;
  const std::string endpoint_;
  const size_t index_;
  const std::vector<std::unique_ptr<Transport>>& transports_;

  std::vector<uint64_t> next_;  // of each transport
  Account account_;
  uint64_t last_ns_ = 0;
  uint64_t slow_turn_ns_ = 0;  // when the next message may be taken, while it reads slowly
  std::array<uint64_t, phase_count> received_in_{};
  std::array<Histogram, phase_count> latencies_in_;

  // Written by this thread, read by any.
  std::atomic<uint64_t> received_{0};
};

}  // namespace signalbox::bench
