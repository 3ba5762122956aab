#include "bench/load/stage.hpp"

#include <chrono>
#include <limits>

#include "bench/end_to_end/conversation.hpp"

namespace signalbox::bench {
namespace {

// What the transports are given to wake up before the first message is due.
constexpr uint64_t head_start_ns = 5'000'000;

uint64_t in_ns(double seconds) {
  return static_cast<uint64_t>(seconds * 1e9);
}

}  // namespace

void Stage::arrive() {
  const std::lock_guard lock(mutex_);
  ++arrivals_;
  changed_.notify_all();
}

void Stage::wait_for(Step step) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return step_ >= step || is_abandoned_; });
  if (is_abandoned_) throw Abandoned();
}

void Stage::fail(const std::string& fault) {
  const std::lock_guard lock(mutex_);
  if (!is_abandoned_.exchange(true)) fault_ = fault;
  changed_.notify_all();
}

void Stage::begin(Step step) {
  const std::lock_guard lock(mutex_);
  if (step == Step::measuring) start_ns_ = now_ns() + head_start_ns;
  step_ = step;
  changed_.notify_all();
}

bool Stage::wait_for_all(size_t arrivals, uint64_t wait_ns) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [&] { return arrivals_ >= arrivals || is_abandoned_; });
  if (is_abandoned_) throw Abandoned();
  return arrivals_ >= arrivals;
}

void Stage::give_up(const std::string& fault) {
  fail(fault);
  throw Abandoned();
}

std::string Stage::fault() {
  const std::lock_guard lock(mutex_);
  return fault_;
}

uint64_t Stage::phase_ends_ns(size_t phase) const {
  if (!plan_.has_slow_consumer() || phase + 1 == phase_count) return std::numeric_limits<uint64_t>::max();
  return start_ns() + in_ns(plan_.seconds) + (phase == 0 ? 0 : in_ns(plan_.slow_s));
}

size_t Stage::phase_of(uint64_t time_ns) const {
  size_t phase = 0;
  while (phase + 1 < phase_count && time_ns >= phase_ends_ns(phase)) ++phase;
  return phase;
}

}  // namespace signalbox::bench
