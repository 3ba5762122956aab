// What a broker in one's own process saves: the time from send() to the handler, in process, over inproc and over TCP
// loopback, all in one program; and what an in-process message costs beside what the core alone costs.
//
//   bench_in_process                 five seconds of messages a way, medians of 5 (about 45 s)
//   bench_in_process --short         one second, medians of 3
//   bench_in_process --json FILE     also writes every figure to FILE
//
// Messages of 424 bytes, 1,000 a second, each alone on its way. Between two of them the host sleeps, as one that waits
// for the outside would; or it turns its loop, as one that cannot afford to be woken does. A message carries the time
// at which it was handed over. Exit codes: 0 measured, 1 a run failed, 2 bad arguments; a budget that is not met is
// printed as that.
#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "bench/core_harness.hpp"
#include "bench/messages.hpp"
#include "broker/broker.hpp"
#include "broker/clock.hpp"
#include "broker/local_endpoint.hpp"
#include "broker/setting_builder.hpp"
#include "worker/worker.hpp"

namespace signalbox::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto interval = std::chrono::milliseconds(1);
constexpr double median_us_max = 2.0;

struct Options {
  double seconds = 5;
  int runs = 5;
  std::string json;
};

uint64_t now_ns() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

// Of this thread: what else the machine does is not counted.
uint64_t processor_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// From send() to handler.
struct Latency {
  double median_us = 0;
  double p99_us = 0;
};

Latency latency_of(std::vector<uint64_t> spans_ns) {
  std::ranges::sort(spans_ns);
  const auto at = [&](double part) {
    return static_cast<double>(spans_ns[static_cast<size_t>(part * static_cast<double>(spans_ns.size() - 1))]) / 1000;
  };
  return {at(0.5), at(0.99)};
}

Configuration configuration(std::vector<std::string> endpoints) {
  Configuration built =
      accepted(read_configuration(table({{"router_class", "SimpleDispatchRouter"},
                                         {"transport_names", list({transport_name})},
                                         {"exposed_names", list({application_name})},
                                         {"routing_mappings", table({{transport_name, application_name}})}}),
                                  RouterRegistry()));
  built.endpoints = std::move(endpoints);
  return built;
}

// One message after the other, each with its number and the time; what comes in is checked and timed.
class Stopwatch {
 public:
  explicit Stopwatch(size_t messages) : messages_(messages) { spans_ns_.reserve(messages); }

  const std::string& next() {
    write_number(message_.bytes.data(), message_, sent_++);
    write_hexadecimal(message_.bytes.data() + message_.id_offset, stamp_digits, now_ns());
    return message_.bytes;
  }
  void stop(Bytes message) {
    const uint64_t now = now_ns();
    if (!has_number(message.data(), message_, spans_ns_.size())) throw std::runtime_error("a message is missing");
    spans_ns_.push_back(now - read_hexadecimal(message.data() + message_.id_offset, stamp_digits));
    arrived_.store(spans_ns_.size(), std::memory_order_release);
  }
  size_t sent() const { return sent_; }
  bool all_sent() const { return sent_ == messages_; }
  bool complete() const { return arrived_.load(std::memory_order_acquire) == messages_; }

  // The first tenth warms up.
  Latency latency() const {
    return latency_of({spans_ns_.begin() + static_cast<std::ptrdiff_t>(messages_ / 10), spans_ns_.end()});
  }

 private:
  const size_t messages_;
  Message message_ = vumi_message();
  size_t sent_ = 0;
  std::vector<uint64_t> spans_ns_;  // of the handler's thread, until all have arrived
  std::atomic<size_t> arrived_{0};
};

LocalEndpointOptions as(Role role) {
  return {.role = role, .name = std::string(role == Role::transport ? transport_name : application_name)};
}

WorkerOptions worker_at(const std::string& endpoint, Role role, void* context) {
  WorkerOptions options;
  options.role = role;
  options.name = role == Role::transport ? transport_name : application_name;
  options.endpoint = endpoint;
  options.zeromq_context = context;
  return options;
}

// --- the ways --------------------------------------------------------------------------------------------------------

// The host's own loop: send, then a turn.
Latency hosts_loop(size_t messages, bool sleeps) {
  Stopwatch watch(messages);
  Broker broker(configuration({}));
  LocalEndpoint transport(broker, as(Role::transport));
  LocalEndpoint application(broker, as(Role::application));
  application.on_message([&](const Delivery& delivery) { watch.stop(delivery.bytes); });
  for (auto next = Clock::now(); !watch.all_sent();) {
    next += interval;
    if (sleeps) std::this_thread::sleep_until(next);
    while (Clock::now() < next) broker.do_work(read_clock());
    if (!transport.send(watch.next())) throw std::runtime_error("not sent");
    while (broker.do_work(read_clock()) > 0) continue;
  }
  if (!watch.complete()) throw std::runtime_error("not all arrived");
  return watch.latency();
}

