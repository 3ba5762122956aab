// One command of the program: `signalbox serve`, `signalbox check`, `signalbox worker`.
//
// Each declares its arguments to CLI11 when it is made, and does its work in run(). The files of the commands do not
// know one another; main.cpp lists them.
//
// Thread: the program's first. Errors: run() returns an exit code; what it throws ends the program with exit_failed.
// Tested by tests/broker/program_test.cpp, tests/program.
#pragma once

#include <CLI/CLI.hpp>

namespace signalbox {

class Command {
 public:
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;

  // Did the command line ask for it?
  bool is_chosen() const { return arguments_.parsed(); }
  // Returns the program's exit code. REQUIRES: is_chosen().
  virtual int run() = 0;

 protected:
  explicit Command(CLI::App& arguments) : arguments_(arguments) {}
  CLI::App& arguments() { return arguments_; }

 private:
  CLI::App& arguments_;  // the program's, for as long as it runs
};

}  // namespace signalbox
