// A transport of a load run: sends at the pace of the plan, and takes the replies to what it sent.
//
// Thread: run() is the whole of one; the accessors marked so are for any, the others for whoever leads once this has
//         settled what it sent.
// Errors: told to the stage.
// Bounds: the window; `outstanding` times of departure for each application.
// Tested by test_load.py.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/compare/histogram.hpp"
#include "bench/load/account.hpp"
#include "bench/load/client.hpp"
#include "bench/load/crew.hpp"
#include "bench/load/stage.hpp"

namespace signalbox::bench {

// When each message of a transport is due: those of all transports take turns, one interval apart.
struct Pace {
  uint64_t rate = 0;  // of all transports together
  size_t transports = 1;
  size_t transport = 0;

  // Counted from the beginning.
  uint64_t due_ns(uint64_t message) const { return (message * transports + transport) * 1'000'000'000 / rate; }
  // How many of this transport are due within so many seconds.
  uint64_t count(double seconds) const {
    const auto all = static_cast<uint64_t>(static_cast<double>(rate) * seconds);
    return all / transports + (transport < all % transports ? 1 : 0);
  }
};

class Transport final : public Receiver {
 public:
  Transport(const Plan& plan, Stage& stage, const std::string& endpoint, size_t index);

  void run() noexcept;

  // Of any thread.
  uint64_t sent() const { return sent_.load(std::memory_order_relaxed); }
  uint64_t refused_by_slow() const { return refused_by_slow_.load(std::memory_order_relaxed); }
  uint64_t replies() const { return replies_.load(std::memory_order_relaxed); }

  // Messages of the warm-up: known once the stage measures, to any thread.
  uint64_t warm_up() const { return warm_up_; }
  const Pace& pace() const { return pace_; }

  const std::vector<Account>& sent_accounts() const { return sent_accounts_; }
  const std::vector<Account>& refused_accounts() const { return refused_accounts_; }
  uint64_t refused_in(size_t phase) const { return refused_in_[phase]; }
  uint64_t unconfirmed() const { return unconfirmed_; }
  const Histogram& latencies() const { return latencies_; }
  uint64_t latest_ns() const { return latest_ns_; }  // by how much a paced message left late
  uint64_t last_reply_ns() const { return last_reply_ns_; }
  const std::string& broker() const { return broker_; }

  void take(const MessageNumber& number) override;
  void refused(uint64_t sequence, const std::string& code) override;

 private:
  void work();
  void send_for(double seconds, uint64_t begin_ns);
  void send_flat_out(uint64_t until_ns);
  void send_at_rate(uint64_t count, uint64_t begin_ns);
  void send_by_replies(uint64_t until_ns);
  void send_next();
  void settle();
  uint64_t& departure_of(const MessageNumber& number);
  uint64_t unanswered() const;

  const Plan plan_;
  Stage& stage_;
  const std::string endpoint_;
  const size_t index_;
  const Pace pace_;

  Client* client_ = nullptr;  // while work() runs
  std::vector<Account> sent_accounts_;
  std::vector<Account> refused_accounts_;
  std::vector<uint64_t> next_replies_;  // for each application
  std::vector<uint64_t> departures_ns_;
  std::array<uint64_t, phase_count> refused_in_{};
  uint64_t warm_up_ = 0;
  uint64_t unconfirmed_ = 0;
  uint64_t latest_ns_ = 0;
  uint64_t last_reply_ns_ = 0;
  Histogram latencies_;
  std::string broker_;

  // Written by this thread, read by any.
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> refused_by_slow_{0};
  std::atomic<uint64_t> replies_{0};
};

}  // namespace signalbox::bench
