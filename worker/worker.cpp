#include "worker/worker.hpp"

#include <sys/random.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include "protocol/limits.hpp"
#include "protocol/message_view.hpp"
#include "protocol/text.hpp"

namespace signalbox {
namespace {

using std::chrono::milliseconds;
using Clock = Worker::Clock;

constexpr size_t frames_a_turn = 64;                             // read before handlers and output have their turn
constexpr auto flush_interval = std::chrono::microseconds(100);  // what slow handlers answered leaves between them
constexpr auto stop_interval = milliseconds(200);                // how soon a stop() from elsewhere is noticed
constexpr auto longest_wait = std::chrono::hours(24 * 365);      // so that a caller's "for ever" does not overflow
constexpr int silent_heartbeats = 3;

// Sets a flag for as long as a caller's function runs, and lets what that throws pass.
class Within {
 public:
  explicit Within(bool& flag) : flag_(flag) { flag_ = true; }
  ~Within() { flag_ = false; }
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  bool& flag_;
};

Clock::time_point deadline_after(milliseconds timeout) {
  return Clock::now() + std::min<Clock::duration>(timeout, longest_wait);
}

std::string checked_session(const WorkerOptions& options) {
  if (!is_name(options.name)) {
    throw std::invalid_argument("'" + printable(options.name) + "' is no name that a worker can register under");
  }
  std::string session = options.session;
  if (session.empty()) {
    session.resize(limits::session_id_bytes);
    // As few bytes as these come whole or not at all.
    if (getrandom(session.data(), session.size(), 0) != static_cast<ssize_t>(session.size())) {
      throw std::runtime_error("the kernel gave no random bytes");
    }
  }
  if (session.size() != limits::session_id_bytes) throw std::invalid_argument("a session is 16 bytes");
  return session;
}

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

Worker::Worker(WorkerOptions options)
    : options_(std::move(options)),
      session_(checked_session(options_)),
      link_(options_.endpoint, options_.zeromq_context),
      backoff_(options_.backoff_ms_min),
      last_heard_(Clock::now()),
      flushed_at_(last_heard_) {}

// --- sending

SendResult Worker::try_send(Bytes encoded) {
  using Reason = SendResult::Reason;
  if (ended() || bye_due_ || bye_sent_) return {0, Reason::ended};
  if (registrations_ == 0) return {0, Reason::window_full};
  if (encoded.empty() || encoded.size() > limits_.max_batch_bytes) return {0, Reason::too_large};
  if (!window_.fits(encoded.size())) return {0, Reason::window_full};
  if (window_.append(encoded)) send_batches();
  return {window_.last_seq(), Reason::taken};
}

SendResult Worker::try_send(const Message& message) {
  message.encode(encoded_);
  return try_send(encoded_);
}

SendResult Worker::send(Bytes encoded, Milliseconds timeout) {
  SendResult result = try_send(encoded);
  if (result.reason != SendResult::Reason::window_full || in_callback_) return result;
  work_until(deadline_after(timeout), true, [&] {
    result = try_send(encoded);
    return result.reason != SendResult::Reason::window_full;
  });
  return ended() && !result ? SendResult{0, SendResult::Reason::ended} : result;
}

SendResult Worker::send(const Message& message, Milliseconds timeout) {
  const SendResult result = try_send(message);
  if (result.reason != SendResult::Reason::window_full) return result;
  return send(message.encoded(), timeout);  // a copy of its own: handlers that run meanwhile use the scratch
}

bool Worker::wait_confirmed(Milliseconds timeout) {
  return work_until(deadline_after(timeout), true, [this] { return window_.unsettled() == 0; });
}

bool Worker::wait_registered(Milliseconds timeout) {
  return work_until(deadline_after(timeout), true, [this] { return state_ == State::registered; });
}

// --- the loop

size_t Worker::do_work() {
  return turn(true);
}

size_t Worker::turn(bool with_handlers) {
  if (in_callback_) return 0;
  size_t work = pump();
  check_timers(Clock::now());  // before the handlers, whose time is not the broker's silence
  if (with_handlers) work += deliver();
  flush();
  return work;
}

void Worker::wait(Milliseconds timeout) {
  if (in_callback_) return;
  const Time now = Clock::now();
  Clock::duration left = std::min<Clock::duration>(timeout, longest_wait);
  if (state_ == State::waiting) left = std::min(left, resume_at_ - now);
  if (state_ == State::registered || (state_ == State::connecting && !hello_due_)) {
    left = std::min(left, last_heard_ + silence_allowed() - now);
  }
  const auto rounded_up = std::chrono::ceil<milliseconds>(left).count();
  link_.wait(std::max<int64_t>(rounded_up, 0), output_waits());
}

template <typename Done>
bool Worker::work_until(Time deadline, bool with_handlers, Done done) {
  if (in_callback_) return done();
  for (;;) {
    const size_t work = turn(with_handlers);
    if (done()) return true;
    const Time now = Clock::now();
    if (ended() || now >= deadline) return false;
    if (work == 0) wait(std::min<milliseconds>(std::chrono::ceil<milliseconds>(deadline - now), stop_interval));
  }
}

void Worker::run() {
  run_for(longest_wait);
}

void Worker::run_for(Milliseconds timeout) {
  work_until(deadline_after(timeout), true, [this] { return stopped_.load(std::memory_order_relaxed); });
  stopped_.store(false, std::memory_order_relaxed);
}

bool Worker::close(Milliseconds timeout) {
  if (in_handler_ || in_callback_) return false;
  const Time deadline = deadline_after(timeout);
  settle_received();
  const bool settled = work_until(deadline, false, [this] { return window_.unsettled() == 0; });
  bool answered = false;
  if (state_ == State::registered) {
    bye_due_ = true;
    answered = work_until(deadline, false, [this] { return state_ == State::closed; });
  }
  state_ = State::closed;
  end_deliveries();
  link_.close();
  return settled && answered;
}

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
  if (const auto* refuse = std::get_if<Refuse>(&*frame)) return handle(*refuse);
  end_repeated_refusals();
  if (const auto* deliver = std::get_if<Deliver>(&*frame)) return handle(frames, *deliver);
  if (const auto* confirm = std::get_if<Confirm>(&*frame)) return handle(*confirm);
  if (std::holds_alternative<Ping>(*frame)) pong_due_ = true;
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
    // Some of these may have been refused, and their REFUSEs come next. They refer to messages that are held here, so
    // those stay until something else comes; the answer to a PING does, at the latest.
    repeated_refusals_upto_ = frame.last_seq;
    ping_due_ = true;
  }
  state_ = State::registered;
  draining_ = false;
  fault_.clear();
  ++registrations_;
}

