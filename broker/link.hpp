// The broker's ROUTER socket: with authentication.hpp, which it puts before it where there are keys, the only place in
// broker/ that knows ZeroMQ.
//
// In come frames, one ZeroMQ message at a time, borrowed until the next is asked for; out go the core's frames, without
// ever waiting. A connection is named by the four bytes of the routing id that libzmq made for it (five bytes, the
// first zero). A peer that claimed a routing id of its own never reaches the core: its HELLO is answered with ERROR
// not_permitted, and the rest of what it says is ignored (protocol page, section 1).
//
// Bodies leave by reference: libzmq's I/O thread drops the run once the bytes are with the kernel. Small ones are
// copied, since a reference costs more than they do. So is everything where the context is not ours: a peer over inproc
// may hold what it received for as long as it likes, longer than the broker lives, and a copy pins no block of a queue.
//
// Thread:  one at a time, the one that runs the broker's loop. The constructor may run on another.
// Owns:    the socket, and the context unless one was handed in.
// Errors:  while starting up LinkError; later every outcome is a value.
// Bounds:  max_batch_bytes and limits::oversize_grace_bytes for one frame; foreign_answers_max.
// Tested by tests/broker/link_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/core/output.hpp"
#include "broker/core/owned_bytes.hpp"
#include "protocol/keys.hpp"

namespace signalbox {

// An endpoint that cannot be bound, or a context that cannot be used; what() is a line for people.
class LinkError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct LinkSettings {
  std::vector<std::string> endpoints;  // tcp://, ipc:// or inproc://; none: there is no socket, and nobody comes
  uint64_t max_batch_bytes = limits::max_batch_bytes;
  SecretKey secret_key = {};                // the broker's; with one, nobody gets in without a key of his own,
  std::vector<std::string> peer_keys = {};  // and that is one of these, 32 bytes each. Save for inproc, which is within
};

// One message as it came in. The bytes are the link's, and stay until the next receive() or close().
struct Received {
  ConnectionId from = 0;
  Bytes header;
  Bytes body;
  Bytes peer_key;    // the key that the peer has shown, 32 bytes; own_process_key over inproc; empty: there are no keys
  size_t parts = 0;  // behind the routing id. Where it is over 2 there are more than a message has, perhaps even more
  size_t bytes = 0;  // of all parts read, for whoever bounds a turn
};

enum class Receipt : uint8_t {
  nothing,  // the input at hand is used up
  frame,    // for the core
  ignored,  // something was read that the core need not see; ask again
};

// What the link has counted. Each has a row in docs/counters.md.
struct LinkCounters {
  uint64_t frames_received = 0;  // handed to the core
  uint64_t bytes_received = 0;
  uint64_t frames_sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t blocked = 0;          // sends that found no room
  uint64_t foreign_frames = 0;   // from peers that claimed a routing id
  uint64_t foreign_answers = 0;  // ERROR not_permitted sent to them
  uint64_t surplus_parts = 0;    // parts past the second, dropped
  uint64_t refused_keys = 0;     // handshakes with a key that is not listed; as of the last receive()
};

class Link final : public Output {
 public:
  // Binds every endpoint or throws; with keys, after it has seen an unknown one refused. `context` is a ZeroMQ context
  // (void* as zmq_ctx_new returns it) that others share, for inproc endpoints; it must outlive the link. Null: one of
  // our own.
  explicit Link(const LinkSettings& settings, void* context = nullptr);
  ~Link() override;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // The next message that is at hand. A message of very many parts is read over several calls, so that each is bounded.
  [[nodiscard]] Receipt receive(Received& received, uint64_t now_ms);
  // The body of what was received last, for keeps.
  [[nodiscard]] OwnedBytes take_body();

  Result send(ConnectionId to, Bytes header, Run body) override;

  // Waits until a message is at hand or one of the descriptors is readable, at most `timeout_ms`. True: `other_fd` (-1:
  // none) is.
  bool wait(uint64_t timeout_ms, int other_fd, std::initializer_list<int> wake_fds = {});

  // For a loop that waits by itself. A message is at hand; also reads what libzmq has been told meanwhile, so that fd()
  // is readable from then on when there is news.
  [[nodiscard]] bool has_input();
  // Readable when there may be a message; -1 where there is no socket. See has_input().
  int fd() const;

  // A send has found no room since this was asked last.
  [[nodiscard]] bool take_blocked();

  // From now on these are the keys that get in; who is in stays in, and is the core's to end. REQUIRES: the link was
  // made with a secret key, or has no socket.
  void set_peer_keys(const std::vector<std::string>& peer_keys);

  // Closes the socket, once. What was sent gets `linger_ms` to leave; with a context of our own this waits for that,
  // and afterwards no run is under way.
  void close(uint64_t linger_ms);

  // The endpoints as bound: a port or path that was left to the system is known here.
  const std::vector<std::string>& endpoints() const { return endpoints_; }
  const LinkCounters& counters() const { return counters_; }

  // The version of libzmq in use, "4.3.4".
  static std::string library_version();

 private:
  struct State;

  void bind(const std::string& endpoint);
  Receipt skip(Received& received);
  void answer_foreign(Bytes header, uint64_t now_ms);

  std::unique_ptr<State> state_;
  std::vector<std::string> endpoints_;
  LinkCounters counters_;
  bool blocked_ = false;
};

}  // namespace signalbox
