#include "broker/program/explain_command.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <system_error>

#include "broker/clock.hpp"
#include "broker/configuration_faults.hpp"
#include "broker/program/configuration_file.hpp"
#include "broker/program/exit_codes.hpp"
#include "broker/program/explain_json.hpp"
#include "broker/program/explain_text.hpp"
#include "broker/program/input_lines.hpp"
#include "broker/program/json_message.hpp"
#include "broker/program/typed_message.hpp"
#include "protocol/limits.hpp"
#include "protocol/text.hpp"
#include "protocol/value.hpp"
#include "routers/setting.hpp"

namespace signalbox {
namespace {

constexpr const char* teaching = R"help(
No broker is needed, none is asked, and nothing is kept: the routers of the file decide as if the broker had just been
started. MESSAGE is a file with one JSON object, or the object itself, or - for stdin. Without it stdin is read, unless
that is a terminal or empty; then a message with no more than an id is explained. What the object leaves out of vumi's
fields is filled in, as by `signalbox worker`.

Examples:
  where does a message from smpp_transport go?
      signalbox explain examples/seed.toml --from smpp_transport '{"from_addr": "+27831234567", "content": "hello"}'
  and the answer to it? The broker would remember by which endpoint the message with the id 8c1f came in
      signalbox explain examples/seed.toml --from my_application --remember 8c1f=smpp_transport \
        '{"in_reply_to": "8c1f"}'
  and a delivery report about that answer?
      signalbox explain examples/seed.toml --from smpp_transport --remember 9d20=my_application \
        '{"message_type": "event", "event_type": "ack", "user_message_id": "9d20", "sent_message_id": "1"}'
  only the names of those who get it
      signalbox explain FILE --from NAME MESSAGE.json --json | jq -r '.taken_by[]'

What it prints, from the top: the dispatcher; what middleware changes as the message enters; what the router considered,
rules that did not fit included; then -> each target, with what is changed for it as BEFORE -> AFTER, and behind a joint
the next dispatcher. The last lines say who takes it, or what its sender would be told. docs/explain.md has more.

Exit codes:
  0  somebody takes it, or it is discarded on purpose
  1  it is refused
  2  the configuration, the arguments or the JSON are wrong)help";

bool complain(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  return false;
}

// The endpoint that a worker can register as; empty, and said on stderr: there is none.
std::optional<EndpointId> endpoint_named(const Settings& settings, const std::string& name, const char* option) {
  std::vector<std::string> known;
  bool is_joint = false;
  for (EndpointId id = 0; id < settings.endpoints.size(); ++id) {
    const EndpointSettings& endpoint = settings.endpoints[id];
    if (endpoint.name == name && !endpoint.joint) return id;
    is_joint = is_joint || endpoint.name == name;
    if (!endpoint.joint) known.push_back(endpoint.name);
  }
  std::string text = std::string(option) + ": ";
  if (is_joint) {
    text += in_quotes(name) + " joins two dispatchers; no worker has that name";
  } else {
    text += "there is no endpoint " + in_quotes(name);
    if (const auto near = nearest_name(name, known)) text += "; did you mean " + in_quotes(*near) + "?";
  }
  complain(text);
  return std::nullopt;
}

// At most one byte more than a message may have, so that too long can be told from long enough. False: errno says why.
bool read_all(int fd, std::string& out) {
  std::string buffer(InputLines::read_bytes, '\0');
  while (out.size() <= InputLines::line_bytes_max) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) return true;
    out.append(buffer, 0, static_cast<size_t>(count));
  }
  return true;
}

bool read_file(const std::string& path, std::string& out) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool is_read = fd >= 0 && read_all(fd, out);
  const std::string reason = std::generic_category().message(errno);
  if (fd >= 0) close(fd);
  return is_read || complain(printable(path) + ": cannot be read: " + reason);
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool is_object(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && text[start] == '{';
}

bool wants_colour() {
  return isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
}

}  // namespace

