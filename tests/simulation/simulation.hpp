// One run: the real core with a real router on one thread, workers and links round it, time invented, all from one
// seed.
//
// Where there are lanes, each frame goes in by itself, and what it causes is worked off before the next: the lanes take
// their turns one by one, in an order by chance, some again before others once, until nothing is on its way. So all
// that the model says of one core it says of them too.
//
// In a storm there is no such rest: lanes take their turns, or none for a while, and what the link tells the lanes, and
// they each other, waits in narrow rings meanwhile, also while workers register, connections go, peers have no room and
// the configuration changes. What comes out then depends on the moment, so there is no model; what must hold is what
// the workers check, the lanes' books whenever nothing is on its way, and that in the end nothing is lost or waits.
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

#include "broker/core/lanes.hpp"
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
  uint64_t delivered = 0;  // in a storm: and settled
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
  const Lanes& core() const { return *core_; }

 private:
  Result send(ConnectionId to, Bytes header, Run body) override;
  Result lie_about(ConnectionId to, Bytes header, Run& body);

  std::vector<Settings> settings_by_lane() const;
  bool place();
  bool begins_to_drop() const;
  void start_core();
  void settle_lanes();
  void take_some_turns();
  bool take_turn(uint32_t lane);
  void give_frame(ConnectionId from, const FrameToBroker& frame);
  uint64_t live_messages() const;
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
  void flush_core();
  void pass_time(uint64_t span_ms);
  void tick();
  void jump_wall_clock();
  void report_gone();
  void check();
  void heal();
  bool all_idle() const;
  bool at_rest() const;
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
  std::unique_ptr<Model> model_;  // none in a storm
  std::unique_ptr<Lanes> core_;   // outlives the runs that the link holds
  SimulatedLink link_;
  World world_;
  std::vector<std::unique_ptr<SimulatedWorker>> workers_;
  std::vector<uint32_t> lane_of_;         // by endpoint; empty: there is one core
  std::vector<ConnectionId> found_gone_;  // that a lane is yet to be told of
  uint32_t asleep_ = 0;                   // in a storm: the lane that takes no turns,
  uint64_t asleep_until_step_ = 0;        // before this step
  EndpointId peopled_ = 0;                // endpoints below have their workers
  uint64_t step_ = 0;
  bool draining_ = false;
  RunNotes* notes_ = nullptr;
  Totals totals_before_;  // the broker was started again
};

// The journal of a run that is going on is printed if the process aborts, as it does when an assertion of the core
// fails.
void print_journal_on_abort();

}  // namespace signalbox::simulation
