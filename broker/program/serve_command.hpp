// `signalbox serve FILE`: listens for workers and routes their messages, until a signal.
//
// Thread, Errors: as of Command; LinkError where it cannot listen. Tested by tests/broker/program_test.cpp.
#pragma once

#include <string>

#include "broker/program/command.hpp"

namespace signalbox {

class ServeCommand : public Command {
 public:
  explicit ServeCommand(CLI::App& program);
  int run() override;

 private:
  std::string file_;
};

}  // namespace signalbox
