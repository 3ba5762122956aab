// One connection of a load run: a transport that sends numbered messages, or an application that takes them and, where
// round trips are measured, answers each. Two of a kind behind one interface:
//
//   raw             headers by protocol/header.hpp and bodies as they are: messages are copied from a template, and
//                   found again by their length (raw_client.cpp). What is measured is the broker
//   worker library  as anybody would write it, with signalbox::Message at both ends (worker_client.cpp). What is
//                   measured is the broker and the library together
//
// Nothing here waits for a time or counts anything but its own window; crew.cpp does both.
//
// Thread: one.
// Owns:   a socket, and a ZeroMQ context of its own, as a process of its own would.
// Errors: exceptions: a broker that is not there within the patience, that ends the registration, or that delivers what
//         cannot be; and Abandoned once the run is.
// Bounds: the window for what is unconfirmed, the same number for what is delivered and not yet taken.
// Tested by test_load.py.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "bench/load/topology.hpp"
#include "protocol/header.hpp"

namespace signalbox::bench {

enum class Library : uint8_t { raw, worker };

// As on the command line, and in the table.
inline const char* to_string(Library library) {
  return library == Library::raw ? "raw" : "worker";
}

// Silence for as long as this is a fault.
inline constexpr uint64_t patience_ns = 30'000'000'000;
// How soon a client that waits notices that the run was given up.
inline constexpr uint64_t notice_ns = 100'000'000;

// Another client of the run has failed, and says why.
struct Abandoned : std::exception {
  const char* what() const noexcept override { return "the run was given up"; }
};

struct ClientOptions {
  std::string endpoint;
  Role role = Role::transport;
  size_t index = 0;  // which transport or application of the topology
  Topology topology;
  size_t message_bytes = 424;
  uint64_t window = 16384;
  bool answers = false;                             // an application: a reply to each message
  const std::atomic<bool>* is_abandoned = nullptr;  // the run was given up
};

// What a client tells of its messages.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void take(const MessageNumber& number) = 0;
  // A message that this client sent was refused. `sequence` counts what it sent, from 0.
  virtual void refused(uint64_t sequence, const std::string& code) = 0;
};

class Client {
 public:
  virtual ~Client() = default;
  // Takes a message into the batch under way, and waits for room in the window. What comes in meanwhile may be told.
  virtual void send(const MessageNumber& number) = 0;
  // Sends what there is and takes what has come; where that is nothing, waits for it until `until_ns` (0: does not
  // wait) of the monotonic clock. False: nothing came.
  virtual bool work(uint64_t until_ns) = 0;
  // Messages that the broker has yet to confirm.
  virtual uint64_t unconfirmed() const = 0;
  // The broker's product and version.
  virtual std::string broker() const = 0;
  virtual void leave() = 0;
};

// Waits until the broker has registered the client. `receiver` outlives it.
std::unique_ptr<Client> make_client(Library library, const ClientOptions& options, Receiver& receiver);
std::unique_ptr<Client> make_raw_client(const ClientOptions& options, Receiver& receiver);
std::unique_ptr<Client> make_worker_client(const ClientOptions& options, Receiver& receiver);

}  // namespace signalbox::bench
