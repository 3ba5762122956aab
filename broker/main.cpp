// The program `signalbox`: serve FILE, check FILE.

#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

#include "broker/broker.hpp"
#include "broker/check.hpp"
#include "broker/configuration.hpp"
#include "broker/log.hpp"
#include "broker/stop_signal.hpp"
#include "routers/registry.hpp"

namespace signalbox {

namespace {

constexpr int exit_ok = 0;
constexpr int exit_failed = 1;
constexpr int exit_bad_input = 2;  // configuration or arguments

constexpr const char* teaching = R"(First steps:
  signalbox check examples/seed.toml    is the file right, and who gets what?
  signalbox serve examples/seed.toml    listen for workers, until Ctrl-C

The smallest configuration file:
  router_class    = "SimpleDispatchRouter"
  transport_names = ["smpp_transport"]        # names that gateways register under
  exposed_names   = ["my_application"]        # names that applications register under
  [routing_mappings]
  smpp_transport = "my_application"           # from whom = to whom

Workers connect a ZeroMQ DEALER socket to tcp://127.0.0.1:5570 (setting: [broker] endpoint) and speak
protocol/SPEC.md. SIGTERM or SIGINT drains the queues and then exits; a second one stops at once.

Exit codes:
  0  done; after serve: nothing was left in the queues
  1  failed; after serve: messages were left, the log says where, or it could not listen
  2  the configuration or the arguments are wrong)";

// The handler finds it here. It makes one atomic increment and one write, no more than a handler may.
StopSignal* stop_on_signal = nullptr;

void on_signal(int) {
  stop_on_signal->request();
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

// SIGTERM and SIGINT become requests to stop for as long as this lives; whoever ends it is about to leave anyway, so
// from then on they are ignored. A log that nobody reads any more (SIGPIPE) is no reason to end.
class SignalHandlers {
 public:
  explicit SignalHandlers(StopSignal& stop) {
    stop_on_signal = &stop;
    handle(SIGTERM, on_signal);
    handle(SIGINT, on_signal);
    handle(SIGPIPE, SIG_IGN);
  }
  ~SignalHandlers() {
    handle(SIGTERM, SIG_IGN);
    handle(SIGINT, SIG_IGN);
  }
  SignalHandlers(const SignalHandlers&) = delete;
  SignalHandlers& operator=(const SignalHandlers&) = delete;
};

// Batches are large and short-lived. Left alone, glibc maps larger ones afresh each time, and gives the top of the heap
// back only to fetch and clear it again; so both thresholds go up. 32 MiB is the most that glibc takes for the first.
void tune_allocator() {
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(32 * limits::mebibyte));
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(256 * limits::mebibyte));
}

// Each connection is a descriptor; libzmq spins at its listener where there are none left. Returns how many there may
// be.
uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur;
}

// Null where there are faults; they, and the warnings, are on stderr then.
std::unique_ptr<Configuration> read(const std::string& file) {
  const RouterRegistry registry;
  ConfigurationResult result = read_configuration_file(file, registry);
  for (const Fault& warning : result.warnings) std::fprintf(stderr, "%s\n", to_line(file, warning, true).c_str());
  for (const Fault& fault : result.faults) std::fprintf(stderr, "%s\n", to_line(file, fault).c_str());
  if (!result.faults.empty()) return nullptr;
  return std::move(result.configuration);
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

int serve(const std::string& file) {
  Log log(stderr);
  std::unique_ptr<Configuration> configuration = read(file);
  if (configuration == nullptr) return exit_bad_input;
  tune_allocator();
  const uint64_t descriptors = raise_descriptor_limit();
  const uint64_t registrations_max = configuration->settings.max_registrations;
  if (descriptors <= registrations_max)
    log.warn("few_descriptors", {{"descriptors", descriptors}, {"max_registrations", registrations_max}});
  if (configuration->insecure)
    log.warn("insecure", {{"text", "no encryption and no keys: whoever reaches an endpoint may use it"}});

  StopSignal stop;
  const SignalHandlers handlers(stop);
  Broker broker(std::move(*configuration), nullptr, &log);
  log.info("listening", {{"endpoints", join(broker.endpoints())},
                         {"version", version()},
                         {"libzmq", Link::library_version()},
                         {"descriptors", descriptors},
                         {"configuration", file}});
  const Ending ending = broker.run(stop);
  for (const Ending::Left& left : ending.left)
    log.warn(left.dead_letters ? "left_dead_letters" : "left_behind",
             {{"endpoint", left.endpoint}, {"messages", left.messages}});
  log.info("stopped", {{"at_once", ending.at_once ? "true" : "false"}, {"left_behind", ending.messages()}});
  return ending.at_once || ending.messages() > 0 ? exit_failed : exit_ok;
}

int check(const std::string& file) {
  const std::unique_ptr<Configuration> configuration = read(file);
  if (configuration == nullptr) return exit_bad_input;
  std::fputs(routes_table(*configuration).c_str(), stdout);
  return exit_ok;
}

int run(int argc, char** argv) {
  CLI::App app(
      "Signalbox, a message-bus broker: transports on the one side, applications on the other, and rules that say who\n"
      "gets what.",
      "signalbox");
  app.footer(teaching);
  app.set_version_flag("--version",
                       "signalbox " + std::string(version()) + " (libzmq " + Link::library_version() + ")");
  app.require_subcommand(1);
  std::string file;
  CLI::App* const serve_command = app.add_subcommand("serve", "Listen for workers and route their messages");
  serve_command->add_option("FILE", file, "The configuration, TOML")->required();
  CLI::App* const check_command =
      app.add_subcommand("check", "Say what is wrong with a configuration, or what it routes");
  check_command->add_option("FILE", file, "The configuration, TOML")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_ok : exit_bad_input;  // --help and --version end here too
  }
  return serve_command->parsed() ? serve(file) : check(file);
}

}  // namespace

}  // namespace signalbox

int main(int argc, char** argv) {
  try {
    return signalbox::run(argc, argv);
  } catch (const std::exception& error) {
    signalbox::Log(stderr).error("failed", {{"text", error.what()}});
    return 1;
  }
}
