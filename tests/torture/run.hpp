// A torture run: starts a broker and its workers as processes, does to them what goes wrong in service, by a seed, and
// at the end makes everything well again and strikes the balance.
//
// Faults come from a deck, which is shuffled and dealt again and again: so the odd ones have their turn even in a short
// run. What the faults strike and how long they last follows from the seed; what the machine does in between does not.
//
// Thread: one; the proxies have their own.
// Owns:   all processes, sockets and files of the run.
// Errors: run() throws std::runtime_error where the run cannot go on; what does not hold at its end is in the report.
// Tested by the run itself, and with a planted loss by planted_loss.sh.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/harness/cutting_proxy.hpp"
#include "tests/harness/process.hpp"
#include "tests/torture/balance.hpp"
#include "tests/torture/books.hpp"
#include "tests/torture/broker_log.hpp"
#include "tests/torture/configuration.hpp"
#include "tests/torture/scoreboard.hpp"
#include "tests/torture/strangers.hpp"

namespace signalbox::torture {

struct Plan {
  std::string broker_program;
  std::string worker_program;
  std::string bare_worker_program;
  std::string folder;     // for logs and configurations
  uint64_t seconds = 60;  // of faults; the end comes on top
  uint64_t seed = 0;
  bool keys = false;
  uint32_t planted_loss = 0;
  uint64_t patience_s = 30;          // at the end, with nothing arriving any more
  uint64_t fault_interval_ms = 250;  // on average
};

struct Report {
  double seconds = 0;  // of faults
  Balance balance;
  std::map<std::string, uint64_t> injected;  // faults by kind
  uint64_t brokers = 0;
  uint64_t workers = 0;  // processes
  uint64_t reloads = 0;
  uint64_t reloads_refused = 0;
  uint64_t ack_timeouts = 0;
  std::vector<std::string> faults;  // empty: everything held
};

class Run {
 public:
  Run(Plan plan, std::function<void(const std::string&)> tell);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Report run();
  const Scoreboard& scoreboard() const { return scoreboard_; }

 private:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  struct Worker {
    std::unique_ptr<harness::Process> process;
    bool stopped = false;  // by SIGSTOP
  };
  struct Due {
    Clock::time_point at;
    std::function<void()> what;
  };
  struct Fault {
    const char* name;
    unsigned weight;  // so often in each deck
    void (Run::*perform)();
    bool ends_broker = false;
  };
  static const std::array<Fault, 14> kinds;

  // Starting.
  void make_keys();
  void start_broker();
  std::string broker_log() const;  // of the one that runs
  void start_worker(size_t slot);
  Assignment assignment(size_t slot);

  // The run, in run.cpp.
  void torture();
  void deal();
  void wait(Milliseconds longest);
  void perform_due();
  void later(Milliseconds after, std::function<void()> what);
  void check_processes();
  void say_how_it_stands();
  void note(const std::string& what);
  void write_configuration();
  uint16_t second() const;
  uint64_t below(uint64_t bound) { return random_() % bound; }
  Milliseconds between(uint64_t from_ms, uint64_t to_ms) { return Milliseconds(from_ms + below(to_ms - from_ms)); }

  // What is done to them, in faults.cpp.
  void kill_worker();
  void stop_worker();
  void stop_worker_for_long();
  void continue_worker(size_t slot);
  void cut_whole() { cut(below(2) == 0 ? harness::Cut::reset : harness::Cut::close); }
  void cut_half() { cut(below(2) == 0 ? harness::Cut::worker_side : harness::Cut::broker_side); }
  void cut_silently() { cut(harness::Cut::silent); }
  void cut(harness::Cut how);
  void drain_broker();
  void drain_broker_in_disorder();
  void end_broker_by_drain();
  void kill_broker();
  void wait_for_broker();
  void hang_up();
  void reload();
  void reload_nonsense();
  void flood();
  void slow_down();
  void send_strangers() { strangers_.send_some(configuration_); }

  // The end, in ending.cpp.
  void quiesce();
  void end();
  void wait_registered(const char* what);
  void wait_until(const char* what, Milliseconds patience, const std::function<bool()>& done);
  void make_everything_well();
  bool all_registered() const;
  bool all_confirmed() const;
  void broker_ended(bool killed);
  void fault(std::string text);

  std::string file(const std::string& name) const { return plan_.folder + "/" + name; }

  const Plan plan_;
  const std::function<void(const std::string&)> tell_;
  const Clock::time_point begin_ = Clock::now();
  std::mt19937_64 random_;
  Configuration configuration_;
  Scoreboard scoreboard_;
  std::array<std::unique_ptr<harness::CuttingProxy>, 4> proxies_;
  Strangers strangers_;
  std::ofstream notes_;
  std::unique_ptr<harness::Process> broker_;
  std::array<Worker, slot_count> workers_;
  std::vector<Due> due_;
  std::vector<const Fault*> deck_;
  std::vector<BrokerEnd> brokers_;
  uint16_t processes_ = 0;
  bool restarting_ = false;  // the broker: no other fault strikes
  Report report_;
};

}  // namespace signalbox::torture
