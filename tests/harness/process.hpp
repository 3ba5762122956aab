// A child process of a run. It dies with its parent, and at the latest with this object.
//
// Thread: the one that started it. Owns: the process. Errors: the constructor throws std::system_error.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace signalbox::harness {

class Process {
 public:
  // Starts arguments[0] with the rest; its stdout and stderr are appended to `log`.
  Process(std::vector<std::string> arguments, const std::string& log);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const;

  // Becomes readable at its end.
  int descriptor() const { return watch_; }

  // Waits for its end: its exit code, or 128 + the signal that ended it. Empty: it is still there at the deadline.
  std::optional<int> wait(std::chrono::steady_clock::time_point deadline);

  // Its end, if it has come.
  std::optional<int> ended() { return wait(std::chrono::steady_clock::time_point::min()); }

 private:
  pid_t pid_ = -1;
  int watch_ = -1;  // a pidfd
  std::optional<int> ending_;
};

}  // namespace signalbox::harness
