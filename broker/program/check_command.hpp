// `signalbox check FILE`: says what is wrong with a configuration, or what it routes.
//
// Thread, Errors: as of Command. Tested by tests/broker/program_test.cpp, tests/program/check_command_test.cpp.
#pragma once

#include <string>

#include "broker/program/command.hpp"

namespace signalbox {

class CheckCommand : public Command {
 public:
  explicit CheckCommand(CLI::App& program);
  int run() override;

 private:
  std::string file_;
  bool json_ = false;
  bool dot_ = false;
};

}  // namespace signalbox
