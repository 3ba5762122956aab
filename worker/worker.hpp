// Signalbox's client library: a transport or an application in C++.
//
//   signalbox::Worker worker({.role = signalbox::Role::application, .name = "my_application"});
//   worker.on_user_message([&](const signalbox::Message& message) {
//     worker.send(message.reply("You said " + std::string(message.content())));
//   });
//   worker.run();
//
// Messages handed over are appended to the batch under way, and every call that works the loop sends what there is as
// soon as the socket takes it: whatever gathers while the socket is busy travels together, and nothing waits for a
// timer. What was sent is kept until the broker confirms it, and is sent again, under its old number, after a lost
// connection or a restarted broker. What was delivered is acknowledged once its handler has returned, or once the
// program says so (hold); a handler that throws gives its message back.
//
// Answers leave before acknowledgements. An ACK or NACK of a delivery goes out only when every message that was handed
// over before the delivery was settled has gone out on the same connection, which keeps order. So whatever ends this
// program or its connection, and wherever in between: a message that the broker believes handled is one whose answers
// it has, and every other is delivered again. One exception: a broker that drains takes nothing from transports, and
// waits for their ACKs; there what the handler sent stays here until the broker is back, and the ACK leaves alone.
//
// Every registration after the first is made on a fresh socket. The old one might still hold deliveries of a connection
// that is over, whose numbers mean other messages on the new one; and it may hang on a link that is dead without a
// word.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/exchange.hpp"
#include "protocol/header.hpp"
#include "worker/link.hpp"
#include "worker/mailbox.hpp"
#include "worker/message.hpp"
#include "worker/send_window.hpp"
#include "worker/settlements.hpp"

namespace signalbox {

struct WorkerOptions {
  Role role = Role::application;
  std::string name = {};  // an endpoint of the broker's configuration
  std::string endpoint = "tcp://127.0.0.1:5570";
  uint64_t prefetch = limits::default_prefetch;  // the most messages delivered here and not yet handled
  std::string client = "signalbox worker";       // product and version, for people to read
  std::string instance = {};                     // what to call this instance on a screen
  // 16 random bytes, a secret; empty: chosen here, and a new one for each Worker. Numbers belong to the session: who
  // gives the session of an earlier process, whose unconfirmed messages this one does not have, begins again at 1, and
  // the broker skips, as known, what it has had under these numbers. Where that shows (it has settled more than was
  // sent here) the worker fails; where it does not, messages are gone. So name a session only where that cannot be.
  std::string session = {};
  uint64_t backoff_ms_min = 1000;                // before coming back after an error; doubled each time
  uint64_t backoff_ms_max = 30000;               // up to this
  uint64_t heartbeat_ms = limits::heartbeat_ms;  // until WELCOME says it
  // Where the broker wants keys: the worker's own secret one, and the broker's public one, 40 characters each as
  // `signalbox keygen` writes them (read_key_file() of protocol/keys.hpp reads its files). Both or neither.
  std::string secret_key = {};
  std::string server_key = {};
  void* zeromq_context = nullptr;  // the host's, for inproc endpoints; null: one of its own
};

// A connection to the broker, registered under one name.
//
// Thread: one at a time uses it, whichever; handing it over needs a full fence. It has no thread of its own: nothing
//         moves but in the calls marked (works the loop). post() may be called from any thread, stop() from any and
//         from signal handlers.
//         A handler and a posted function may call all but close and receive; while one of them works the loop, no
//         other of them is called. A callback for confirmations, refusals or failures may call try_send, post and stop.
// Owns:   a socket, two descriptors, and the bytes of what is unconfirmed.
// Errors: the constructor throws std::invalid_argument (name, session, keys), std::runtime_error (endpoint, no
// descriptors
//         left). After that state() and fault() say what ended the worker. What a handler throws ends as a NACK; what
//         a callback or a posted function throws passes through the call that worked the loop, which can go on.
// Bounds: the broker's limits for what is unconfirmed; prefetch for what waits to be handled or is held;
//         Mailbox::functions_max for what is posted.
// Tested by worker_test.cpp, holding_test.cpp, flow_test.cpp, posting_test.cpp, resuming_test.cpp, broker_test.cpp,
// cut_connections_test.cpp, allocations_test.cpp.
class Worker {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  enum class State : uint8_t {
    connecting,  // HELLO is on its way, or will be as soon as the broker can be reached
    registered,
    waiting,  // for its time to come back, after an error that time may heal
    failed,   // for good; fault() says why
    closed,
  };