// The broker's own thread, which the host hands each message by post().
Latency own_thread(size_t messages) {
  Stopwatch watch(messages);
  Broker broker(configuration({}));
  LocalEndpoint transport(broker, as(Role::transport));
  LocalEndpoint application(broker, as(Role::application));
  application.on_message([&](const Delivery& delivery) { watch.stop(delivery.bytes); });
  broker.start();
  for (auto next = Clock::now(); !watch.all_sent();) {
    next += interval;
    std::this_thread::sleep_until(next);
    std::string message = watch.next();
    if (!broker.post([&transport, message = std::move(message)] { (void)transport.send(message); }))
      throw std::runtime_error("not posted");
  }
  while (!watch.complete()) std::this_thread::sleep_for(interval);
  broker.stop();
  return watch.latency();
}

// The same broker with workers over a socket, each on a thread.
Latency over_socket(const std::string& endpoint, size_t messages) {
  Stopwatch watch(messages);
  zmq::context_t context;  // shared by all three, for inproc
  Broker broker(configuration({endpoint}), context.handle());
  broker.start();
  std::atomic<bool> registered = false;
  Worker application(worker_at(broker.endpoints().at(0), Role::application, context.handle()));
  application.on_message([&](const Delivery& delivery) { watch.stop(delivery.bytes); });
  std::thread applications_thread([&] {
    registered = application.wait_registered(std::chrono::seconds(10));
    application.run();
  });
  {
    Worker transport(worker_at(broker.endpoints().at(0), Role::transport, context.handle()));
    if (!transport.wait_registered(std::chrono::seconds(10))) throw std::runtime_error(transport.fault());
    while (!registered) std::this_thread::sleep_for(interval);
    for (auto next = Clock::now(); !watch.all_sent();) {
      next += interval;
      std::this_thread::sleep_until(next);
      if (!transport.send(watch.next())) throw std::runtime_error("not sent");
      transport.flush();
      transport.do_work();
    }
    while (!watch.complete()) transport.run_for(interval);
    transport.close(std::chrono::seconds(5));
  }
  application.stop();
  applications_thread.join();
  broker.stop(true);
  return watch.latency();
}

// --- what a message costs --------------------------------------------------------------------------------------------

constexpr size_t batch_sizes[] = {1, 16, 150};

