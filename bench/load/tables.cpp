#include "bench/load/tables.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "bench/spread.hpp"

namespace signalbox::bench {
namespace {

using Figure = double RunResult::*;
constexpr double mebibyte = 1 << 20;

Spread spread_of(const Row& row, Figure figure) {
  std::vector<double> values;
  for (const RunResult& run : row.runs) values.push_back(run.*figure);
  return Spread::of(std::move(values));
}

double median(const Row& row, Figure figure) {
  return spread_of(row, figure).median;
}

double worst(const Row& row, Figure figure) {
  return spread_of(row, figure).high;
}

std::string text(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Of a broker that somebody else has started neither is known.
std::string broker_cpu(const Row& row) {
  return worst(row, &RunResult::broker_memory) == 0 ? "-" : text("%.2f", median(row, &RunResult::broker_cpu));
}
std::string broker_memory(const Row& row) {
  const double bytes = worst(row, &RunResult::broker_memory);
  return bytes == 0 ? "-" : text("%.0f MiB", bytes / mebibyte);
}

void print_disturbance(const Row& row) {
  const double steal = worst(row, &RunResult::steal);
  const double foreign = std::max(0.0, worst(row, &RunResult::foreign));
  std::printf(" %5.1f%% %7.1f%%%s\n", 100 * steal, 100 * foreign,
              std::max(steal, foreign) > disturbed_share ? "  disturbed" : "");
}

void print_throughput(const Scenario& scenario) {
  std::printf("%-24s %12s  %-24s %7s %8s %10s %6s %8s\n", "", "messages/s", "spread", "broker", "clients", "memory",
              "steal", "foreign");
  for (const Row& row : scenario.rows) {
    const Spread speed = spread_of(row, &RunResult::messages_per_second);
    std::printf("%-24s %12s  %-24s %7s %8.2f %10s", row.name.c_str(), grouped(speed.median).c_str(),
                grouped(speed).c_str(), broker_cpu(row).c_str(), median(row, &RunResult::clients_cpu),
                broker_memory(row).c_str());
    print_disturbance(row);
  }
  if (scenario.rows.size() != 2) return;
  std::vector<double> ratios;
  for (size_t i = 0; i < scenario.rows[0].runs.size(); ++i)
    ratios.push_back(scenario.rows[1].runs[i].messages_per_second / scenario.rows[0].runs[i].messages_per_second);
  const Spread ratio = Spread::of(std::move(ratios));
  std::printf("%-24s %12.2f  %.2f - %.2f from pair to pair\n",
              (scenario.rows[1].name + " / " + scenario.rows[0].name).c_str(), ratio.median, ratio.low, ratio.high);
}

void print_latency(const Scenario& scenario) {
  std::printf("%-24s %11s %8s  %-15s %8s %8s %8s %12s %7s %6s %8s\n", "", "messages/s", "p50", "spread", "p99", "p99.9",
              "max", "latest send", "broker", "steal", "foreign");
  for (const Row& row : scenario.rows) {
    const Spread middle = spread_of(row, &RunResult::p50_us);
    std::printf("%-24s %11s %8.0f  %-15s %8.0f %8.0f %8.0f %12s %7s", row.name.c_str(),
                grouped(median(row, &RunResult::messages_per_second)).c_str(), middle.median, grouped(middle).c_str(),
                median(row, &RunResult::p99_us), median(row, &RunResult::p999_us), worst(row, &RunResult::max_us),
                row.plan.rate == 0 ? "-" : grouped(worst(row, &RunResult::late_us)).c_str(), broker_cpu(row).c_str());
    print_disturbance(row);
  }
}

// A line with the median of each phase.
template <typename Value>
void print_phases(const Row& row, const std::string& name, Value value) {
  std::printf("  %-34s", name.c_str());
  for (size_t phase = 0; phase < phase_count; ++phase) {
    std::vector<double> values;
    for (const RunResult& run : row.runs) values.push_back(value(run.phases[phase]));
    std::printf(" %12s", grouped(Spread::of(std::move(values)).median).c_str());
  }
  std::printf("\n");
}

void print_slow_consumer(const Scenario& scenario) {
  for (const Row& row : scenario.rows) {
    const std::string slow = row.plan.topology.application_name_of(0);
    std::printf("%-36s %12s %12s %12s\n", row.name.c_str(), "before", "meanwhile", "after");
    print_phases(row, "the others, messages/s",
                 [](const Phase& phase) { return static_cast<double>(phase.others_received) / phase.seconds; });
    print_phases(row, "the others, p50 us",
                 [](const Phase& phase) { return static_cast<double>(phase.others_latencies.quantile(0.5)) / 1000; });
    print_phases(row, "the others, p99 us",
                 [](const Phase& phase) { return static_cast<double>(phase.others_latencies.quantile(0.99)) / 1000; });
    print_phases(row, slow + ", messages/s",
                 [](const Phase& phase) { return static_cast<double>(phase.slow_received) / phase.seconds; });
    print_phases(row, slow + ", refused", [](const Phase& phase) { return static_cast<double>(phase.refused); });
    print_phases(row, slow + ", waiting at most", [](const Phase& phase) { return phase.waiting_max; });
    print_phases(row, "memory of the broker, MiB", [](const Phase& phase) { return phase.memory_max / mebibyte; });
  }
}

// What was sent is accounted for to the last message, or this would not be printed.
void print_account(const Scenario& scenario) {
  uint64_t sent = 0;
  uint64_t received = 0;
  uint64_t refused = 0;
  for (const Row& row : scenario.rows) {
    for (const RunResult& run : row.runs) {
      sent += run.sent;
      received += run.received;
      refused += run.refused;
    }
  }
  const auto number = [](uint64_t value) { return grouped(static_cast<double>(value)); };
  std::printf("nothing lost: %s sent and confirmed, %s received, %s refused\n", number(sent).c_str(),
              number(received).c_str(), number(refused).c_str());
}

nlohmann::ordered_json json_of(const Plan& plan) {
  return {{"library", to_string(plan.library)},
          {"transports", plan.topology.transports},
          {"applications", plan.topology.applications},
          {"message_bytes", plan.message_bytes},
          {"window", plan.broker.window},
          {"overflow", plan.broker.overflow},
          {"queue_messages", plan.broker.queue_messages},
          {"rate", plan.rate},
          {"round_trip", plan.round_trip},
          {"outstanding", plan.outstanding},
          {"seconds", plan.seconds},
          {"warm_up_s", plan.warm_up_s},
          {"slow_s", plan.slow_s},
          {"slow_rate", plan.slow_rate}};
}

nlohmann::ordered_json json_of(const Plan& plan, const RunResult& run) {
  nlohmann::ordered_json result = {{"sent", run.sent},
                                   {"confirmed", run.confirmed},
                                   {"received", run.received},
                                   {"refused", run.refused},
                                   {"replies", run.replies},
                                   {"messages_per_second", run.messages_per_second},
                                   {"seconds", run.seconds},
                                   {"broker_cpu_s_per_million", run.broker_cpu},
                                   {"clients_cpu_s_per_million", run.clients_cpu},
                                   {"broker_memory_bytes", run.broker_memory},
                                   {"steal", run.steal},
                                   {"foreign", run.foreign}};
  if (plan.rate != 0 || plan.round_trip) {
    result["p50_us"] = run.p50_us;
    result["p99_us"] = run.p99_us;
    result["p999_us"] = run.p999_us;
    result["max_us"] = run.max_us;
  }
  if (plan.rate != 0) result["late_us"] = run.late_us;
  if (!plan.has_slow_consumer()) return result;
  static constexpr const char* names[phase_count] = {"before", "meanwhile", "after"};
  for (size_t i = 0; i < phase_count; ++i) {
    const Phase& phase = run.phases[i];
    result["phases"][names[i]] = {{"seconds", phase.seconds},
                                  {"others_received", phase.others_received},
                                  {"others_p50_us", static_cast<double>(phase.others_latencies.quantile(0.5)) / 1000},
                                  {"others_p99_us", static_cast<double>(phase.others_latencies.quantile(0.99)) / 1000},
                                  {"slow_received", phase.slow_received},
                                  {"refused", phase.refused},
                                  {"waiting_max", phase.waiting_max},
                                  {"memory_max_bytes", phase.memory_max}};
  }
  return result;
}

}  // namespace

void print_table(const Scenario& scenario) {
  const size_t runs = scenario.rows.front().runs.size();
  std::printf("\n%s: %s; %s\n", scenario.name.c_str(), scenario.title.c_str(),
              runs == 1 ? "one run" : ("medians of " + std::to_string(runs) + ", alternating").c_str());
  if (scenario.table != Table::slow_consumer) std::printf("(broker, clients: CPU seconds a million messages)\n");
  if (scenario.table == Table::throughput) print_throughput(scenario);
  if (scenario.table == Table::latency) print_latency(scenario);
  if (scenario.table == Table::slow_consumer) print_slow_consumer(scenario);
  print_account(scenario);
  std::fflush(stdout);
}

void write_json(const std::string& path, const std::string& machine, const std::vector<Scenario>& scenarios) {
  nlohmann::ordered_json result = {{"machine", machine}, {"scenarios", nlohmann::ordered_json::array()}};
  for (const Scenario& scenario : scenarios) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const Row& row : scenario.rows) {
      nlohmann::ordered_json runs = nlohmann::ordered_json::array();
      for (const RunResult& run : row.runs) runs.push_back(json_of(row.plan, run));
      rows.push_back({{"name", row.name}, {"settings", json_of(row.plan)}, {"runs", std::move(runs)}});
    }
    const std::string& broker = scenario.rows.front().runs.front().broker;
    result["scenarios"].push_back(
        {{"name", scenario.name}, {"title", scenario.title}, {"broker", broker}, {"rows", std::move(rows)}});
  }
  std::ofstream out(path);
  out << result.dump(2) << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace signalbox::bench
