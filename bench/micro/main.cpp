// The parts by themselves, and each figure as a ratio to msgpack::unpack of the same message in the same run: on a
// machine whose speed wanders, ratios are what can be compared.
//
//   bench_micro            medians of 7 repetitions, interleaved at random
//   bench_micro --short    quicker and rougher
//   bench_micro --all      also what takes long or much memory: tables of 64 million entries, every shape of the core
//
// All of Google Benchmark's flags work, and are what a repetition's length and number are set by.
// Exit codes: 0 measured, 1 a row failed, 2 bad arguments; a budget that is not met is printed as that.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/end_to_end/process.hpp"
#include "bench/micro/budgets.hpp"
#include "bench/micro/figures.hpp"
#include "bench/micro/rows.hpp"

namespace signalbox::bench {
namespace {

constexpr std::string_view usage =
    "bench_micro [--short] [--all] [--benchmark_...]\n"
    "\n"
    "What each part takes, without a socket: times, bytes and allocations for a message, beside msgpack::unpack and\n"
    "beside the least that the machine itself takes; then the budgets, met or not met.\n"
    "\n"
    "  --short   3 repetitions of 0.05 s instead of 7 of 0.1 s\n"
    "  --all     also tables of 64 million entries, other maps as large, and the core at every combination of "
    "message,\n"
    "            batch, fan-out, endpoints and sessions. Takes minutes, and 20 GiB of memory to leave nothing out\n"
    "\n"
    "Google Benchmark's own flags, such as\n"
    "  --benchmark_list_tests                       the rows\n"
    "  --benchmark_filter='view|unpack|floor_copy'  those alone; a row's ratios need the rows that they go by\n"
    "  --benchmark_out=FILE --benchmark_out_format=json\n"
    "  --benchmark_repetitions=N --benchmark_min_time=SECONDS\n";

// In the JSON, beside what Google Benchmark says of the machine.
void add_stamp() {
  const auto memory_bytes =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  benchmark::AddCustomContext("stamp", machine_stamp());
  benchmark::AddCustomContext("memory_mib", std::to_string(memory_bytes >> 20));
}

bool given(const std::vector<std::string>& arguments, std::string_view flag) {
  for (const std::string& argument : arguments)
    if (argument.starts_with(flag)) return true;
  return false;
}

int run(std::vector<std::string> arguments) {
  if (std::erase(arguments, "--help") + std::erase(arguments, "-h") > 0) {
    std::fputs(usage.data(), stdout);
    return 0;
  }
  const bool is_short = std::erase(arguments, "--short") > 0;
  const bool all = std::erase(arguments, "--all") > 0;
  // The report is made of the aggregates.
  for (const std::string& flag : {std::string("--benchmark_enable_random_interleaving=true"),
                                  std::string("--benchmark_report_aggregates_only=true"),
                                  std::string("--benchmark_repetitions=") + (is_short ? "3" : "7"),
                                  std::string("--benchmark_min_time=") + (is_short ? "0.05" : "0.1")}) {
    if (!given(arguments, flag.substr(0, flag.find('=')))) arguments.push_back(flag);
  }
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int pointer_count = static_cast<int>(pointers.size());
  benchmark::Initialize(&pointer_count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(pointer_count, pointers.data())) return 2;

  const int threads_max = static_cast<int>(std::thread::hardware_concurrency());
  register_rings(threads_max);
  std::vector<std::string> left_out = register_routing_memory(all, threads_max);
  if (all)
    for (std::string& line : register_core_matrix()) left_out.push_back(std::move(line));
  add_stamp();
  std::printf("%s\n", machine_stamp().c_str());
  Figures figures;
  benchmark::RunSpecifiedBenchmarks(&figures);
  if (given(arguments, "--benchmark_list_tests")) return 0;
  figures.print();
  for (const std::string& line : left_out) std::printf("left out: %s\n", line.c_str());
  print_budgets(figures);
  return figures.failed() ? 1 : 0;
}

}  // namespace
}  // namespace signalbox::bench

int main(int count, char** values) {
  return signalbox::bench::run(std::vector<std::string>(values, values + count));
}
