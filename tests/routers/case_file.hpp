// A case file: router behaviour as data. tests/routers/cases/README.md says how one is written.
//
// Errors: a file that is not written so becomes one case that has nothing but the fault.
#pragma once

#include <filesystem>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "tests/routers/router_harness.hpp"

namespace signalbox::testing {

// One message and where it must go.
struct Step {
  std::string it;
  std::string from;
  Json message;                       // whole
  std::vector<std::string> followed;  // who sent the message that this one refers to, beforehand
  Json earlier;                       // that message, as each of them sends it
  std::optional<std::set<std::string>> live;
  Time now;
  std::string goes;
  Json arrives;  // the message as each target has to get it
};

// Steps that one broker sees in their order.
struct Case {
  std::string file;
  std::string configuration;
  std::vector<Step> steps;
  std::string fault;  // of the file; then there are no steps
};

void PrintTo(const Case& one, std::ostream* out);

std::vector<Case> read_case_files(const std::filesystem::path& folder);

}  // namespace signalbox::testing