void Worker::end_repeated_refusals() {
  if (repeated_refusals_upto_ != 0) settle(std::exchange(repeated_refusals_upto_, 0));
}

void Worker::handle(const Confirm& frame) {
  if (frame.upto > window_.last_seq()) return fail("the broker confirmed a message that was never sent");
  settle(frame.upto);
}

void Worker::settle(Seq upto) {
  if (upto <= window_.settled()) return;
  window_.settle(upto);
  if (!on_confirmed_) return;
  const Within within(in_callback_);
  on_confirmed_(upto);
}

void Worker::handle(const Refuse& frame) {
  if (!on_refused_) return;
  const Within within(in_callback_);
  on_refused_({frame.seq, frame.code, frame.text, window_.message(frame.seq)});
}

void Worker::handle(const ErrorFrame& frame) {
  const bool awaiting_answer = state_ == State::connecting && !hello_due_;
  if (state_ != State::registered && !awaiting_answer) return;
  const bool not_registered = frame.code == to_string(ErrorCode::not_registered);
  if (not_registered && awaiting_answer) return;  // it answers what left before the HELLO
  const bool worth_a_return =
      not_registered || frame.code == to_string(ErrorCode::gap) || frame.code == to_string(ErrorCode::too_many);
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
    come_back_later(described("the broker said BYE", frame.reason));
  }
}

// --- deliveries

size_t Worker::deliver() {
  if (!on_message_ || in_handler_ || received_open_) return 0;
  size_t handled = 0;
  while (next_delivery()) {
    const uint64_t connection = connection_;
    {
      const Within within(in_handler_);
      on_message_(current_delivery_);
    }
    ++handled;
    if (connection == connection_) handled_current();
    if (stopped_.load(std::memory_order_relaxed)) break;
    if (Clock::now() - flushed_at_ >= flush_interval) flush();
  }
  return handled;
}

