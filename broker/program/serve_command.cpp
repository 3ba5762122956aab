#include "broker/program/serve_command.hpp"

#include <malloc.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "broker/broker.hpp"
#include "broker/log.hpp"
#include "broker/program/configuration_file.hpp"
#include "broker/program/exit_codes.hpp"
#include "broker/program/reload_on_hangup.hpp"
#include "broker/program/signal_handlers.hpp"
#include "broker/stop_signal.hpp"

namespace signalbox {
namespace {

constexpr const char* teaching =
    R"(It stays in the foreground and logs to stderr. SIGTERM or SIGINT drains the queues; a second one stops at once.
SIGHUP reads the configuration again: it takes the place of the one that runs or, where it has a fault, nothing changes.

Exit codes:
  0  nothing was left in the queues
  1  messages were left, the log says where, or it could not listen
  2  the configuration or the arguments are wrong)";

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

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

}  // namespace

ServeCommand::ServeCommand(CLI::App& program)
    : Command(*program.add_subcommand("serve", "Listen for workers and route their messages")) {
  arguments().footer(teaching);
  arguments().add_option("FILE", file_, "The configuration, TOML")->required();
}

int ServeCommand::run() {
  const BlockedHangup hangup;  // before there is any other thread
  Log log(stderr);
  std::unique_ptr<Configuration> configuration = read_or_complain(file_);
  if (configuration == nullptr) return exit_bad_input;
  tune_allocator();
  const uint64_t descriptors = raise_descriptor_limit();
  const uint64_t registrations_max = configuration->settings.max_registrations;
  if (descriptors <= registrations_max)
    log.warn("few_descriptors", {{"descriptors", descriptors}, {"max_registrations", registrations_max}});
  if (configuration->insecure && !configuration->secret_key)
    log.warn("insecure", {{"text", "no encryption and no keys: whoever reaches an endpoint may use it"}});

  StopSignal stop;
  const SignalHandlers handlers(stop);
  Running running = signalbox::running(*configuration);
  Broker broker(std::move(*configuration), nullptr, &log);
  log.info("listening", {{"endpoints", join(broker.endpoints())},
                         {"version", version()},
                         {"libzmq", Link::library_version()},
                         {"descriptors", descriptors},
                         {"configuration", file_}});
  const ReloadOnHangup reload(hangup, broker, file_, std::move(running), log);
  const Ending ending = broker.run(stop);
  for (const Ending::Left& left : ending.left)
    log.warn(left.dead_letters ? "left_dead_letters" : "left_behind",
             {{"endpoint", left.endpoint}, {"messages", left.messages}});
  log.info("stopped", {{"at_once", ending.at_once ? "true" : "false"}, {"left_behind", ending.messages()}});
  return ending.at_once || ending.messages() > 0 ? exit_failed : exit_ok;
}

}  // namespace signalbox
