#include "broker/program/reload_on_hangup.hpp"

#include <signal.h>

#include <memory>
#include <utility>
#include <vector>

#include "broker/clock.hpp"
#include "broker/configuration_changes.hpp"

namespace signalbox {
namespace {

sigset_t hangup_alone() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGHUP);
  return signals;
}

}  // namespace

BlockedHangup::BlockedHangup() {
  const sigset_t signals = hangup_alone();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

void BlockedHangup::wait() const {
  const sigset_t signals = hangup_alone();
  int signal = 0;
  sigwait(&signals, &signal);
}

ReloadOnHangup::ReloadOnHangup(const BlockedHangup& hangup, Broker& broker, std::string file, Running running, Log& log)
    : hangup_(hangup),
      broker_(broker),
      file_(std::move(file)),
      running_(std::move(running)),
      log_(log),
      thread_([this] { work(); }) {}

ReloadOnHangup::~ReloadOnHangup() {
  ending_ = true;
  pthread_kill(thread_.native_handle(), SIGHUP);
  thread_.join();
}

void ReloadOnHangup::work() {
  for (;;) {
    hangup_.wait();
    if (ending_) return;
    reload();
  }
}

void ReloadOnHangup::reload() {
  const RouterRegistry registry;
  ConfigurationResult result = read_configuration_file(file_, registry, &running_);
  for (const Fault& warning : result.warnings) {
    log_.warn("configuration", {{"text", to_line(file_, warning, true)}});
  }
  if (result.configuration == nullptr) {
    for (const Fault& fault : result.faults) log_.error("configuration", {{"text", to_line(file_, fault)}});
    log_.error("not_reloaded", {{"faults", result.faults.size()}, {"text", "the configuration stays as it was"}});
    return;
  }
  std::vector<std::string> changed = changes(running_.file, result.configuration->file);
  if (changed.empty()) {
    log_.info("reloaded", {{"changes", uint64_t{0}}});
    return;
  }
  running_ = running(*result.configuration);
  // Shared, since a posted function can be copied.
  const auto next = std::make_shared<Configuration>(std::move(*result.configuration));
  broker_.post([this, next, changed = std::move(changed)] {
    broker_.reload(std::move(*next), read_clock());
    log_.info("reloaded", {{"changes", changed.size()}});
    for (size_t i = 0; i < changed.size() && i < changes_shown_max; ++i) log_.info("changed", {{"text", changed[i]}});
  });
}

}  // namespace signalbox
