// `signalbox explain FILE --from NAME [MESSAGE]`: where a message would go, and why, without a running broker.
//
// Thread, Errors: as of Command. Bounds: a message of InputLines::line_bytes_max as JSON.
// Tested by tests/program/explain_command_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "broker/explain.hpp"
#include "broker/program/command.hpp"

namespace signalbox {

class ExplainCommand : public Command {
 public:
  explicit ExplainCommand(CLI::App& program);
  int run() override;

 private:
  // False: it is wrong, and stderr says how.
  [[nodiscard]] bool read_names(const Settings& settings, ExplainInput& input) const;
  [[nodiscard]] bool read_message(std::string& encoded) const;

  std::string file_;
  std::string from_;
  std::string message_;
  std::vector<std::string> remember_;
  std::vector<std::string> live_;
  bool json_ = false;
  bool raw_ = false;
};

}  // namespace signalbox
