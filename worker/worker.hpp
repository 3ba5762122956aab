// Signalbox's client library: a transport or an application in C++.
//
//   signalbox::Worker worker({.role = signalbox::Role::application, .name = "my_application"});
//   worker.on_message([&](const signalbox::Delivery& delivery) {
//     const signalbox::Message message(delivery.bytes);
//     if (message.is_user_message()) worker.send(message.reply("You said " + std::string(message.content())));
//   });
//   worker.run();
//
// Messages handed over are appended to the batch under way, and every call that works the loop sends what there is as
// soon as the socket takes it: whatever gathers while the socket is busy travels together, and nothing waits for a
// timer. What was sent is kept until the broker confirms it, and is sent again, under its old number, after a lost
// connection or a restarted broker. What was delivered is acknowledged once its handler has returned.
//
// Every registration after the first is made on a fresh socket. The old one might still hold deliveries of a connection
// that is over, whose numbers mean other messages on the new one; and it may hang on a link that is dead without a
// word.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/exchange.hpp"
#include "protocol/header.hpp"
#include "worker/link.hpp"
#include "worker/message.hpp"
#include "worker/send_window.hpp"

namespace signalbox {

struct WorkerOptions {
  Role role = Role::application;
  std::string name;  // an endpoint of the broker's configuration
  std::string endpoint = "tcp://127.0.0.1:5570";
  uint64_t prefetch = limits::default_prefetch;  // the most messages delivered here and not yet handled
  std::string client = "signalbox worker";       // product and version, for people to read
  std::string instance;                          // what to call this instance on a screen
  std::string session;              // 16 random bytes, a secret; empty: chosen here, and a new one for each Worker
  uint64_t backoff_ms_min = 1000;   // before coming back after an error; doubled each time
  uint64_t backoff_ms_max = 30000;  // up to this
  uint64_t heartbeat_ms = limits::heartbeat_ms;  // until WELCOME says it
  void* zeromq_context = nullptr;                // the host's, for inproc endpoints; null: one of its own
};

// A connection to the broker, registered under one name.
//
// Thread: one at a time uses it, whichever; handing it over needs a full fence. It has no thread of its own: nothing
//         moves but in the calls marked (works the loop). stop() alone may be called from anywhere, a signal handler
//         too. A handler may call try_send, send, flush and stop, not close; a callback for confirmations or refusals
//         may call try_send and stop.
// Owns:   a socket, and the bytes of what is unconfirmed.
// Errors: the constructor throws std::invalid_argument (name, session) or std::runtime_error (endpoint). After that
//         state() and fault() say what ended the worker. What a handler throws passes through the call that worked the
//         loop; its message counts as not handled and is handed out again by the next.
// Bounds: the broker's limits for what is unconfirmed; prefetch for what waits to be handled.
// Tested by worker_test.cpp, resuming_test.cpp, broker_test.cpp, allocations_test.cpp.
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
  void on_message(std::function<void(const Delivery&)> handler) { on_message_ = std::move(handler); }
  // Every message up to this number is settled: the broker has it, or has refused it.
  void on_confirmed(std::function<void(Seq upto)> callback) { on_confirmed_ = std::move(callback); }
  // Called before the confirmation that covers it.
  void on_refused(std::function<void(const Refusal&)> callback) { on_refused_ = std::move(callback); }

  // --- sending
  // Takes a message into the window. Does not touch the socket, save where a batch is complete.
  // REQUIRES: `encoded` is exactly one MessagePack map. (One that is not makes the broker end the registration.)
  SendResult try_send(Bytes encoded);
  SendResult try_send(const Message& message);

  // The same, and waits for room in the window (works the loop); on time-out the reason is window_full.
  SendResult send(Bytes encoded, Milliseconds timeout = std::chrono::hours(24));
  SendResult send(const Message& message, Milliseconds timeout = std::chrono::hours(24));

  // Sends what there is, as far as the socket takes it. Every call that works the loop does so too.
  void flush();

  // Waits until everything sent is confirmed (works the loop). False: the time is over, or the worker has failed.
  [[nodiscard]] bool wait_confirmed(Milliseconds timeout);

  // --- receiving, and the loop
  // Waits for registration (works the loop). False: the time is over, or the worker has failed.
  [[nodiscard]] bool wait_registered(Milliseconds timeout);

  // One turn, without waiting: input, handlers, timers, output. Returns how many frames and messages it dealt with.
  size_t do_work();

  // Waits for input, room for output that waits, an own timer or `timeout`; does no work itself.
  void wait(Milliseconds timeout);

  // Works the loop until stop(), until the worker has ended, or until the time is over.
  void run();
  void run_for(Milliseconds timeout);
  void stop() { stopped_.store(true, std::memory_order_relaxed); }

  // The next message, for those who would rather ask than be called; asking for the next says that this one was
  // handled. Waits for it (works the loop). Empty: the time is over, or the worker has ended. Needs no on_message, and
  // passes it by.
  std::optional<Delivery> receive(Milliseconds timeout);

  // Leaves in order: waits until what was sent is confirmed, says BYE, waits for the answer. True: all that within the
  // time. In any case the worker is closed after; what was not handled goes back to its queue.
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

  void check_invariants() const { window_.check_invariants(); }

 private:
  using Time = Clock::time_point;

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
  void end_repeated_refusals();

  // Deliveries.
  size_t deliver();
  bool next_delivery();
  void handled_current();
  void settle_received();

  // Registration.
  void register_again();
  void come_back_later(std::string reason);
  void fail(std::string reason);
  void end_deliveries();
  void check_timers(Time now);
  Milliseconds silence_allowed() const;
  bool ended() const { return state_ == State::failed || state_ == State::closed; }

  // Output.
  void send_hello();
  void send_control();
  void send_batches();
  bool may_send_batches() const;
  bool output_waits() const;
  size_t turn(bool with_handlers);
  template <typename Done>
  bool work_until(Time deadline, bool with_handlers, Done done);

  // Constant after construction.
  const WorkerOptions options_;
  std::string session_;

  WorkerLink link_;
  SendWindow window_;
  Limits limits_;
  std::function<void(const Delivery&)> on_message_;
  std::function<void(Seq)> on_confirmed_;
  std::function<void(const Refusal&)> on_refused_;

  // The registration.
  State state_ = State::connecting;
  std::string fault_;
  uint64_t registrations_ = 0;
  bool draining_ = false;
  Seq repeated_refusals_upto_ = 0;  // settled according to WELCOME, kept until its REFUSEs have come; 0: none
  Milliseconds backoff_;
  Time last_heard_;  // or when HELLO left, until the answer
  Time resume_at_;   // while waiting

  // What the socket has yet to take.
  bool hello_due_ = true;
  bool pong_due_ = false;
  bool ping_due_ = false;
  bool bye_due_ = false;
  bool bye_sent_ = false;  // nothing follows it
  Seq handled_ = 0;        // ACK `upto`
  Seq acknowledged_ = 0;   // the last ACK that was sent
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
  Delivery current_delivery_;
  bool received_open_ = false;  // receive() gave out current_delivery_, and it is not settled
  uint64_t connection_ = 0;     // counts connections, so that no ACK goes to another one than its delivery came by

  bool in_handler_ = false;
  bool in_callback_ = false;
  std::atomic<bool> stopped_{false};

  std::string header_;   // scratch
  std::string encoded_;  // scratch
};

}  // namespace signalbox
