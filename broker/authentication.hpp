// Who may connect: CURVE on the broker's socket, and the handler that libzmq asks about each key (ZAP).
//
// libzmq does the cipher: a peer that does not have the secret of the public key that it shows never gets so far that
// anyone is asked. Then libzmq asks the handler, at inproc://zeromq.zap.01 of the same context, and a key that the
// configuration does not list is refused in the handshake, before a byte of the peer's reaches the link. libzmq lets
// everybody in where no handler is bound, so it is bound before the link's socket is, the socket insists on an answer
// (ZAP's "enforce domain"), and the link tries an unknown key on itself before it listens.
//
// The handler has a thread of its own, because a handshake must not wait for the broker's loop, nor a flood of unknown
// keys take that loop's time. What a listed key may register as is not decided here but in the core: libzmq passes the
// key on with each message (User-Id), as Z85, since what it hands out ends at a zero byte.
//
// Thread:  the constructor and stop() one; refuse_all_but() and refused() any.
// Owns:    the handler's socket and thread. Not the context.
// Errors:  LinkError from the constructor: no CURVE in this libzmq, or a handler of somebody else's in the context.
// Bounds:  one question at a time; parts of a question past those that ZAP has are dropped.
// Tested by tests/authentication.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "protocol/keys.hpp"

namespace signalbox {

struct KeyPair {
  std::string public_key;  // as text, Z85
  std::string secret_key;
};

// A new pair. Throws LinkError where this libzmq has no CURVE.
[[nodiscard]] KeyPair make_key_pair();

// The public key, 32 bytes, of a secret one. Throws LinkError likewise.
[[nodiscard]] std::string public_key_of(const SecretKey& secret);

class Authentication {
 public:
  // Listens for libzmq's questions in `context` (as zmq_ctx_new returns it), and answers them. `allowed`: keys, 32
  // bytes each.
  Authentication(void* context, const std::vector<std::string>& allowed);
  ~Authentication();
  Authentication(const Authentication&) = delete;
  Authentication& operator=(const Authentication&) = delete;

  // From now on these keys get in. Who is in stays in.
  void refuse_all_but(const std::vector<std::string>& allowed);

  // Puts CURVE and the handler before a socket (void* as zmq_socket returns it) that is not bound yet.
  void protect(void* socket, const SecretKey& secret) const;

  // Binds the protected socket where only this process knows, tries to get in with a key that nobody knows, and lets go
  // again. Throws LinkError where that is not refused, or not within probe_ms.
  static constexpr int probe_ms = 10'000;
  void prove_refusal(void* socket, const SecretKey& secret) const;

  // Handshakes refused by the handler so far.
  uint64_t refused() const;

  // Ends the thread and closes the socket. From then on libzmq refuses everybody.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace signalbox
