#include "bench/load/crew.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "bench/end_to_end/conversation.hpp"
#include "bench/load/application.hpp"
#include "bench/load/stage.hpp"
#include "bench/load/transport.hpp"

namespace signalbox::bench {
namespace {

constexpr uint64_t look_interval_ns = 10'000'000;        // between two looks at what waits, and at the broker's memory
constexpr uint64_t arrival_patience_ns = 5'000'000'000;  // nothing taken for so long, and all confirmed: it is missing

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// All clocks and meters at one time.
struct Reading {
  uint64_t time_ns = now_ns();
  MachineTime machine = machine_time();
  double own_cpu = own_cpu_seconds();
  double broker_cpu = 0;

  explicit Reading(const Process* broker) : broker_cpu(broker == nullptr ? 0 : broker->cpu_seconds()) {}
};

double microseconds(uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1000;
}

class Crew {
 public:
  Crew(const Plan& plan, const std::string& endpoint, const Process* broker)
      : plan_(plan), broker_(broker), stage_(plan) {
    for (size_t i = 0; i < plan.topology.transports; ++i)
      transports_.push_back(std::make_unique<Transport>(plan, stage_, endpoint, i));
    for (size_t i = 0; i < plan.topology.applications; ++i)
      applications_.push_back(std::make_unique<Application>(plan, stage_, endpoint, i, transports_));
  }

  RunResult run() {
    std::vector<std::jthread> threads;
    for (const auto& application : applications_) threads.emplace_back([&] { application->run(); });
    for (const auto& transport : transports_) threads.emplace_back([&] { transport->run(); });
    try {
      lead();
    } catch (const Abandoned&) {
      threads.clear();
      throw std::runtime_error(stage_.fault());
    } catch (const std::exception& error) {
      stage_.fail(error.what());
      throw;
    }
    threads.clear();
    if (stage_.is_abandoned()) throw std::runtime_error(stage_.fault());
    check_accounts();
    collect();
    return std::move(result_);
  }

 private:
  void lead() {
    size_t arrivals = transports_.size() + applications_.size();
    while (!stage_.wait_for_all(arrivals, patience_ns)) continue;
    stage_.begin(Stage::Step::warming_up);
    arrivals += transports_.size();
    while (!stage_.wait_for_all(arrivals, patience_ns)) continue;
    wait_for_the_rest();
    warm_up_ = received();
    warm_up_replies_ = replies();

    const Reading before(broker_);
    stage_.begin(Stage::Step::measuring);
    arrivals += transports_.size();
    while (!stage_.wait_for_all(arrivals, look_interval_ns)) look();
    wait_for_the_rest();
    const Reading after(broker_);
    read(before, after);
    stage_.begin(Stage::Step::over);
  }

  // The transports have settled what they sent: until the applications have taken it.
  void wait_for_the_rest() {
    uint64_t refused = 0;
    for (const auto& transport : transports_)
      for (const Account& account : transport->refused_accounts()) refused += account.count;
    uint64_t last = received();
    for (uint64_t deadline_ns = now_ns() + arrival_patience_ns; received() + refused < sent();) {
      if (stage_.is_abandoned()) throw Abandoned();
      wait_until(now_ns() + look_interval_ns / 10);
      look();
      const uint64_t now = received();
      if (now != last || application_0_reads_slowly()) deadline_ns = now_ns() + arrival_patience_ns;
      last = now;
      if (now_ns() > deadline_ns)
        stage_.give_up(std::to_string(sent() - refused - now) + " of " + std::to_string(sent()) +
                       " messages were confirmed and never delivered");
    }
  }

  void look() {
    if (broker_ == nullptr && !plan_.has_slow_consumer()) return;
    const double memory = broker_ == nullptr ? 0 : broker_->resident_bytes();
    result_.broker_memory = std::max(result_.broker_memory, memory);
    if (!plan_.has_slow_consumer() || stage_.start_ns() == 0) return;
    // What the application has taken is read first: what waits may seem more than it is, never less than nothing.
    const uint64_t done = applications_.front()->received();
    uint64_t sent_to_it = 0;
    uint64_t refused = 0;
    for (const auto& transport : transports_) {
      refused += transport->refused_by_slow();
      sent_to_it += plan_.topology.share_of(0, transport->sent());
    }
    Phase& phase = result_.phases[stage_.phase_of(now_ns())];
    phase.waiting_max = std::max(phase.waiting_max, static_cast<double>(sent_to_it - done - refused));
    phase.memory_max = std::max(phase.memory_max, memory);
  }

  bool application_0_reads_slowly() const {
    return plan_.has_slow_consumer() && stage_.start_ns() != 0 && stage_.phase_of(now_ns()) == 1;
  }

