#include "bench/end_to_end/report.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "bench/end_to_end/process.hpp"
#include "bench/messages.hpp"
#include "bench/spread.hpp"

namespace signalbox::bench {
namespace {

// Design, section 7.
constexpr double throughput_budget = 3;
constexpr double worker_library_budget = 2;
constexpr double latency_budget = 1.25;

using Figure = double RunResult::*;

Spread spread_of(const std::vector<RunResult>& runs, Figure figure) {
  std::vector<double> values;
  for (const RunResult& run : runs) values.push_back(run.*figure);
  return Spread::of(std::move(values));
}

using Runs = std::vector<RunResult>;

Spread ratio_of_pairs(const Runs& runs, const Runs& proxy, Figure figure) {
  std::vector<double> values;
  for (size_t i = 0; i < runs.size(); ++i) values.push_back(runs[i].*figure / proxy[i].*figure);
  return Spread::of(std::move(values));
}

double ratio_of_medians(const Runs& runs, const Runs& proxy, Figure figure) {
  return spread_of(runs, figure).median / spread_of(proxy, figure).median;
}

double worst(const std::vector<RunResult>& runs, Figure figure) {
  return spread_of(runs, figure).high;
}

void print_disturbance(const std::vector<RunResult>& runs) {
  const double steal = worst(runs, &RunResult::steal);
  const double foreign = worst(runs, &RunResult::foreign);
  std::printf("  %5.1f%%  %6.1f%%%s\n", 100 * steal, 100 * foreign,
              std::max(steal, foreign) > disturbed_share ? "  disturbed" : "");
}

void print_throughput(const Comparison& comparison) {
  std::printf("\n%zu bytes, as fast as it goes; medians of %zu, alternating (CPU: seconds a million messages)\n",
              comparison.workload.message_bytes, comparison.signalbox.size());
  std::printf("%-14s %12s  %-26s %7s %9s %9s  %6s  %7s\n", "", "messages/s", "spread", "broker", "producer", "consumer",
              "steal", "foreign");
  const auto row = [](const char* name, const std::vector<RunResult>& runs) {
    const Spread speed = spread_of(runs, &RunResult::messages_per_second);
    std::printf("%-14s %12s  %-26s %7.2f %9.2f %9.2f", name, grouped(speed.median).c_str(), grouped(speed).c_str(),
                spread_of(runs, &RunResult::broker_cpu).median, spread_of(runs, &RunResult::producer_cpu).median,
                spread_of(runs, &RunResult::consumer_cpu).median);
    print_disturbance(runs);
  };
  const auto ratio = [&](const char* name, const Runs& runs) {
    const Spread pairs = ratio_of_pairs(runs, comparison.proxy, &RunResult::messages_per_second);
    std::printf("%-14s %12.2f  %.2f - %.2f from pair to pair\n", name,
                ratio_of_medians(runs, comparison.proxy, &RunResult::messages_per_second), pairs.low, pairs.high);
  };
  const bool by_messages = !comparison.worker_library.empty();
  row("signalbox", comparison.signalbox);
  if (by_messages) row("worker library", comparison.worker_library);
  row("zmq_proxy", comparison.proxy);
  ratio("ratio", comparison.signalbox);
  if (by_messages) ratio("worker library", comparison.worker_library);
}

void print_latency(const Comparison& comparison) {
  std::printf("\n%zu bytes, %s messages a second: microseconds one way; medians of %zu, alternating\n",
              comparison.workload.message_bytes, grouped(static_cast<double>(comparison.workload.rate)).c_str(),
              comparison.signalbox.size());
  std::printf("%-10s %9s  %-19s %9s %9s  %11s  %6s  %7s\n", "", "p50", "spread", "p99", "p99.9", "latest send", "steal",
              "foreign");
  const auto row = [](const char* name, const std::vector<RunResult>& runs) {
    const Spread middle = spread_of(runs, &RunResult::p50_us);
    std::printf("%-10s %9.0f  %-19s %9.0f %9.0f  %11.0f", name, middle.median, grouped(middle).c_str(),
                spread_of(runs, &RunResult::p99_us).median, spread_of(runs, &RunResult::p999_us).median,
                worst(runs, &RunResult::late_us));
    print_disturbance(runs);
  };
  row("signalbox", comparison.signalbox);
  row("zmq_proxy", comparison.proxy);
  const Spread pairs = ratio_of_pairs(comparison.signalbox, comparison.proxy, &RunResult::p50_us);
  std::printf("ratio      %9.2f  %.2f - %.2f from pair to pair\n",
              ratio_of_medians(comparison.signalbox, comparison.proxy, &RunResult::p50_us), pairs.low, pairs.high);
}

void write_runs(std::ofstream& out, const char* name, const std::vector<RunResult>& runs) {
  static constexpr std::pair<const char*, Figure> figures[] = {
      {"messages_per_second", &RunResult::messages_per_second},
      {"seconds", &RunResult::seconds},
      {"broker_cpu_s_per_million", &RunResult::broker_cpu},
      {"producer_cpu_s_per_million", &RunResult::producer_cpu},
      {"consumer_cpu_s_per_million", &RunResult::consumer_cpu},
      {"steal", &RunResult::steal},
      {"foreign", &RunResult::foreign},
      {"turns", &RunResult::turns},
      {"late_us", &RunResult::late_us},
      {"p50_us", &RunResult::p50_us},
      {"p99_us", &RunResult::p99_us},
      {"p999_us", &RunResult::p999_us},
  };
  out << "\"" << name << "\": [";
  for (size_t i = 0; i < runs.size(); ++i) {
    out << (i == 0 ? "" : ",") << "\n      {";
    bool first = true;
    for (const auto& [key, figure] : figures) {
      out << (first ? "" : ", ") << '"' << key << "\": " << runs[i].*figure;
      first = false;
    }
    out << '}';
  }
  out << ']';
}

}  // namespace

void Report::begin() {
  std::printf("%s\n", machine_stamp().c_str());
  std::fflush(stdout);
}

void Report::add(Comparison comparison) {
  comparison.workload.rate == 0 ? print_throughput(comparison) : print_latency(comparison);
  std::fflush(stdout);
  comparisons_.push_back(std::move(comparison));
}

void Report::print_budgets() const {
  std::printf("\nbudgets\n");
  const auto verdict = [](bool met) { return met ? "met" : "NOT MET"; };
  for (const Comparison& comparison : comparisons_) {
    if (comparison.workload.rate != 0) {
      const double ratio = ratio_of_medians(comparison.signalbox, comparison.proxy, &RunResult::p50_us);
      std::printf("  median latency at %s a second, of zmq_proxy's: %.2f (at most %.2f) %s\n",
                  grouped(static_cast<double>(comparison.workload.rate)).c_str(), ratio, latency_budget,
                  verdict(ratio <= latency_budget));
    } else if (comparison.workload.message_bytes == vumi_message_bytes) {
      const auto print = [&](const char* what, const Runs& runs, double budget) {
        if (runs.empty()) return;
        const double ratio = ratio_of_medians(runs, comparison.proxy, &RunResult::messages_per_second);
        std::printf("  %s, %zu bytes, times zmq_proxy: %.2f (at least %.0f) %s\n", what, vumi_message_bytes, ratio,
                    budget, verdict(ratio >= budget));
      };
      print("end to end", comparison.signalbox, throughput_budget);
      print("with the message type on both sides", comparison.worker_library, worker_library_budget);
    }
  }
}

void Report::write_json(const std::string& path) const {
  std::ofstream out(path);
  out.precision(10);
  out << "{\n  \"machine\": \"" << machine_stamp() << "\",\n  \"comparisons\": [";
  for (size_t i = 0; i < comparisons_.size(); ++i) {
    const Workload& workload = comparisons_[i].workload;
    out << (i == 0 ? "" : ",") << "\n    {\"message_bytes\": " << workload.message_bytes
        << ", \"rate\": " << workload.rate << ", \"window\": " << workload.window
        << ", \"batch_bytes\": " << workload.batch_bytes << ",\n     ";
    write_runs(out, "signalbox", comparisons_[i].signalbox);
    out << ",\n     ";
    write_runs(out, "worker_library", comparisons_[i].worker_library);
    out << ",\n     ";
    write_runs(out, "zmq_proxy", comparisons_[i].proxy);
    out << '}';
  }
  out << "\n  ]\n}\n";
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace signalbox::bench
