// What the runs of a scenario come to: a table for people, and every run as JSON.
//
// Thread: one. Errors: a file that cannot be written is an exception. Tested by test_load.py.
#pragma once

#include <string>
#include <vector>

#include "bench/load/scenarios.hpp"

namespace signalbox::bench {

void print_table(const Scenario& scenario);
// `machine`: what it was measured on.
void write_json(const std::string& path, const std::string& machine, const std::vector<Scenario>& scenarios);

}  // namespace signalbox::bench
