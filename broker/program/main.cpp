// The program `signalbox`: its commands, and what --help teaches.

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <string>

#include "broker/broker.hpp"
#include "broker/log.hpp"
#include "broker/program/check_command.hpp"
#include "broker/program/command.hpp"
#include "broker/program/exit_codes.hpp"
#include "broker/program/explain_command.hpp"
#include "broker/program/import_command.hpp"
#include "broker/program/keygen_command.hpp"
#include "broker/program/serve_command.hpp"
#include "broker/program/worker_command.hpp"

namespace signalbox {
namespace {

constexpr const char* teaching = R"(First steps:
  signalbox check examples/seed.toml    is the file right, and who gets what?
  signalbox serve examples/seed.toml    listen for workers, until Ctrl-C
and in another terminal, with the broker running:
  signalbox worker --application my_application --echo
  signalbox worker --transport smpp_transport        then type {"from_addr": "+27831234567", "content": "hello"}

The smallest configuration file:
  router_class    = "SimpleDispatchRouter"
  transport_names = ["smpp_transport"]        # names that gateways register under
  exposed_names   = ["my_application"]        # names that applications register under
  [routing_mappings]
  smpp_transport = "my_application"           # from whom = to whom

Workers connect a ZeroMQ DEALER socket to tcp://127.0.0.1:5570 (setting: [broker] endpoint) and speak
protocol/SPEC.md. SIGTERM or SIGINT drains the queues and then exits; a second one stops at once.
`signalbox COMMAND --help` tells the rest of each command.

Exit codes:
  0  done; after serve: nothing was left in the queues; after worker: the broker took all that was sent
  1  failed; after serve: messages were left, the log says where, or it could not listen
  2  the configuration or the arguments are wrong)";

// Whoever starts a program may close its standard descriptors. Then the next socket would be one of them, and what is
// meant for stderr would go to a peer. What stands in for them is empty and can only be read: a message that is written
// there is not written, and not delivered.
void fill_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (fcntl(fd, F_GETFD) < 0) (void)!open("/dev/null", O_RDONLY);  // takes the lowest number that is free, this one
}

int run(int argc, char** argv) {
  CLI::App program(
      "Signalbox, a message-bus broker: transports on the one side, applications on the other, and rules that say who\n"
      "gets what.",
      "signalbox");
  program.footer(teaching);
  program.set_version_flag("--version",
                           "signalbox " + std::string(version()) + " (libzmq " + Link::library_version() + ")");
  program.require_subcommand(1);
  ServeCommand serve(program);
  CheckCommand check(program);
  ExplainCommand explain(program);
  WorkerCommand worker(program);
  ImportCommand import(program);
  KeygenCommand keygen(program);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? exit_ok : exit_bad_input;  // --help and --version end here too
  }
  for (Command* const command : std::initializer_list<Command*>{&serve, &check, &explain, &import, &keygen})
    if (command->is_chosen()) return command->run();
  return worker.run();
}

}  // namespace
}  // namespace signalbox

int main(int argc, char** argv) {
  signalbox::fill_standard_descriptors();
  try {
    return signalbox::run(argc, argv);
  } catch (const std::exception& error) {
    signalbox::Log(stderr).error("failed", {{"text", error.what()}});
    return signalbox::exit_failed;
  }
}
