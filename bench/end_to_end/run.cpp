#include "bench/end_to_end/run.hpp"

#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "bench/end_to_end/broker.hpp"
#include "bench/end_to_end/process.hpp"
#include "bench/messages.hpp"

namespace signalbox::bench {
namespace {

constexpr int start_deadline_ms = 10'000;
constexpr int run_deadline_ms = 120'000;

std::string configuration(uint16_t port) {
  std::ostringstream text;
  text << "router_class = \"SimpleDispatchRouter\"\n"
       << "transport_names = [\"" << transport_name << "\"]\n"
       << "exposed_names = [\"" << application_name << "\"]\n\n"
       << "[broker]\nendpoint = \"tcp://127.0.0.1:" << port
       << "\"\n\n"
       // As zmq_proxy's high-water marks do, so that what is measured is the way through and not a queue that grows.
       << "[endpoint_defaults]\nmax_messages = 20000\n\n"
       << "[routing_mappings]\n"
       << transport_name << " = \"" << application_name << "\"\n";
  return text.str();
}

std::vector<std::string> client(const Machinery& machinery, const std::string& role, Via via, uint16_t port,
                                const Workload& workload) {
  return {machinery.self,  role,
          "--via",         to_string(via),
          "--endpoint",    "tcp://127.0.0.1:" + std::to_string(port),
          "--size",        std::to_string(workload.message_bytes),
          "--warm-up",     std::to_string(workload.warm_up),
          "--count",       std::to_string(workload.count),
          "--rate",        std::to_string(workload.rate),
          "--batch-bytes", std::to_string(workload.batch_bytes),
          "--window",      std::to_string(workload.window)};
}

// `broker` is up, or coming up: runs the clients and reads the clocks.
RunResult measure(const Machinery& machinery, Via via, const Workload& workload, const Process& broker,
                  uint16_t in_port, uint16_t out_port) {
  Process consumer(client(machinery, "consumer", via, out_port, workload));
  consumer.wait_for("ready", start_deadline_ms);
  Process producer(client(machinery, "producer", via, in_port, workload));
  consumer.wait_for("warm", start_deadline_ms);

  const MachineTime machine_before = machine_time();
  const uint64_t before_ns = monotonic_ns();
  const double broker_before = broker.cpu_seconds();
  const double producer_before = producer.cpu_seconds();
  const double consumer_before = consumer.cpu_seconds();
  producer.write_line("go");
  // The clients live on until they are told to end, so that their CPU time can be read.
  const std::string done = consumer.wait_for("done", run_deadline_ms);
  const std::string sent = producer.wait_for("sent", start_deadline_ms);
  const double broker_cpu = broker.cpu_seconds() - broker_before;
  const double producer_cpu = producer.cpu_seconds() - producer_before;
  const double consumer_cpu = consumer.cpu_seconds() - consumer_before;
  const MachineTime machine_after = machine_time();
  const double span = static_cast<double>(monotonic_ns() - before_ns) / 1e9;
  const double machine = span * static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));

  producer.write_line("end");
  consumer.write_line("end");
  if (producer.wait(start_deadline_ms) != 0 || consumer.wait(start_deadline_ms) != 0)
    throw std::runtime_error("a client failed");
  RunResult result;
  const double millions = static_cast<double>(workload.count) / 1e6;
  result.seconds = (value_in(done, "last_ns") - value_in(sent, "first_ns")) / 1e9;
  result.messages_per_second = static_cast<double>(workload.count) / result.seconds;
  result.broker_cpu = broker_cpu / millions;
  result.producer_cpu = producer_cpu / millions;
  result.consumer_cpu = consumer_cpu / millions;
  result.steal = (machine_after.steal - machine_before.steal) / machine;
  result.foreign = (machine_after.busy - machine_before.busy - broker_cpu - producer_cpu - consumer_cpu) / machine;
  result.turns = value_in(done, "turns");
  result.late_us = value_in(sent, "late_us");
  result.p50_us = value_in(done, "p50_us");
  result.p99_us = value_in(done, "p99_us");
  result.p999_us = value_in(done, "p999_us");
  return result;
}

RunResult run_signalbox(const Machinery& machinery, Via via, const Workload& workload) {
  const uint16_t port = free_port();
  BrokerProcess broker(machinery.broker, configuration(port));
  try {
    const RunResult result = measure(machinery, via, workload, broker.process(), port, port);
    broker.end();
    return result;
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string(error.what()) + "; the broker's log:\n" + broker.log());
  }
}

RunResult run_zmq_proxy(const Machinery& machinery, const Workload& workload) {
  const uint16_t in_port = free_port();
  const uint16_t out_port = free_port();
  const std::string loopback = "tcp://127.0.0.1:";
  Process proxy({machinery.self, "proxy", loopback + std::to_string(in_port), loopback + std::to_string(out_port)});
  proxy.wait_for("ready", start_deadline_ms);
  return measure(machinery, Via::proxy, workload, proxy, in_port, out_port);
}

}  // namespace

RunResult run_once(const Machinery& machinery, Via via, const Workload& workload) {
  return via == Via::proxy ? run_zmq_proxy(machinery, workload) : run_signalbox(machinery, via, workload);
}

Comparison compare(const Machinery& machinery, Workload workload, int runs, double seconds) {
  Comparison comparison;
  comparison.workload = workload;
  struct Side {
    Via via;
    std::vector<RunResult>* results;
    Workload workload;
  };
  std::vector<Side> sides{{Via::signalbox, &comparison.signalbox, workload}};
  const bool by_messages = workload.rate == 0 && workload.message_bytes == vumi_message_bytes;
  if (by_messages) sides.push_back({Via::worker_library, &comparison.worker_library, workload});
  sides.push_back({Via::proxy, &comparison.proxy, workload});
  if (workload.rate == 0) {
    for (Side& side : sides) {
      side.workload.count = 500'000;
      const double speed = run_once(machinery, side.via, side.workload).messages_per_second;
      side.workload.count = static_cast<uint64_t>(seconds * speed);
    }
  }
  for (int i = 0; i < runs; ++i)
    for (const Side& side : sides) side.results->push_back(run_once(machinery, side.via, side.workload));
  return comparison;
}

}  // namespace signalbox::bench
