// The torture run: scripts/torture, docs/torture.md.
//
//   torture [--seconds N] [--seed S] [--keys by-seed|on|off] [--folder DIR] [--planted-loss N]
//
// Exit code 0: the balance holds. 1: it does not, or the run could not go on; the seed, what is wrong, and where the
// logs are is printed. The logs of a run that went well are removed unless a folder was named.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <random>

#include "tests/torture/run.hpp"

namespace signalbox::torture {
namespace {

unsigned long long wide(uint64_t number) {
  return number;
}

void row(const char* name, uint64_t count) {
  std::printf("  %-36s %12llu\n", name, wide(count));
}

void print(const Report& report, const Scoreboard& scoreboard) {
  const Balance& balance = report.balance;
  const Totals& totals = scoreboard.totals();
  std::printf("\ninjected in %.0f s\n", report.seconds);
  for (const auto& [name, count] : report.injected) row(name.c_str(), count);
  std::printf("met on the way\n");
  row("brokers", report.brokers);
  row("worker processes", report.workers);
  row("reloads taken", report.reloads);
  row("reloads refused", report.reloads_refused);
  row("messages rejected", totals.rejected);
  row("messages NACKed", totals.nacked);
  row("messages held for too long", totals.held);
  row("ack time-outs", report.ack_timeouts);
  std::printf("messages\n");
  row("sent", balance.messages);
  row("confirmed", balance.confirmed);
  row("refused", balance.refused);
  row("sender killed before it was told", balance.untold);
  std::printf("copies of what was confirmed\n");
  row("handled", balance.handled);
  row("of these, events", balance.events);
  row("handled again (duplicates)", balance.handled_again);
  row("redelivered", totals.redeliveries);
  row("read as dead letters", balance.dead_letters);
  row("expired, and counted", balance.expired);
  row("dropped to make room, and counted", balance.dropped);
  row("gone with a killed broker", balance.killed);
  row("left behind at a drain, and logged", balance.left_behind);
  row("lost", balance.lost);
  row("refused and yet delivered", balance.wrongly_delivered);
}

// A terminal sees one line that changes, everybody else one line after the other.
void tell(const std::string& text) {
  static const bool on_terminal = isatty(STDOUT_FILENO) != 0;
  std::printf(on_terminal ? "\r\033[K%s" : "%s\n", text.c_str());
  std::fflush(stdout);
}

int run(const Plan& plan) {
  std::printf("torture --seconds %llu --seed %llu --keys %s\n", wide(plan.seconds), wide(plan.seed),
              plan.keys ? "on" : "off");
  std::fflush(stdout);
  bool holds = false;
  try {
    Run whole(plan, tell);
    const Report report = whole.run();
    print(report, whole.scoreboard());
    for (const std::string& fault : report.faults) std::printf("FAULT  %s\n", fault.c_str());
    holds = report.faults.empty();
  } catch (const std::exception& error) {
    std::printf("\nFAULT  the run %s\n", error.what());
  }
  if (!holds) std::printf("seed %llu; the logs are in %s\n", wide(plan.seed), plan.folder.c_str());
  return holds ? 0 : 1;
}

std::string new_folder() {
  std::string folder = std::filesystem::temp_directory_path() / "signalbox-torture-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) throw std::system_error(errno, std::generic_category(), folder);
  return folder;
}

}  // namespace
}  // namespace signalbox::torture

int main(int argc, char** argv) {
  signalbox::torture::Plan plan;
  plan.broker_program = SIGNALBOX_PROGRAM;
  plan.worker_program = SIGNALBOX_TORTURE_WORKER;
  plan.bare_worker_program = SIGNALBOX_TORTURE_BARE_WORKER;
  plan.seed = std::random_device()();
  std::string keys = "by-seed";
  CLI::App arguments("Real processes and sockets, and all that can go wrong with them, at random");
  arguments.add_option("--seconds", plan.seconds, "for which faults are injected")->check(CLI::Range(1, 36'000));
  arguments.add_option("--seed", plan.seed, "of all choices; a random one unless given");
  arguments.add_option("--keys", keys, "whether the bus is encrypted")->check(CLI::IsMember({"by-seed", "on", "off"}));
  arguments.add_option("--folder", plan.folder, "where logs go and stay");
  arguments.add_option("--fault-interval", plan.fault_interval_ms, "milliseconds between faults, on average")
      ->check(CLI::Range(10, 60'000));
  arguments.add_option("--patience", plan.patience_s, "seconds without any arrival after which the end has come");
  arguments.add_option("--planted-loss", plan.planted_loss,
                       "receivers conceal each message whose number this divides, which has to be found out");
  CLI11_PARSE(arguments, argc, argv);
  plan.keys = keys == "on" || (keys == "by-seed" && plan.seed % 2 == 1);
  try {
    const bool keep = !plan.folder.empty();
    if (keep)
      std::filesystem::create_directories(plan.folder);
    else
      plan.folder = signalbox::torture::new_folder();
    const int code = signalbox::torture::run(plan);
    if (code == 0 && !keep) std::filesystem::remove_all(plan.folder);
    return code;
  } catch (const std::exception& error) {
    std::printf("FAULT  %s\n", error.what());
    return 1;
  }
}
