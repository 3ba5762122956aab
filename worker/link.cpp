#include "worker/link.hpp"

#include <zmq.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#if defined(__SANITIZE_THREAD__)
#define SIGNALBOX_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALBOX_TSAN 1
#endif
#endif
#ifdef SIGNALBOX_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace signalbox {
namespace {

zmq_msg_t* message_at(unsigned char* storage) {
  return reinterpret_cast<zmq_msg_t*>(storage);
}

constexpr int watched_events = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;

constexpr unsigned cut_handshakes_told = 3;

// Up to this size copying costs no more than a loan (the broker's link has measured it).
constexpr size_t copied_body_bytes_max = 1024;

// One part, copied. False: EAGAIN, or a context that is shut down; nothing was sent.
bool send_part(void* socket, Bytes bytes, int flags) {
  int sent = 0;
  do {
    sent = zmq_send(socket, bytes.data(), bytes.size(), flags);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

// libzmq is not instrumented, so ThreadSanitizer cannot see that a loan is handed to it before its I/O thread ends it.
// This and its other half in end_loan() say so, and are nothing in every other build.
void announce_loan([[maybe_unused]] void* loan) {
#ifdef SIGNALBOX_TSAN
  __tsan_release(loan);
#endif
}

// Called by libzmq, on its I/O thread.
void end_loan(void*, void* loan) {
#ifdef SIGNALBOX_TSAN
  __tsan_acquire(loan);
#endif
  LendableBytes::end_loan(loan);
}

// The same without copying.
bool lend_part(void* socket, Bytes bytes, const LendableBytes& lender) {
  void* const loan = lender.lend();
  announce_loan(loan);
  zmq_msg_t part;
  if (zmq_msg_init_data(&part, const_cast<char*>(bytes.data()), bytes.size(), end_loan, loan) != 0) {
    LendableBytes::end_loan(loan);
    return false;
  }
  int sent = 0;
  do {
    sent = zmq_msg_send(&part, socket, ZMQ_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) zmq_msg_close(&part);
  return sent >= 0;
}

bool receive_part(void* socket, zmq_msg_t* message) {
  int received = 0;
  do {
    received = zmq_msg_recv(message, socket, ZMQ_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  return received >= 0;
}

}  // namespace

static_assert(sizeof(zmq_msg_t) == 64 && alignof(zmq_msg_t) <= alignof(void*), "Frame keeps a zmq_msg_t in place");

Frame::Frame() {
  zmq_msg_init(message_at(storage_));
}

Frame::~Frame() {
  zmq_msg_close(message_at(storage_));
}

Frame::Frame(Frame&& other) noexcept : Frame() {
  *this = std::move(other);
}

Frame& Frame::operator=(Frame&& other) noexcept {
  zmq_msg_move(message_at(storage_), message_at(other.storage_));
  return *this;
}

Bytes Frame::bytes() const {
  return {static_cast<const char*>(zmq_msg_data(message_at(storage_))), zmq_msg_size(message_at(storage_))};
}

WorkerLink::WorkerLink(std::string endpoint, void* context, LinkKeys keys)
    : endpoint_(std::move(endpoint)),
      keys_(std::move(keys)),
      context_(context != nullptr ? context : zmq_ctx_new()),
      owns_context_(context == nullptr) {
  const bool has_cipher = !keys_.own || zmq_has("curve") != 0;
  if (has_cipher && context_ != nullptr && open()) return;
  const std::string reason =
      has_cipher ? zmq_strerror(errno) : "keys were given, and this libzmq was built without CURVE (libsodium)";
  if (owns_context_ && context_ != nullptr) zmq_ctx_term(context_);
  throw std::runtime_error("cannot connect to '" + endpoint_ + "': " + reason);
}

WorkerLink::~WorkerLink() {
  close();
  if (owns_context_) zmq_ctx_term(context_);
}

bool WorkerLink::open() {
  cut_handshakes_ = 0;
  socket_ = zmq_socket(context_, ZMQ_DEALER);
  if (socket_ == nullptr) return false;
  const auto set = [this](int option, int value) { zmq_setsockopt(socket_, option, &value, sizeof value); };
  set(ZMQ_LINGER, 0);
  set(ZMQ_IMMEDIATE, 1);
  set(ZMQ_SNDHWM, send_frames_max);
  set(ZMQ_RCVHWM, 0);
  set(ZMQ_RECONNECT_IVL, 50);
  set(ZMQ_RECONNECT_IVL_MAX, 1000);
  watch();
  if (set_keys() && zmq_connect(socket_, endpoint_.c_str()) == 0) return true;
  const int reason = errno;
  close();
  errno = reason;
  return false;
}

// False: libzmq does not take them; errno says why.
bool WorkerLink::set_keys() {
  if (!keys_.own) return true;
  std::string secret = text_of_key(keys_.own.bytes());
  char own_public[key_characters + 1];
  const bool is_paired = zmq_curve_public(own_public, secret.c_str()) == 0;
  wipe(secret);
  const auto set = [this](int option, Bytes key) {
    return zmq_setsockopt(socket_, option, key.data(), key.size()) == 0;
  };
  return is_paired && set(ZMQ_CURVE_SERVERKEY, keys_.broker) && set(ZMQ_CURVE_SECRETKEY, keys_.own.bytes()) &&
         zmq_setsockopt(socket_, ZMQ_CURVE_PUBLICKEY, own_public, sizeof own_public) == 0;
}

bool WorkerLink::reopen() {
  close();
  return open();
}

void WorkerLink::close() {
  // The monitor's sender first: libzmq's I/O thread, which tells of a break, would wait for ever for a listener that
  // has gone, and no socket of this context would move again.
  if (socket_ != nullptr && monitor_ != nullptr) zmq_socket_monitor(socket_, nullptr, 0);
  if (socket_ != nullptr) zmq_close(std::exchange(socket_, nullptr));
  if (monitor_ != nullptr) zmq_close(std::exchange(monitor_, nullptr));
}

// Where it cannot be had the worker does without, and notices a broken connection by its silence.
void WorkerLink::watch() {
  static std::atomic<uint64_t> count{0};
  const std::string name = "inproc://signalbox-worker-" + std::to_string(count.fetch_add(1));
  if (zmq_socket_monitor(socket_, name.c_str(), watched_events) != 0) return;
  monitor_ = zmq_socket(context_, ZMQ_PAIR);
  const int none = 0;
  // No limit on what waits here, a few bytes for each break: libzmq's own thread would stand still at one.
  if (monitor_ != nullptr && zmq_setsockopt(monitor_, ZMQ_RCVHWM, &none, sizeof none) == 0 &&
      zmq_setsockopt(monitor_, ZMQ_LINGER, &none, sizeof none) == 0 && zmq_connect(monitor_, name.c_str()) == 0) {
    return;
  }
  zmq_socket_monitor(socket_, nullptr, 0);
  if (monitor_ != nullptr) zmq_close(std::exchange(monitor_, nullptr));
}

bool WorkerLink::connection_lost() {
  if (monitor_ == nullptr) return false;
  bool lost = false;
  Frame frame;
  for (bool is_first = true; receive_part(monitor_, message_at(frame.storage_));) {
    uint16_t event = 0;
    uint32_t value = 0;
    const Bytes bytes = frame.bytes();
    if (is_first && bytes.size() == sizeof event + sizeof value) {  // the endpoint follows, in a part of its own
      std::memcpy(&event, bytes.data(), sizeof event);
      std::memcpy(&value, bytes.data() + sizeof event, sizeof value);
      lost = lost || event == ZMQ_EVENT_DISCONNECTED;
      note_handshake_fault(event, value);
    }
    is_first = zmq_msg_more(message_at(frame.storage_)) == 0;
  }
  return lost;
}

// What libzmq lets its user know is little: whether the other side has refused the key, and whether the two wanted
// different mechanisms. A broker whose key is another one than was expected shows as a connection that ends.
void WorkerLink::note_handshake_fault(uint16_t event, uint32_t value) {
  switch (event) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      handshake_fault_ = {"the broker does not know this worker's key", true};
      return;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      if (value != ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        handshake_fault_ = {
            "the handshake failed" + std::string(keys_.own ? ": is the broker's key the right one?" : ""), true};
      } else {
        handshake_fault_ = {keys_.own ? "the broker there has no keys, and this worker was given some"
                                      : "the broker wants keys, and this worker has none",
                            true};
      }
      return;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      // Once may be chance: a broker that ends just now, or that hangs up before its word for it has been read.
      if (++cut_handshakes_ < cut_handshakes_told) return;
      handshake_fault_ = {keys_.own ? "the broker ends each handshake: is its key the one given here?"
                                    : "the broker ends each handshake: does it want keys?",
                          false};
      return;
    default:
      return;
  }
}

WorkerLink::HandshakeFault WorkerLink::take_handshake_fault() {
  return std::exchange(handshake_fault_, {});
}

bool WorkerLink::send(Bytes header) {
  return socket_ != nullptr && send_part(socket_, header, ZMQ_DONTWAIT);
}

bool WorkerLink::send(Bytes header, Bytes body, const LendableBytes& lender) {
  if (socket_ == nullptr || !send_part(socket_, header, ZMQ_DONTWAIT | ZMQ_SNDMORE)) return false;
  // libzmq refuses a message at its first part only. Where a connection breaks in between, the rest is swallowed with
  // what went before; the resume sends it again.
  return body.size() <= copied_body_bytes_max ? send_part(socket_, body, ZMQ_DONTWAIT)
                                              : lend_part(socket_, body, lender);
}

bool WorkerLink::receive(ReceivedFrames& frames) {
  if (socket_ == nullptr) return false;
  zmq_msg_t* header = message_at(frames.header.storage_);
  if (!receive_part(socket_, header)) return false;
  frames.count = 1;
  bool more = zmq_msg_more(header) != 0;
  while (more) {  // the parts of a message arrive together
    Frame surplus;
    zmq_msg_t* part = message_at(frames.count == 1 ? frames.body.storage_ : surplus.storage_);
    if (!receive_part(socket_, part)) break;
    ++frames.count;
    more = zmq_msg_more(part) != 0;
  }
  return true;
}

bool WorkerLink::wait(int64_t timeout_ms, bool writable, int descriptor, std::span<const int> others) {
  std::array<zmq_pollitem_t, 3 + others_max> items{};
  size_t count = 0;
  items[count++] = {nullptr, descriptor, ZMQ_POLLIN, 0};
  for (const int other : others.first(std::min(others.size(), others_max)))
    items[count++] = {nullptr, other, ZMQ_POLLIN, 0};
  const int events = writable ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN;
  if (socket_ != nullptr) items[count++] = {socket_, 0, static_cast<short>(events), 0};
  if (monitor_ != nullptr) items[count++] = {monitor_, 0, ZMQ_POLLIN, 0};
  const bool any = zmq_poll(items.data(), static_cast<int>(count), static_cast<long>(timeout_ms)) > 0;
  return any && items[0].revents != 0;
}

}  // namespace signalbox
