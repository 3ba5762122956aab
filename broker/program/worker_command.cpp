#include "broker/program/worker_command.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "broker/broker.hpp"
#include "broker/program/exit_codes.hpp"
#include "broker/program/signal_handlers.hpp"
#include "broker/stop_signal.hpp"
#include "protocol/keys.hpp"
#include "protocol/limits.hpp"

namespace signalbox {
namespace {

constexpr const char* teaching = R"help(
Each line of stdin is a message to send, one JSON object; each message delivered is a line on stdout. What a line leaves
out of vumi's fields (id, time, message_type "user_message" ...) is filled in. For what JSON lacks there are forms:
{"$bin": "<base64>"}, {"$ext": [type, "<base64>"]} and a few more; docs/command-line.md has them all.

Three uses, beside a broker with the configuration examples/seed.toml:
  an application that answers everything with what it said, until Ctrl-C
      signalbox worker --application my_application --echo
  a transport, by hand: type a line, see the replies, end with Ctrl-D
      signalbox worker --transport smpp_transport
      {"from_addr": "+27831234567", "content": "hello"}
  a thousand messages through a pipe, and the content of a thousand replies
      seq 1000 | jq -c '{from_addr: "+27831234567", content: "number \(.)"}' |
        signalbox worker --transport smpp_transport --count 1000 | jq -r .content

When it leaves: once the input has ended and the broker has confirmed all of it; with --count after so many deliveries;
with --listen or --echo, or where there is no input at all (</dev/null), when it is told to (Ctrl-C, SIGTERM; a second
one ends it at once). A delivery is acknowledged once its line is written; what is not goes back to its queue.

On stderr: "refused NUMBER CODE: TEXT MESSAGE" for what the broker would not take, "line NUMBER: ..." for input that is
no message, and at the end "sent 10, confirmed 9, refused 1, received 4". On a terminal, or with --verbose, also
"confirmed 1..10".

Exit codes:
  0  all that was sent is confirmed, and --count, if given, was reached
  1  something was refused, was no message, or was not confirmed in time; or it could not register
  2  the arguments are wrong)help";

}  // namespace

WorkerCommand::WorkerCommand(CLI::App& program)
    : Command(*program.add_subcommand("worker", "Send and receive messages as lines of JSON")) {
  arguments().footer(teaching + 1);  // from its first line on
  const char* const who = "Who it is, one of the two";
  CLI::Option* const transport = arguments().add_option("--transport", transport_, "Register as this transport");
  CLI::Option* const application =
      arguments().add_option("--application", application_, "Register as this application");
  for (CLI::Option* const option : {transport, application}) option->type_name("NAME")->group(who);
  arguments().callback([transport, application] {
    if (transport->count() + application->count() != 1)
      throw CLI::RequiredError("exactly one of --transport NAME and --application NAME");
  });
  add_options();
}

void WorkerCommand::add_options() {
  CLI::App& app = arguments();
  app.add_option("--endpoint", options_.worker.endpoint, "Where the broker listens")
      ->envname("SIGNALBOX_ENDPOINT")
      ->type_name("ADDRESS")
      ->capture_default_str();
  CLI::Option* const secret =
      app.add_option("--secret-key-file", secret_key_file_, "Where the broker wants keys: the file of one's own")
          ->envname("SIGNALBOX_SECRET_KEY_FILE")
          ->type_name("FILE");
  CLI::Option* const server = app.add_option("--server-key", server_key_, "and the broker's public key, or its file")
                                  ->envname("SIGNALBOX_SERVER_KEY")
                                  ->type_name("KEY");
  secret->needs(server);
  server->needs(secret);
  app.add_option("--count", count_, "Leave after N deliveries")->type_name("N")->check(CLI::PositiveNumber);
  app.add_option("--for", options_.for_s, "Leave after this long")->type_name("SECONDS")->check(CLI::PositiveNumber);
  app.add_flag("--listen", options_.listen, "Go on after the end of the input");
  app.add_flag("--echo", options_.echo, "Reply to each user message with its own content");
  app.add_option("--rate", options_.rate, "Send at most N messages a second")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--prefetch", options_.worker.prefetch, "The most deliveries under way here; 0: take none")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{0}, limits::max_prefetch))
      ->capture_default_str();
  app.add_option("--timeout", options_.timeout_s,
                 "How long the broker may owe an answer: to the registration, or a confirmation; 0: for ever")
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_flag("--raw", options_.raw, "Send exactly what was typed, and fill in nothing");
  CLI::Option* const verbose = app.add_flag("--verbose,-v", options_.verbose, "Say what is confirmed, too");
  app.add_flag("--quiet,-q", options_.quiet, "Say only what goes wrong")->excludes(verbose);
}

// False, with a line on stderr: a file is no key's.
bool WorkerCommand::read_keys() {
  if (secret_key_file_.empty()) return true;
  const auto complain = [](const std::string& file, const KeyFile& key) {
    std::fprintf(stderr, "the key file '%s' %s\n", file.c_str(), key.fault.c_str());
    return false;
  };
  KeyFile own = read_key_file(secret_key_file_, true);
  if (!own.fault.empty()) return complain(secret_key_file_, own);
  options_.worker.secret_key = own.text;
  wipe(own.text);
  if (!key_from_text(server_key_)) {
    const KeyFile broker = read_key_file(server_key_, false);
    if (!broker.fault.empty()) return complain(server_key_, broker);
    server_key_ = broker.text;
  }
  options_.worker.server_key = server_key_;
  return true;
}

int WorkerCommand::run() {
  if (!read_keys()) return exit_bad_input;
  options_.worker.role = application_.empty() ? Role::transport : Role::application;
  options_.worker.name = application_.empty() ? transport_ : application_;
  options_.worker.client = "signalbox worker " + std::string(version());
  if (count_ > 0) {
    options_.count = count_;
    // What is delivered beyond the count only has to go back.
    options_.worker.prefetch = std::min(options_.worker.prefetch, count_);
  }
  StopSignal stop;
  SignalHandlers handlers(stop);
  std::unique_ptr<LineWorker> worker;
  try {
    worker = std::make_unique<LineWorker>(options_, STDIN_FILENO, STDOUT_FILENO, stop);
  } catch (const std::exception& error) {  // a name or an endpoint that is none
    std::fprintf(stderr, "%s\n", error.what());
    return exit_bad_input;
  }
  wipe(options_.worker.secret_key);
  worker->work();
  handlers.release();
  return worker->leave() ? exit_ok : exit_failed;
}

}  // namespace signalbox