// Nanoseconds of processor time a message, sent in batches, in process.
double local_cost(size_t batch, double seconds) {
  Broker broker(configuration({}));
  LocalEndpoint transport(broker, as(Role::transport));
  LocalEndpointOptions options = as(Role::application);
  options.prefetch = limits::send_window_messages;
  LocalEndpoint application(broker, options);
  size_t handled = 0;
  application.on_message([&](const Delivery&) { ++handled; });
  const Message message = vumi_message();
  std::string body;
  const Time now = read_clock();
  size_t sent = 0;
  const auto turns = [&](size_t count) {
    for (size_t i = 0; i < count; ++i) {
      write_batch(body, message, sent, batch);
      if (!transport.send(body, static_cast<uint32_t>(batch))) throw std::runtime_error("the window is full");
      sent += batch;
      broker.do_work(now);
    }
  };
  turns(200'000 / batch);
  const size_t before = sent;
  const uint64_t begin = processor_ns();
  while (processor_ns() - begin < static_cast<uint64_t>(seconds * 1e9)) turns(1000 / batch + 1);
  const auto span = static_cast<double>(processor_ns() - begin);
  const auto count = static_cast<double>(sent - before);
  while (broker.do_work(now) > 0) continue;
  if (handled != sent) throw std::runtime_error("not all arrived");
  return span / count;
}

// The same of the core alone, whose worker acknowledges what it is sent without reading it.
double core_cost(size_t batch, double seconds) {
  CoreHarness core(CoreShape{});
  const auto turns = [&](size_t count) {
    for (size_t i = 0; i < count; ++i) {
      core.send(0, batch);
      core.flush();
    }
  };
  turns(200'000 / batch);
  const uint64_t before = core.messages();
  const uint64_t begin = processor_ns();
  while (processor_ns() - begin < static_cast<uint64_t>(seconds * 1e9)) turns(1000 / batch + 1);
  const auto span = static_cast<double>(processor_ns() - begin);
  const auto count = static_cast<double>(core.messages() - before);
  core.settle();
  if (!core.flawless()) throw std::runtime_error("the core lost a message");
  return span / count;
}

// --- the report ------------------------------------------------------------------------------------------------------

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

struct Way {
  const char* name;
  const char* key;
  std::function<Latency(size_t)> run;
  std::vector<double> medians_us = {};
  std::vector<double> p99s_us = {};
};

void measure(const Options& options) {
  const std::string inproc = "inproc://bench";
  std::vector<Way> ways;
  ways.push_back({"in process, a loop that turns", "turning", [](size_t n) { return hosts_loop(n, false); }});
  ways.push_back({"in process, a loop that sleeps", "sleeping", [](size_t n) { return hosts_loop(n, true); }});
  ways.push_back({"in process, the broker's thread", "own_thread", own_thread});
  ways.push_back({"inproc, worker library", "inproc", [&](size_t n) { return over_socket(inproc, n); }});
  ways.push_back({"TCP loopback, worker library", "tcp", [](size_t n) { return over_socket("tcp://127.0.0.1:*", n); }});
  const auto messages = static_cast<size_t>(options.seconds * 1000 / options.runs) + 1;
  double load[1] = {0};
  if (getloadavg(load, 1) < 1) load[0] = -1;
  std::printf("%ld processors, load %.2f before; %zu-byte messages, 1,000 a second, medians of %d runs\n\n",
              sysconf(_SC_NPROCESSORS_ONLN), load[0], vumi_message_bytes, options.runs);
  // Alternating, so that what else the machine does hits all ways alike.
  for (int run = 0; run < options.runs; ++run) {
    for (Way& way : ways) {
      const Latency latency = way.run(messages);
      way.medians_us.push_back(latency.median_us);
      way.p99s_us.push_back(latency.p99_us);
    }
  }
  std::string json = "{\n";
  std::printf("%-34s %12s %12s\n", "send() to handler, us", "median", "99th in 100");
  for (const Way& way : ways) {
    std::printf("%-34s %12.2f %12.2f\n", way.name, median_of(way.medians_us), median_of(way.p99s_us));
    json += std::string("  \"") + way.key + "\": {\"median_us\": " + std::to_string(median_of(way.medians_us)) +
            ", \"p99_us\": " + std::to_string(median_of(way.p99s_us)) + "},\n";
  }

  std::printf("\n%-34s %12s %12s %12s\n", "processor ns a message, batches of", "1", "16", "150");
  std::vector<double> costs[2];
  for (const size_t batch : batch_sizes) {
    std::vector<double> local;
    std::vector<double> core;
    for (int run = 0; run < options.runs; ++run) {
      local.push_back(local_cost(batch, options.seconds / 10));
      core.push_back(core_cost(batch, options.seconds / 10));
    }
    costs[0].push_back(median_of(local));
    costs[1].push_back(median_of(core));
    json += "  \"cost_by_" + std::to_string(batch) + "\": {\"in_process_ns\": " + std::to_string(costs[0].back()) +
            ", \"core_ns\": " + std::to_string(costs[1].back()) + "},\n";
  }
  std::printf("%-34s %12.0f %12.0f %12.0f\n", "in process", costs[0][0], costs[0][1], costs[0][2]);
  std::printf("%-34s %12.0f %12.0f %12.0f\n", "the core alone", costs[1][0], costs[1][1], costs[1][2]);

  std::printf("\nbudget\n");
  for (const Way& way : {ways[0], ways[1]}) {
    const double median_us = median_of(way.medians_us);
    std::printf("  %s: median at most %.1f us: %.2f  %s\n", way.name, median_us_max, median_us,
                median_us <= median_us_max ? "met" : "not met");
  }
  if (options.json.empty()) return;
  std::ofstream file(options.json);
  file << json << "  \"message_bytes\": " << vumi_message_bytes << "\n}\n";
  if (!file.flush()) throw std::runtime_error("cannot write " + options.json);
}

}  // namespace
}  // namespace signalbox::bench

int main(int count, char** arguments) {
  signalbox::bench::Options options;
  bool is_short = false;
  CLI::App app("In process beside inproc and TCP");
  app.add_flag("--short", is_short, "one second a way, medians of 3");
  app.add_option("--json", options.json, "write every figure to this file");
  CLI11_PARSE(app, count, arguments);
  if (is_short) {
    options.seconds = 1;
    options.runs = 3;
  }
  // As the program has it: large batches come and go all the time.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  try {
    signalbox::bench::measure(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_in_process: %s\n", error.what());
    return 1;
  }
  return 0;
}
