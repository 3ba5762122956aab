// Signalbox beside libzmq's own proxy, end to end, in real processes on TCP loopback.
//
//   bench_end_to_end                 424 and 73 bytes, medians of 5, and latency at 1,000 messages a second (about 3
//   min) bench_end_to_end --short         424 bytes, medians of 3 (about 30 s) bench_end_to_end --json FILE     also
//   writes every run to FILE
//
// Started as `producer`, `consumer` or `proxy` it is one of the processes of a run (clients.hpp); run.hpp says how runs
// are made, report.hpp what is printed. Exit codes: 0 measured, 1 a run failed, 2 bad arguments. A budget that is not
// met is printed as that and fails nothing: on a busy machine it means little.
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/end_to_end/clients.hpp"
#include "bench/end_to_end/report.hpp"
#include "bench/end_to_end/run.hpp"
#include "bench/messages.hpp"

namespace {

using namespace signalbox::bench;

void add_client_options(CLI::App& command, ClientOptions& options) {
  static const std::map<std::string, Via> ways = [] {
    std::map<std::string, Via> all;
    for (const Via via : {Via::signalbox, Via::worker_library, Via::proxy}) all[to_string(via)] = via;
    return all;
  }();
  command.add_option("--via", options.via)->transform(CLI::CheckedTransformer(ways));
  command.add_option("--endpoint", options.endpoint)->required();
  command.add_option("--size", options.message_bytes);
  command.add_option("--warm-up", options.warm_up);
  command.add_option("--count", options.count);
  command.add_option("--rate", options.rate);
  command.add_option("--batch-bytes", options.batch_bytes);
  command.add_option("--window", options.window);
}

struct BenchOptions {
  bool is_short = false;
  bool no_latency = false;
  int runs = 5;
  double seconds = 3.5;
  std::vector<size_t> sizes{vumi_message_bytes, small_message_bytes};
  size_t batch_bytes = ClientOptions{}.batch_bytes;
  uint64_t window = ClientOptions{}.window;
  std::string broker;
  std::string json;
};

int measure(BenchOptions options) {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  if (options.broker.empty()) options.broker = self.parent_path().parent_path() / "broker" / "signalbox";
  const Machinery machinery{self, options.broker};
  if (access(machinery.broker.c_str(), X_OK) != 0) {
    std::fprintf(stderr, "there is no program %s: build it, or name it with --broker\n", machinery.broker.c_str());
    return 2;
  }
  if (options.is_short) {
    options.runs = 3;
    options.seconds = 1.5;
    options.sizes = {vumi_message_bytes};
  }
  Report report;
  report.begin();
  Workload workload;
  workload.batch_bytes = options.batch_bytes;
  workload.window = options.window;
  workload.warm_up = 50'000;  // enough to touch every page that the run will use
  for (const size_t size : options.sizes) {
    workload.message_bytes = size;
    report.add(compare(machinery, workload, options.runs, options.seconds));
  }
  if (!options.no_latency) {
    workload.message_bytes = vumi_message_bytes;
    workload.rate = 1000;
    workload.count = static_cast<uint64_t>(1000 * options.seconds);
    report.add(compare(machinery, workload, options.runs, options.seconds));
  }
  report.print_budgets();
  if (!options.json.empty()) report.write_json(options.json);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  // Batches of nearly 100 KiB come and go all the time: keep their pages instead of asking the kernel anew each time.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 4 << 20);

  CLI::App app("Signalbox beside zmq_proxy, end to end");
  BenchOptions bench;
  app.add_flag("--short", bench.is_short, "424 bytes, medians of 3, shorter runs");
  app.add_flag("--no-latency", bench.no_latency, "leave the latency runs out");
  app.add_option("--runs", bench.runs, "pairs of runs")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--seconds", bench.seconds, "length of a run")->check(CLI::Range(0.1, 60.0))->capture_default_str();
  app.add_option("--sizes", bench.sizes, "424, 73 or both")->check(CLI::IsMember({424, 73}));
  app.add_option("--batch-bytes", bench.batch_bytes, "the most in one SEND")->capture_default_str();
  app.add_option("--window", bench.window, "unconfirmed messages, and prefetch")->capture_default_str();
  app.add_option("--broker", bench.broker, "the program signalbox");
  app.add_option("--json", bench.json, "write every run to this file");

  ClientOptions client;
  auto* const producer = app.add_subcommand("producer", "one process of a run")->group("");
  auto* const consumer = app.add_subcommand("consumer", "one process of a run")->group("");
  add_client_options(*producer, client);
  add_client_options(*consumer, client);
  std::string frontend;
  std::string backend;
  auto* const proxy = app.add_subcommand("proxy", "one process of a run")->group("");
  proxy->add_option("frontend", frontend)->required();
  proxy->add_option("backend", backend)->required();

  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    if (*producer) return run_producer(client);
    if (*consumer) return run_consumer(client);
    if (*proxy) return run_proxy(frontend, backend);
    return measure(bench);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_end_to_end%s: %s\n",
                 *producer   ? " producer"
                 : *consumer ? " consumer"
                             : "",
                 error.what());
    return 1;
  }
}
