#include "tests/torture/strangers.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <optional>
#include <variant>

#include "protocol/header.hpp"

namespace signalbox::torture {
namespace {

// The first 64 bytes of a ZMTP 3.1 connection without a mechanism.
std::string greeting() {
  std::string bytes("\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL", 16);
  bytes.resize(64, '\0');
  return bytes;
}

// A READY command of a DEALER.
std::string ready() {
  std::string body("\5READY\13Socket-Type\0\0\0\6DEALER", 6 + 12 + 4 + 6);
  return std::string("\4", 1) + static_cast<char>(body.size()) + body;
}

Hello hello(Role role, Bytes name, uint64_t version = 1) {
  Hello frame;
  frame.version = version;
  frame.role = role;
  frame.name = name;
  return frame;
}

constexpr std::string_view web_request =
    "GET /admin?q=../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n";

}  // namespace

Strangers::Strangers(uint16_t port, Scoreboard& scoreboard, uint64_t seed)
    : port_(port), scoreboard_(scoreboard), random_(seed), context_(zmq_ctx_new()) {}

Strangers::~Strangers() {
  end_all();
  zmq_ctx_term(context_);
}

void Strangers::send_some(const Configuration& configuration) {
  const uint64_t kind = below(6);
  for (uint64_t i = 1 + below(5); i > 0; --i) {
    ++sent_;
    switch (kind) {
      case 0:
        connect_bare(random_bytes(4096));
        break;
      case 1:
        connect_bare(std::string(web_request));
        break;
      case 2:  // hangs in the middle of the handshake
        connect_bare(greeting().substr(0, 1 + below(64)));
        break;
      case 3:  // whole handshake, then frames of nothing
        connect_bare(greeting() + ready() + random_bytes(512));
        break;
      default:
        connect_socket(configuration);
    }
    if (open_.size() <= open_max) continue;
    end(open_.front());
    open_.pop_front();
  }
}

std::string Strangers::random_bytes(size_t most) {
  std::string bytes(1 + below(most), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random_());
  return bytes;
}

void Strangers::connect_bare(const std::string& bytes) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // On loopback a connection that is not there at once fails, as it does where the broker is away.
  connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  [[maybe_unused]] const ssize_t sent = send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  open_.push_back({descriptor, nullptr, Clock::now() + std::chrono::milliseconds(below(4000))});
}

// By a ZeroMQ socket, without a key, with one that nobody knows, or with one that is for another name.
void Strangers::connect_socket(const Configuration& configuration) {
  void* const socket = zmq_socket(context_, ZMQ_DEALER);
  if (socket == nullptr) return;
  const int none = 0;
  zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
  if (!configuration.keys.empty()) {
    const uint64_t which = below(3);
    const KeyPair pair = which == 0 ? make_key_pair() : configuration.keys.at("guest");
    if (which < 2) {
      const std::string& server = configuration.keys.at("broker").public_key;
      zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server.c_str(), server.size() + 1);
      zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, pair.public_key.c_str(), pair.public_key.size() + 1);
      zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, pair.secret_key.c_str(), pair.secret_key.size() + 1);
    }
  }
  zmq_connect(socket, ("tcp://127.0.0.1:" + std::to_string(port_)).c_str());
  say_something_wrong(socket);
  open_.push_back({-1, socket, Clock::now() + std::chrono::milliseconds(200 + below(3000))});
}

void Strangers::say_something_wrong(void* socket) {
  std::string header;
  std::string body;
  switch (below(8)) {
    case 0:
      header = random_bytes(200);
      break;
    case 1:
      write(header, hello(Role::application, "archive", 2 + below(1000)));
      break;
    case 2:
      write(header, hello(Role::application, "nobody"));
      break;
    case 3:
      write(header, hello(Role::transport, "archive"));  // the other role
      break;
    case 4:
      write(header, hello(Role::application, "archive"));
      header.resize(1 + below(header.size() - 1));
      break;
    case 5:
      write(header, Send{1 + below(1000)});  // without a HELLO
      body = random_bytes(2000);
      break;
    case 6:
      write_ack(header, below(1000));
      break;
    default:
      write(header, Ping{});
  }
  for (uint64_t i = 1 + below(20); i > 0; --i) {
    zmq_send(socket, header.data(), header.size(), ZMQ_DONTWAIT | (body.empty() ? 0 : ZMQ_SNDMORE));
    if (!body.empty()) zmq_send(socket, body.data(), body.size(), ZMQ_DONTWAIT);
  }
}

void Strangers::look() {
  for (const Stranger& stranger : open_) listen_to(stranger);
  while (!open_.empty() && open_.front().until <= Clock::now()) {
    end(open_.front());
    open_.pop_front();
  }
}

void Strangers::listen_to(const Stranger& stranger) {
  if (stranger.socket == nullptr) return;
  std::string frame(4096, '\0');
  for (int size = 0; (size = zmq_recv(stranger.socket, frame.data(), frame.size(), ZMQ_DONTWAIT)) >= 0;) {
    const Bytes header(frame.data(), std::min(frame.size(), static_cast<size_t>(size)));
    const std::optional<BrokerFrame> answer = parse_broker_frame(header);
    if (answer && (std::holds_alternative<Welcome>(*answer) || std::holds_alternative<Deliver>(*answer)))
      scoreboard_.fault("a stranger was let in");
  }
}

void Strangers::end(const Stranger& stranger) {
  if (stranger.descriptor >= 0) close(stranger.descriptor);
  if (stranger.socket != nullptr) zmq_close(stranger.socket);
}

void Strangers::end_all() {
  for (const Stranger& stranger : open_) end(stranger);
  open_.clear();
}

}  // namespace signalbox::torture
