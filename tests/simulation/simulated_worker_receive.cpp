// What a simulated worker does with the broker's frames, and what it checks by itself.
#include <algorithm>
#include <utility>

#include "tests/simulation/simulated_worker.hpp"

namespace signalbox::simulation {

void SimulatedWorker::receive(ConnectionId connection, Bytes header, Bytes body) {
  const std::optional<BrokerFrame> frame = parse_broker_frame(header);
  if (!frame) return world_.journal.fail("a worker cannot read what it got");
  if (connection != connection_) {
    // An older connection of its own: it listens there only for its end.
    if (std::holds_alternative<ErrorFrame>(*frame)) world_.link.cut(connection, world_.now.monotonic_ms, 0);
    return;
  }
  heard_ms_ = world_.now.monotonic_ms;
  if (const auto* it = std::get_if<Deliver>(&*frame)) return on_deliver(*it, body);
  if (const auto* it = std::get_if<Welcome>(&*frame)) return on_welcome(*it);
  if (const auto* it = std::get_if<Confirm>(&*frame)) return on_confirm(it->upto);
  if (const auto* it = std::get_if<Refuse>(&*frame)) return on_refuse(*it);
  if (const auto* it = std::get_if<ErrorFrame>(&*frame)) return on_error(*it);
  if (std::holds_alternative<Ping>(*frame)) {
    std::string pong;
    write(pong, Pong{});
    if (state_ != State::leaving && !hangs()) say(std::move(pong));
  }
  if (std::holds_alternative<Bye>(*frame)) on_bye();
}

void SimulatedWorker::on_welcome(const Welcome& frame) {
  if (state_ == State::leaving || greetings_ == 0 || --greetings_ > 0) return;  // the answer to the last HELLO counts
  world_.journal.note("worker is welcomed: worker, connection, last_seq", index_, connection_, frame.last_seq);
  if (frame.session != session_) return world_.journal.fail("WELCOME with another session than was given");
  state_ = State::registered;
  // last_seq is what is settled for the session; 0 where the broker does not know it, and the numbers go on all the
  // same.
  if (frame.last_seq > 0 && frame.last_seq < confirmed_)
    return world_.journal.fail("WELCOME's last_seq lies below a CONFIRM that was seen");
  if (frame.last_seq >= next_number_) return world_.journal.fail("WELCOME settles what was never sent");
  confirmed_ = std::max(confirmed_, frame.last_seq);
  while (!held_.empty() && held_.front().number <= frame.last_seq) held_.pop_front();
  sent_ = held_.empty() ? next_number_ - 1 : held_.front().number - 1;
  if (frame.last_seq == 0) encode_again();
  refused_ = 0;
  transmitted_ = false;
}

void SimulatedWorker::on_deliver(const Deliver& frame, Bytes body) {
  if (frame.first_seq != next_delivery_) return world_.journal.fail("a worker misses a DELIVER");
  bool poisoned = false;
  Bytes rest = body;
  while (!rest.empty()) {
    const Message* message = world_.messages.at(rest);
    const std::optional<size_t> size = map_bytes(rest);
    if (message == nullptr || !size) return world_.journal.fail("a worker got bytes that are no message of the run");
    // Bytes leave by reference: what was true when they left must be true when they arrive.
    if (endpoint_ != world_.scenario.dead_letters() && !world_.scenario.is_rough() &&
        rest.substr(0, *size) != message->queued)
      return world_.journal.fail("a delivery changed on its way, message " + std::to_string(message->serial));
    poisoned |= message->draft.poison && endpoint_ != world_.scenario.dead_letters();
    const Seq number = next_delivery_++;
    if (state_ != State::leaving) unsettled_.emplace(number, message);
    if (message->draft.kind == MessageKind::user_message) heard_ids_.push_back(message->draft.id);
    if (heard_ids_.size() > 20) heard_ids_.pop_front();
    rest.remove_prefix(*size);
  }
  if (poisoned && !world_.healing) crash();
}

void SimulatedWorker::on_confirm(Seq upto) {
  if (state_ != State::registered && state_ != State::leaving) return;
  if (upto < confirmed_) return world_.journal.fail("CONFIRM went back");
  // After resuming it may cover what was sent on the connection before and not sent again yet.
  if (upto >= next_number_) return world_.journal.fail("CONFIRM of what was not sent");
  confirmed_ = upto;
  sent_ = std::max(sent_, upto);
  while (!held_.empty() && held_.front().number <= upto) held_.pop_front();
}

void SimulatedWorker::on_refuse(const Refuse& frame) {
  if (state_ != State::registered && state_ != State::leaving) return;
  if (frame.seq <= refused_) return world_.journal.fail("REFUSE out of order");
  refused_ = frame.seq;
}

// The answer to its own, or the broker's "draining": then some work off what they have, and the others go and come
// back.
void SimulatedWorker::on_bye() {
  if (state_ == State::leaving) forget_everything();
  if (state_ == State::registered && world_.random.chance(500)) return;
  go_offline(world_.random.below(2000));
}

void SimulatedWorker::on_error(const ErrorFrame& frame) {
  const bool not_registered = frame.code == to_string(ErrorCode::not_registered);
  if (state_ == State::greeting && not_registered) return;
  world_.journal.note("worker gets an ERROR: worker, connection", index_, connection_);
  if (state_ == State::leaving) forget_everything();
  // Where names and rights come and go, a HELLO may itself be answered with an ERROR: the next goes another way, so
  // that it is known which was answered.
  if (world_.random.chance(500) && state_ != State::leaving && !hangs() && !world_.scenario.is_changing()) {
    say_hello();
  } else {
    go_offline(world_.random.below(1500));
  }
}

}  // namespace signalbox::simulation
