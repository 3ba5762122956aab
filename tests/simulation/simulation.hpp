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
#include "tests/simulation/random.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/simulation/simulated_link.hpp"
#include "tests/simulation/simulated_worker.hpp"

namespace signalbox::simulation {

// A lie between the core and the model, told once a run, that the model must find.
enum class PlantedLie : uint8_t {
  none,
  delivery_lost,     // a DELIVER that the core believes sent
  confirmed_early,   // CONFIRM of one message more
  messages_swapped,  // the two first messages of a batch
  refusal_lost,      // a REFUSE that the core believes sent
  redelivery_hidden  // `redelivered` is false for a repeated one
};

class Simulation final : public Output {
 public:
  Simulation(uint64_t seed, uint64_t steps, PlantedLie lie = PlantedLie::none,
             Installation installation = Installation::one_dispatcher);
  ~Simulation() override;
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // True: every promise was kept.
  [[nodiscard]] bool run();
  void trace_from(uint64_t step) { journal_.trace_from(step); }
  std::string report() const { return journal_.report(); }
  const std::string& fault() const { return journal_.fault(); }
  bool lied() const { return lied_; }

  const Model& model() const { return *model_; }
  const Core& core() const { return *core_; }

 private:
  Result send(ConnectionId to, Bytes header, Run body) override;
  Result lie_about(ConnectionId to, Bytes header, Run& body);

  void step();
  void something_breaks();
  bool feed_core(uint64_t frames);
  bool feed_workers(uint64_t frames);
  void end_turn();
  void pass_time(uint64_t span_ms);
  void report_gone();
  void check();
  void heal();
  void finish();
  SimulatedWorker& any_worker() { return *workers_[random_.below(workers_.size())]; }

  Random random_;
  Journal journal_;
  const uint64_t steps_;
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
  uint64_t step_ = 0;
};

// The journal of a run that is going on is printed if the process aborts, as it does when an assertion of the core
// fails.
void print_journal_on_abort();

}  // namespace signalbox::simulation
