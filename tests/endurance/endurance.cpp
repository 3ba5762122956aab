// A great many questions and answers through a real broker, while processes are killed and connections cut.
//
//   endurance [--messages N] [--instances K] [--kills N] [--cuts N] [--broker-restart none|term|kill] [--seed S]
//
// Two transports ask N questions between them; an application in K processes answers each. Meanwhile application
// processes are killed with SIGKILL and started again, the first transport's connection is cut, and the broker may be
// restarted in the middle. At the end every question must have been answered, in order where one process answers, by
// way of the right transport. Prints what came out; exit code 0: everything held. docs/endurance.md says more.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <random>

#include "tests/endurance/run.hpp"

namespace signalbox::endurance {
namespace {

unsigned long long wide(uint64_t number) {
  return number;
}

void print(const Plan& plan, const Report& report) {
  const double rate = static_cast<double>(report.answered) / report.seconds;
  std::printf("answered          %llu of %llu in %.1f s: %.0f questions and as many answers a second\n",
              wide(report.answered), wide(plan.messages), report.seconds, rate);
  std::printf(
      "done to them      %llu applications killed, %llu connections cut; the transports registered %llu times\n",
      wide(report.kills), wide(report.cuts), wide(report.registrations));
  std::printf("handled again     %llu questions\n", wide(report.handled_again));
  std::printf("received again    %llu answers\n", wide(report.received_again));
  if (plan.restart == Restart::kill)
    std::printf("lost              %llu, all confirmed before the broker was killed\n", wide(report.lost));
  for (const std::string& fault : report.faults) std::printf("FAULT  %s\n", fault.c_str());
}

int run(const Plan& plan) {
  std::printf("endurance --messages %llu --instances %llu --kills %llu --cuts %llu --broker-restart %s --seed %llu\n",
              wide(plan.messages), wide(plan.instances), wide(plan.kills), wide(plan.cuts),
              plan.restart == Restart::none   ? "none"
              : plan.restart == Restart::term ? "term"
                                              : "kill",
              wide(plan.seed));
  std::fflush(stdout);
  Run whole(plan);
  try {
    const Report report = whole.run();
    print(plan, report);
    if (report.faults.empty()) return 0;
  } catch (const std::exception& error) {
    std::printf("FAULT  %s\n", error.what());
  }
  std::printf("%s", whole.description().c_str());
  return 1;
}

}  // namespace
}  // namespace signalbox::endurance

int main(int argc, char** argv) {
  using signalbox::endurance::Restart;
  signalbox::endurance::Plan plan;
  plan.broker_program = SIGNALBOX_PROGRAM;
  plan.application_program = SIGNALBOX_ENDURANCE_APPLICATION;
  plan.seed = std::random_device()();
  CLI::App arguments("A great many messages, while processes are killed and connections cut");
  arguments.add_option("--messages", plan.messages, "questions, of both transports together")
      ->check(CLI::Range(1000, 100'000'000));
  arguments.add_option("--instances", plan.instances, "processes of the application")->check(CLI::Range(1, 16));
  arguments.add_option("--kills", plan.kills, "of application processes, with SIGKILL")->check(CLI::Range(0, 200));
  arguments.add_option("--cuts", plan.cuts, "of the first transport's connection")->check(CLI::Range(0, 200));
  const std::map<std::string, Restart> restarts = {
      {"none", Restart::none}, {"term", Restart::term}, {"kill", Restart::kill}};
  arguments.add_option("--broker-restart", plan.restart, "how the broker is ended in the middle: none, term or kill")
      ->transform(CLI::CheckedTransformer(restarts));
  arguments.add_option("--seed", plan.seed, "of all choices; a random one unless given");
  arguments.add_option("--deadline", plan.deadline_s, "seconds after which the run has failed");
  CLI11_PARSE(arguments, argc, argv);
  try {
    return signalbox::endurance::run(plan);
  } catch (const std::exception& error) {
    std::printf("FAULT  %s\n", error.what());
    return 1;
  }
}
