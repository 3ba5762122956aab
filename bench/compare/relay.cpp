// The floor: a thread that hands bytes from one TCP connection to another, 64 KiB at a time, and knows of no messages.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/compare/descriptor.hpp"
#include "bench/compare/peers.hpp"
#include "bench/end_to_end/conversation.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t buffer_bytes = 64 * 1024;
constexpr uint64_t messages_a_write = 64;

void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

int new_socket() {
  const int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(number >= 0, "socket");
  return number;
}

void send_at_once(int number) {
  const int on = 1;
  check(setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
}

void connect_to(const Descriptor& descriptor, uint16_t port) {
  const sockaddr_in address = loopback(port);
  check(connect(descriptor.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  send_at_once(descriptor.number());
}

void write_all(int number, const char* at, size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = ::send(number, at, bytes, MSG_NOSIGNAL);
    check(written > 0, "send");
    at += written;
    bytes -= static_cast<size_t>(written);
  }
}

size_t read_some(int number, char* at, size_t room) {
  const ssize_t read = recv(number, at, room, 0);
  check(read >= 0, "recv");
  return static_cast<size_t>(read);
}

class RelayProducer final : public PeerProducer {
 public:
  explicit RelayProducer(const PeerOptions& options) : socket_(new_socket()) { connect_to(socket_, options.port); }

  void send(const MessageSource& source, uint64_t first, uint64_t count) override {
    buffer_.resize(messages_a_write * source.message_bytes());
    for (const uint64_t upto = first + count; first < upto;) {
      const uint64_t messages = std::min(messages_a_write, upto - first);
      for (uint64_t i = 0; i < messages; ++i) source.write(buffer_.data() + i * source.message_bytes(), first + i);
      write_all(socket_.number(), buffer_.data(), messages * source.message_bytes());
      first += messages;
    }
  }
  void settle() override {}

 private:
  const Descriptor socket_;
  std::vector<char> buffer_;
};

class RelayConsumer final : public PeerConsumer {
 public:
  explicit RelayConsumer(const PeerOptions& options)
      : socket_(new_socket()), message_bytes_(options.message_bytes), buffer_(buffer_bytes) {
    connect_to(socket_, options.consumer_port);
  }

  void receive(MessageSink& sink) override {
    const size_t read = read_some(socket_.number(), buffer_.data() + held_, buffer_.size() - held_);
    if (read == 0) throw std::runtime_error("the relay has gone");
    held_ += read;
    size_t at = 0;
    for (; held_ - at >= message_bytes_; at += message_bytes_) sink.take({buffer_.data() + at, message_bytes_});
    held_ -= at;
    std::memmove(buffer_.data(), buffer_.data() + at, held_);
  }

 private:
  const Descriptor socket_;
  const size_t message_bytes_;
  std::vector<char> buffer_;
  size_t held_ = 0;  // bytes of a message that has not come whole
};

int listen_on(uint16_t port) {
  const int number = new_socket();
  const sockaddr_in address = loopback(port);
  const int on = 1;
  check(setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
  check(bind(number, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
  check(listen(number, 1) == 0, "listen");
  return number;
}

int run_relay(const PeerOptions& options) {
  const Descriptor in(listen_on(options.port));
  const Descriptor out(listen_on(options.consumer_port));
  say("ready");
  const Descriptor to(accept(out.number(), nullptr, nullptr));
  const Descriptor from(accept(in.number(), nullptr, nullptr));
  check(to.number() >= 0 && from.number() >= 0, "accept");
  send_at_once(to.number());
  std::vector<char> buffer(buffer_bytes);
  while (const size_t read = read_some(from.number(), buffer.data(), buffer.size()))
    write_all(to.number(), buffer.data(), read);
  return EXIT_SUCCESS;
}

}  // namespace

Peer relay_peer() {
  return {"relay", make_producer<RelayProducer>, make_consumer<RelayConsumer>, run_relay};
}

}  // namespace signalbox::bench
