// What passes between the bus and a program that takes part in it, whichever way the program is attached: over a socket
// (worker/), or in the broker's own process (broker/local_endpoint.hpp).
//
// Thread: any. Owns: nothing but numbers; bytes belong to whom each says. Errors: none.
// Tested by tests/worker, tests/broker.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "protocol/codes.hpp"

namespace signalbox {

// One message from the broker. The bytes hold until the handler returns, or until the next one is asked for.
struct Delivery {
  Bytes bytes;
  Seq seq = 0;  // within this connection
  bool redelivered = false;
};

// A delivery whose handler has returned without settling it: whoever keeps this settles it later, in any order. Good
// for the connection that the delivery came by; afterwards settling it changes nothing, since the broker has taken the
// message back.
struct Held {
  Seq seq = 0;
  uint64_t connection = 0;
};

// Thrown by a handler that will never take this message: it is NACKed without requeueing and becomes a dead letter,
// with what() for a reason. Whatever else a handler throws has the message delivered again.
class Reject : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A handler threw, and its message was NACKed.
struct HandlerFailure {
  Seq seq = 0;
  Bytes reason;  // what it threw, in words
  bool requeue = true;
};

// The broker would not take a message of this program's.
struct Refusal {
  Seq seq = 0;    // as send returned it
  Bytes code;     // as on the wire, "no_route"
  Bytes text;     // one line, for people
  Bytes message;  // the message itself, where the sender's side keeps it until it is confirmed
};

// What became of a message handed over; true: it was taken, and has a number.
struct SendResult {
  enum class Reason : uint8_t {
    taken,
    window_full,  // the broker has to confirm some first (also: not registered yet)
    too_large,    // over max_batch_bytes, or empty
    ended,        // failed, closing or closed
  };
  Seq seq = 0;
  Reason reason = Reason::taken;

  explicit operator bool() const { return reason == Reason::taken; }
};

}  // namespace signalbox
