// What a load run can measure, by name, and the rows of each scenario's table: the same Plan but for what a row is
// about.
//
// Thread: one. Errors: exceptions. Tested by test_load.py.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/crew.hpp"

namespace signalbox::bench {

// In the order in which they run.
inline const std::vector<std::string> scenario_names = {"throughput", "latency", "round-trip", "mesh", "slow-consumer"};

struct LoadOptions {
  std::vector<Library> libraries{};  // empty: the scenario's own
  int runs = 3;
  double seconds = 1.2;
  double warm_up_s = 0.3;
  size_t message_bytes = 424;
  uint64_t window = 0;                   // 0: the scenario's own, as below
  std::vector<uint64_t> rates{};         // messages a second
  std::vector<uint64_t> outstanding{};   // of round trips
  std::vector<std::string> overflows{};  // of the slow consumer
  size_t transports = 0;
  size_t applications = 0;
  double slow_s = 1.5;
  uint64_t slow_rate = 0;
  std::string endpoint{};  // of a broker that runs already; empty: one is started for each run
  std::string program{};   // `signalbox`
};

enum class Table : uint8_t { throughput, latency, slow_consumer };

struct Row {
  std::string name;
  Plan plan;
  std::vector<RunResult> runs{};
};

struct Scenario {
  std::string name;
  std::string title;
  Table table = Table::throughput;
  std::vector<Row> rows{};
};

// REQUIRES: `name` is one of scenario_names.
Scenario make_scenario(const std::string& name, const LoadOptions& options);
// Runs its rows in turn, A B C A B C, so that what disturbs the machine for a while disturbs all.
void measure(Scenario& scenario, const LoadOptions& options);
// The configuration that a broker needs for it, as far as that is one for all rows.
std::string configuration_of(const Scenario& scenario, const std::string& endpoint);

}  // namespace signalbox::bench
