// The parts by themselves, and each figure as a ratio to msgpack::unpack of the same message in the same run: on a
// machine whose speed wanders, ratios are what can be compared.
//
// All of Google Benchmark's flags work. Unless given, repetitions are interleaved at random and their medians are used.
// `--short` makes it quick and rougher. The budgets at the end are those of docs/benchmarks.md.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/messages.hpp"

namespace {

// What the console shows, and for each benchmark the median time for one message.
class Collector : public benchmark::ConsoleReporter {
 public:
  struct Figure {
    double nanoseconds = 0;
    double allocations = -1;  // below 0: not counted
  };

  Collector() : ConsoleReporter(OO_Tabular) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      failed_ = failed_ || run.error_occurred;
      const bool is_median = run.run_type == Run::RT_Aggregate && run.aggregate_name == "median";
      const bool is_only = run.run_type == Run::RT_Iteration && run.repetitions <= 1;
      const auto speed = run.counters.find("items_per_second");
      if (run.error_occurred || (!is_median && !is_only) || speed == run.counters.end()) continue;
      Figure figure;
      figure.nanoseconds = 1e9 / speed->second.value;
      const auto allocations = run.counters.find("allocations");
      if (allocations != run.counters.end()) figure.allocations = allocations->second.value;
      const std::string name = run.run_name.function_name + (run.run_name.args.empty() ? "" : "/" + run.run_name.args);
      figures_[name] = figure;
    }
  }

  bool failed() const { return failed_; }
  const std::map<std::string, Figure>& figures() const { return figures_; }
  // Time for one message; 0 where it was not measured.
  double nanoseconds(const std::string& name) const {
    const auto found = figures_.find(name);
    return found != figures_.end() ? found->second.nanoseconds : 0;
  }

 private:
  bool failed_ = false;
  std::map<std::string, Figure> figures_;
};

// Which message a benchmark moves, as `unpack` names it; 424 where it does not say.
std::string message_of(const std::string& name) {
  const std::string family = name.substr(0, name.find('/'));
  const bool says =
      family == "view" || family == "boundaries" || family == "unpack" || family == "queue" || family == "core";
  const std::string arguments = says ? name.substr(family.size() + 1) : "424";
  return arguments.substr(0, arguments.find('/'));
}

void print_figures(const Collector& collector) {
  std::printf("\n%-26s %12s %14s %12s %12s\n", "", "ns/message", "messages/s", "of unpack", "allocations");
  for (const auto& [name, figure] : collector.figures()) {
    const double unpack = collector.nanoseconds("unpack/" + message_of(name));
    std::printf("%-26s %12.1f %14.0f", name.c_str(), figure.nanoseconds, 1e9 / figure.nanoseconds);
    unpack > 0 ? std::printf(" %12.3f", figure.nanoseconds / unpack) : std::printf(" %12s", "-");
    figure.allocations >= 0 ? std::printf(" %12.4f\n", figure.allocations) : std::printf("\n");
  }
}

void print_budget(const char* what, double ratio, const char* bound, bool met) {
  std::printf("  %-74s %7.3f  (%s)  %s\n", what, ratio, bound, met ? "met" : "NOT MET");
}

// Routing decisions beside SimpleDispatchRouter's, and with ten thousand rules beside ten.
void print_router_budgets(const Collector& collector) {
  const double simple = collector.nanoseconds("route_simple/10");
  const double match = collector.nanoseconds("re2_match");
  for (const auto& [name, figure] : collector.figures()) {
    if (!name.starts_with("route_") || !name.ends_with("/10")) continue;
    const bool has_patterns = name.starts_with("route_patterns");
    const double few = figure.nanoseconds;
    const double many = collector.nanoseconds(name + "000");
    if (simple > 0 && has_patterns && match > 0) {
      const double bound = simple + 10 * match;
      print_budget((name + ": of Simple and 10 RE2 matches").c_str(), few / bound, "at most 1", few <= bound);
    } else if (simple > 0 && !has_patterns && few != simple) {
      print_budget((name + ": of Simple").c_str(), few / simple, "at most 1.5", few / simple <= 1.5);
    }
    if (many <= 0) continue;
    const double bound = has_patterns ? 20 : 2;
    print_budget((name + "000: of the time with 10 rules").c_str(), many / few,
                 has_patterns ? "at most 20" : "at most 2", many / few <= bound);
  }
}

