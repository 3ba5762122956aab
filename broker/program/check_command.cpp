#include "broker/program/check_command.hpp"

#include <cstdio>
#include <memory>

#include "broker/check.hpp"
#include "broker/program/configuration_file.hpp"
#include "broker/program/exit_codes.hpp"

namespace signalbox {
namespace {

constexpr const char* teaching =
    R"(The routes go to stdout, a table for each dispatcher. What is wrong goes to stderr, all of it at once:
  signalbox.toml:7:1: error: ...

Exit codes:
  0  the file is right
  2  it is not, or the arguments are wrong)";

}  // namespace

CheckCommand::CheckCommand(CLI::App& program)
    : Command(*program.add_subcommand("check", "Say what is wrong with a configuration, or what it routes")) {
  arguments().footer(teaching);
  arguments().add_option("FILE", file_, "The configuration, TOML")->required();
}

int CheckCommand::run() {
  const std::unique_ptr<Configuration> configuration = read_or_complain(file_);
  if (configuration == nullptr) return exit_bad_input;
  std::fputs(routes_table(*configuration).c_str(), stdout);
  return exit_ok;
}

}  // namespace signalbox
