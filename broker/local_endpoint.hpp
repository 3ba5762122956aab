// An endpoint inside the broker's own process: a transport or an application that is a handler, not a program.
//
//   LocalEndpoint application(broker, {.role = Role::application, .name = "my_application"});
//   application.on_message([&](const Delivery& delivery) { … application.send(reply); … });
//
// To the core it is a worker like any other: it says HELLO, SEND, ACK, NACK, FLOW and BYE, and has windows, credit,
// settlement, dead letters and a line in the books as if it had come over a socket. But there is no socket: send()
// hands the bytes to the core at once, whose queue takes the only copy, and the handler is given the bytes where they
// lie in that queue. It needs no session: its connection cannot be lost, nor can anybody take it over.
//
// A message is acknowledged when its handler has returned, unless the handler holds it; all acknowledgements of a turn
// travel together. A handler that throws has its message NACKed: Reject makes it a dead letter, anything else has it
// delivered again.
//
// Nothing is delivered before there is a handler for it.
//
// Thread: the one that works the broker: whoever calls do_work() or run(), or with start() the broker's own, that is,
//         handlers, callbacks and functions handed to Broker::post(). (An assertion says so where it is not.) The
//         destructor alone may be called from another thread: it waits until the broker's thread has let go.
//         A handler or callback may call everything here, of any endpoint, and Broker::post(). It may destroy any
//         endpoint, its own too: the bytes of its delivery stay until it returns, and what it had not settled goes
//         back.
// Owns:   nothing of the broker's. It may outlive the broker, and is closed then.
// Errors: values. A registration that the broker does not grant, or ends, leaves state() failed and fault() the reason;
//         to come back, make another. What a callback throws (not a handler) passes through the call that works the
//         broker.
// Bounds: the broker's: send_window and send_window_bytes for what is unconfirmed, prefetch and max_unsettled_bytes for
//         what is delivered and not settled.
// Tested by tests/broker/local_endpoint_test.cpp, local_settling_test.cpp, local_twin_test.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/exchange.hpp"
#include "protocol/header.hpp"
#include "protocol/limits.hpp"

namespace signalbox {

class Broker;
class LocalPeer;

struct LocalEndpointOptions {
  Role role = Role::application;
  std::string name = {};                         // an endpoint of the broker's configuration
  uint64_t prefetch = limits::default_prefetch;  // the most messages delivered here and not yet settled
  std::string client = "in process";             // product and version, for people to read
  std::string instance = {};                     // what to call this instance on a screen
};

class LocalEndpoint {
 public:
  enum class State : uint8_t {
    registered,
    failed,  // for good; fault() says why
    closed,  // by close(), or because the broker has ended
  };

  // Registers; state() says at once whether that went well.
  LocalEndpoint(Broker& broker, LocalEndpointOptions options);
  // Leaves in order, as BYE does: what it has not settled goes back to its queue, what it has sent stands.
  ~LocalEndpoint();
  LocalEndpoint(const LocalEndpoint&) = delete;
  LocalEndpoint& operator=(const LocalEndpoint&) = delete;

  // --- what the host is told; each is called by whoever works the broker, never from within a call of the host's. None
  // may be exchanged while it runs.
  void on_message(std::function<void(const Delivery&)> handler);
  // Every message up to this number is settled: it is in its queues, or has been refused.
  void on_confirmed(std::function<void(Seq upto)> callback);
  // Called before the confirmation that covers it. Refusal::message is empty: the endpoint keeps no copy.
  void on_refused(std::function<void(const Refusal&)> callback);
  // A handler threw, and its message has been NACKed.
  void on_handler_failed(std::function<void(const HandlerFailure&)> callback);

  // --- sending
  // Hands over one message, or a batch of `messages` end to end; they are numbered from the result's seq on. The bytes
  // are copied into the queues of their targets before this returns; handlers there are called when the broker is
  // worked.
  //   window_full  so many are unconfirmed; work the broker first. Nothing was taken
  //   too_large    the batch is empty or over max_batch_bytes. Nothing was taken
  //   ended        failed or closed; or a transport while the broker drains. Nothing was taken, save the whole messages
  //                in front of a break
  // REQUIRES: `batch` is exactly that many MessagePack maps. (One that breaks off ends the registration.)
  SendResult send(Bytes batch, uint32_t messages = 1);

  // --- settling later, in any order
  // For a handler: what it was called for is not acknowledged when it returns, but when ack() or nack() is given this;
  // it counts against the prefetch until then. The bytes are good until the handler returns. Throws std::logic_error
  // where no handler of this endpoint runs.
  [[nodiscard]] Held hold();
  // `requeue`: deliver it again, after the endpoint's redeliver_ms; otherwise it becomes a dead letter with `reason`.
  // False: it is settled already, or this endpoint does not hold it; nothing happened.
  bool ack(const Held& held);
  bool nack(const Held& held, std::string_view reason = {}, bool requeue = true);
  size_t held() const;  // messages held and not settled

  // --- how much is delivered
  // No handler is called until resume(). What is delivered already waits here, and counts as under way.
  void pause();
  void resume();
  // At most the broker's max_prefetch. 0: what is delivered already is handled, and nothing follows.
  void set_prefetch(uint64_t prefetch);

  // What the destructor does. No callback comes after it.
  void close();

  // --- how it stands
  State state() const;
  const std::string& fault() const;  // "unknown_endpoint: the configuration lists no transport 'x'"; empty: all is well
  bool draining() const;             // the broker is about to end
  Seq confirmed() const;             // the highest number that is settled
  uint64_t unconfirmed() const;      // messages sent and not settled
  const Limits& limits() const;      // what the broker allows; all 0 where it never registered

 private:
  void check_thread() const;

  std::shared_ptr<LocalPeer> peer_;
};

}  // namespace signalbox
