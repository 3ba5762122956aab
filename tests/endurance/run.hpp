// One endurance run: a broker, two transports, an application in one or several processes, and what is done to them
// while a given number of questions is asked and answered.
//
// What happens is tied to progress, not to time: the i-th kill comes when so many answers have arrived. So a slow
// machine takes longer and does the same, and a run is bounded by its work; a deadline ends one that is stuck. The
// choices (which instance, which kind of cut, at which answer) follow from a seed.
//
// Thread: one; the transports and the proxy have their own.
// Owns:   all processes, sockets and files of the run.
// Errors: run() throws std::runtime_error where the run cannot go on; what does not hold at its end is in the report.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/endurance/traffic.hpp"
#include "tests/endurance/transport.hpp"
#include "tests/harness/cutting_proxy.hpp"
#include "tests/harness/process.hpp"

namespace signalbox::endurance {

using harness::Cut;
using harness::CuttingProxy;
using harness::Process;

enum class Restart : uint8_t { none, term, kill };

struct Plan {
  std::string broker_program;
  std::string application_program;
  uint64_t messages = 1'000'000;
  uint64_t instances = 1;
  uint64_t kills = 10;
  uint64_t cuts = 10;
  Restart restart = Restart::none;
  uint64_t seed = 0;
  uint64_t deadline_s = 240;
};

// What came out. Empty faults: everything held.
struct Report {
  double seconds = 0;           // from the first question to the last answer
  uint64_t answered = 0;        // different questions
  uint64_t lost = 0;            // unanswered, and allowed to be: they were confirmed by a broker that was killed
  uint64_t handled_again = 0;   // deliveries of questions past the first
  uint64_t received_again = 0;  // deliveries of answers past the first
  uint64_t kills = 0;
  uint64_t cuts = 0;
  uint64_t registrations = 0;  // of the transports
  std::vector<std::string> faults;
};

class Run {
 public:
  explicit Run(Plan plan);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Report run();

  // Where everything stands, and the end of what the processes said; for people, after a failure.
  std::string description() const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Event {
    enum class What : uint8_t { kill, cut, restart };
    What what = What::kill;
    uint64_t point = 0;  // answers: of the first transport for a cut, else of both
  };
  struct Instance {
    std::unique_ptr<Process> process;
    uint8_t number = 0;  // of the process, from 1
  };

  // Preparing.
  void plan_events();
  void write_configuration() const;
  void start_broker();
  void start_instance(Instance& instance);
  void start_transports();

  // The run.
  void drive();
  bool finished() const;
  bool due(const Event& event) const;
  void perform(const Event& event);
  void kill_instance();
  void cut();
  void restart_broker();
  void end();
  void wait_until(const std::function<bool()>& done, const char* what);
  void check_processes();
  bool first_transport_registered() const;  // since its last cut
  bool all_registered() const;
  uint64_t brokers_started() const { return scoreboard_.totals().brokers_started.load(); }
  uint64_t answered() const { return transports_[0]->answered() + transports_[1]->answered(); }

  // The verdict, in verdict.cpp.
  void judge();
  void judge_question(uint64_t number);
  bool may_be_lost(uint64_t number) const;
  void judge_broker_log();
  void fault(std::string text);

  std::string file(const char* name) const { return folder_ + "/" + name; }
  const Transport& transport_of(uint64_t number) const { return *transports_[number < plan_.messages / 2 ? 0 : 1]; }

  const Plan plan_;
  const std::string folder_;
  const int wake_;  // an eventfd that the transports and the applications write to when there is news
  const Clock::time_point deadline_;
  const uint16_t broker_port_;
  mutable Scoreboard scoreboard_;
  std::mt19937_64 random_;
  std::vector<Event> events_;  // still to come
  std::vector<Cut> ways_;      // of cutting, still to come
  CuttingProxy proxy_;
  std::unique_ptr<Process> broker_;
  std::vector<Instance> instances_;
  std::array<std::unique_ptr<Transport>, transport_count> transports_;
  uint64_t processes_started_ = 0;
  uint64_t registrations_before_cut_ = 0;   // of the first transport
  std::set<uint8_t> killed_before_broker_;  // application processes
  std::set<uint8_t> killed_;
  uint64_t processes_before_broker_kill_ = 0;
  Report report_;
};

}  // namespace signalbox::endurance
