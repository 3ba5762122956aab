// The last events of a simulation, and its first fault: what a failing run prints so that one can follow it.
//
// An event is a few numbers and a literal; it becomes text only when somebody reads it, so that the journal costs
// next to nothing while all is well. After the first fault nothing more is noted, so the last line is the cause.
//
// Thread: one. Bounds: event_count events.
// Tested by simulation_test.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace signalbox::simulation {

class Journal {
 public:
  static constexpr size_t event_count = 48;

  // `installation` must be a literal.
  Journal(uint64_t seed, uint64_t limit, std::string_view installation, uint32_t lanes, bool storm)
      : seed_(seed), limit_(limit), installation_(installation), lanes_(lanes), storm_(storm) {}

  // Where the run stands; the events that follow carry it.
  void at(uint64_t step, uint64_t now_ms) {
    step_ = step;
    now_ms_ = now_ms;
  }

  // `what` must be a literal: it is kept by reference. The numbers follow it as they are.
  void note(const char* what, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0) {
    if (failed()) return;
    Event& event = events_[noted_++ % event_count];
    event = {what, step_, now_ms_, {a, b, c, d}};
    if (step_ >= trace_from_step_) print(event);
  }
  // From this step on every event goes to stdout as it happens.
  void trace_from(uint64_t step) { trace_from_step_ = step; }

  // The promise that was broken, in words. Only the first is kept.
  void fail(std::string fault);
  bool failed() const { return !fault_.empty(); }
  const std::string& fault() const { return fault_; }
  uint64_t step() const { return step_; }

  // Seed, step, fault and the last events, as text.
  std::string report() const;

 private:
  struct Event {
    const char* what = nullptr;
    uint64_t step = 0;
    uint64_t now_ms = 0;
    std::array<uint64_t, 4> numbers{};
  };

  static std::string to_line(const Event& event);
  static void print(const Event& event);

  const uint64_t seed_;
  const uint64_t limit_;  // steps of the whole run, for the command that replays it
  const std::string_view installation_;
  const uint32_t lanes_;
  const bool storm_;
  uint64_t step_ = 0;
  uint64_t now_ms_ = 0;
  uint64_t noted_ = 0;
  uint64_t trace_from_step_ = UINT64_MAX;
  std::array<Event, event_count> events_{};
  std::string fault_;
};

}  // namespace signalbox::simulation
