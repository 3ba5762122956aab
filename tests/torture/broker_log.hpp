// What one broker's log says that the balance needs, and whatever in it should not be there.
//
// Thread: any. Errors: a log that is not there reads as empty.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace signalbox::torture {

struct BrokerLog {
  bool listens = false;  // it has begun to
  bool stopped = false;  // it said so in its last line
  uint64_t expired = 0;  // the last total
  uint64_t dropped = 0;  // the same, of the endpoint whose policy is to drop
  uint64_t ack_timeouts = 0;
  uint64_t left_behind = 0;  // messages, by the line `stopped`
  uint64_t left_dead_letters = 0;
  uint64_t reloads = 0;
  uint64_t reloads_refused = 0;
  std::vector<std::string> strange;  // lines that no run should bring about, the first few
};

BrokerLog read_broker_log(const std::string& path);

}  // namespace signalbox::torture
