// `signalbox keygen`: a new pair of keys, for a broker or a worker.
//
// Thread, Errors: as of Command. Tested by tests/authentication/keygen_test.cpp.
#pragma once

#include <string>

#include "broker/program/command.hpp"

namespace signalbox {

class KeygenCommand : public Command {
 public:
  explicit KeygenCommand(CLI::App& program);
  int run() override;

 private:
  std::string name_;  // empty: print them
};

}  // namespace signalbox
