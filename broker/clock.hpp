// The door to the clock. The broker's loop reads it once a turn and passes the reading down; nothing below reads it
// again.
#pragma once

#include <chrono>

#include "routers/router.hpp"

namespace signalbox {

inline Time read_clock() {
  using std::chrono::duration_cast;
  const auto monotonic = std::chrono::steady_clock::now().time_since_epoch();
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {static_cast<uint64_t>(duration_cast<std::chrono::milliseconds>(monotonic).count()),
          duration_cast<std::chrono::microseconds>(wall).count()};
}

}  // namespace signalbox
