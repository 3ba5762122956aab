#include "worker/worker.hpp"

#include <sys/random.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "protocol/limits.hpp"
#include "protocol/text.hpp"
#include "worker/within.hpp"

namespace signalbox {
namespace {

using std::chrono::milliseconds;
using Clock = Worker::Clock;

constexpr auto longest_wait = std::chrono::hours(24 * 365);  // so that a caller's "for ever" does not overflow

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

// The keys of the options, whose text is wiped.
LinkKeys checked_keys(WorkerOptions& options) {
  if (options.secret_key.empty() != options.server_key.empty()) {
    throw std::invalid_argument("secret_key and server_key belong together: the worker's own and the broker's");
  }
  if (options.secret_key.empty()) return {};
  std::optional<std::string> own = key_from_text(options.secret_key);
  std::optional<std::string> broker = key_from_text(options.server_key);
  wipe(options.secret_key);
  if (!own || !broker) {
    throw std::invalid_argument(std::string(own ? "server_key" : "secret_key") +
                                " is no key: 40 characters, as `signalbox keygen` writes them");
  }
  LinkKeys keys{SecretKey(*own), std::move(*broker)};
  wipe(*own);
  return keys;
}

}  // namespace

Worker::Worker(WorkerOptions options)
    : options_(std::move(options)),
      session_(checked_session(options_)),
      link_(options_.endpoint, options_.zeromq_context, checked_keys(options_)),
      backoff_(options_.backoff_ms_min),
      last_heard_(Clock::now()),
      prefetch_(options_.prefetch),
      flushed_at_(last_heard_) {}

// --- sending

SendResult Worker::try_send(Bytes encoded) {
  using Reason = SendResult::Reason;
  if (ended() || leaving_) return {0, Reason::ended};
  if (registrations_ == 0) return {0, Reason::window_full};
  if (encoded.empty() || encoded.size() > limits_.max_batch_bytes) return {0, Reason::too_large};
  if (!window_.fits(encoded.size())) return {0, Reason::window_full};
  if (window_.append(encoded)) send_batches();
  return {window_.last_seq(), Reason::taken};
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
  if (work == 0 && link_.connection_lost()) {
    work += pump();  // what had come before it broke
    connection_lost();
  }
  if (work == 0) handshake_failed(link_.take_handshake_fault());
  check_timers(Clock::now());  // before the handlers, whose time is not the broker's silence
  work += run_posted();
  if (with_handlers) work += deliver();
  flush();
  return work;
}

// While a handler or a posted function is under way they wait for its end, and so does each_turn_.
size_t Worker::run_posted() {
  if (in_handler_) return 0;
  const Within within(in_handler_);
  if (next_posted_ == posted_.size() && mailbox_.pending()) {
    posted_.clear();
    next_posted_ = 0;
    mailbox_.take(posted_);
  }
  size_t run = 0;
  for (; next_posted_ < posted_.size(); ++run) {
    // Counted before it is called: one that throws is not called again, and those behind it are, next turn.
    const std::function<void()> function = std::move(posted_[next_posted_++]);
    function();
  }
  if (each_turn_) run += each_turn_();
  return run;
}

void Worker::wait(Milliseconds timeout, std::span<const int> descriptors) {
  if (in_callback_) return;
  if (!in_handler_ && (mailbox_.pending() || next_posted_ < posted_.size())) return;
  const Time now = Clock::now();
  Clock::duration left = std::min<Clock::duration>(timeout, longest_wait);
  if (state_ == State::waiting) left = std::min(left, resume_at_ - now);
  if (state_ == State::registered || (state_ == State::connecting && !hello_due_)) {
    left = std::min(left, last_heard_ + silence_allowed() - now);
  }
  const auto rounded_up = std::chrono::ceil<milliseconds>(left).count();
  const auto wait_ms = std::max<int64_t>(rounded_up, 0);
  if (link_.wait(wait_ms, output_waits(), mailbox_.descriptor(), descriptors)) mailbox_.clear();
}

template <typename Done>
bool Worker::work_until(Time deadline, bool with_handlers, Done done) {
  if (in_callback_) return done();
  for (;;) {
    const size_t work = turn(with_handlers);
    if (done()) return true;
    const Time now = Clock::now();
    if (ended() || now >= deadline) return false;
    if (work == 0) wait(std::chrono::ceil<milliseconds>(deadline - now));
  }
}

void Worker::run() {
  run_for(longest_wait);
}

void Worker::run_for(Milliseconds timeout) {
  work_until(deadline_after(timeout), true, [this] { return stopped_.load(std::memory_order_relaxed); });
  stopped_.store(false, std::memory_order_relaxed);
}

std::optional<Delivery> Worker::receive(Milliseconds timeout) {
  if (in_handler_ || in_callback_) return std::nullopt;
  if (in_hand_) finish_in_hand();
  const auto next = [this] { return !paused_ && next_delivery(); };
  // Within a batch the socket is left alone, unless the caller took its time.
  bool found = next();
  if (found && Clock::now() - flushed_at_ >= flush_interval) flush();
  if (!found) found = work_until(deadline_after(timeout), false, next);
  if (!found || ended()) return std::nullopt;
  take_in_hand();
  return current_delivery_;
}

bool Worker::close(Milliseconds timeout) {
  if (in_handler_ || in_callback_) return false;
  const Time deadline = deadline_after(timeout);
  if (in_hand_) finish_in_hand();
  const bool settled = work_until(deadline, false, [this] { return window_.unsettled() == 0; });
  leaving_ = true;
  bool answered = false;
  if (state_ == State::registered) {
    bye_due_ = true;
    answered = work_until(deadline, false, [this] { return state_ == State::closed; });
  }
  state_ = State::closed;
  end_deliveries();
  mailbox_.close();
  link_.close();
  return settled && answered;
}

// --- output

void Worker::flush() {
  flushed_at_ = Clock::now();
  if (state_ == State::connecting && hello_due_) send_hello();
  if (state_ != State::registered || bye_sent_) return;
  send_control();
  send_batches();
  send_settlements();
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
  hello.prefetch = paused_ ? 0 : prefetch_;
  hello.client = options_.client;
  hello.instance = options_.instance;
  write(header_, hello);
  if (!link_.send(header_)) return;
  prefetch_told_ = hello.prefetch;
  hello_due_ = false;
  ++unanswered_hellos_;
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
  if (flow_due()) {
    write(header_, Flow{prefetch_wanted()});
    if (link_.send(header_)) prefetch_told_ = prefetch_wanted();
  }
}

uint64_t Worker::prefetch_wanted() const {
  return paused_ ? 0 : std::min(prefetch_, limits_.max_prefetch);
}

bool Worker::flow_due() const {
  // HELLO may have asked for more than there is, and got what there is.
  return std::min(prefetch_told_, limits_.max_prefetch) != prefetch_wanted();
}

// A broker that drains takes nothing new from transports; it stays here until the broker is back.
bool Worker::batches_held_back() const {
  return draining_ && options_.role == Role::transport;
}

void Worker::send_batches() {
  if (state_ != State::registered || bye_sent_ || batches_held_back()) return;
  while (const std::optional<SendWindow::Batch> batch = window_.next_batch()) {
    write(header_, Send{batch->first_seq});
    if (!link_.send(header_, batch->body, *batch->lender)) return;
    window_.transmitted(*batch);
  }
}

// After the batches: what was settled may be said once what was handed over before it has left.
void Worker::send_settlements() {
  const Seq transmitted = transmitted_for_settling();
  while (const Settlements::Nacked* nack = settlements_.next_nack(transmitted)) {
    write(header_, Nack{nack->seq, nack->reason, nack->requeue});
    if (!link_.send(header_)) return;
    settlements_.nack_sent();
  }
  while (const auto ack = settlements_.next_ack(window_.last_seq(), transmitted, limits_.max_prefetch)) {
    write_ack(header_, ack->upto, ack->also, ack->also_count);
    if (!link_.send(header_)) return;
    settlements_.ack_sent(*ack);
  }
}

// What is held back leaves when the broker is back, and the broker waits for the ACKs before it goes.
Seq Worker::transmitted_for_settling() const {
  return batches_held_back() ? window_.last_seq() : window_.transmitted_upto();
}

bool Worker::output_waits() const {
  if (state_ == State::connecting) return hello_due_;
  if (state_ != State::registered || bye_sent_) return false;
  return pong_due_ || ping_due_ || bye_due_ || flow_due() ||
         (!batches_held_back() && window_.next_batch().has_value()) ||
         settlements_.may_leave(window_.last_seq(), transmitted_for_settling());
}

}  // namespace signalbox