  // Begins to connect, and waits for nothing. A broker that is not there yet is no error.
  explicit Worker(WorkerOptions options);
  // Drops the connection as a crash would: close() first, to leave in order.
  ~Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // --- what the caller is told; set before the loop is worked
  // A handler's return settles the message, unless it called hold(). If it throws Reject the message becomes a dead
  // letter; whatever else it throws has it delivered again, up to the broker's max_deliveries.
  //
  // These two have the message decoded for them, always into the same Message, which they must not keep.
  void on_user_message(std::function<void(const Message&)> handler) { on_user_message_ = std::move(handler); }
  void on_event(std::function<void(const Message&)> handler) { on_event_ = std::move(handler); }
  // All that has no handler among the two above, as bytes. What has no handler at all is acknowledged where another
  // kind has one (a program that ignores events need not say so), and otherwise waits for receive().
  void on_message(std::function<void(const Delivery&)> handler) { on_message_ = std::move(handler); }
  // After a handler threw.
  void on_handler_failed(std::function<void(const HandlerFailure&)> callback) {
    on_handler_failed_ = std::move(callback);
  }
  // Every message up to this number is settled: the broker has it, or has refused it.
  void on_confirmed(std::function<void(Seq upto)> callback) { on_confirmed_ = std::move(callback); }
  // Called just before the confirmation that covers it, hence once for each refused message, and for good: as long as
  // a message is unconfirmed, a broker that comes back without its memory may still take what it refused before.
  void on_refused(std::function<void(const Refusal&)> callback) { on_refused_ = std::move(callback); }

  // --- sending
  // Takes a message into the window. Does not touch the socket, save where a batch is complete.
  // REQUIRES: `encoded` is exactly one MessagePack map. (One that is not makes the broker end the registration.)
  SendResult try_send(Bytes encoded);
  SendResult try_send(const Message& message) { return try_send(message.bytes()); }

  // The same, and waits for room in the window (works the loop); on time-out the reason is window_full.
  SendResult send(Bytes encoded, Milliseconds timeout = std::chrono::hours(24));
  SendResult send(const Message& message, Milliseconds timeout = std::chrono::hours(24)) {
    return send(message.bytes(), timeout);
  }

  // Sends what there is, as far as the socket takes it. Every call that works the loop does so too.
  void flush();

  // Waits until everything sent is confirmed (works the loop). False: the time is over, or the worker has failed.
  [[nodiscard]] bool wait_confirmed(Milliseconds timeout);

  // --- receiving, and the loop
  // Waits for registration (works the loop). False: the time is over, or the worker has failed.
  [[nodiscard]] bool wait_registered(Milliseconds timeout);

  // One turn, without waiting: input, handlers, timers, output. Returns how many frames and messages it dealt with.
  size_t do_work();

  // Waits for input, room for output that waits, an own timer or `timeout`; does no work itself. Returns too when one
  // of `descriptors` (at most WorkerLink::others_max) is readable or broken, for a loop that serves more than the bus.
  void wait(Milliseconds timeout, std::span<const int> descriptors = {});

  // Works the loop until stop(), until the worker has ended, or until the time is over.
  void run();
  void run_for(Milliseconds timeout);
  void stop() {
    stopped_.store(true, std::memory_order_relaxed);
    mailbox_.ring();
  }

