// What the model writes down: each copy of each message, each endpoint's queue, each session, each connection.
//
// The books are kept the plain way (ordered maps, one entry a copy): they share no idea with the core's segments and
// rings, so that the two do not make the same mistake.
//
// Thread: one. Owns: see each. Tested by simulation_test.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/core/ledger.hpp"
#include "broker/core/output.hpp"
#include "broker/core/settings.hpp"
#include "tests/simulation/message.hpp"

namespace signalbox::simulation {

// One message in one queue, from when the queue took it until the end of the run.
struct Copy {
  enum class State : uint8_t { waiting, under_way, settled, dropped, expired, dead };

  const Message* message = nullptr;
  EndpointId endpoint = 0;
  uint64_t place = 0;  // its turn in the endpoint's queue, over both kinds
  uint64_t rank = 0;   // the same, but shared by dead letters that died of the same moment: their order is not promised
  uint64_t bytes = 0;
  std::string changed;  // what routers and middleware have made of the message; empty: nothing
  State state = State::waiting;
  uint32_t deliveries = 0;
  uint32_t suspicions = 0;
  uint32_t failures = 0;
  uint64_t batches_before = 0;      // that the endpoint had handed out when it went in
  uint64_t due_ms = 0;              // not to be delivered before
  uint64_t nacked_by = 0;           // the registration that handed it back last; 0: none
  std::optional<uint64_t> came_ms;  // when the queue took it; empty: messages did not expire then

  // While it is under way.
  ConnectionId holder = 0;
  Seq number = 0;  // that it has there
  uint64_t handed_ms = 0;
  bool timed = false;  // handed out where there is an ack_timeout_ms

  // Of a dead letter: what became of it before.
  EndpointId died_at = 0;
  uint32_t died_deliveries = 0;
  int64_t died_wall_us = 0;
  std::optional<std::string> reason;  // where it was given by a NACK

  MessageKind kind() const { return message->draft.kind; }
  bool alone() const { return suspicions >= 2; }
  Bytes text() const { return changed.empty() ? Bytes(message->queued) : Bytes(changed); }
};

// What a session was promised about one message that it sent and that is not settled yet.
struct Outcome {
  struct Hold {
    EndpointId endpoint = 0;
    uint64_t spell = 0;  // of being over its limit
  };
  std::vector<Hold> holds;  // queues with overflow = "block" that were over their limit when it went in
};

// One endpoint: the copies that its queue holds, its limits, the two ledgers.
class EndpointBook {
 public:
  explicit EndpointBook(const EndpointSettings& settings) : settings_(settings) {}

  // Makes room as the endpoint's overflow says. False: it cannot take the message.
  bool admit(uint64_t bytes);
  // The copy goes in behind all others. REQUIRES: admit() said so.
  void insert(Copy& copy, uint64_t now_ms);
  void hand_out(Copy& copy);
  // From under way back to its old place.
  void put_back(Copy& copy, uint64_t due_ms);
  void finish(Copy& copy, Copy::State state);
  // How large a dead letter is shows only when it is delivered.
  void resize(Copy& copy, uint64_t bytes);

  // Another configuration.
  void reload(const EndpointSettings& settings, uint64_t now_ms);
  // It has been over its limit for block_ms on end: it holds nobody back any more, and refuses.
  void note_time(uint64_t now_ms);
  bool is_past(const Copy& copy, uint64_t now_ms) const;

  // Over its limit since the spell of that number began, and not for block_ms yet: confirmations wait.
  bool holds(uint64_t spell) const;
  // The spell in which a message that has just gone in must wait; empty: none.
  std::optional<uint64_t> holding_spell() const;

  const EndpointSettings& settings() const { return settings_; }
  const std::map<uint64_t, Copy*>& waiting(MessageKind kind) const { return waiting_[static_cast<size_t>(kind)]; }
  uint64_t live() const { return queue.waiting.messages + queue.under_way.messages; }

  SenderLedger sender;
  QueueLedger queue;
  std::vector<ConnectionId> instances;
  uint64_t batches = 0;                                        // handed out
  std::optional<MessageKind> last_kind;                        // of the batch handed out last
  bool suspect_waited = false;                                 // when the last turn ended
  uint64_t removed_ms = 0;                                     // where its settings say that it is
  std::array<std::map<EndpointId, uint64_t>, 2> first_places;  // by kind and sender: the rank first delivered last

 private:
  bool over(uint64_t messages, uint64_t bytes, uint64_t times) const;
  Copy* oldest_waiting() const;
  bool is_over_limit() const;
  void note_shrunk();

  EndpointSettings settings_;
  std::array<std::map<uint64_t, Copy*>, 2> waiting_;  // by kind: place -> copy
  uint64_t next_place_ = 1;
  bool over_ = false;
  bool refusing_ = false;
  uint64_t over_since_ms_ = 0;
  uint64_t spell_ = 0;
};

struct SessionBook {
  struct Blame {
    Copy* copy = nullptr;
    bool failed = false;
  };

  std::string id;  // empty: a worker that cannot resume
  std::string key;
  EndpointId endpoint = 0;
  std::optional<ConnectionId> live;
  uint64_t lost_ms = 0;
  bool any_first = false;  // unknown to the broker when it registered: its first number may be any
  Seq received = 0;
  Seq settled = 0;
  std::map<Seq, uint64_t> sizes;    // of what it sent, number -> bytes; above `told` they fill its window
  Seq told = 0;                     // the highest CONFIRM or last_seq that the broker has uttered
  std::deque<Outcome> pending;      // of settled + 1 … received
  std::map<Seq, unsigned> refused;  // number -> the codes that would be right, a bit each
  std::vector<Blame> blames;        // what its lost connection caused
};

struct RegistrationBook {
  uint64_t number = 0;  // over the whole run, from 1
  EndpointId endpoint = 0;
  SessionBook* session = nullptr;
  uint64_t prefetch = 0;
  std::map<Seq, Copy*> unsettled;
  uint64_t unsettled_bytes = 0;
  std::map<Seq, Copy*> overdue;  // taken from it, and not settled by it
  uint64_t told_timeout_ms = 0;  // in WELCOME
  bool alone = false;            // what is unsettled travels alone
  Seq first_number = 1;          // DELIVER numbers below belong to an earlier registration
  uint32_t welcomes_due = 0;
  bool welcomed = false;
  Seq confirmed = 0;  // last CONFIRM or last_seq that went out to it
  Seq refused = 0;    // last REFUSE that went out to it
  Seq confirm_again = 0;
  bool leaving = false;  // said BYE: only what it sent before is still answered

  uint64_t slots_taken() const { return unsettled.size() + overdue.size(); }
};

struct ConnectionBook {
  std::optional<RegistrationBook> registration;
  Seq next_number = 1;
  uint64_t attempt_ms = 0;  // when a frame was last handed to its link
  uint64_t ping_ms = 0;     // invented time begins at 10 s, so that 0 is long ago
  uint64_t blocked_ms = 0;
  bool blocked = false;
  bool gone = false;  // a send has said so
  std::deque<ErrorCode> errors_due;
  std::deque<ErrorCode> errors_allowed;  // nothing is kept for one that never registered
  bool ever_registered = false;
  uint32_t byes_allowed = 0;    // that say "draining"
  bool stranger_asked = false;  // has sent something while not registered
  uint64_t not_registered_ms = 0;
  bool not_registered_said = false;
  uint32_t stale_welcomes = 0;  // of registrations that ended before there was room to answer their HELLO
  uint32_t pongs_due = 0;
  uint32_t pongs_allowed = 0;  // asked for by a registration that has ended since
};

}  // namespace signalbox::simulation
