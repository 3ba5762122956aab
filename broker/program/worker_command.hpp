// `signalbox worker`: talks to the bus with pipes, or by hand. What it does is LineWorker's.
//
// Thread, Errors: as of Command. Tested by tests/program/worker_command_test.cpp.
#pragma once

#include <cstdint>
#include <string>

#include "broker/program/command.hpp"
#include "broker/program/line_worker.hpp"

namespace signalbox {

class WorkerCommand : public Command {
 public:
  explicit WorkerCommand(CLI::App& program);
  int run() override;

 private:
  void add_options();
  bool read_keys();

  std::string transport_;
  std::string application_;
  std::string secret_key_file_;
  std::string server_key_;  // the key itself, or its file
  uint64_t count_ = 0;      // 0: without
  LineWorkerOptions options_;
};

}  // namespace signalbox
