#include "bench/load/scenarios.hpp"

#include <algorithm>
#include <stdexcept>

#include "bench/end_to_end/broker.hpp"
#include "bench/messages.hpp"
#include "bench/spread.hpp"

namespace signalbox::bench {
namespace {

std::string number(uint64_t value) {
  return grouped(static_cast<double>(value));
}

std::string count_of(uint64_t count, const std::string& word) {
  return number(count) + ' ' + word + (count == 1 ? "" : "s");
}

template <typename Values>
Values given_or(const Values& given, const Values& otherwise) {
  return given.empty() ? otherwise : given;
}

const std::vector<Library> both_libraries{Library::raw, Library::worker};

// What the options say of every scenario, and otherwise its own.
Plan common_plan(const LoadOptions& options, const Topology& topology, uint64_t window) {
  Plan plan;
  plan.topology.transports = options.transports != 0 ? options.transports : topology.transports;
  plan.topology.applications = options.applications != 0 ? options.applications : topology.applications;
  plan.broker.window = options.window != 0 ? options.window : window;
  plan.message_bytes = options.message_bytes;
  plan.seconds = options.seconds;
  plan.warm_up_s = options.warm_up_s;
  return plan;
}

void flat_out(Scenario& scenario, const LoadOptions& options, const Topology& topology) {
  Plan plan = common_plan(options, topology, 16384);
  for (const Library library : given_or(options.libraries, both_libraries)) {
    plan.library = library;
    scenario.rows.push_back({to_string(library), plan});
  }
  scenario.title = "as fast as it goes, window " + number(plan.broker.window);
}

void latency(Scenario& scenario, const LoadOptions& options) {
  scenario.table = Table::latency;
  scenario.title = "at a fixed rate, microseconds one way from when each message was due";
  Plan plan = common_plan(options, {}, 16384);
  for (const uint64_t rate : given_or(options.rates, {1000, 20'000})) {
    plan.rate = rate;
    for (const Library library : given_or(options.libraries, both_libraries)) {
      plan.library = library;
      scenario.rows.push_back({std::string(to_string(library)) + ", " + number(rate) + "/s", plan});
    }
  }
}

void round_trip(Scenario& scenario, const LoadOptions& options) {
  scenario.table = Table::latency;
  scenario.title = "transport to application and back by the routing memory, microseconds";
  Plan plan = common_plan(options, {}, 16384);
  plan.round_trip = true;
  const auto add_rows = [&](const std::string& pace) {
    for (const Library library : given_or(options.libraries, both_libraries)) {
      plan.library = library;
      scenario.rows.push_back({to_string(library) + (", " + pace), plan});
    }
  };
  // Who names a rate alone wants that alone, and so with what is outstanding.
  const bool is_paced_alone = !options.rates.empty() && options.outstanding.empty();
  for (const uint64_t outstanding : given_or(options.outstanding, {1, 64})) {
    if (is_paced_alone) break;
    plan.outstanding = outstanding;
    add_rows(number(outstanding) + " outstanding");
  }
  plan.outstanding = 0;
  for (const uint64_t rate : given_or(options.rates, {1000})) {
    if (options.rates.empty() && !options.outstanding.empty()) break;
    plan.rate = rate;
    add_rows(number(rate) + "/s");
  }
}

void slow_consumer(Scenario& scenario, const LoadOptions& options) {
  scenario.table = Table::slow_consumer;
  Plan plan = common_plan(options, {1, 4}, 4096);
  if (plan.topology.applications < 2) throw std::invalid_argument("slow-consumer: at least two applications");
  plan.rate = given_or(options.rates, {20'000}).front();
  plan.slow_s = options.slow_s;
  plan.slow_rate = options.slow_rate;
  // The queue is full after a third of the time that the application does not read, if it gets its even share.
  const double to_each = static_cast<double>(plan.rate) / static_cast<double>(plan.topology.applications);
  plan.broker.queue_messages = std::max<uint64_t>(static_cast<uint64_t>(to_each * plan.slow_s / 3), 100);
  // A broker that runs already has one policy, and --print-configuration shows one.
  const std::vector<std::string> policies{"refuse", "block"};
  const size_t own = options.endpoint.empty() ? policies.size() : 1;
  if (options.overflows.size() > own)
    throw std::invalid_argument("slow-consumer: one --overflow, as the broker has it");
  for (const std::string& overflow : given_or(options.overflows, {policies.begin(), policies.begin() + own})) {
    plan.broker.overflow = overflow;
    for (const Library library : given_or(options.libraries, {Library::raw})) {
      plan.library = library;
      scenario.rows.push_back({to_string(library) + (", overflow " + overflow), plan});
    }
  }
  scenario.title = number(plan.rate) + " messages a second; " + plan.topology.application_name_of(0) +
                   (plan.slow_rate == 0 ? " reads nothing" : " reads " + number(plan.slow_rate) + " a second") +
                   " for a while; queues of " + number(plan.broker.queue_messages) + " messages, window " +
                   number(plan.broker.window);
}

RunResult run_on_own_broker(const Plan& plan, const std::string& program) {
  const std::string endpoint = "tcp://127.0.0.1:" + std::to_string(free_port());
  BrokerProcess broker(program, configuration(plan.topology, plan.broker, endpoint));
  try {
    RunResult result = run(plan, endpoint, &broker.process());
    broker.end();
    return result;
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string(error.what()) + "; the broker's log:\n" + broker.log());
  }
}

}  // namespace

Scenario make_scenario(const std::string& name, const LoadOptions& options) {
  Scenario scenario;
  scenario.name = name;
  if (name == "throughput") flat_out(scenario, options, {1, 1});
  if (name == "latency") latency(scenario, options);
  if (name == "round-trip") round_trip(scenario, options);
  if (name == "mesh") flat_out(scenario, options, {8, 8});
  if (name == "slow-consumer") slow_consumer(scenario, options);
  const Plan& plan = scenario.rows.front().plan;
  if (plan.message_bytes < vumi_message_bytes && (plan.round_trip || plan.topology.applications > 1))
    throw std::invalid_argument(name + ": messages of at least 424 bytes");
  const bool has_worker = std::any_of(scenario.rows.begin(), scenario.rows.end(),
                                      [](const Row& row) { return row.plan.library == Library::worker; });
  if (plan.message_bytes < vumi_message_bytes && has_worker)
    throw std::invalid_argument(name + ": messages of 73 bytes with --library raw");
  scenario.title = count_of(plan.topology.transports, "transport") + ", " +
                   count_of(plan.topology.applications, "application") + ", " + number(plan.message_bytes) +
                   " bytes, " + scenario.title;
  return scenario;
}

void measure(Scenario& scenario, const LoadOptions& options) {
  for (int i = 0; i < options.runs; ++i)
    for (Row& row : scenario.rows)
      row.runs.push_back(options.endpoint.empty() ? run_on_own_broker(row.plan, options.program)
                                                  : run(row.plan, options.endpoint, nullptr));
}

std::string configuration_of(const Scenario& scenario, const std::string& endpoint) {
  const Plan& plan = scenario.rows.front().plan;
  return configuration(plan.topology, plan.broker, endpoint);
}

}  // namespace signalbox::bench
