// A piece of middleware that does to user messages the same on entering as on leaving, and nothing to events: what
// nearly all of vumi's are.
//
// Thread: as Middleware.
#pragma once

#include "routers/middleware.hpp"

namespace signalbox {

class MiddlewareBothWays : public Middleware {
 public:
  void enters(const Passing& passing, Edits& edits) final { pass(passing, edits); }
  void leaves(const Passing& passing, Edits& edits) final { pass(passing, edits); }
  bool keeps_state() const final { return false; }

 protected:
  virtual void inbound(const Passing& passing, Edits& edits) = 0;
  virtual void outbound(const Passing& passing, Edits& edits) = 0;

 private:
  void pass(const Passing& passing, Edits& edits) {
    if (passing.direction == Direction::inbound) inbound(passing, edits);
    if (passing.direction == Direction::outbound) outbound(passing, edits);
  }
};

}  // namespace signalbox
