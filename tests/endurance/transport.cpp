#include "tests/endurance/transport.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "tests/endurance/traffic.hpp"

namespace signalbox::endurance {
namespace {

constexpr size_t faults_max = 8;
constexpr uint64_t questions_a_turn = 256;

WorkerOptions options(const Transport::Plan& plan) {
  WorkerOptions options;
  options.role = Role::transport;
  options.name = plan.name;
  options.endpoint = plan.endpoint;
  options.prefetch = plan.prefetch;
  options.backoff_ms_min = 50;
  return options;
}

}  // namespace

Transport::Transport(Plan plan, Scoreboard& scoreboard, int wake)
    : plan_(std::move(plan)),
      scoreboard_(scoreboard),
      wake_(wake),
      worker_(options(plan_)),
      received_(plan_.count),
      received_fresh_(plan_.count) {
  worker_.on_message([this](const Delivery& delivery) { receive(delivery); });
  worker_.on_confirmed([this](Seq upto) { confirmed(upto); });
  worker_.on_refused([this](const Refusal& refusal) {
    ++refused_;
    fault("refused " + std::string(refusal.code) + ": " + std::string(refusal.text));
  });
}

void Transport::start(const Transport& other) {
  thread_ = std::thread([this, &other] { run(other); });
}

void Transport::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void Transport::run(const Transport& other) {
  constexpr auto longest_wait = std::chrono::milliseconds(20);  // the other transport's progress wakes nobody
  while (!stopping_) {
    ask(other);
    const size_t work = worker_.do_work();
    look_at_registration();
    if (worker_.state() == Worker::State::failed) {
      fault("failed: " + worker_.fault());
      failed_ = true;
      wake();
      return;
    }
    if (asked_ == plan_.count && worker_.unconfirmed() == 0 && !all_confirmed_.exchange(true)) wake();
    if (work == 0) worker_.wait(longest_wait);
  }
}

void Transport::ask(const Transport& other) {
  const uint64_t upto = std::min({plan_.count, asked_ + questions_a_turn, other.answered() + plan_.lead_max});
  while (asked_ < upto) {
    write_question(question_, plan_.first + asked_, plan_.name);
    const SendResult result = worker_.try_send(question_);
    if (!result) return;
    ++asked_;
    if (result.seq != asked_) fault("question " + std::to_string(asked_) + " got number " + std::to_string(result.seq));
  }
}

void Transport::receive(const Delivery& delivery) {
  std::optional<uint64_t> number;
  if (view_.scan(delivery.bytes) == Scan::ok) number = read_answer(view_);
  if (!number || *number < plan_.first || *number - plan_.first >= plan_.count ||
      view_.text(Field::transport_name) != plan_.name) {
    ++strange_;
    return fault("an answer that is not for this transport");
  }
  const uint64_t index = *number - plan_.first;
  if (received_[index] == UINT8_MAX) return fault("more than 254 answers to one question");
  if (!delivery.redelivered) ++received_fresh_[index];
  if (received_[index]++ > 0) return;
  if (plan_.in_order && index < next_first_) {
    ++out_of_order_;
    fault("the answer to " + std::to_string(index) + " came after that to " + std::to_string(next_first_ - 1));
  }
  next_first_ = std::max(next_first_, index + 1);
  const uint64_t answered = answered_.load(std::memory_order_relaxed) + 1;
  answered_.store(answered);
  if (answered % plan_.wake_interval == 0 || answered == plan_.count) wake();
}

void Transport::look_at_registration() {
  if (worker_.registrations() == registrations_) return;
  broker_ = scoreboard_.totals().brokers_started.load();
  registrations_ = worker_.registrations();
  wake();
}

void Transport::confirmed(Seq upto) {
  look_at_registration();
  if (broker_ == 1) confirmed_by_first_ = upto;
}

void Transport::fault(std::string text) {
  if (faults_.size() < faults_max) faults_.push_back(std::move(text));
}

void Transport::wake() const {
  // It fails only where the counter is full, and then whoever waits has been woken.
  (void)eventfd_write(wake_, 1);
}

std::string Transport::description() const {
  return plan_.name + ": asked " + std::to_string(asked_) + " of " + std::to_string(plan_.count) + ", answered " +
         std::to_string(answered()) + ", unconfirmed " + std::to_string(worker_.unconfirmed()) + ", registered " +
         std::to_string(worker_.registrations()) + " times" + (worker_.fault().empty() ? "" : ", " + worker_.fault());
}

}  // namespace signalbox::endurance
