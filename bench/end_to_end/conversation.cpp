#include "bench/end_to_end/conversation.hpp"

#include <time.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <stdexcept>

namespace signalbox::bench {

uint64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

void wait_until(uint64_t monotonic_ns) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(monotonic_ns / 1'000'000'000);
  time.tv_nsec = static_cast<long>(monotonic_ns % 1'000'000'000);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) continue;
}

void say(const std::string& line) {
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);
}

void wait_for_word() {
  char line[16];
  if (std::fgets(line, sizeof line, stdin) == nullptr) throw std::runtime_error("nobody told us to go on");
}

void report_sent(uint64_t first_ns, uint64_t latest_ns) {
  char line[96];
  std::snprintf(line, sizeof line, "sent first_ns=%" PRIu64 " late_us=%.1f", first_ns,
                static_cast<double>(latest_ns) / 1000);
  say(line);
}

void report_done(uint64_t last_ns, uint64_t turns, const std::string& latencies) {
  char line[96];
  std::snprintf(line, sizeof line, "done last_ns=%" PRIu64 " turns=%" PRIu64, last_ns, turns);
  say(line + latencies);
}

}  // namespace signalbox::bench
