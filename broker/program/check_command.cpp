#include "broker/program/check_command.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "broker/check.hpp"
#include "broker/program/check_json.hpp"
#include "broker/program/configuration_file.hpp"
#include "broker/program/exit_codes.hpp"
#include "routers/registry.hpp"

namespace signalbox {
namespace {

constexpr const char* teaching =
    R"(The routes go to stdout, a table for each dispatcher. What is wrong goes to stderr, all of it at once:
  signalbox.toml:7:1: error: ...
With --json both are one JSON object on stdout. A picture of the routes, with Graphviz:
  signalbox check --dot FILE | dot -Tsvg >routes.svg

Exit codes:
  0  the file is right
  1  stdout could not be written to
  2  the file is not right, or the arguments are wrong)";

// A terminal that shows colours, and nobody who asks for none (no-color.org).
Colours colours_of_stdout() {
  const char* const refused = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  const bool plain = isatty(STDOUT_FILENO) == 0 || (refused != nullptr && *refused != '\0') || terminal == nullptr ||
                     std::string_view(terminal) == "dumb";
  return plain ? Colours::plain : Colours::terminal;
}

bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

}  // namespace

CheckCommand::CheckCommand(CLI::App& program)
    : Command(*program.add_subcommand("check", "Say what is wrong with a configuration, or what it routes")) {
  arguments().footer(teaching);
  arguments().add_option("FILE", file_, "The configuration, TOML")->required();
  CLI::Option* const json = arguments().add_flag("--json", json_, "The routes, or what is wrong, as JSON");
  arguments().add_flag("--dot", dot_, "The routes as a drawing, for Graphviz")->excludes(json);
}

int CheckCommand::run() {
  if (json_) {
    const ConfigurationResult result = read_configuration_file(file_, RouterRegistry());
    if (!print(check_json(file_, result))) return exit_failed;
    return result.configuration != nullptr ? exit_ok : exit_bad_input;
  }
  const std::unique_ptr<Configuration> configuration = read_or_complain(file_);
  if (configuration == nullptr) return exit_bad_input;
  const std::string text = dot_ ? routes_drawing(*configuration) : routes_table(*configuration, colours_of_stdout());
  return print(text) ? exit_ok : exit_failed;
}

}  // namespace signalbox
