// What a thread of the broker's does while there is nothing to do.
//
// Thread: any. Tested by tests/broker/lanes_test.cpp.
#pragma once

#include <cstdint>
#include <thread>

namespace signalbox {

enum class Idle : uint8_t {
  sleep,  // waits at a descriptor: for machines that are shared
  yield,  // lets others have the processor, and asks for it again
  spin,   // keeps it: the lowest latency, and a processor always busy
};

// What an empty turn ends with. REQUIRES: not Idle::sleep.
inline void idle_once(Idle idle) {
  if (idle == Idle::yield) {
    std::this_thread::yield();
    return;
  }
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

}  // namespace signalbox
