// SIGHUP reads the configuration file again and swaps it, whole or not at all, while the broker goes on. The reading is
// done on a thread of its own, so that a large file holds nobody up; only the swap itself is a turn of the broker's.
//
// Thread: made and ended by the program's first. Owns: its thread. Errors: a file with faults changes nothing; the log
// has them. Bounds: changes_shown_max lines of the log for one swap. Tested by tests/wire/test_reload.py.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "broker/broker.hpp"
#include "broker/configuration_again.hpp"
#include "broker/log.hpp"

namespace signalbox {

// Holds SIGHUP back from this thread and all that it starts from here on; it waits for whoever asks for it. Until the
// end of the process: a hangup while it ends is no reason to end otherwise.
class BlockedHangup {
 public:
  BlockedHangup();
  void wait() const;  // for the next one
};

class ReloadOnHangup {
 public:
  static constexpr size_t changes_shown_max = 100;

  // All must outlive it. `running` is what `broker` was made from.
  ReloadOnHangup(const BlockedHangup& hangup, Broker& broker, std::string file, Running running, Log& log);
  ~ReloadOnHangup();
  ReloadOnHangup(const ReloadOnHangup&) = delete;
  ReloadOnHangup& operator=(const ReloadOnHangup&) = delete;

 private:
  void work();
  void reload();

  const BlockedHangup& hangup_;
  Broker& broker_;
  const std::string file_;
  Running running_;  // its thread's
  Log& log_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace signalbox
