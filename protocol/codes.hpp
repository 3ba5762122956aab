// The codes that ERROR and REFUSE carry (protocol page, section 7). One enum value a fault; its text on the wire is
// here alone.
#pragma once

#include <cstdint>
#include <string_view>

namespace signalbox {

// Bytes of a frame, of a message or of a text: borrowed, never owned.
using Bytes = std::string_view;

// Number of a message within a session (SEND) or a connection (DELIVER); the first is 1, 0 stands for none.
using Seq = uint64_t;

enum class Role : uint8_t { transport, application };

enum class ErrorCode : uint8_t {
  none,
  version,           // HELLO speaks another version
  malformed,         // the frame cannot be what it claims to be
  unknown_endpoint,  // no endpoint of that name and role
  not_permitted,     // the peer may not do this
  not_registered,    // SEND or PING before HELLO
  taken_over,        // the session lives on another connection now
  gap,               // a number is missing
  window,            // more unconfirmed than the window allows
  too_large,         // the body is over max_batch_bytes
  too_many,          // a limit on peers
  internal,
};

enum class RefusalCode : uint8_t {
  malformed,
  too_large,         // over max_message_bytes
  no_route,          // no rule takes it
  unknown_endpoint,  // a rule, or the message, names what is no endpoint
  not_permitted,     // a transport_name that is not the sender's own
  queue_full,
  internal,
};

// As on the wire; "" for ErrorCode::none.
std::string_view to_string(ErrorCode code);
std::string_view to_string(RefusalCode code);
std::string_view to_string(Role role);

}  // namespace signalbox
