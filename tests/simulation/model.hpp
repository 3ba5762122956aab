// What must be true, worked out beside the core from what goes in and what comes out.
//
// The model sees every frame that the core is given, before the core does, and works out from the protocol's text alone
// what becomes of it: which message enters which queue, which is refused, what a lost connection is held against. Every
// frame that the core utters is then measured against that: is it allowed, is it in order, does it promise no more than
// is true. After a turn the model says what must have gone out by now, and after every step its counts must be the
// core's. It predicts rather than watches, so that a fault shows in the step that made it.
//
// Where a scenario has other routers than SimpleDispatchRouter, or middleware, the model does not know their rules
// (they have tests of their own, against naive twins): there a second Routing, with routers and a memory of its own,
// says what goes where and in what bytes, and the model does all the rest.
//
// What it leaves to the core: which of several instances is served where the protocol does not say, the texts for
// people, and the sizes of dead letters in the queue.
//
// Thread: one. Owns: the books. Errors: a broken promise goes to the journal; the run ends after that step.
// Tested by simulation_test.cpp, by faults planted in the core and on its way out.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/core/lanes.hpp"
#include "broker/core/routing.hpp"
#include "broker/core/routing_memory.hpp"
#include "protocol/header.hpp"
#include "tests/simulation/books.hpp"
#include "tests/simulation/journal.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/simulation/simulated_link.hpp"

namespace signalbox::simulation {

class Model final : private Surroundings, private Routing::Sink {
 public:
  // `lane_of`: by endpoint; empty: there is one core.
  Model(const Scenario& scenario, const MessageBook& messages, Journal& journal, std::vector<uint32_t> lane_of);

  // What goes into the core: tell the model first.
  void worker_frame(ConnectionId from, std::string_view key, Bytes header, Bytes body, size_t parts, Time now);
  // And again when the core has dealt with it.
  void worker_frame_done(Time now);
  void connection_gone(ConnectionId connection, Time now);

  // What comes out of it, and how the link took it.
  void broker_frame(ConnectionId to, Bytes header, Bytes body, Output::Result result, Time now);

  // With Core::heard_all.
  void heard_all(Time now);
  bool has_found_gone() const { return !gone_.empty(); }
  // After Core::flush: what was ready and could go, must have gone.
  void check_turn(const SimulatedLink& link, Time now);
  // After Core::tick.
  void check_heartbeats(Time now);
  void forget_lost_sessions(Time now);
  // Before Core::tick, Core::reload and Core::peers_changed.
  void time_passes(Time now);
  void reload(Settings next, std::vector<uint32_t> lane_of, Time now);
  void peers_changed(const std::vector<PeerSettings>& peers, Time now);
  // After every step: the core's own books say the same.
  void compare(const Lanes& core);
  // At the end of a run in which everything was healed and drained.
  void check_end(const Lanes& core);

  // The lane that its frames go to.
  uint32_t lane_of(ConnectionId connection) const;

  // From here on BYE goes to all.
  void drain();

  // For workers that want to refer to something, and for the end of a run.
  uint64_t live_copies() const;
  uint64_t delivered() const { return delivered_; }
  uint64_t dead() const { return dead_; }
  uint64_t expired() const { return expired_; }
  uint64_t timed_out() const { return timed_out_; }
  uint64_t settled_late() const { return settled_late_; }

 private:
  struct Remembered {
    EndpointId origin = 0;  // where the message entered the broker
    EndpointId source = 0;  // where it entered the dispatcher: the same, or a joint
    bool ambiguous = false;
  };
  using Memory = std::unordered_map<std::string, Remembered>;
  // What one dispatcher remembers.
  struct Memories {
    Memory inbound;   // message_id -> the transport that sent it
    Memory outbound;  // message_id -> the application that sent it
  };
  // What has become of a message on its way through the dispatchers.
  struct Way {
    uint64_t taken = 0;                 // copies
    unsigned refusal = 0;               // the first one met
    std::vector<EndpointId> not_taken;  // where copies have stopped
  };

  // Frames in, one each (model_input.cpp).
  void hello(ConnectionId from, std::string_view key, const Hello& frame, Time now);
  void send(ConnectionId from, const Send& frame, Bytes body, Time now);
  void ack(ConnectionId from, Ack frame, Time now);
  static void free_slot(RegistrationBook& registration);
  void nack(ConnectionId from, const Nack& frame, Time now);
  void flow(ConnectionId from, const Flow& frame, Time now);
  void bye(ConnectionId from, Time now);
  bool within_window(SessionBook& session, Seq first, const std::vector<const Message*>& batch) const;
  void enter(SessionBook& session, const Message& message, Time now);
  unsigned judge(const EndpointBook& sender, const Message& message) const;
  bool pass(EndpointId sender, const Message& message, Outcome& outcome, Way& way, Time now);
  std::vector<EndpointId> targets_of(EndpointId sender, const Message& message, unsigned& refusal) const;
  void remember(EndpointId sender, const Message& message);
  bool is_on_another_lane(EndpointId sender, EndpointId target) const;
  bool take(EndpointId origin, EndpointId target, const Message& message, Bytes text, Outcome& outcome, Time now);
  void enqueue(EndpointId endpoint, const Message& message, Bytes text, Outcome& outcome, Time now);

  // The same by the twin (model_twin.cpp). False: the router has dropped it on purpose.
  bool enter_by_twin(SessionBook& session, const Message& message, Outcome& outcome, Way& way, Time now);
  bool has_live_worker(EndpointId endpoint) const override;
  bool offer(EndpointId target, MessageKind kind, Bytes copy) override;
  void left_out(EndpointId endpoint, MessageKind kind, Bytes copy, RefusalCode code) override;
  static bool is_told(const RegistrationBook& registration);