  // Has `function` called by the thread that works the loop, in its next turn, in the order of posting, outside
  // handlers; a loop that waits wakes up. False: functions_max of them wait already, or the worker is closed. What has
  // not run when the worker closes is dropped.
  bool post(std::function<void()> function) { return mailbox_.post(std::move(function)); }

  // The next message, for those who would rather ask than be called; asking for the next says that this one was
  // handled, unless it is held. Waits for it (works the loop). Empty: the time is over, or the worker has ended. Needs
  // no handler, and passes them by.
  std::optional<Delivery> receive(Milliseconds timeout);

  // --- settling later, and side by side
  // The delivery in hand (a handler's, or what receive() gave) is not settled by the handler's return; it counts
  // against the prefetch until it is. Its bytes are not kept. Throws std::logic_error where there is none in hand.
  Held hold();
  // Settle a held delivery, in any order: it was handled; it was not, and is delivered again later or, without
  // `requeue`, becomes a dead letter with the reason. False: it is settled already, or the connection that it came by
  // is over and the broker has taken it back; nothing happened.
  bool ack(const Held& held);
  bool nack(const Held& held, std::string_view reason = {}, bool requeue = true);
  bool is_held(const Held& held) const { return held.connection == connection_ && settlements_.is_held(held.seq); }
  size_t held() const { return settlements_.held(); }

  // No handler is called and receive() gives nothing until resume(); the broker is told to deliver no more. What has
  // been delivered waits here, and counts as under way.
  void pause() { paused_ = true; }
  void resume() { paused_ = false; }
  bool paused() const { return paused_; }
  // From now on, and for later registrations; capped at the broker's max_prefetch. 0: what is here is handed out, and
  // nothing follows.
  void set_prefetch(uint64_t prefetch) { prefetch_ = prefetch; }

  // Leaves in order: waits until what was sent is confirmed, says BYE, waits for the answer (works the loop, without
  // handlers). True: all that within the time; false too where the worker had ended before. In any case it is closed
  // after. What was not handled, or is held and not settled, goes back to its queue, and is not held against anyone.
  bool close(Milliseconds timeout);

  // --- how it stands
  State state() const { return state_; }
  // Why it failed, or what it is waiting to recover from: "unknown_endpoint: no transport 'x'". Empty where all is
  // well.
  const std::string& fault() const { return fault_; }
  bool draining() const { return draining_; }  // the broker is about to exit
  uint64_t unconfirmed() const { return window_.unsettled(); }
  Seq confirmed() const { return window_.settled(); }
  const Limits& limits() const { return limits_; }  // all 0 before the first WELCOME
  uint64_t registrations() const { return registrations_; }

  void check_invariants() const {
    window_.check_invariants();
    settlements_.check_invariants();
  }

 private:
  friend class HandlerThreads;
  using Time = Clock::time_point;
  // What slow handlers answered leaves between them.
  static constexpr auto flush_interval = std::chrono::microseconds(100);

  // Input.
  size_t pump();
  void handle(ReceivedFrames& frames);
  void handle(ReceivedFrames& frames, const Deliver& frame);
  void handle(const Welcome& frame);
  void handle(const Confirm& frame);
  void handle(const Refuse& frame);
  void handle(const ErrorFrame& frame);
  void handle(const Bye& frame);
  void settle(Seq upto);
  void tell_refusals(Seq upto);
  void end_repeated_refusals();

  // Deliveries.
  bool has_handler() const { return on_message_ || on_user_message_ || on_event_; }
  size_t deliver();
  bool next_delivery();
  void take_in_hand();
  void hand_out();
  void call_handler();
  void tell_failure(const HandlerFailure& failure);
  void finish_in_hand();
  void fail_in_hand(Bytes reason, bool requeue);
  bool pass_in_hand();

  size_t run_posted();

