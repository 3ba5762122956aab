// The simulator by hand: runs seeds, stops at the first that fails, makes that run short and says how to replay it.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "tests/simulation/shrinking.hpp"
#include "tests/simulation/simulation.hpp"

namespace signalbox::simulation {
namespace {

constexpr const char* help =
    "usage: simulate [options]\n"
    "Runs the broker's core against invented workers, links and time, each run from one seed, and checks every\n"
    "promise after every step. The first run that fails is made short and written to a file.\n"
    "\n"
    "  --seed S            the first seed (default: one by chance; it is printed)\n"
    "  --runs K            so many runs, from that seed on (default 1)\n"
    "  --steps N           in each run (default 10000)\n"
    "  --installation I    one_dispatcher (the default), several_dispatchers, everything, changing\n"
    "                      or all_routers\n"
    "  --lanes L           several cores that share the endpoints (default 0: one)\n"
    "  --storm L           so many lanes that take turns while things are on their way, without the model\n"
    "  --replay FILE       the run in this file, every event of it printed\n"
    "  --trace T           prints every event from step T on\n"
    "  --folder F          where the file of a shortened run goes (default: here)\n"
    "\n"
    "Exit code: 0 all promises kept, 1 one was broken, 2 the command makes no sense.\n";

struct Options {
  Plan plan;
  uint64_t runs = 1;
  uint64_t trace_from = UINT64_MAX;
  bool replays = false;
  std::string folder = ".";
};

std::optional<Plan> load(const std::string& path, std::string& fault) {
  std::ifstream file(path);
  if (!file) {
    fault = "cannot read " + path;
    return std::nullopt;
  }
  return read_plan(std::string(std::istreambuf_iterator<char>(file), {}), fault);
}

// False: the words make no sense, and it has been said why.
bool read_options(int count, char** words, Options& options) {
  options.plan.seed = std::random_device()();
  options.plan.steps = 10'000;
  for (int i = 1; i < count; i += 2) {
    const std::string_view key = words[i];
    if (i + 1 == count) {
      std::fputs(help, stderr);
      return false;
    }
    const std::string value = words[i + 1];
    const uint64_t number = std::strtoull(value.c_str(), nullptr, 10);
    std::string fault;
    if (key == "--seed") {
      options.plan.seed = number;
    } else if (key == "--steps") {
      options.plan.steps = number;
    } else if (key == "--runs") {
      options.runs = number;
    } else if (key == "--lanes") {
      options.plan.lanes = static_cast<uint32_t>(number);
    } else if (key == "--storm") {
      options.plan.lanes = static_cast<uint32_t>(number);
      options.plan.storm = true;
    } else if (key == "--trace") {
      options.trace_from = number;
    } else if (key == "--folder") {
      options.folder = value;
    } else if (key == "--installation" && installation_named(value)) {
      options.plan.installation = *installation_named(value);
    } else if (key == "--replay") {
      const std::optional<Plan> plan = load(value, fault);
      if (plan) options.plan = *plan;
      options.replays = true;
      options.trace_from = 0;
    } else {
      fault = "not understood: " + std::string(key) + " " + value + "; simulate --help lists the options";
    }
    if (fault.empty()) continue;
    std::fprintf(stderr, "%s\n", fault.c_str());
    return false;
  }
  return true;
}

// A run whose events are to be seen, in this process, where a debugger can follow it.
int run_here(const Options& options) {
  print_journal_on_abort();
  Simulation simulation(options.plan);
  simulation.trace_from(options.trace_from);
  const bool kept = simulation.run();
  std::fflush(stdout);
  if (!kept) std::fputs(simulation.report().c_str(), stderr);
  return kept ? 0 : 1;
}

int run_seeds(const Options& options) {
  std::printf("seed %llu, %llu steps, %llu runs, %s\n", static_cast<unsigned long long>(options.plan.seed),
              static_cast<unsigned long long>(options.plan.steps), static_cast<unsigned long long>(options.runs),
              std::string(to_string(options.plan.installation)).c_str());
  const auto start = std::chrono::steady_clock::now();
  Totals totals;
  const std::optional<Plan> failed = first_that_fails(options.plan, options.runs, totals);
  if (failed) {
    std::fprintf(stderr, "seed %llu fails\n%s", static_cast<unsigned long long>(failed->seed),
                 explain_failure(*failed, options.folder).c_str());
    return 1;
  }
  const std::chrono::duration<double> span = std::chrono::steady_clock::now() - start;
  std::printf(
      "all promises kept: %llu deliveries, %llu dead letters, %llu expired, %llu taken from their workers, "
      "%llu settled late, %llu reloads, %.0f steps a second\n",
      static_cast<unsigned long long>(totals.delivered), static_cast<unsigned long long>(totals.dead),
      static_cast<unsigned long long>(totals.expired), static_cast<unsigned long long>(totals.timed_out),
      static_cast<unsigned long long>(totals.settled_late), static_cast<unsigned long long>(totals.reloads),
      static_cast<double>(options.runs * options.plan.steps) / span.count());
  return 0;
}

}  // namespace
}  // namespace signalbox::simulation

int main(int argument_count, char** arguments) {
  using namespace signalbox::simulation;
  if (argument_count == 2 && std::string_view(arguments[1]) == "--help") {
    std::fputs(help, stdout);
    return 0;
  }
  Options options;
  if (!read_options(argument_count, arguments, options)) return 2;
  return options.replays || options.trace_from != UINT64_MAX ? run_here(options) : run_seeds(options);
}
