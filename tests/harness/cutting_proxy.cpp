#include "tests/harness/cutting_proxy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace signalbox::harness {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A socket bound to a port that the system chooses.
int bound_socket(uint16_t& port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) fail("socket");
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    fail("bind");
  port = ntohs(address.sin_port);
  return descriptor;
}

void signal_eventfd(int descriptor) {
  const uint64_t one = 1;
  if (write(descriptor, &one, sizeof one) != sizeof one) fail("eventfd");
}

void take_eventfd(int descriptor) {
  uint64_t count = 0;
  if (read(descriptor, &count, sizeof count) != sizeof count) fail("eventfd");
}

void close_by_reset(int& descriptor) {
  const linger at_once{1, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(std::exchange(descriptor, -1));
}

void close_in_order(int& descriptor) {
  if (descriptor >= 0) close(std::exchange(descriptor, -1));
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

std::string_view to_string(Cut how) {
  switch (how) {
    case Cut::reset:
      return "reset";
    case Cut::close:
      return "closed";
    case Cut::worker_side:
      return "reset at the worker's side";
    case Cut::broker_side:
      return "reset at the broker's side";
    case Cut::silent:
      return "swallowed both ways";
  }
  return {};
}

uint16_t free_port() {
  uint16_t port = 0;
  close(bound_socket(port));
  return port;
}

CuttingProxy::CuttingProxy(uint16_t broker_port)
    : broker_port_(broker_port),
      listener_(bound_socket(port_)),
      wake_(eventfd(0, EFD_CLOEXEC)),
      done_(eventfd(0, EFD_CLOEXEC)) {
  if (wake_ < 0 || done_ < 0) fail("eventfd");
  if (listen(listener_, 64) != 0) fail("listen");
  thread_ = std::thread([this] { run(); });
}

CuttingProxy::~CuttingProxy() {
  stopping_ = true;
  signal_eventfd(wake_);
  thread_.join();
  for (Connection& connection : connections_) {
    close_in_order(connection.worker);
    close_in_order(connection.broker);
  }
  for (const int descriptor : {listener_, wake_, done_}) close(descriptor);
}

size_t CuttingProxy::cut(Cut how) {
  asked_ = how;
  signal_eventfd(wake_);
  take_eventfd(done_);
  return answer_;
}

void CuttingProxy::run() {
  std::vector<pollfd> items;
  while (!stopping_) {
    items.assign({{wake_, POLLIN, 0}, {listener_, POLLIN, 0}});
    // A descriptor of -1 is passed over by poll.
    for (const Connection& connection : connections_) {
      const auto events = [](const Buffer& in, const Buffer& out) {
        return static_cast<short>((in.has_room() ? POLLIN : 0) | (out.empty() ? 0 : POLLOUT));
      };
      items.push_back({connection.worker, events(connection.to_broker, connection.to_worker), 0});
      items.push_back({connection.broker, events(connection.to_worker, connection.to_broker), 0});
    }
    if (poll(items.data(), items.size(), -1) < 0 && errno != EINTR) fail("poll");
    for (size_t i = 0; i < connections_.size(); ++i)
      move(connections_[i], items[2 + 2 * i].revents, items[3 + 2 * i].revents);
    std::erase_if(connections_, [](const Connection& each) { return each.worker < 0 && each.broker < 0; });
    if ((items[1].revents & POLLIN) != 0) accept_one();
    if ((items[0].revents & POLLIN) != 0) do_cut();
  }
}

void CuttingProxy::accept_one() {
  Connection connection;
  connection.worker = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (connection.worker < 0) return;
  connection.broker = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(broker_port_);
  // On loopback the answer is there at once.
  if (connection.broker < 0 ||
      connect(connection.broker, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close_in_order(connection.worker);
    close_in_order(connection.broker);
    return;
  }
  const int yes = 1;
  for (const int descriptor : {connection.worker, connection.broker})
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  fcntl(connection.broker, F_SETFL, fcntl(connection.broker, F_GETFL) | O_NONBLOCK);
  connections_.push_back(std::move(connection));
}

void CuttingProxy::do_cut() {
  take_eventfd(wake_);
  if (!asked_) return;
  answer_ = 0;
  for (Connection& connection : connections_) {
    if (connection.whole()) {
      ++answer_;
      strike(connection, *asked_);
    } else {
      close_in_order(connection.worker);
      close_in_order(connection.broker);
    }
  }
  asked_.reset();
  signal_eventfd(done_);
}

void CuttingProxy::strike(Connection& connection, Cut how) {
  switch (how) {
    case Cut::reset:
      close_by_reset(connection.worker);
      close_by_reset(connection.broker);
      break;
    case Cut::close:
      close_in_order(connection.worker);
      close_in_order(connection.broker);
      break;
    case Cut::worker_side:
      close_by_reset(connection.worker);
      break;
    case Cut::broker_side:
      close_by_reset(connection.broker);
      break;
    case Cut::silent:
      connection.is_silent = true;
      connection.to_worker = {};
      connection.to_broker = {};
      break;
  }
}

// Moves what there is. The end of one side of a whole connection is passed on to the other.
void CuttingProxy::move(Connection& connection, short worker_events, short broker_events) {
  constexpr short readable = POLLIN | POLLHUP | POLLERR;
  const bool whole = connection.whole();
  bool worker_stands = connection.worker >= 0;
  bool broker_stands = connection.broker >= 0;
  if ((worker_events & readable) != 0)
    worker_stands = read_into(connection.worker, connection.to_broker, broker_stands && !connection.is_silent);
  if ((broker_events & readable) != 0)
    broker_stands =
        read_into(connection.broker, connection.to_worker, worker_stands && !connection.is_silent) && broker_stands;
  if (worker_stands) worker_stands = write_from(connection.to_worker, connection.worker);
  if (broker_stands) broker_stands = write_from(connection.to_broker, connection.broker);
  if (!worker_stands || (whole && !broker_stands)) close_in_order(connection.worker);
  if (!broker_stands || (whole && !worker_stands)) close_in_order(connection.broker);
}

// False: this side has ended.
bool CuttingProxy::read_into(int from, Buffer& buffer, bool keep) {
  char bytes[64 * 1024];
  const ssize_t got = recv(from, bytes, sizeof bytes, 0);
  if (got < 0) return would_block();
  if (got > 0 && keep) buffer.bytes.insert(buffer.bytes.end(), bytes, bytes + got);
  return got > 0;
}

bool CuttingProxy::write_from(Buffer& buffer, int to) {
  if (buffer.empty()) return true;
  const ssize_t sent = send(to, buffer.bytes.data() + buffer.sent, buffer.bytes.size() - buffer.sent, MSG_NOSIGNAL);
  if (sent < 0) return would_block();
  buffer.sent += static_cast<size_t>(sent);
  if (buffer.empty()) {
    buffer.bytes.clear();
    buffer.sent = 0;
  }
  return true;
}

}  // namespace signalbox::harness