// Makes current_delivery_ the oldest message not yet handled. It stays so until handled_current().
bool Worker::next_delivery() {
  if (current_rest_.empty()) {
    if (inbox_head_ == inbox_.size()) return false;
    DeliveredBatch& next = inbox_[inbox_head_++];
    current_ = std::move(next.body);
    current_rest_ = current_.bytes();
    current_delivery_ = {{}, next.first_seq, next.redelivered};
    if (inbox_head_ == inbox_.size()) {
      inbox_.clear();
      inbox_head_ = 0;
    }
  }
  const std::optional<size_t> bytes = map_bytes(current_rest_);
  if (!bytes) {
    fail("the broker delivered bytes that are no message");
    return false;
  }
  current_delivery_.bytes = current_rest_.substr(0, *bytes);
  return true;
}

void Worker::handled_current() {
  current_rest_.remove_prefix(current_delivery_.bytes.size());
  handled_ = current_delivery_.seq++;
}

std::optional<Delivery> Worker::receive(Milliseconds timeout) {
  if (in_handler_ || in_callback_) return std::nullopt;
  settle_received();
  // Within a batch the socket is left alone, unless the caller took its time.
  bool found = next_delivery();
  if (found && Clock::now() - flushed_at_ >= flush_interval) flush();
  if (!found) found = work_until(deadline_after(timeout), false, [this] { return next_delivery(); });
  if (!found || ended()) return std::nullopt;
  received_open_ = true;
  return current_delivery_;
}

void Worker::settle_received() {
  if (std::exchange(received_open_, false)) handled_current();
}

// The connection is over: its numbers mean nothing any more, and what was not acknowledged will be delivered again. The
// bytes of the message being handled stay.
void Worker::end_deliveries() {
  inbox_.clear();
  inbox_head_ = 0;
  current_rest_ = {};
  received_open_ = false;
  handled_ = 0;
  acknowledged_ = 0;
  pong_due_ = false;
  ping_due_ = false;
  repeated_refusals_upto_ = 0;
  ++connection_;
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

// --- output

void Worker::flush() {
  flushed_at_ = Clock::now();
  if (state_ == State::connecting && hello_due_) send_hello();
  if (state_ != State::registered || bye_sent_) return;
  send_control();
  send_batches();
  if (bye_due_ && (write(header_, Bye{}), link_.send(header_))) {
    bye_due_ = false;
    bye_sent_ = true;
  }
}

void Worker::send_hello() {
  Hello hello;
  hello.role = options_.role;
  hello.name = options_.name;
  hello.session = session_;
  hello.confirmed = window_.settled();
  hello.prefetch = options_.prefetch;
  hello.client = options_.client;
  hello.instance = options_.instance;
  write(header_, hello);
  if (!link_.send(header_)) return;
  hello_due_ = false;
  last_heard_ = flushed_at_;  // the answer has three heartbeats
}

void Worker::send_control() {
  if (pong_due_) {
    write(header_, Pong{});
    pong_due_ = !link_.send(header_);
  }
  if (ping_due_) {
    write(header_, Ping{});
    ping_due_ = !link_.send(header_);
  }
  if (handled_ > acknowledged_) {
    write_ack(header_, handled_);
    if (link_.send(header_)) acknowledged_ = handled_;
  }
}

bool Worker::may_send_batches() const {
  // A broker that drains takes nothing new from transports; it stays here until the broker is back.
  const bool held_back = draining_ && options_.role == Role::transport;
  return state_ == State::registered && !bye_sent_ && !held_back;
}

void Worker::send_batches() {
  if (!may_send_batches()) return;
  while (const std::optional<SendWindow::Batch> batch = window_.next_batch()) {
    write(header_, Send{batch->first_seq});
    if (!link_.send(header_, batch->body)) return;
    window_.transmitted(*batch);
  }
}

bool Worker::output_waits() const {
  if (state_ == State::connecting) return hello_due_;
  if (state_ != State::registered || bye_sent_) return false;
  return pong_due_ || ping_due_ || bye_due_ || handled_ > acknowledged_ ||
         (may_send_batches() && window_.next_batch().has_value());
}

}  // namespace signalbox
