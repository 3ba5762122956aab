// One transport or application of the simulation: a worker as the protocol wants it, with bad days.
//
// It speaks real frames over the simulated link: registers, numbers and sends batches within the window, settles what
// it gets (some of it late, side by side, or not at all), says FLOW, PING and BYE, resumes on a new connection or on
// the same, takes its own session over, dies with or without its memory, and now and then breaks the protocol on
// purpose. It believes only what it was told: its view is a prefix of what the core uttered, and it checks that prefix
// by itself.
//
// Thread: one. Owns: its connections, its unconfirmed messages. Errors: a broken promise goes to the journal.
// Tested by simulation_test.cpp.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "protocol/header.hpp"
#include "tests/simulation/journal.hpp"
#include "tests/simulation/message.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/simulation/simulated_link.hpp"

namespace signalbox::simulation {

// What all workers share.
struct World {
  Random& random;
  const Scenario& scenario;
  MessageBook& messages;
  SimulatedLink& link;
  Journal& journal;
  Time now;
  bool healing = false;                // no more new messages, no more bad days
  std::vector<std::string> known_ids;  // message ids that went anywhere, for replies and events to refer to
};

class SimulatedWorker {
 public:
  SimulatedWorker(World& world, size_t index, EndpointId endpoint, uint64_t instance);

  // One thing of its choice.
  void act();
  void receive(ConnectionId connection, Bytes header, Bytes body);

  // Bad days, from outside.
  void lose_connection(uint64_t silent_ms);
  void crash();
  void take_over();
  // It receives and does nothing about it.
  void hang(uint64_t span_ms);

  // Registered, everything confirmed, everything settled.
  bool idle() const;
  // What it waits for, as an event.
  void note_waiting() const;
  ConnectionId connection() const { return connection_; }
  EndpointId endpoint() const { return endpoint_; }
  // That its connections show.
  const std::string& key() const { return key_; }

 private:
  enum class State : uint8_t { offline, greeting, registered, leaving };

  struct Outgoing {
    Seq number = 0;
    const Message* message = nullptr;
  };

  void connect();
  void say_hello();
  void forget_everything();
  void encode_again();
  void go_offline(uint64_t pause_ms);
  void say(std::string header, std::string body = {}, size_t parts = 1);

  void compose();
  Draft draft();
  void transmit();
  void settle();
  void settle_everything();
  void change_prefetch();
  void greet_again();
  void leave();
  void misbehave();
  void overrun();
  void attack();
  void attack_with_hello();
  void attack_with_send();
  void go_astray(Draft& draft);
  bool hangs() const { return !world_.healing && world_.now.monotonic_ms < hung_until_ms_; }

  void on_welcome(const Welcome& frame);
  void on_deliver(const Deliver& frame, Bytes body);
  void on_confirm(Seq upto);
  void on_refuse(const Refuse& frame);
  void on_bye();
  void on_error(const ErrorFrame& frame);

  World& world_;
  const size_t index_;
  const EndpointId endpoint_;
  const Role role_;
  const std::string name_;
  const std::string key_;
  bool resumes_ = false;
  uint64_t patience_ = 0;  // how seldom, of a thousand times, it settles what it has

  State state_ = State::offline;
  ConnectionId connection_ = 0;
  std::vector<ConnectionId> former_;  // those it took its session over from; the broker ends them
  uint64_t return_ms_ = 0;            // when it comes back
  uint64_t heard_ms_ = 0;
  uint64_t hung_until_ms_ = 0;
  uint64_t greetings_ = 0;  // HELLOs on this connection that are not answered yet
  std::string session_;     // empty: it cannot resume
  uint64_t prefetch_ = 0;

  Seq next_number_ = 1;
  Seq sent_ = 0;              // up to here on this registration
  bool transmitted_ = false;  // has sent on this registration, so that the broker knows where its numbers stand
  Seq confirmed_ = 0;
  Seq refused_ = 0;            // the last REFUSE of this registration
  std::deque<Outgoing> held_;  // not confirmed, in order

  Seq next_delivery_ = 1;  // due on this connection
  std::map<Seq, const Message*> unsettled_;
  std::deque<std::string> heard_ids_;  // of messages that it got, to reply to or to report on
};

}  // namespace signalbox::simulation
