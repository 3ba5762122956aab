// What the example programs share: a line for each thing that happens, as it happens, and a stop by signal.
#pragma once

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>

#include "protocol/text.hpp"
#include "worker/worker.hpp"

namespace signalbox::examples {

// Thread: one. On a terminal a line begins with the program's name, and has colour; where the output goes elsewhere,
// whoever reads it knows whose it is.
class Console {
 public:
  explicit Console(const std::string& name) : terminal_(isatty(STDOUT_FILENO) == 1) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    if (terminal_) label_ = "\033[36m" + name + "\033[0m  ";
  }

  // `what` is one word: "sent", "got", "refused".
  void line(std::string_view what, const std::string& text) const {
    std::printf("%s%-7.*s  %s\n", label_.c_str(), static_cast<int>(what.size()), what.data(), text.c_str());
  }
  // What went wrong, on the other stream.
  void complain(const std::string& text) const { std::fprintf(stderr, "%s%s\n", label_.c_str(), text.c_str()); }

 private:
  const bool terminal_;
  std::string label_;
};

inline std::string in_quotes(std::string_view text) {
  return '"' + printable(text) + '"';
}

// SIGINT and SIGTERM stop `worker`, which must outlive every signal. One worker a program.
inline void stop_on_signals(Worker& worker) {
  static Worker* stopped = nullptr;
  stopped = &worker;
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { stopped->stop(); });
}

}  // namespace signalbox::examples
