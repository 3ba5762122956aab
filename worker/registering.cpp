// From HELLO to BYE: what the broker says, registering and coming back (protocol page, sections 3, 4 and 6).
#include <algorithm>
#include <utility>
#include <variant>

#include "protocol/limits.hpp"
#include "protocol/text.hpp"
#include "worker/within.hpp"
#include "worker/worker.hpp"

namespace signalbox {
namespace {

using std::chrono::milliseconds;

constexpr size_t frames_a_turn = 64;  // read before handlers and output have their turn
constexpr int silent_heartbeats = 3;

// An older or simpler broker may leave a limit out of WELCOME; then it is the protocol's default.
Limits with_defaults(Limits limits) {
  const auto fill = [](uint64_t& limit, uint64_t otherwise) {
    if (limit == 0) limit = otherwise;
  };
  fill(limits.heartbeat_ms, limits::heartbeat_ms);
  fill(limits.max_message_bytes, limits::max_message_bytes);
  fill(limits.max_batch_bytes, limits::max_batch_bytes);
  fill(limits.send_window, limits::send_window_messages);
  fill(limits.send_window_bytes, limits::send_window_bytes);
  fill(limits.max_prefetch, limits::max_prefetch);
  return limits;
}

std::string described(Bytes code, Bytes text) {
  return text.empty() ? printable(code) : printable(code) + ": " + printable(text);
}

}  // namespace

// --- input

size_t Worker::pump() {
  ReceivedFrames frames;
  size_t count = 0;
  while (count < frames_a_turn && link_.receive(frames)) {
    ++count;
    handle(frames);
  }
  if (count > 0) last_heard_ = Clock::now();
  return count;
}

void Worker::handle(ReceivedFrames& frames) {
  const std::optional<BrokerFrame> frame = parse_broker_frame(frames.header.bytes());
  if (!frame) return;  // of a type that this version does not know
  if (const auto* welcome = std::get_if<Welcome>(&*frame)) return handle(*welcome);
  if (const auto* error = std::get_if<ErrorFrame>(&*frame)) return handle(*error);
  if (const auto* bye = std::get_if<Bye>(&*frame)) return handle(*bye);
  if (state_ != State::registered) return;

  backoff_ = milliseconds(options_.backoff_ms_min);  // this registration works
  if (const auto* deliver = std::get_if<Deliver>(&*frame)) return handle(frames, *deliver);
  if (const auto* confirm = std::get_if<Confirm>(&*frame)) return handle(*confirm);
  if (const auto* refuse = std::get_if<Refuse>(&*frame)) return handle(*refuse);
  if (std::holds_alternative<Ping>(*frame)) pong_due_ = true;
  if (std::holds_alternative<Pong>(*frame)) end_repeated_refusals();
}

void Worker::handle(ReceivedFrames& frames, const Deliver& frame) {
  if (frames.count != 2) return;
  inbox_.push_back({std::move(frames.body), frame.first_seq, frame.redelivered});
}

void Worker::handle(const Welcome& frame) {
  if (state_ != State::connecting || hello_due_) return;
  if (frame.last_seq > window_.last_seq()) return fail("the broker has settled messages that were never sent");
  limits_ = with_defaults(frame.limits);
  window_.set_limits(limits_.send_window, limits_.send_window_bytes, limits_.max_batch_bytes);
  window_.rewind(frame.last_seq);
  if (frame.last_seq > window_.settled()) {
    // Some of these may have been refused, and their REFUSEs follow. They refer to messages that are held here, so
    // those stay until a CONFIRM comes or the answer to a PING, which the broker sends after them.
    repeated_refusals_upto_ = frame.last_seq;
    ping_due_ = true;
  }
  --unanswered_hellos_;
  state_ = State::registered;
  registered_at_ = Clock::now();
  bye_due_ = leaving_;
  draining_ = false;
  fault_.clear();
  ++registrations_;
}

void Worker::end_repeated_refusals() {
  if (repeated_refusals_upto_ != 0) settle(std::exchange(repeated_refusals_upto_, 0));
}

void Worker::handle(const Confirm& frame) {
  if (frame.upto > window_.last_seq()) return fail("the broker confirmed a message that was never sent");
  end_repeated_refusals();
  settle(frame.upto);
}

void Worker::settle(Seq upto) {
  if (upto <= window_.settled()) return;
  try {
    tell_refusals(upto);
  } catch (...) {
    window_.settle(upto);  // what the callback throws is the caller's; the numbers are ours
    throw;
  }
  window_.settle(upto);
  if (!on_confirmed_) return;
  const Within within(in_callback_);
  on_confirmed_(upto);
}

void Worker::handle(const Refuse& frame) {
  if (frame.seq > window_.last_seq()) return fail("the broker refused a message that was never sent");
  const bool known = frame.seq <= window_.settled() || (!refusals_.empty() && frame.seq <= refusals_.back().seq);
  if (known || !on_refused_) return;
  refusals_.push_back({frame.seq, std::string(frame.code), std::string(frame.text)});
}

void Worker::tell_refusals(Seq upto) {
  while (!refusals_.empty() && refusals_.front().seq <= upto) {
    const UntoldRefusal refusal = std::move(refusals_.front());
    refusals_.pop_front();
    const Within within(in_callback_);
    on_refused_({refusal.seq, refusal.code, refusal.text, window_.message(refusal.seq)});
  }
}

void Worker::handle(const ErrorFrame& frame) {
  const bool awaiting_answer = state_ == State::connecting && !hello_due_;
  if (state_ != State::registered && !awaiting_answer) return;
  const bool not_registered = frame.code == to_string(ErrorCode::not_registered);
  if (not_registered && awaiting_answer) return;  // it answers what left before the HELLO
  // It may be an earlier HELLO of its own that took the registration over, read only now; each can do so once.
  const bool own_takeover =
      !awaiting_answer && frame.code == to_string(ErrorCode::taken_over) && unanswered_hellos_ > 0;
  if (awaiting_answer || own_takeover) --unanswered_hellos_;
  const bool worth_a_return = own_takeover || not_registered || frame.code == to_string(ErrorCode::gap) ||
                              frame.code == to_string(ErrorCode::too_many);
  if (worth_a_return) {
    come_back_later(described(frame.code, frame.text));
  } else {
    fail(described(frame.code, frame.text));
  }
}

void Worker::handle(const Bye& frame) {
  if (state_ == State::registered && frame.reason == "draining") {
    draining_ = true;  // what is delivered here is still to be handled
  } else if (state_ == State::registered && bye_sent_) {
    state_ = State::closed;
  } else if (state_ == State::registered || (state_ == State::connecting && !hello_due_)) {
    if (state_ == State::connecting) --unanswered_hellos_;
    come_back_later(described("the broker said BYE", frame.reason));
  }
}

// --- registration

Worker::Milliseconds Worker::silence_allowed() const {
  const uint64_t heartbeat_ms = registrations_ == 0 ? options_.heartbeat_ms : limits_.heartbeat_ms;
  return milliseconds(heartbeat_ms) * silent_heartbeats;
}

void Worker::check_timers(Time now) {
  if (state_ == State::waiting && now >= resume_at_) return register_again();
  const bool listening = state_ == State::registered || (state_ == State::connecting && !hello_due_);
  if (listening && now - last_heard_ >= silence_allowed()) {
    fault_ = "nothing came from the broker for three heartbeats";
    register_again();
  }
}

void Worker::register_again() {
  end_deliveries();
  if (!link_.reopen()) return come_back_later("no socket to connect with");
  state_ = State::connecting;
  hello_due_ = true;
}

// A connection that had lasted is made again at once, others after a pause: whoever accepts and hangs up in turn is not
// to be kept busy.
void Worker::connection_lost() {
  const bool awaiting_answer = state_ == State::connecting && !hello_due_;
  if (state_ != State::registered && !awaiting_answer) return;  // libzmq connects again by itself
  const std::string reason = "the connection was lost";
  if (awaiting_answer || Clock::now() - registered_at_ < milliseconds(options_.backoff_ms_min)) {
    return come_back_later(reason);
  }
  register_again();
  if (state_ == State::connecting) fault_ = reason;
}

// Not the end: the key may be listed by the next time.
void Worker::handshake_failed(const WorkerLink::HandshakeFault& fault) {
  if (fault.text.empty() || state_ != State::connecting) return;
  if (fault.for_good) {
    come_back_later(fault.text);
  } else {
    fault_ = fault.text;
  }
}

void Worker::come_back_later(std::string reason) {
  end_deliveries();
  link_.close();
  state_ = State::waiting;
  fault_ = std::move(reason);
  resume_at_ = Clock::now() + backoff_;
  backoff_ = std::min(backoff_ * 2, milliseconds(options_.backoff_ms_max));
}

void Worker::fail(std::string reason) {
  end_deliveries();
  link_.close();
  state_ = State::failed;
  fault_ = std::move(reason);
}

}  // namespace signalbox
