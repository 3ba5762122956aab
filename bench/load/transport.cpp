#include "bench/load/transport.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <stdexcept>

#include "bench/end_to_end/conversation.hpp"

namespace signalbox::bench {

Transport::Transport(const Plan& plan, Stage& stage, const std::string& endpoint, size_t index)
    : plan_(plan),
      stage_(stage),
      endpoint_(endpoint),
      index_(index),
      pace_{plan.rate, plan.topology.transports, index},
      sent_accounts_(plan.topology.applications),
      refused_accounts_(plan.topology.applications),
      departures_ns_(plan.topology.applications * std::max<uint64_t>(plan.outstanding, 1)) {
  for (size_t application = 0; application < plan.topology.applications; ++application)
    next_replies_.push_back(application);
}

void Transport::run() noexcept {
  try {
    work();
  } catch (const std::exception& error) {
    stage_.fail("transport " + plan_.topology.transport_name_of(index_) + ": " + error.what());
  }
}

void Transport::work() {
  // Sleeps end as soon as they can, not up to 50 us later to share a wake-up with others.
  prctl(PR_SET_TIMERSLACK, 1);
  ClientOptions options;
  options.endpoint = endpoint_;
  options.role = Role::transport;
  options.index = index_;
  options.topology = plan_.topology;
  options.message_bytes = plan_.message_bytes;
  options.window = plan_.broker.window;
  options.is_abandoned = &stage_.is_abandoned();
  const auto client = make_client(plan_.library, options, *this);
  client_ = client.get();
  broker_ = client->broker();
  stage_.arrive();

  stage_.wait_for(Stage::Step::warming_up);
  send_for(plan_.warm_up_s, now_ns());
  settle();
  warm_up_ = sent();
  latest_ns_ = 0;
  stage_.arrive();

  stage_.wait_for(Stage::Step::measuring);
  wait_until(stage_.start_ns());
  send_for(plan_.has_slow_consumer() ? 2 * plan_.seconds + plan_.slow_s : plan_.seconds, stage_.start_ns());
  settle();
  stage_.arrive();

  stage_.wait_for(Stage::Step::over);
  client->leave();
}

void Transport::send_for(double seconds, uint64_t begin_ns) {
  const uint64_t until_ns = begin_ns + static_cast<uint64_t>(seconds * 1e9);
  if (plan_.rate != 0) {
    send_at_rate(pace_.count(seconds), begin_ns);
  } else if (plan_.round_trip) {
    send_by_replies(until_ns);
  } else {
    send_flat_out(until_ns);
  }
}

void Transport::send_flat_out(uint64_t until_ns) {
  constexpr int between_looks_at_the_clock = 64;
  while (now_ns() < until_ns)
    for (int i = 0; i < between_looks_at_the_clock; ++i) send_next();
}

void Transport::send_at_rate(uint64_t count, uint64_t begin_ns) {
  for (uint64_t next = 0; next < count;) {
    const uint64_t due_ns = begin_ns + pace_.due_ns(next);
    if (plan_.round_trip) {
      while (now_ns() < due_ns) client_->work(due_ns);
    } else {
      wait_until(due_ns);
    }
    // All that has fallen due meanwhile leaves at once.
    const uint64_t now = now_ns();
    latest_ns_ = std::max(latest_ns_, now - due_ns);
    for (; next < count && begin_ns + pace_.due_ns(next) <= now; ++next) send_next();
    client_->work(0);
  }
}

void Transport::send_by_replies(uint64_t until_ns) {
  while (now_ns() < until_ns) {
    while (unanswered() < plan_.outstanding) {
      departure_of({index_, sent()}) = now_ns();
      send_next();
    }
    if (stage_.is_abandoned()) throw Abandoned();
    client_->work(now_ns() + notice_ns);
  }
}

void Transport::send_next() {
  const MessageNumber number{index_, sent()};
  client_->send(number);
  sent_accounts_[plan_.topology.application_of(number)].add(number);
  sent_.store(number.sequence + 1, std::memory_order_relaxed);
}

// Until all is confirmed and, where replies are expected, answered.
void Transport::settle() {
  uint64_t waits_for = client_->unconfirmed() + unanswered();
  for (uint64_t deadline_ns = now_ns() + patience_ns; waits_for != 0;) {
    client_->work(now_ns() + notice_ns);
    if (stage_.is_abandoned()) throw Abandoned();
    const uint64_t before = waits_for;
    waits_for = client_->unconfirmed() + unanswered();
    if (waits_for != before) deadline_ns = now_ns() + patience_ns;
    if (now_ns() > deadline_ns)
      throw std::runtime_error(std::to_string(client_->unconfirmed()) + " messages are not confirmed, " +
                               std::to_string(unanswered()) + " not answered");
  }
  unconfirmed_ = client_->unconfirmed();
}

uint64_t Transport::unanswered() const {
  return plan_.round_trip ? sent() - replies() : 0;
}

// Replies of one application come in order, so its unanswered messages lie within `outstanding` of each other.
uint64_t& Transport::departure_of(const MessageNumber& number) {
  const uint64_t applications = plan_.topology.applications;
  const uint64_t slot = number.sequence / applications % plan_.outstanding;
  return departures_ns_[slot * applications + plan_.topology.application_of(number)];
}

void Transport::take(const MessageNumber& number) {
  uint64_t& next = next_replies_[plan_.topology.application_of(number)];
  if (!plan_.round_trip || number.transport != index_ || number.sequence != next || number.sequence >= sent())
    throw std::runtime_error("a reply is missing, came twice, or is another's");
  next += plan_.topology.applications;
  replies_.store(replies() + 1, std::memory_order_relaxed);
  const uint64_t start_ns = stage_.start_ns();
  if (start_ns == 0) return;
  last_reply_ns_ = now_ns();
  const uint64_t from_ns = plan_.rate != 0 ? start_ns + pace_.due_ns(number.sequence - warm_up_) : departure_of(number);
  latencies_.add(last_reply_ns_ - from_ns);
}

void Transport::refused(uint64_t sequence, const std::string& code) {
  const MessageNumber number{index_, sequence};
  if (!plan_.has_slow_consumer() || code != "queue_full") throw std::runtime_error("a message was refused: " + code);
  const size_t application = plan_.topology.application_of(number);
  refused_accounts_[application].add(number);
  if (application == 0) refused_by_slow_.store(refused_by_slow() + 1, std::memory_order_relaxed);
  if (const uint64_t start_ns = stage_.start_ns(); start_ns != 0)
    ++refused_in_[stage_.phase_of(start_ns + pace_.due_ns(sequence - warm_up_))];
}

}  // namespace signalbox::bench
