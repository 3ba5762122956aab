// Which run: its seed, how many steps, in which installation; or the few steps that are left of one.
//
// All steps of a run draw from one source of chance, one after the other. A step that is kept carries the state in
// which it found that source, so it does the same when the steps before it are left out, as far as it still can. That
// also makes a shortened run independent of how many numbers earlier steps draw: a file of one lives longer than a
// seed.
//
// Thread: any. Owns: the kept steps. Errors: read_plan() says in words what it cannot read.
// Tested by shrinking_test.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulation/random.hpp"
#include "tests/simulation/scenario.hpp"

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

struct KeptStep {
  uint64_t number = 0;  // in the whole run, from 1
  Random chance{0};     // as the step found it
};

struct Plan {
  uint64_t seed = 1;
  uint64_t steps = 2000;
  Installation installation = Installation::one_dispatcher;
  PlantedLie lie = PlantedLie::none;
  std::optional<std::vector<KeptStep>> kept;  // in order; empty: all steps
  uint32_t lanes = 0;
  bool storm = false;  // with lanes: see simulation.hpp
};

// A plan as a small text file, and back. `comment` goes in front, line by line.
std::string to_text(const Plan& plan, std::string_view comment);
// Empty where the text is no plan; `fault` then says why.
std::optional<Plan> read_plan(std::string_view text, std::string& fault);

std::string_view to_string(Installation installation);
std::optional<Installation> installation_named(std::string_view name);

}  // namespace signalbox::simulation
