// The public middleware interface: something that looks at each message as it enters a dispatcher, before routing, and
// once more for each target as it leaves; and may change it both times.
//
// The orders are vumi's. On entering the pieces run by their consume_priority, ties as listed; on leaving the list is
// reversed and then sorted, stably, by publish_priority. Each piece sees what those before it have changed. It cannot
// stop a message, nor send one elsewhere: that is a router's business.
//
// Thread: one, that of the dispatcher's router. Owns: its own state; what must outlive a message lies in a StateTable.
// Time: only what comes in `passing.now`. Errors: none; what cannot be done to a message is left out.
// Tested by tests/routers/middleware_test.cpp.
#pragma once

#include <string_view>

#include "routers/edits.hpp"
#include "routers/router.hpp"

namespace signalbox {

// One message on its way in or out, as it stands now.
struct Passing {
  const MessageView& message;
  Direction direction;              // outbound for what leaves towards a transport as a user message
  EndpointId connector = 0;         // entering: where it comes from; leaving: where it goes
  std::string_view connector_name;  // its name
  Time now;
};

class Middleware {
 public:
  virtual ~Middleware() = default;

  virtual void enters(const Passing& passing, Edits& edits) = 0;
  virtual void leaves(const Passing& passing, Edits& edits) = 0;
};

}  // namespace signalbox