  // Registration.
  void register_again();
  void connection_lost();
  void handshake_failed(const WorkerLink::HandshakeFault& fault);
  void come_back_later(std::string reason);
  void fail(std::string reason);
  void end_deliveries();
  void check_timers(Time now);
  Milliseconds silence_allowed() const;
  bool ended() const { return state_ == State::failed || state_ == State::closed; }

  // Output.
  void send_hello();
  void send_control();
  uint64_t prefetch_wanted() const;
  bool flow_due() const;
  void send_batches();
  void send_settlements();
  Seq transmitted_for_settling() const;
  bool batches_held_back() const;
  bool output_waits() const;
  size_t turn(bool with_handlers);
  template <typename Done>
  bool work_until(Time deadline, bool with_handlers, Done done);

  // Constant after construction.
  WorkerOptions options_;  // constant after construction, which takes the keys out
  std::string session_;

  WorkerLink link_;
  SendWindow window_;
  Settlements settlements_;
  Limits limits_;
  std::function<void(const Delivery&)> on_message_;
  std::function<void(const Message&)> on_user_message_;
  std::function<void(const Message&)> on_event_;
  std::function<void(const HandlerFailure&)> on_handler_failed_;
  std::function<void(Seq)> on_confirmed_;
  std::function<void(const Refusal&)> on_refused_;

  // The registration.
  State state_ = State::connecting;
  std::string fault_;
  uint64_t registrations_ = 0;
  // Sent, and not answered (yet): one whose connection was given up may still reach the broker, behind a later one.
  uint64_t unanswered_hellos_ = 0;
  bool draining_ = false;
  Seq repeated_refusals_upto_ = 0;  // settled according to WELCOME, kept until its REFUSEs have come; 0: none
  Milliseconds backoff_;
  Time last_heard_;     // or when HELLO left, until the answer
  Time resume_at_;      // while waiting
  Time registered_at_;  // the last WELCOME
  struct UntoldRefusal {
    Seq seq = 0;
    std::string code;
    std::string text;
  };
  std::deque<UntoldRefusal> refusals_;  // of what is unconfirmed, in order

  // What the socket has yet to take.
  bool hello_due_ = true;
  bool pong_due_ = false;
  bool ping_due_ = false;
  bool bye_due_ = false;
  bool bye_sent_ = false;  // nothing follows it
  bool leaving_ = false;   // close() is through with what was to be confirmed
  bool paused_ = false;
  uint64_t prefetch_;           // as wanted while not paused
  uint64_t prefetch_told_ = 0;  // as the broker has been told by HELLO or FLOW
  Time flushed_at_;

  // What has been delivered: batches that wait, and the one being handed out.
  struct DeliveredBatch {
    Frame body;
    Seq first_seq = 0;
    bool redelivered = false;
  };
  std::vector<DeliveredBatch> inbox_;
  size_t inbox_head_ = 0;
  Frame current_;       // the bytes that the delivery being handled points into
  Bytes current_rest_;  // of current_, not yet handled
  bool current_redelivered_ = false;
  Seq next_delivered_ = 1;  // the number of the message at the front of current_rest_
  Delivery current_delivery_;
  uint64_t connection_ = 1;  // counts connections, so that no ACK goes to another one than its delivery came by
  // The delivery in hand: a handler has it, or receive() gave it out.
  bool in_hand_ = false;
  bool in_hand_is_held_ = false;
  Held in_hand_as_held_;  // what hold() says

  bool in_handler_ = false;  // or in a posted function
  bool in_callback_ = false;
  std::atomic<bool> stopped_{false};  // read by the loop, written by anyone
  Mailbox mailbox_;
  std::vector<std::function<void()>> posted_;  // taken from the mailbox, from next_posted_ on
  size_t next_posted_ = 0;
  std::function<size_t()> each_turn_;  // of HandlerThreads

  Message message_;     // what on_user_message and on_event are given
  std::string header_;  // scratch
};

}  // namespace signalbox
