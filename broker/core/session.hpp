// One worker as the core sees it: what it has sent, what it has been handed, and what of both is not settled yet.
//
// A connection is a way to a peer; a registration is a HELLO that was answered with WELCOME on it; a session is what
// lives on when the connection is lost, if the worker named one. A Session without a connection is a lost one.
//
//   state          event                                    becomes
//   registered     BYE, HELLO of another kind               forgotten
//   registered     ERROR, connection lost                   lost (forgotten where it has no id)
//   registered     HELLO with its id (here or elsewhere)    registered, after what it had unsettled went back
//   lost           HELLO with its id                        registered, suspicions taken back
//   lost           session_ttl                              forgotten
//
// Thread: the core's. Owns: numbers; the bytes belong to queues.
// Bounds: send_window messages and bytes, max_prefetch (what is overdue included), max_unsettled_bytes.
// Tested by core_test.cpp and every simulation.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "broker/core/output.hpp"
#include "broker/core/queue.hpp"
#include "broker/core/refusal_log.hpp"
#include "broker/core/ring.hpp"
#include "protocol/codes.hpp"

namespace signalbox {

struct Session;

// A peer that has registered on this connection at least once, or has been answered something that waits for room.
struct Connection {
  ConnectionId id = 0;
  Session* session = nullptr;  // the live registration, if there is one
  Seq last_delivered = 0;      // counts through all registrations on this connection
  uint64_t last_sent_ms = 0;
  bool probed = false;  // by a newcomer's PING, last at:
  uint64_t last_probe_ms = 0;
  bool listed_blocked = false;                  // in the list of those that flush() tries again
  uint64_t tried_at_ms = 0;                     // when it was, last
  bool blocked = false;                         // the last send found no room
  bool gone = false;                            // and this one no peer: ended once what it sent has been read
  bool awaited = false;                         // gone, and its registration has not given back what it has
  bool pong_due = false;                        // owed, and there was no room
  Ring<std::string> waiting;                    // WELCOME, ERROR and BYE for which there was no room
  std::list<Connection*>::iterator idle_place;  // in the list by last_sent_ms
};

// A run of messages handed to one worker in one DELIVER.
struct DeliveredRun {
  Seq first_seq = 0;
  Segment* segment = nullptr;  // not to be followed once `unsettled` is 0
  uint32_t first_index = 0;
  uint32_t count = 0;
  uint32_t ticket = 0;     // of the first
  uint32_t unsettled = 0;  // of them, here
  MessageKind kind = MessageKind::user_message;
};

// A message that was taken from a worker since it had not settled it within ack_timeout_ms. The worker may settle it
// yet, unless another has; until then it has it in its hands, so that it takes a slot of its prefetch.
struct Overdue {
  MessageKind kind = MessageKind::user_message;
  Place place;
  uint64_t serial = 0;  // of its segment
};

// Where an instance stands among those that could take something: most free prefetch first, then the one served longest
// ago.
struct Rank {
  uint64_t free = 0;
  uint64_t last_served = 0;
  uint64_t registration = 0;
  Session* session = nullptr;

  bool operator<(const Rank& other) const {
    return std::tuple(other.free, last_served, registration) < std::tuple(free, other.last_served, other.registration);
  }
};

// Messages on which a lost connection has cast suspicion, so that the session can take it back when it resumes.
struct Blame {
  MessageKind kind = MessageKind::user_message;
  Segment* segment = nullptr;
  uint64_t serial = 0;
  uint32_t index = 0;
  bool failed = false;
};

struct Session {
  std::string id;  // 16 bytes; empty: cannot resume
  std::string peer_key;
  EndpointId endpoint = 0;
  Connection* connection = nullptr;
  std::string client;    // as printable text
  std::string instance;  // as printable text

  // What it sends.
  struct Batch {
    Seq last_seq = 0;
    uint64_t bytes = 0;
  };
  // "From `first` on, messages wait for this endpoint's queue to be back within its limit."
  struct Hold {
    EndpointId endpoint = 0;
    Seq first = 0;
  };
  bool begins_anywhere = false;  // an unknown session came back: the first SEND says where its numbers are
  Seq last_received = 0;
  Seq confirmed = 0;           // the highest that WELCOME or CONFIRM has told
  bool confirm_due = false;    // in the list of sessions that flush() visits
  bool confirm_again = false;  // a SEND that was known as a whole
  bool leaving = false;        // said BYE, and has yet to be told what became of what it sent
  uint64_t unconfirmed_bytes = 0;
  Ring<Batch> unconfirmed;
  std::vector<Hold> holds;
  RefusalLog refusals;
  size_t refusals_told = 0;  // the first so many have been sent on this connection

  // What it gets.
  uint64_t registration = 0;  // number of the registration, never used twice
  uint64_t prefetch = 0;
  uint64_t unsettled_messages = 0;
  uint64_t unsettled_bytes = 0;
  bool alone = false;  // what it has is a suspect that travels alone
  uint64_t last_served = 0;
  std::list<Session*>::iterator instance_place;  // in its endpoint's list
  bool ranked = false;                           // could take something: in its endpoint's set
  std::set<Rank>::iterator rank;
  std::set<Rank>::node_type rank_node;  // kept while it is not, so that ranking allocates nothing
  Ring<DeliveredRun> deliveries;
  std::map<Seq, Overdue> overdue;  // by the number that it had here

  // While it is lost.
  bool is_lost = false;
  uint64_t lost_at_ms = 0;
  std::list<Session*>::iterator lost_place;
  std::list<Session*>::iterator lost_of_key_place;  // where its key's use is counted
  std::vector<Blame> blamed;

  // Messages in its hands, as far as it has told.
  uint64_t slots_taken() const { return unsettled_messages + overdue.size(); }

  // Everything that can be told of what it sent has been.
  bool is_told() const { return refusals_told == refusals.size() && confirmed == settled() && !confirm_again; }

  // The highest number such that it and all before it are settled.
  Seq settled() const {
    Seq first_held = last_received + 1;
    for (const Hold& hold : holds) first_held = hold.first < first_held ? hold.first : first_held;
    return first_held - 1;
  }
};

}  // namespace signalbox