// No text makes an expression slow: 64 KiB take 16 times what 4 KiB take, and the noise of that.
void print_hostile_budget(const Collector& collector) {
  double worst = 0;
  for (const auto& [name, figure] : collector.figures()) {
    if (!name.starts_with("hostile_") || !name.ends_with("/4096")) continue;
    const double long_text = collector.nanoseconds(name.substr(0, name.size() - 4) + "65536");
    if (long_text > 0) worst = std::max(worst, long_text / figure.nanoseconds / 16);
  }
  if (worst > 0)
    print_budget("hostile expressions: time for each byte, 64 KiB of 4 KiB", worst, "at most 2", worst <= 2);
}

// A budget whose parts were not measured is left out.
void print_budgets(const Collector& collector) {
  std::printf("\nbudgets\n");
  const double unpack = collector.nanoseconds("unpack/424");
  const double view = collector.nanoseconds("view/424");
  const double core = collector.nanoseconds("core/424/150");
  if (unpack > 0 && view > 0)
    print_budget("message view, 424 bytes: times as fast as unpack", unpack / view, "at least 8", unpack / view >= 8);
  if (unpack > 0 && core > 0)
    print_budget("core, 424 bytes, batches of 150: of one unpack", core / unpack, "at most 0.3", core / unpack <= 0.3);
  // Once warm. Traffic spread over thousands of endpoints is still making room for each when it is measured.
  double allocations = -1;
  for (const auto& [name, figure] : collector.figures())
    if (name.starts_with("core/")) allocations = std::max(allocations, figure.allocations);
  if (allocations >= 0)
    print_budget("core: heap allocations for each message, at most", allocations, "0", allocations < 0.0001);
  double for_a_message = -1;
  for (const auto& [name, figure] : collector.figures())
    if (name.starts_with("message_") && !name.ends_with("_msgpack"))
      for_a_message = std::max(for_a_message, figure.allocations);
  if (for_a_message >= 0)
    print_budget("message type: heap allocations for each message, at most", for_a_message, "2", for_a_message <= 2);
  const double few = collector.nanoseconds("growth/20/0/10");
  for (const auto& [name, what] :
       {std::pair("growth/10000/0/10", "core: 10,000 endpoints and rules, of the time with 20, same ten at work"),
        std::pair("growth/10000/1000/10", "the same, and 1,000 idle workers")}) {
    const double many = collector.nanoseconds(name);
    if (few > 0 && many > 0) print_budget(what, many / few, "at most 1.3", many / few <= 1.3);
  }
  print_router_budgets(collector);
  print_hostile_budget(collector);
}

bool given(const std::vector<std::string>& arguments, std::string_view flag) {
  for (const std::string& argument : arguments)
    if (argument.starts_with(flag)) return true;
  return false;
}

}  // namespace

int main(int count, char** values) {
  std::vector<std::string> arguments(values, values + count);
  const bool is_short = std::erase(arguments, "--short") > 0;
  for (const std::string& flag : {std::string("--benchmark_enable_random_interleaving=true"),
                                  std::string("--benchmark_report_aggregates_only=true"),
                                  std::string("--benchmark_repetitions=") + (is_short ? "3" : "7"),
                                  std::string("--benchmark_min_time=") + (is_short ? "0.05" : "0.2")}) {
    if (!given(arguments, flag.substr(0, flag.find('=')))) arguments.push_back(flag);
  }
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int pointer_count = static_cast<int>(pointers.size());
  benchmark::Initialize(&pointer_count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(pointer_count, pointers.data())) return 2;
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  print_figures(collector);
  print_budgets(collector);
  return collector.failed() ? 1 : 0;
}
