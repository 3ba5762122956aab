// SIGTERM and SIGINT become requests to a StopSignal for as long as this lives. Whoever ends it is about to leave
// anyway, so from then on they are ignored, or, after release(), end the process as they do by default. A pipe that
// nobody reads any more (SIGPIPE) is no reason to end: writing to it fails, and that is noticed.
//
// Thread: the program's first; one at a time. Owns: nothing; `stop` must outlive it. Errors: none.
// Tested by tests/broker/program_test.cpp, tests/program/worker_command_test.cpp.
#pragma once

#include "broker/stop_signal.hpp"

namespace signalbox {

class SignalHandlers {
 public:
  explicit SignalHandlers(StopSignal& stop);
  ~SignalHandlers();
  SignalHandlers(const SignalHandlers&) = delete;
  SignalHandlers& operator=(const SignalHandlers&) = delete;

  void release();

 private:
  bool released_ = false;
};

}  // namespace signalbox
