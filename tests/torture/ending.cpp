// How a torture run ends: everything is made well again, what is under way arrives, and the balance is struck.
#include <signal.h>

#include <stdexcept>
#include <utility>

#include "tests/torture/books.hpp"
#include "tests/torture/run.hpp"

namespace signalbox::torture {
namespace {

constexpr size_t faults_max = 20;
constexpr auto settling_time = std::chrono::milliseconds(1500);
constexpr auto look_interval = std::chrono::milliseconds(20);

}  // namespace

void Run::fault(std::string text) {
  if (report_.faults.size() < faults_max) report_.faults.push_back(std::move(text));
}

void Run::wait_until(const char* what, Milliseconds patience, const std::function<bool()>& done) {
  const Clock::time_point until = Clock::now() + patience;
  while (!done()) {
    if (Clock::now() >= until) throw std::runtime_error(std::string("did not ") + what + " within the time");
    wait(look_interval);
  }
}

// A worker without the library whose connection was cut learns of it by silence, and says until then that all is well.
// So all has to stay well for longer than that.
void Run::wait_registered(const char* what) {
  Clock::time_point since = Clock::time_point::max();
  wait_until(what, std::chrono::seconds(60), [&] {
    if (!all_registered())
      since = Clock::time_point::max();
    else if (since == Clock::time_point::max())
      since = Clock::now();
    return all_registered() && Clock::now() - since >= settling_time;
  });
}

// Nobody is stopped, slow or away; no connection is half open.
void Run::make_everything_well() {
  for (size_t slot = 0; slot < slot_count; ++slot) {
    continue_worker(slot);
    scoreboard_.desk(slot).delay_us = 0;
    scoreboard_.desk(slot).prefetch = 0;
  }
  // This closes what is left of half ones too.
  for (auto& proxy : proxies_) proxy->cut(harness::Cut::close);
  for (Worker& worker : workers_)
    if (worker.process == nullptr) start_worker(static_cast<size_t>(&worker - workers_.data()));
  if (!configuration_.has_guest || !configuration_.guest_has_key) {
    configuration_.has_guest = configuration_.guest_has_key = true;
    write_configuration();
    hang_up();
  }
  for (Worker& worker : workers_)
    scoreboard_.desk(static_cast<size_t>(&worker - workers_.data())).broker = 0;  // until it says so again
}

bool Run::all_registered() const {
  for (size_t slot = 0; slot < slot_count; ++slot)
    if (workers_[slot].process == nullptr || scoreboard_.desk(slot).broker != brokers_.size()) return false;
  return true;
}

bool Run::all_confirmed() const {
  for (size_t slot = 0; slot < slot_count; ++slot)
    if (scoreboard_.desk(slot).unconfirmed != 0) return false;
  return true;
}

// Waits for as long as anything still arrives; what is missing after that the balance says.
void Run::quiesce() {
  tell_("the faults are over; what is under way arrives");
  scoreboard_.sending() = false;
  make_everything_well();
  wait_registered("register at the end");
  const auto progress = [this] {
    const Totals& totals = scoreboard_.totals();
    return totals.deliveries + totals.dead_letters + totals.confirmed;
  };
  uint64_t last = progress();
  Clock::time_point until = Clock::now() + std::chrono::seconds(plan_.patience_s);
  while (Clock::now() < until) {
    if (all_confirmed() && strike_balance(scoreboard_, brokers_).holds()) return;
    wait(std::chrono::milliseconds(200));
    if (const uint64_t now = progress(); now != last) {
      last = now;
      until = Clock::now() + std::chrono::seconds(plan_.patience_s);
    }
  }
}

void Run::end() {
  strangers_.end_all();
  restarting_ = true;  // from here on its end is awaited
  if (!all_confirmed()) fault("something was left unconfirmed");
  broker_->signal(SIGTERM);
  const std::optional<int> code = broker_->wait(Clock::now() + std::chrono::seconds(60));
  if (!code) throw std::runtime_error("the broker did not end");
  broker_ended(false);
  if (*code != 0 || brokers_.back().left_behind != 0)
    fault("the last broker ended with " + std::to_string(*code) + " and left " +
          std::to_string(brokers_.back().left_behind) + " messages behind");
  for (Worker& worker : workers_) {
    if (worker.process == nullptr) continue;
    worker.process->signal(SIGTERM);
    const std::optional<int> ending = worker.process->wait(Clock::now() + std::chrono::seconds(60));
    if (!ending || *ending != 0)
      fault("the worker " + std::string(slots[static_cast<size_t>(&worker - workers_.data())].endpoint) +
            " ended with " + (ending ? std::to_string(*ending) : "nothing"));
    worker.process.reset();
  }
  report_.brokers = brokers_.size();
  report_.balance = strike_balance(scoreboard_, brokers_);
  for (const std::string& each : report_.balance.faults) fault(each);
  if (!report_.balance.holds() && report_.balance.faults.empty()) fault("the balance does not hold");
  for (size_t i = 0; i < std::min<uint64_t>(scoreboard_.faults(), Scoreboard::faults_max); ++i)
    fault(std::string(scoreboard_.fault_text(i)));
}

void Run::broker_ended(bool killed) {
  const std::string name = "broker " + std::to_string(brokers_.size());
  const BrokerLog log = read_broker_log(broker_log());
  BrokerEnd& end = brokers_.back();
  end.running = false;
  end.killed = killed;
  end.expired = log.expired;
  end.dropped = log.dropped;
  end.left_behind = log.left_behind + log.left_dead_letters;
  report_.reloads += log.reloads;
  report_.reloads_refused += log.reloads_refused;
  report_.ack_timeouts += log.ack_timeouts;
  for (const std::string& line : log.strange) fault(name + " said: " + line);
  if (killed) return;
  const std::optional<int> code = broker_->ended();
  if (!log.stopped || !code || *code != (log.left_behind == 0 ? 0 : 1))
    fault(name + " was drained, and ended with " + std::to_string(code.value_or(-1)) + ", " +
          std::to_string(log.left_behind) + " left behind by its log");
}

}  // namespace signalbox::torture
