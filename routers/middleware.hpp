// The public middleware interface: something that looks at each message as it enters a dispatcher, before routing, and
// once more for each target as it leaves; and may change it both times.
//
// The orders are vumi's. On entering the pieces run by their consume_priority, ties as listed; on leaving the list is
// reversed and then sorted, stably, by publish_priority. Each piece sees what those before it have changed. It cannot
// stop a message, nor send one elsewhere: that is a router's business.
//
// Thread: one, that of the dispatcher's router. Owns: its own state; what must outlive a message lies in a StateTable.
// Time: only what comes in `passing.now`. Errors: none; what cannot be done to a message is left out.
// Tested by tests/routers/middleware_*_test.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "routers/edits.hpp"
#include "routers/message_log.hpp"
#include "routers/router.hpp"

namespace signalbox {

// One message on its way in or out, as it stands now.
struct Passing {
  const MessageView& message;
  Direction direction;              // outbound for what leaves towards a transport as a user message
  EndpointId connector = 0;         // entering: where it comes from; leaving: where it goes
  std::string_view connector_name;  // its name
  Time now;
  MessageLog* log = nullptr;  // where lines about messages go; null: nowhere
};

class Middleware {
 public:
  virtual ~Middleware() = default;

  virtual void enters(const Passing& passing, Edits& edits) = 0;
  virtual void leaves(const Passing& passing, Edits& edits) = 0;
  // As Router::keeps_state().
  virtual bool keeps_state() const { return true; }
};

// What a piece is made from: its options. find() and require() look into the table that has the piece's name; where
// there is no such table, place() is that of the dispatcher. Lives only while the piece is made.
class MiddlewareSetup : public SettingReader {
 public:
  // As the configuration calls the piece and its dispatcher.
  virtual std::string_view name() const = 0;
  virtual std::string_view dispatcher_name() const = 0;
  // For a memory of the piece's own: how many entries there may be.
  virtual uint64_t max_users() const = 0;
  // Where a piece keeps what must outlive a message. Lives as long as the piece.
  virtual StateStore& state() = 0;
};

// Makes a piece of middleware. Where the configuration has faults it reports them all and may return null.
using MakeMiddleware = std::unique_ptr<Middleware> (*)(MiddlewareSetup& setup);

// A kind of middleware as the registry knows it.
struct MiddlewareClass {
  std::string name;  // as in the configuration, without a module path
  MakeMiddleware make = nullptr;
  std::vector<std::string> options;            // the keys of its table
  std::vector<std::string> vumi_options = {};  // those that vumi alone reads: accepted, with a warning
};

}  // namespace signalbox
