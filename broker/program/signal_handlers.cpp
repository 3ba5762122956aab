#include "broker/program/signal_handlers.hpp"

#include <signal.h>

namespace signalbox {
namespace {

// The handler finds it here. It makes one atomic increment and one write, no more than a handler may.
StopSignal* stop_on_signal = nullptr;

void on_signal(int) {
  stop_on_signal->request();
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

SignalHandlers::SignalHandlers(StopSignal& stop) {
  stop_on_signal = &stop;
  handle(SIGTERM, on_signal);
  handle(SIGINT, on_signal);
  handle(SIGPIPE, SIG_IGN);
}

SignalHandlers::~SignalHandlers() {
  if (released_) return;
  handle(SIGTERM, SIG_IGN);
  handle(SIGINT, SIG_IGN);
}

void SignalHandlers::release() {
  released_ = true;
  handle(SIGTERM, SIG_DFL);
  handle(SIGINT, SIG_DFL);
}

}  // namespace signalbox
