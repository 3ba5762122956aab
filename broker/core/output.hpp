// Where the core's frames go: the link in the broker, a simulated network in the simulator.
#pragma once

#include <cstdint>
#include <utility>

#include "broker/core/segment.hpp"
#include "protocol/codes.hpp"

namespace signalbox {

struct Entry;

// Names one connection for as long as it lives; chosen by the link.
using ConnectionId = uint64_t;

class Output {
 public:
  enum class Result : uint8_t {
    sent,     // taken; the frame will go out unless the connection is lost
    blocked,  // not taken: no room towards this peer now; the core tries again
    gone,     // not taken: the connection is no more; the core ends its registration
  };

  virtual ~Output() = default;

  // `header` is copied before this returns. `body` is empty for all but DELIVER; its bytes stay where they are until
  // the Run (a reference to them) is destroyed, which may happen on any thread. Must not call back into the core.
  virtual Result send(ConnectionId to, Bytes header, Run body) = 0;

  // A DELIVER of `count` messages. For an output that hands them out one by one: `entries` are theirs in the queue, and
  // tell their sizes until this returns; null where the queue is another thread's.
  virtual Result deliver(ConnectionId to, Bytes header, Run body, const Entry* /*entries*/, uint32_t /*count*/) {
    return send(to, header, std::move(body));
  }
};

}  // namespace signalbox
