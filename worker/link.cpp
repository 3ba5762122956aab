#include "worker/link.hpp"

#include <zmq.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace signalbox {
namespace {

zmq_msg_t* message_at(unsigned char* storage) {
  return reinterpret_cast<zmq_msg_t*>(storage);
}

// One part, copied. False: EAGAIN, or a context that is shut down; nothing was sent.
bool send_part(void* socket, Bytes bytes, int flags) {
  int sent = 0;
  do {
    sent = zmq_send(socket, bytes.data(), bytes.size(), flags);
  } while (sent < 0 && errno == EINTR);
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

WorkerLink::WorkerLink(std::string endpoint, void* context)
    : endpoint_(std::move(endpoint)),
      context_(context != nullptr ? context : zmq_ctx_new()),
      owns_context_(context == nullptr) {
  if (context_ != nullptr && open()) return;
  const std::string reason = zmq_strerror(errno);
  if (owns_context_ && context_ != nullptr) zmq_ctx_term(context_);
  throw std::runtime_error("cannot connect to '" + endpoint_ + "': " + reason);
}

WorkerLink::~WorkerLink() {
  close();
  if (owns_context_) zmq_ctx_term(context_);
}

bool WorkerLink::open() {
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
  if (zmq_connect(socket_, endpoint_.c_str()) == 0) return true;
  const int reason = errno;
  close();
  errno = reason;
  return false;
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
  if (zmq_socket_monitor(socket_, name.c_str(), ZMQ_EVENT_DISCONNECTED) != 0) return;
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
  while (receive_part(monitor_, message_at(frame.storage_))) lost = true;  // it tells of nothing else
  return lost;
}

bool WorkerLink::send(Bytes header) {
  return socket_ != nullptr && send_part(socket_, header, ZMQ_DONTWAIT);
}

bool WorkerLink::send(Bytes header, Bytes body) {
  if (socket_ == nullptr || !send_part(socket_, header, ZMQ_DONTWAIT | ZMQ_SNDMORE)) return false;
  // libzmq refuses a message at its first part only. Where a connection breaks in between, the rest is swallowed with
  // what went before; the resume sends it again.
  return send_part(socket_, body, ZMQ_DONTWAIT);
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