  // What each application took is what was sent to it, less what was refused, message by message.
  void check_accounts() {
    for (size_t i = 0; i < applications_.size(); ++i) {
      Account sent;
      Account done = applications_[i]->account();
      for (const auto& transport : transports_) {
        sent += transport->sent_accounts()[i];
        done += transport->refused_accounts()[i];
      }
      if (sent != done)
        throw std::runtime_error(plan_.topology.application_name_of(i) + " was sent " + std::to_string(sent.count) +
                                 " messages; taken or refused were " + std::to_string(done.count) +
                                 (sent.count == done.count ? " others" : ""));
    }
    uint64_t unconfirmed = 0;
    for (const auto& transport : transports_) unconfirmed += transport->unconfirmed();
    result_.sent = sent();
    result_.confirmed = result_.sent - unconfirmed;
    result_.received = received();
    result_.refused = result_.sent - result_.received;
    result_.replies = replies();
    if (unconfirmed != 0) throw std::runtime_error(std::to_string(unconfirmed) + " messages were not confirmed");
    if (plan_.round_trip && result_.replies != result_.sent)
      throw std::runtime_error("not every message was answered once");
  }

  void read(const Reading& before, const Reading& after) {
    const double span_s = static_cast<double>(after.time_ns - before.time_ns) / 1e9;
    const double machine = span_s * static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
    const double broker_cpu = after.broker_cpu - before.broker_cpu;
    const double own_cpu = after.own_cpu - before.own_cpu;
    const double millions = static_cast<double>(sent() - warm_up_) / 1e6;
    result_.broker_cpu = broker_cpu / millions;
    result_.clients_cpu = own_cpu / millions;
    result_.steal = (after.machine.steal - before.machine.steal) / machine;
    result_.foreign = (after.machine.busy - before.machine.busy - broker_cpu - own_cpu) / machine;
  }

  // What the threads have counted; they have ended.
  void collect() {
    uint64_t last_ns = 0;
    Histogram latencies;
    for (const auto& transport : transports_) {
      result_.late_us = std::max(result_.late_us, microseconds(transport->latest_ns()));
      if (!plan_.round_trip) continue;
      last_ns = std::max(last_ns, transport->last_reply_ns());
      latencies.add(transport->latencies());
    }
    for (size_t i = 0; i < applications_.size() && !plan_.round_trip; ++i) {
      last_ns = std::max(last_ns, applications_[i]->last_ns());
      for (size_t phase = 0; phase < phase_count; ++phase) latencies.add(applications_[i]->latencies_in(phase));
    }
    const uint64_t done = plan_.round_trip ? replies() - warm_up_replies_ : received() - warm_up_;
    result_.seconds = static_cast<double>(last_ns - stage_.start_ns()) / 1e9;
    result_.messages_per_second = static_cast<double>(done) / result_.seconds;
    result_.p50_us = microseconds(latencies.quantile(0.5));
    result_.p99_us = microseconds(latencies.quantile(0.99));
    result_.p999_us = microseconds(latencies.quantile(0.999));
    result_.max_us = microseconds(latencies.max());
    result_.broker = transports_.front()->broker();
    if (plan_.has_slow_consumer()) collect_phases(last_ns);
  }

  void collect_phases(uint64_t last_ns) {
    uint64_t begins_ns = stage_.start_ns();
    for (size_t i = 0; i < phase_count; ++i) {
      Phase& phase = result_.phases[i];
      const uint64_t ends_ns = std::min(stage_.phase_ends_ns(i), last_ns);
      phase.seconds = static_cast<double>(ends_ns - begins_ns) / 1e9;
      begins_ns = ends_ns;
      phase.slow_received = applications_.front()->received_in(i);
      for (size_t other = 1; other < applications_.size(); ++other) {
        phase.others_received += applications_[other]->received_in(i);
        phase.others_latencies.add(applications_[other]->latencies_in(i));
      }
      for (const auto& transport : transports_) phase.refused += transport->refused_in(i);
    }
  }

  uint64_t sent() const {
    uint64_t sum = 0;
    for (const auto& transport : transports_) sum += transport->sent();
    return sum;
  }
  uint64_t received() const {
    uint64_t sum = 0;
    for (const auto& application : applications_) sum += application->received();
    return sum;
  }
  uint64_t replies() const {
    uint64_t sum = 0;
    for (const auto& transport : transports_) sum += transport->replies();
    return sum;
  }

  const Plan plan_;
  const Process* const broker_;
  Stage stage_;
  std::vector<std::unique_ptr<Transport>> transports_;
  std::vector<std::unique_ptr<Application>> applications_;
  uint64_t warm_up_ = 0;
  uint64_t warm_up_replies_ = 0;
  RunResult result_;
};

}  // namespace

RunResult run(const Plan& plan, const std::string& endpoint, const Process* broker) {
  return Crew(plan, endpoint, broker).run();
}

}  // namespace signalbox::bench
