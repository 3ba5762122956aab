// One run: the real core with a real router on one thread, workers and links round it, time invented, all from one
// seed.
//
// A step is one thing that happens: frames reach the core and a turn ends, a worker receives, a worker does something,
// time passes, or something breaks. The model sees everything that goes into the core and comes out of it and is asked
// after each step. A run ends by healing: links stand, workers come back and work off what there is; then every message
// that was ever taken must be accounted for.
//
// Thread: one. Owns: core, link, workers, model. Errors: run() says no, report() says why.
// Tested by simulation_test.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/core.hpp"
#include "tests/simulation/journal.hpp"
#include "tests/simulation/model.hpp"
#include "tests/simulation/plan.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/simulation/simulated_link.hpp"
#include "tests/simulation/simulated_worker.hpp"

namespace signalbox::simulation {

// What runs did, together.
struct Totals {
  uint64_t delivered = 0;
  uint64_t dead = 0;
  uint64_t expired = 0;
  uint64_t timed_out = 0;  // taken from workers that kept them for too long
  uint64_t settled_late = 0;
  uint64_t reloads = 0;

  Totals& operator+=(const Totals& other);
};

// What a run writes down for who may outlive it.
struct RunNotes {
  uint64_t seed = 0;         // of the run
  uint64_t step = 0;         // the last one begun
  Random* starts = nullptr;  // where chance stood when each step began, as far as there is room
  uint64_t starts_max = 0;
  Totals totals;  // of all runs that noted here and have ended
};

class Simulation final : public Output {
 public:
  explicit Simulation(Plan plan);
  Simulation(uint64_t seed, uint64_t steps, Installation installation = Installation::one_dispatcher)
      : Simulation(Plan{seed, steps, installation, PlantedLie::none, {}}) {}
  ~Simulation() override;
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // True: every promise was kept.
  [[nodiscard]] bool run();
  void trace_from(uint64_t step) { journal_.trace_from(step); }
  // REQUIRES: `notes` outlives the run.
  void note_in(RunNotes& notes) {
    notes_ = &notes;
    notes.seed = plan_.seed;
  }
  std::string report() const { return journal_.report(); }
  const std::string& fault() const { return journal_.fault(); }
  bool lied() const { return lied_; }

  Totals totals() const;
  uint64_t delivered() const { return totals().delivered; }
  uint64_t dead() const { return totals().dead; }
  const Core& core() const { return *core_; }

 private:
  Result send(ConnectionId to, Bytes header, Run body) override;
  Result lie_about(ConnectionId to, Bytes header, Run& body);

  void begin_step(uint64_t number);
  void step();
  void something_breaks();
  void start_draining();
  void restart();
  void reload();
  void change_rights();
  void add_workers();
  bool feed_core(uint64_t frames);
  bool feed_workers(uint64_t frames);
  void end_turn();
  void pass_time(uint64_t span_ms);
  void jump_wall_clock();
  void report_gone();
  void check();
  void heal();
  void finish();
  SimulatedWorker& any_worker() { return *workers_[random_.below(workers_.size())]; }

  const Plan plan_;
  Random random_;
  Journal journal_;
  PlantedLie lie_;  // not told yet
  uint64_t lie_step_;
  bool lied_ = false;
  Scenario scenario_;
  MessageBook messages_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Core> core_;  // outlives the runs that the link holds
  SimulatedLink link_;
  World world_;
  std::vector<std::unique_ptr<SimulatedWorker>> workers_;
  EndpointId peopled_ = 0;  // endpoints below have their workers
  uint64_t step_ = 0;
  bool draining_ = false;
  RunNotes* notes_ = nullptr;
  Totals totals_before_;  // the broker was started again
};

// The journal of a run that is going on is printed if the process aborts, as it does when an assertion of the core
// fails.
void print_journal_on_abort();

}  // namespace signalbox::simulation