  // The life of copies and registrations.
  Copy& new_copy(EndpointId endpoint, const Message& message, Bytes text);
  void die(const Message& message, Bytes text, EndpointId at, uint32_t deliveries, std::optional<std::string> reason,
           Time now);
  void owe_error(ConnectionId to, ErrorCode code);
  void fail_copy(Copy& copy, uint64_t due_ms, std::optional<std::string> reason, Time now);
  void fail_there(Copy& copy, const RegistrationBook& registration, std::optional<std::string> reason, Time now);
  void bury(Copy& copy, std::optional<std::string> reason, Time now);
  void lose(ConnectionId connection, Time now);
  void end(ConnectionId connection, Time now);
  void end_with(ConnectionId connection, ErrorCode code, Time now);
  void hand_back(RegistrationBook& registration, Time now);
  void forget(SessionBook& session);
  void take_back_blame();
  void advance(SessionBook& session);

  // Time and other configurations (model_time.cpp).
  void expire_copy(Copy& copy, Time now);
  void put_back(Copy& copy, uint64_t due_ms, Time now);
  void expire(Time now);
  void time_out(Time now);
  static void take_from(RegistrationBook& registration, Copy& copy);
  void settle_overdue(RegistrationBook& registration, Seq upto, const std::vector<Seq>& also);
  void settle_late(Copy& copy);
  bool may_be(const std::string& key, EndpointId endpoint) const;
  static bool has_gone(const RegistrationBook& registration);
  bool hears_out(const EndpointBook& endpoint) const;
  void end_not_permitted(Time now);
  void end_removed(Time now);

  // Frames out, one each (model_output.cpp).
  void note_frame(ConnectionId to, const BrokerFrame& frame, Output::Result result);
  void welcome(ConnectionId to, const Welcome& frame);
  void deliver(ConnectionId to, const Deliver& frame, Bytes body, Time now);
  void confirm(ConnectionId to, const Confirm& frame);
  void refuse(ConnectionId to, const Refuse& frame);
  void error(ConnectionId to, const ErrorFrame& frame, Time now);
  void bye_answer(ConnectionId to);
  std::string describe(const Message& message) const;
  Copy* identify(EndpointId endpoint, Bytes body, bool redelivered, const std::vector<Copy*>& before, size_t& bytes);
  static std::string as_dead_letter(const Copy& copy, Bytes note);
  bool is_dead_letter(const Copy& copy, Bytes body, size_t& bytes) const;
  void check_batch(ConnectionId to, const std::vector<Copy*>& batch, uint64_t bytes, Time now);
  void check_order(EndpointBook& endpoint, const RegistrationBook& registration, const std::vector<Copy*>& batch,
                   Time now);
  void check_turns(EndpointBook& endpoint, ConnectionId to, const std::vector<Copy*>& batch, Time now);
  void check_choice(ConnectionId to, const std::vector<Copy*>& batch, Time now);
  RegistrationBook* speaking_to(ConnectionId to, const char* what);

  // Checks (model_checks.cpp).
  void check_answers(ConnectionId id, ConnectionBook& connection, const SimulatedLink& link, Time now);
  void check_waiting(EndpointId endpoint, const SimulatedLink& link, Time now);
  bool lacks_bytes(const EndpointBook& endpoint, const Copy& copy);
  bool suspect_waits(const EndpointBook& endpoint, Time now) const;
  bool can_take(const ConnectionBook& connection, const Copy& copy) const;

  void fail(std::string fault) { journal_.fail(std::move(fault)); }

  Settings settings_;
  std::vector<uint32_t> lane_of_;
  const Scenario& scenario_;
  const MessageBook& messages_;
  Journal& journal_;

  std::vector<EndpointBook> endpoints_;
  std::map<ConnectionId, ConnectionBook> connections_;
  std::vector<std::unique_ptr<SessionBook>> sessions_;
  std::deque<Copy> copies_;
  std::vector<std::vector<Copy*>> copies_of_;  // by serial number
  std::vector<Memories> memories_;             // by dispatcher
  uint64_t registrations_ = 0;
  uint64_t delivered_ = 0;
  uint64_t dead_ = 0;
  uint64_t expired_ = 0;
  uint64_t timed_out_ = 0;
  uint64_t settled_late_ = 0;
  bool dies_by_time_ = false;               // what dies now dies together with others,
  std::optional<uint64_t> rank_of_deaths_;  // whose letters have this rank
  std::optional<ConnectionId> ends_after_frame_;
  bool gone_this_turn_ = false;
  std::vector<ConnectionId> ended_this_turn_;  // with their endpoints
  SessionBook* resuming_ = nullptr;            // within one frame
  std::vector<ConnectionId> gone_;             // by what the link said, and not ended yet
  bool draining_ = false;
  RoutingMemory twin_memory_;
  std::unique_ptr<Routing> twin_;  // where routers are at work whose rules the model does not know; else null
  MessageView twin_view_;
  const Message* entering_ = nullptr;  // by the twin,
  SessionBook* entering_from_ = nullptr;
  Outcome* entering_outcome_ = nullptr;
  Way* entering_way_ = nullptr;
  Time entering_now_;
  std::vector<ConnectionId> to_probe_;  // instances that a newcomer's HELLO must have caused a PING to
};

}  // namespace signalbox::simulation
