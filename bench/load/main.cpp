// Load for a broker, and what it makes of it: bench_load --help has the scenarios, docs/load-generators.md how to read
// them. client.hpp is one connection, crew.hpp one run, scenarios.hpp what runs are compared, tables.hpp what is
// printed.
//
// Exit codes: 0 measured, 1 a run failed (a message was lost, say), 2 bad arguments.
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/end_to_end/process.hpp"
#include "bench/load/scenarios.hpp"
#include "bench/load/tables.hpp"

namespace {

using namespace signalbox::bench;

constexpr const char* description =
    "Puts load on a broker, and says what it makes of it. Each scenario also checks every message: sent, confirmed, "
    "and "
    "received or refused, in order and once.\n\n"
    "  throughput     as fast as it goes, within the window\n"
    "  latency        at a fixed rate, from when each message was due: a stall shows in all that it held up\n"
    "  round-trip     to the application, and its reply back by the routing memory\n"
    "  mesh           8 transports that write to 8 applications each, as fast as it goes\n"
    "  slow-consumer  one application of 4 stops reading for a while: what the others get, and what waits\n";

constexpr const char* examples =
    "Examples:\n"
    "  bench_load                                       all scenarios, in under two minutes\n"
    "  bench_load throughput --library raw --runs 5     the broker alone, without a client library's part\n"
    "  bench_load latency --rate 1000,50000 --seconds 10\n"
    "  bench_load round-trip --outstanding 100          100 users, each waiting for an answer before the next message\n"
    "  bench_load mesh --transports 32 --applications 4\n"
    "  bench_load slow-consumer --overflow refuse --slow-rate 500 --slow-seconds 5\n"
    "  bench_load mesh --print-configuration >mesh.toml\n"
    "  bench_load mesh --endpoint tcp://10.0.0.5:5570   a broker that runs already, with that configuration";

struct Arguments {
  LoadOptions load;
  std::vector<std::string> scenarios{};
  std::string json{};
  bool prints_configuration = false;
};

void add_options(CLI::App& app, Arguments& arguments) {
  LoadOptions& load = arguments.load;
  static const std::map<std::string, Library> libraries{{"raw", Library::raw}, {"worker", Library::worker}};
  app.add_option("scenarios", arguments.scenarios, "which; without any: all")->check(CLI::IsMember(scenario_names));
  app.add_option("--library", load.libraries,
                 "raw (clients that pass bytes), worker (the worker library) or both (both; slow-consumer raw)")
      ->delimiter(',')
      ->transform(CLI::CheckedTransformer(libraries).description("{raw,worker}"));
  app.add_option("--runs", load.runs, "of each row; medians are printed")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--seconds", load.seconds, "length of a run; of a slow consumer's: before and after")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--warm-up", load.warm_up_s, "seconds of the same traffic before it")
      ->check(CLI::Range(0.0, 60.0))
      ->capture_default_str();
  app.add_option("--size", load.message_bytes, "bytes a message: 73, or 424 and more (73 with raw clients only)")
      ->check(CLI::Range(size_t{424}, size_t{1} << 20) | CLI::IsMember({size_t{73}}))
      ->capture_default_str();
  app.add_option("--window", load.window, "unconfirmed messages, and prefetch (16384; slow-consumer 4096)")
      ->check(CLI::Range(1, 65536));
  app.add_option("--rate", load.rates, "messages a second of all transports together (latency 1000,20000)")
      ->delimiter(',')
      ->check(CLI::Range(1, 100'000'000));
  app.add_option("--outstanding", load.outstanding, "round trips that a transport has under way (1,64)")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536));
  app.add_option("--transports", load.transports)->check(CLI::Range(size_t{1}, Topology::transports_max));
  app.add_option("--applications", load.applications)->check(CLI::Range(size_t{1}, Topology::applications_max));
  app.add_option("--slow-seconds", load.slow_s, "how long the slow consumer is slow")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--slow-rate", load.slow_rate, "messages a second that it reads meanwhile")->capture_default_str();
  app.add_option("--overflow", load.overflows, "of the queues there: refuse, block or both")
      ->delimiter(',')
      ->check(CLI::IsMember({"refuse", "block"}));
  app.add_option("--endpoint", load.endpoint, "a broker that runs already, instead of one started for each run");
  app.add_option("--broker", load.program, "the program signalbox, where it is not the one built with this");
  app.add_flag("--print-configuration", arguments.prints_configuration,
               "of the broker that a scenario needs; runs nothing");
  app.add_option("--json", arguments.json, "write every run to this file")->take_last();
  app.footer(examples);
}

std::string program_beside_this() {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  return self.parent_path().parent_path().parent_path() / "broker" / "signalbox";
}

int print_configuration(const Arguments& arguments) {
  if (arguments.scenarios.size() != 1) throw std::invalid_argument("--print-configuration: of one scenario");
  const Scenario scenario = make_scenario(arguments.scenarios.front(), arguments.load);
  const std::string& endpoint = arguments.load.endpoint;
  std::printf("%s", configuration_of(scenario, endpoint.empty() ? "tcp://127.0.0.1:5570" : endpoint).c_str());
  return 0;
}

int measure_all(Arguments arguments) {
  LoadOptions& load = arguments.load;
  std::vector<Scenario> scenarios;
  for (const std::string& name : arguments.scenarios.empty() ? scenario_names : arguments.scenarios)
    scenarios.push_back(make_scenario(name, load));
  if (load.endpoint.empty() && load.program.empty()) load.program = program_beside_this();
  if (load.endpoint.empty() && access(load.program.c_str(), X_OK) != 0)
    throw std::invalid_argument("there is no program " + load.program + ": build it, or name it with --broker");
  const std::string machine = machine_stamp();
  std::printf("%s\n", machine.c_str());
  std::fflush(stdout);
  bool has_failed = false;
  std::vector<Scenario> measured;
  for (Scenario& scenario : scenarios) {
    try {
      measure(scenario, load);
      print_table(scenario);
      measured.push_back(std::move(scenario));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "bench_load %s: %s\n", scenario.name.c_str(), error.what());
      has_failed = true;
    }
  }
  if (!arguments.json.empty()) write_json(arguments.json, machine, measured);
  return has_failed ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments_given) {
  // Batches of nearly 100 KiB come and go all the time: keep their pages instead of asking the kernel anew each time.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 4 << 20);

  CLI::App app(description);
  Arguments arguments;
  add_options(app, arguments);
  try {
    app.parse(count, arguments_given);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return arguments.prints_configuration ? print_configuration(arguments) : measure_all(std::move(arguments));
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "bench_load: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_load: %s\n", error.what());
    return 1;
  }
}
