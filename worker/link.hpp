// The worker's door to ZeroMQ: one DEALER socket, frames out, frames in. worker/link.cpp alone includes ZeroMQ.
//
// The socket sets no routing id. ZMQ_IMMEDIATE keeps frames out of connections that do not stand yet; the receive queue
// is unlimited, since the prefetch bounds it and a socket that stopped reading would miss ZMTP heartbeats; the send
// queue is short, so that what cannot leave at once stays with the worker and grows into a batch.
//
// Bodies are lent: libzmq's I/O thread ends the loan once the bytes are with the kernel. The send window goes on
// filling the block behind what was lent of it, and uses it again once it is confirmed and no loan is left. Small
// bodies are copied, since a loan costs more than they do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "protocol/codes.hpp"
#include "protocol/keys.hpp"
#include "worker/lendable_bytes.hpp"

namespace signalbox {

// One frame as libzmq keeps it. Its bytes live as long as it does and is not moved.
class Frame {
 public:
  Frame();
  ~Frame();
  Frame(Frame&& other) noexcept;
  Frame& operator=(Frame&& other) noexcept;

  Bytes bytes() const;

 private:
  friend class WorkerLink;
  static constexpr size_t storage_bytes = 64;  // of a zmq_msg_t; link.cpp holds the two together
  alignas(void*) mutable unsigned char storage_[storage_bytes];
};

struct ReceivedFrames {
  Frame header;
  Frame body;
  uint32_t count = 0;  // of frames; 1: no body, more than 2: the surplus was read and dropped
};

// What a worker shows and expects where the broker wants keys; empty: a connection without. The secret is wiped when
// this goes.
struct LinkKeys {
  SecretKey own;
  std::string broker;  // its public key, 32 bytes
};

// Thread: one at a time; handing it over needs a full fence (as any ZeroMQ socket does).
// Owns:   the socket; the context too where none was given.
// Errors: the constructor throws std::runtime_error (an endpoint that is none, no descriptors left, keys and a libzmq
//         without CURVE); after that all are values.
// Bounds: send_frames_max in libzmq's send queue; what comes in is bounded by prefetch and send window.
// Tested by worker_test.cpp, cut_connections_test.cpp.
class WorkerLink {
 public:
  static constexpr int send_frames_max = 16;

  // `context` is a ZeroMQ context of the host, for inproc endpoints, or null: one of its own.
  WorkerLink(std::string endpoint, void* context, LinkKeys keys = {});
  ~WorkerLink();
  WorkerLink(const WorkerLink&) = delete;
  WorkerLink& operator=(const WorkerLink&) = delete;

  // Drops the connection with all that waits in it, and makes a new one. False: the host has no socket to give.
  [[nodiscard]] bool reopen();
  void close();

  // Hands one message to libzmq. False: it takes none now (nothing was sent), or the socket is closed.
  [[nodiscard]] bool send(Bytes header);
  [[nodiscard]] bool send(Bytes header, Bytes body, const LendableBytes& lender);  // REQUIRES: the body is the lender's

  // The next message, whole. False: none waits; `frames` is unchanged.
  [[nodiscard]] bool receive(ReceivedFrames& frames);

  // The connection that stood has broken since this was last asked (libzmq makes another by itself, which the broker
  // does not know). Tells nothing over inproc, and may miss what ends without a word; both show as silence.
  [[nodiscard]] bool connection_lost();

  // What has ended a handshake since this was last asked, in words for people; empty: nothing. `for_good`: libzmq does
  // not try again by itself. Ask it behind connection_lost(), which reads what there is of both.
  struct HandshakeFault {
    std::string text;
    bool for_good = false;
  };
  [[nodiscard]] HandshakeFault take_handshake_fault();

  // Waits for input, for room to send where `writable` asks for it, for a broken connection, for `descriptor` or one of
  // `others` to be readable or broken, for a signal or for the time to pass. True: `descriptor` is. Of the others, at
  // most others_max are looked at.
  static constexpr size_t others_max = 5;
  bool wait(int64_t timeout_ms, bool writable, int descriptor, std::span<const int> others = {});

 private:
  [[nodiscard]] bool open();
  bool set_keys();
  void watch();
  void note_handshake_fault(uint16_t event, uint32_t value);

  const std::string endpoint_;
  const LinkKeys keys_;
  HandshakeFault handshake_fault_;
  unsigned cut_handshakes_ = 0;  // of this socket, without a word of why
  void* context_;
  const bool owns_context_;
  void* socket_ = nullptr;
  void* monitor_ = nullptr;  // libzmq tells here when a connection breaks; null: it could not be had
};

}  // namespace signalbox
