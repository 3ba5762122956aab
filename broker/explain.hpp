// What the broker would do with one message, and why: `signalbox explain` without its words.
//
// The message goes the way that every message goes: refused_at_entrance(), then Routing, with the routers and the
// middleware of the configuration. A Trace listens and keeps what it hears. Nothing is sent, and queues have room for
// everything. What the broker would remember of earlier messages has to be said (ExplainInput::remembered).
//
// The explanation is a tree: a passage through a dispatcher has targets, and behind a target that is a joint lies the
// passage through the next dispatcher.
//
// Thread: one, that of the caller. Owns: copies of all that it shows.
// Errors: a refusal is a result; nothing throws but for want of memory.
// Bounds: those of Routing; of each message that reaches a queue one copy, of each change what lies at its place.
// Tested by explain_routers_test.cpp, explain_test.cpp, explain_core_test.cpp in tests/program.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/routing.hpp"
#include "broker/core/settings.hpp"
#include "protocol/codes.hpp"

namespace signalbox {

struct ExplainInput {
  // An earlier message, and the endpoint by which it came into the broker.
  struct Remembered {
    std::string id;
    EndpointId sender = 0;
  };

  EndpointId from = 0;                           // no joint
  Bytes message;                                 // one whole MessagePack map
  std::vector<Remembered> remembered;            // of two with one id from two senders, neither is followed
  std::optional<std::vector<EndpointId>> alive;  // who has a live worker; empty: everybody
  Time now;
};

struct Explanation {
  // One place in the message. Values are MessagePack; empty: absent.
  struct Change {
    std::vector<std::string> path;
    std::string before;
    std::string after;
    bool is_made = true;  // false: the message's shape did not allow it
  };

  // One piece of middleware that has looked at the message.
  struct Piece {
    std::string name;
    std::vector<Change> changes;
    std::vector<std::string> log;  // what it would have written there
  };

  struct Refusal {
    RefusalCode code = RefusalCode::no_route;
    std::string text;
  };

  struct Passage;

  struct Target {
    std::string name;
    std::vector<Change> changes;    // of the router
    std::vector<Piece> middleware;  // on leaving
    bool is_joint = false;
    std::string copy;                 // what the queue takes; empty: none does, or it is a joint
    std::optional<Refusal> refusal;   // why this copy stops here
    std::unique_ptr<Passage> behind;  // the joint; null: it stops here
  };

  // Through one dispatcher.
  struct Passage {
    std::string dispatcher;
    std::string router_class;
    std::string sender;
    Direction direction = Direction::inbound;
    std::vector<Change> filled_in;       // by the broker
    std::vector<Piece> middleware;       // on entering
    std::string remembered;              // who sent the message that this one refers to; empty: not remembered
    bool is_ambiguous = false;           // two senders have used the id that this one refers to
    std::vector<std::string> notes;      // what the router considered, in its own words
    std::optional<std::string> discard;  // on purpose, and why
    std::optional<Refusal> refusal;      // before a target was named
    std::vector<Target> targets;
  };

  // A copy that nobody took while others were taken becomes a dead letter.
  struct LeftOut {
    std::string endpoint;
    RefusalCode code = RefusalCode::no_route;
    std::string dead_letters;  // the endpoint that gets it
  };

  std::string from;
  Routing::Verdict::Outcome outcome = Routing::Verdict::Outcome::refused;
  Refusal refusal;                 // what the sender would be told, where it is refused
  std::unique_ptr<Passage> first;  // null: it was refused before any dispatcher saw it
  std::vector<std::string> taken_by;
  std::vector<LeftOut> left_out;
};

// The routers' own state is what their configuration has made of it, and the message changes it as it would in the
// broker: whoever explains a second message from scratch reads the configuration afresh.
// REQUIRES: input.from is no joint, and input.message holds exactly one map.
[[nodiscard]] Explanation explain(Settings& settings, const ExplainInput& input);

}  // namespace signalbox
