// The processes of an end-to-end run, besides the broker: a producer, a consumer, and zmq_proxy to compare with.
//
// They pass bytes: the producer copies a template and writes a number over it, the consumer finds where each message
// ends and compares its number with the one expected. What is measured is thus the broker, not a client library; the
// third way, by the worker library, is in worker_clients.hpp.
//
// Each is a process of its own, and speaks with the one that started it in lines:
//   proxy     out: "ready" (bound)
//   consumer  out: "ready" (registered, or connecting), "warm" (the warm-up has come), "done last_ns=… …"
//   producer  sends the warm-up, in: "go", out: "sent first_ns=… …" once all is sent (and confirmed)
// and both clients end on the next line that they are given.
//
// Thread: one each, besides libzmq's own. Errors: a run that is not flawless (a message missing, twice, out of order,
// of the wrong size, refused) ends the process with a line on stderr and exit code 1; so do ZeroMQ's exceptions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace signalbox::bench {

enum class Via : uint8_t {
  signalbox,       // clients that pass bytes
  worker_library,  // clients that make and read messages (worker_clients.hpp)
  proxy,
};

// As on the command line.
inline const char* to_string(Via via) {
  return via == Via::signalbox ? "signalbox" : via == Via::worker_library ? "worker-library" : "proxy";
}

struct ClientOptions {
  Via via = Via::signalbox;
  std::string endpoint;  // where to connect
  size_t message_bytes = 424;
  uint64_t warm_up = 0;             // messages sent before "go", not timed
  uint64_t count = 0;               // messages that count
  uint64_t rate = 0;                // messages a second; 0: as fast as it goes
  size_t batch_bytes = 192 * 1024;  // the most a producer sends in one SEND
  uint64_t window = 16384;          // messages unconfirmed, and the consumer's prefetch
};

// Each returns an exit code.
int run_producer(const ClientOptions& options);
int run_consumer(const ClientOptions& options);
// Binds a PULL and a PUSH socket and runs zmq_proxy between them until it is killed.
int run_proxy(const std::string& frontend, const std::string& backend);

}  // namespace signalbox::bench
