// WorkerLink without ZeroMQ: what the worker library sends is handed to a test, and what it receives is what the test
// has said. scripted_link.cpp defines the class of worker/link.hpp, and a program that holds it takes it in the place
// of worker/link.cpp; nothing of the library itself is another.
//
// Thread: one. Bounds: what the test puts there.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "worker/link.hpp"

namespace signalbox::fuzz {

struct ScriptedFrames {
  std::string header;
  std::string body;
  uint32_t count = 1;
};

// What the next link lives through.
struct LinkScript {
  std::deque<ScriptedFrames> to_worker;
  bool blocked = false;     // the socket takes nothing
  bool lost = false;        // told once
  bool no_sockets = false;  // reopening fails
  WorkerLink::HandshakeFault handshake_fault;
  std::function<void(Bytes header, std::optional<Bytes> body)> sent;
  std::function<void(const ScriptedFrames& frames)> received;  // just before the worker has them
  std::function<void()> reopened;
};

// That of all links of this process.
LinkScript& link_script();

}  // namespace signalbox::fuzz