ExplainCommand::ExplainCommand(CLI::App& program)
    : Command(*program.add_subcommand("explain", "Say where a message would go, and why")) {
  CLI::App& app = arguments();
  app.footer(teaching + 1);  // from its first line on
  app.add_option("FILE", file_, "The configuration, TOML")->required();
  app.add_option("MESSAGE", message_, "A file with the message as JSON, the JSON itself, or -");
  app.add_option("--from", from_, "The endpoint that sends it")->type_name("NAME")->required();
  app.add_option("--remember", remember_, "The message ID came in by the endpoint NAME; may be given again")
      ->type_name("ID=NAME")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--live", live_,
                 "NAME has a worker, and nobody who is not named; may be given again. Without: all have")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->take_all();
  app.add_flag("--json", json_, "Print one JSON object");
  app.add_flag("--raw", raw_, "Explain exactly what was given, and fill in nothing");
}

int ExplainCommand::run() {
  const std::unique_ptr<Configuration> configuration = read_or_complain(file_);
  if (configuration == nullptr) return exit_bad_input;
  ExplainInput input;
  std::string encoded;
  if (!read_names(configuration->settings, input) || !read_message(encoded)) return exit_bad_input;
  input.message = encoded;
  input.now = read_clock();
  const Explanation explanation = explain(configuration->settings, input);
  const std::string text = json_ ? to_json(explanation) : to_text(explanation, wants_colour());
  std::fwrite(text.data(), 1, text.size(), stdout);
  return explanation.outcome == Routing::Verdict::Outcome::refused ? exit_failed : exit_ok;
}

bool ExplainCommand::read_names(const Settings& settings, ExplainInput& input) const {
  const auto from = endpoint_named(settings, from_, "--from");
  if (!from) return false;
  input.from = *from;
  for (const std::string& one : remember_) {
    const size_t sign = one.rfind('=');  // an id may have one
    if (sign == std::string::npos || sign == 0)
      return complain("--remember: ID=NAME is wanted, the id of a message and the endpoint that sent it");
    const auto sender = endpoint_named(settings, one.substr(sign + 1), "--remember");
    if (!sender) return false;
    const DispatcherSettings& dispatcher = settings.dispatchers[settings.endpoints[*sender].dispatcher];
    if (!dispatcher.reply_tracking) {
      complain("--remember: dispatcher " + in_quotes(dispatcher.name) +
               " has reply_tracking = false, and remembers nothing");
    }
    input.remembered.push_back({one.substr(0, sign), *sender});
  }
  if (live_.empty()) return true;
  input.alive.emplace();
  for (const std::string& name : live_) {
    const auto endpoint = endpoint_named(settings, name, "--live");
    if (!endpoint) return false;
    input.alive->push_back(*endpoint);
  }
  return true;
}

bool ExplainCommand::read_message(std::string& encoded) const {
  std::string json;
  if (message_.empty() || message_ == "-") {
    const bool is_typed = isatty(STDIN_FILENO) == 1 && message_.empty();
    if (!is_typed && !read_all(STDIN_FILENO, json) && message_ == "-")
      return complain("standard input: " + std::generic_category().message(errno));
  } else if (is_object(message_)) {
    json = message_;
  } else if (!read_file(message_, json)) {
    return false;
  }
  const bool is_given = !is_blank(json);
  if (!is_given) {
    if (!message_.empty()) return complain("message: there is none in the input");
    complain("no message was given: explaining one that has no more than an id");
    json = "{}";
  }
  if (json.size() > InputLines::line_bytes_max)
    return complain("message: longer than " + std::to_string(InputLines::line_bytes_max) + " bytes");
  const std::string fault = append_message_pack(encoded, json);
  if (!fault.empty()) return complain("message: " + printable(fault));
  if (encoded.empty() || value::tag_at(encoded.data()).type != value::Type::map)
    return complain("message: a JSON object is wanted");
  if (!raw_ || !is_given) fill_in(encoded);
  return true;
}

}  // namespace signalbox
