// How the processes of a run speak with the one that started them: in lines on stdin and stdout (clients.hpp), and by
// one clock that all of them share.
//
// Thread: any; no state. Errors: exceptions where the other side is gone.
#pragma once

#include <cstdint>
#include <string>

namespace signalbox::bench {

// The monotonic clock, the same in all processes.
uint64_t now_ns();
void wait_until(uint64_t monotonic_ns);

void say(const std::string& line);
// Waits for the next line of whoever started us: "go", and "end" once our CPU time has been read.
void wait_for_word();

// The lines "sent …" and "done …".
void report_sent(uint64_t first_ns, uint64_t latest_ns);
void report_done(uint64_t last_ns, uint64_t turns, const std::string& latencies);

}  // namespace signalbox::bench
