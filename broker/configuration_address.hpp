// The addresses that the broker may bind: tcp://HOST:PORT, ipc://PATH, inproc://NAME.
//
// Thread: any; no state. Tested by tests/configuration.
#pragma once

#include <string>
#include <string_view>

namespace signalbox {

struct Address {
  std::string text;        // as ZeroMQ binds it; `localhost`, which it cannot bind, is 127.0.0.1 here
  bool reachable = false;  // from other machines
  std::string fault;       // why it cannot be bound; empty: it can
};

[[nodiscard]] Address parse_address(std::string_view text);

}  // namespace signalbox
