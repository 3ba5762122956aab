// What a torture run does to its broker and workers.
#include <signal.h>

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <utility>

#include "tests/torture/books.hpp"
#include "tests/torture/broker_log.hpp"
#include "tests/torture/run.hpp"

namespace signalbox::torture {

// --- workers

void Run::kill_worker() {
  const size_t slot = below(slot_count);
  Worker& worker = workers_[slot];
  if (!slots[slot].may_be_killed || worker.process == nullptr) return kill_worker();
  note("  " + std::string(slots[slot].endpoint));
  worker.process->signal(SIGKILL);
  if (!worker.process->wait(Clock::now() + std::chrono::seconds(30)))
    throw std::runtime_error("a killed worker did not end");
  worker.process.reset();
  scoreboard_.desk(slot).broker = 0;
  scoreboard_.desk(slot).unconfirmed = 0;
  later(between(0, 800), [this, slot] {
    if (workers_[slot].process == nullptr) start_worker(slot);
  });
}

void Run::stop_worker() {
  const size_t slot = below(slot_count);
  if (workers_[slot].process == nullptr || workers_[slot].stopped) return;
  note("  " + std::string(slots[slot].endpoint));
  workers_[slot].process->signal(SIGSTOP);
  workers_[slot].stopped = true;
  later(between(50, 3000), [this, slot] { continue_worker(slot); });
}

// Longer than the broker's heartbeats wait, so that its connection is given up.
void Run::stop_worker_for_long() {
  const size_t slot = below(slot_count);
  if (workers_[slot].process == nullptr || workers_[slot].stopped) return;
  note("  " + std::string(slots[slot].endpoint));
  workers_[slot].process->signal(SIGSTOP);
  workers_[slot].stopped = true;
  later(between(16'000, 20'000), [this, slot] { continue_worker(slot); });
}

// It may be another one by now; a CONT does nothing to one that runs.
void Run::continue_worker(size_t slot) {
  if (workers_[slot].process != nullptr) workers_[slot].process->signal(SIGCONT);
  workers_[slot].stopped = false;
}

void Run::cut(harness::Cut how) {
  const size_t proxy = below(proxies_.size());
  note("  proxy " + std::to_string(proxy) + ": " + std::string(to_string(how)));
  proxies_[proxy]->cut(how);
}

// Some receiver takes its time over each message, or takes only a few at once.
void Run::slow_down() {
  const size_t slot = below(slot_count);
  note("  " + std::string(slots[slot].endpoint));
  Desk& desk = scoreboard_.desk(slot);
  if (below(2) == 0) {
    desk.delay_us = static_cast<uint32_t>(500 + below(10'000));
    later(between(500, 4000), [&desk] { desk.delay_us = 0; });
  }
  desk.prefetch = static_cast<uint32_t>(1 + below(below(2) == 0 ? 5 : 2000));
  later(between(500, 6000), [&desk] { desk.prefetch = 0; });
}

void Run::flood() {
  const auto flow = static_cast<Flow>(below(flow_count));
  const uint32_t quiet = plan_of(flow).rate;
  if (quiet == 0) return flood();
  // The flow that overruns its receiver gets most.
  const uint32_t factor = flow == Flow::flood ? 100 : 20;
  scoreboard_.rate(flow) = quiet * factor;
  later(between(200, 1500), [this, flow, quiet] { scoreboard_.rate(flow) = quiet; });
}

// --- the broker

// First everybody is there, so that all that is queued can be worked off: such a drain loses nothing.
void Run::drain_broker() {
  restarting_ = true;
  make_everything_well();
  wait_registered("register before a drain");
  end_broker_by_drain();
}

// In the middle of whatever is going on: workers are stopped, connections half open. What is left then is logged.
void Run::drain_broker_in_disorder() {
  restarting_ = true;
  end_broker_by_drain();
}

void Run::end_broker_by_drain() {
  wait_for_broker();
  broker_->signal(SIGTERM);
  const Milliseconds at_most(configuration_.drain_ms + 40'000);
  wait_until("end after SIGTERM", at_most, [this] { return broker_->ended().has_value(); });
  broker_ended(false);
  later(between(0, 500), [this] {
    start_broker();
    restarting_ = false;
  });
}

void Run::kill_broker() {
  restarting_ = true;
  broker_->signal(SIGKILL);
  if (!broker_->wait(Clock::now() + std::chrono::seconds(30))) throw std::runtime_error("a killed broker did not end");
  broker_ended(true);
  later(between(0, 500), [this] {
    start_broker();
    restarting_ = false;
  });
}

// Before it listens, a signal ends a broker as it ends any program. Its log is all that says so, hence the short
// sleeps.
void Run::wait_for_broker() {
  const auto deadline = Clock::now() + std::chrono::seconds(30);
  while (!read_broker_log(broker_log()).listens) {
    if (Clock::now() > deadline) throw std::runtime_error("a broker does not listen after 30 seconds");
    // Nobody announces a line in another process's file.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Run::hang_up() {
  wait_for_broker();
  broker_->signal(SIGHUP);
}

void Run::reload() {
  configuration_.has_guest = below(3) != 0;
  configuration_.guest_has_key = below(3) != 0;
  configuration_.bucket_messages = 500 + below(4000);
  configuration_.monitor_messages = 1000 + below(8000);
  configuration_.basin_messages = 250 + below(1000);
  configuration_.brief_ttl_ms = 100 + below(1000);
  configuration_.dated_ttl_ms = 200 + below(1000);
  write_configuration();
  hang_up();
}

// The broker has to go on with what it has; so it must have something.
void Run::reload_nonsense() {
  wait_for_broker();
  write_file(file("signalbox.toml"), below(2) == 0 ? "router_class = \"SimpleDispatchRou" : "[broker]\nendpont = 1\n");
  hang_up();
  later(std::chrono::milliseconds(200), [this] { write_configuration(); });
}

}  // namespace signalbox::torture
