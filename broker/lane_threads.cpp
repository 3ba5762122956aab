#include "broker/lane_threads.hpp"

#include <pthread.h>
#include <sched.h>

#include "broker/clock.hpp"

namespace signalbox {

namespace {

bool pin(std::thread& thread, uint32_t cpu) {
  if (cpu >= CPU_SETSIZE) return false;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  return pthread_setaffinity_np(thread.native_handle(), sizeof one, &one) == 0;
}

}  // namespace

LaneThreads::LaneThreads(Lanes& lanes, Idle idle, const std::vector<uint32_t>& cpus, Waker& link)
    : lanes_(lanes), idle_(idle), link_(link) {
  for (uint32_t lane = 0; lane < lanes.count(); ++lane) lanes_here_.emplace_back();
  lanes.set_conductor(this);
  for (uint32_t lane = 0; lane < lanes.count(); ++lane) {
    std::thread& thread = lanes_here_[lane].thread;
    thread = std::thread([this, lane] { run(lane); });
    if (lane < cpus.size() && !pin(thread, cpus[lane])) not_pinned_.push_back(lane);
  }
}

LaneThreads::~LaneThreads() {
  ending_.store(true, std::memory_order_release);
  // They may stand, where something was thrown out of the turn that stopped them.
  if (stop_number_.load(std::memory_order_relaxed) % 2 == 1) go_on();
  for (Here& here : lanes_here_) {
    here.waker.wake();
    here.thread.join();
  }
  lanes_.set_conductor(nullptr);
}

void LaneThreads::run(uint32_t lane) {
  Here& here = lanes_here_[lane];
  while (!ending_.load(std::memory_order_acquire)) {
    if (const uint32_t number = stop_number_.load(std::memory_order_acquire); number % 2 == 1) {
      stand(here, number);
      continue;
    }
    const Time now = read_clock();
    if (lanes_.step(lane, now)) continue;
    if (idle_ != Idle::sleep) {
      idle_once(idle_);
      continue;
    }
    here.waker.doze();
    const uint64_t sleep_ms = lanes_.sleep_ms(lane, now);
    const bool wanted = stop_number_.load(std::memory_order_acquire) % 2 == 1 || ending_.load();
    if (sleep_ms > 0 && !wanted) here.waker.wait(sleep_ms);
    here.waker.rise();
  }
}

void LaneThreads::stand(Here& here, uint32_t number) {
  here.stood_at.store(number, std::memory_order_release);
  here.stood_at.notify_one();
  stop_number_.wait(number, std::memory_order_acquire);
}

void LaneThreads::stop() {
  const uint32_t number = stop_number_.fetch_add(1, std::memory_order_acq_rel) + 1;
  for (Here& here : lanes_here_) here.waker.wake();
  for (Here& here : lanes_here_) {
    for (uint32_t stood = 0; (stood = here.stood_at.load(std::memory_order_acquire)) != number;) {
      here.stood_at.wait(stood, std::memory_order_acquire);
    }
  }
}

void LaneThreads::go_on() {
  stop_number_.fetch_add(1, std::memory_order_acq_rel);
  stop_number_.notify_all();
}

}  // namespace signalbox
