// `signalbox import FILE…`: writes the TOML of what a vumi dispatcher's YAML says.
//
// Thread, Errors: as of Command. Tested by tests/program/import_test.py.
#pragma once

#include <string>
#include <vector>

#include "broker/program/command.hpp"

namespace signalbox {

class ImportCommand : public Command {
 public:
  explicit ImportCommand(CLI::App& program);
  int run() override;

 private:
  bool write(const std::string& toml) const;

  std::vector<std::string> files_;
  std::string output_;
};

}  // namespace signalbox
