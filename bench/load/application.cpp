#include "bench/load/application.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <stdexcept>

#include "bench/end_to_end/conversation.hpp"

namespace signalbox::bench {

Application::Application(const Plan& plan, Stage& stage, const std::string& endpoint, size_t index,
                         const std::vector<std::unique_ptr<Transport>>& transports)
    : plan_(plan),
      stage_(stage),
      endpoint_(endpoint),
      index_(index),
      transports_(transports),
      next_(plan.topology.transports, index) {}

void Application::run() noexcept {
  try {
    work();
  } catch (const std::exception& error) {
    stage_.fail("application " + plan_.topology.application_name_of(index_) + ": " + error.what());
  }
}

void Application::work() {
  prctl(PR_SET_TIMERSLACK, 1);
  ClientOptions options;
  options.endpoint = endpoint_;
  options.role = Role::application;
  options.index = index_;
  options.topology = plan_.topology;
  options.message_bytes = plan_.message_bytes;
  options.window = plan_.broker.window;
  options.answers = plan_.round_trip;
  options.is_abandoned = &stage_.is_abandoned();
  const auto client = make_client(plan_.library, options, *this);
  stage_.arrive();
  while (!stage_.is_over()) {
    if (stage_.is_abandoned()) throw Abandoned();
    const uint64_t now = now_ns();
    if (plan_.slow_rate == 0 && reads_slowly(now)) {
      wait_until(std::min(now + notice_ns, stage_.phase_ends_ns(1)));
    } else {
      const uint64_t before = account_.count;
      client->work(now + notice_ns);
      if (account_.count != before) last_ns_ = now_ns();
    }
  }
  client->leave();
}

bool Application::reads_slowly(uint64_t now) const {
  return index_ == 0 && plan_.has_slow_consumer() && stage_.start_ns() != 0 && stage_.phase_of(now) == 1;
}

// One message an interval, for as long as it reads slowly.
void Application::wait_for_turn() {
  const uint64_t now = now_ns();
  if (!reads_slowly(now)) return;
  wait_until(std::min(slow_turn_ns_, stage_.phase_ends_ns(1)));
  slow_turn_ns_ = std::max(now, slow_turn_ns_) + 1'000'000'000 / plan_.slow_rate;
}

void Application::take(const MessageNumber& number) {
  if (number.transport >= next_.size()) throw std::runtime_error("a message of nobody in this run");
  if (plan_.slow_rate != 0) wait_for_turn();
  uint64_t& next = next_[number.transport];
  // What was refused leaves a gap; whether it was that alone, the account tells.
  if (number.sequence < next || (number.sequence != next && !plan_.has_slow_consumer()))
    throw std::runtime_error(number.sequence < next ? "a message came twice, or out of order" : "a message is missing");
  if (plan_.topology.application_of(number) != index_) throw std::runtime_error("a message is another's");
  next = number.sequence + plan_.topology.applications;
  account_.add(number);
  const uint64_t start_ns = stage_.start_ns();
  if (plan_.rate != 0 && start_ns != 0) {
    const uint64_t now = now_ns();
    const Transport& transport = *transports_[number.transport];
    const uint64_t due_ns = start_ns + transport.pace().due_ns(number.sequence - transport.warm_up());
    ++received_in_[stage_.phase_of(now)];
    latencies_in_[stage_.phase_of(due_ns)].add(now - due_ns);
  }
  received_.store(account_.count, std::memory_order_relaxed);
}

void Application::refused(uint64_t, const std::string& code) {
  throw std::runtime_error("a reply was refused: " + code);
}

}  // namespace signalbox::bench
