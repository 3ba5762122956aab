#include "tests/simulation/journal.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace signalbox::simulation {

void Journal::fail(std::string fault) {
  if (!failed()) fault_ = std::move(fault);
}

std::string Journal::report() const {
  std::string text("seed ");
  text += std::to_string(seed_);
  text += ", step ";
  text += std::to_string(step_);
  text += ", at ";
  text += std::to_string(now_ms_);
  text += " ms: ";
  text += failed() ? std::string_view(fault_) : "no fault noted";
  text += "\nreplay: simulate --seed ";
  text += std::to_string(seed_);
  text += " --steps ";
  text += std::to_string(limit_);
  text += " --installation ";
  text += installation_;
  if (lanes_ > 0) text += (storm_ ? " --storm " : " --lanes ") + std::to_string(lanes_);
  text += "\n";
  const uint64_t shown = std::min<uint64_t>(noted_, event_count);
  for (uint64_t i = noted_ - shown; i < noted_; ++i) {
    text += to_line(events_[i % event_count]);
  }
  return text;
}

std::string Journal::to_line(const Event& event) {
  std::string text("  ");
  text += std::to_string(event.step);
  text += " @";
  text += std::to_string(event.now_ms);
  text += "  ";
  text += event.what;
  for (uint64_t number : event.numbers) {
    text += " ";
    text += std::to_string(number);
  }
  text += "\n";
  return text;
}

void Journal::print(const Event& event) {
  std::fputs(to_line(event).c_str(), stdout);
}

}  // namespace signalbox::simulation
