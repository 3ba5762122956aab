// A failing run made short: the fewest steps that still break the same promise.
//
// Delta debugging: chunks of steps are left out, large ones first, and stay out where the run fails as before. What a
// run fails with counts without its numbers, which differ from run to run. Each try runs in a process of its own, so
// that a run which ends in an assertion of the core, or in a sanitizer's report, is made short like any other.
//
// Thread: one; no other may be running (it forks). Errors: std::abort where the system gives no process.
// Bounds: runs_max tries.
// Tested by shrinking_test.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/plan.hpp"
#include "tests/simulation/simulation.hpp"

namespace signalbox::simulation {

struct RunResult {
  bool failed = false;
  std::string kind;    // of the fault: its words, without numbers; empty where all is well
  std::string report;  // the journal, or what the process left behind when it died
  uint64_t step = 0;   // the last
};

// Runs it in a process of its own.
RunResult run_apart(const Plan& plan);

// Runs the plan's seed and those behind it, `runs` in all, in one process apart. The first that fails; empty: none.
std::optional<Plan> first_that_fails(const Plan& first, uint64_t runs, Totals& totals);

struct Shortened {
  Plan plan;
  RunResult result;
  uint64_t runs = 0;  // that it took
};

// REQUIRES: the plan fails. (If it does not, the result says so, and the plan is as it was.)
Shortened shorten(const Plan& plan, uint64_t runs_max = 3000);

// The shortened journal, and the file and the command that replay it, as text. The file is written into `folder`.
std::string explain_failure(const Plan& plan, const std::string& folder);

}  // namespace signalbox::simulation
