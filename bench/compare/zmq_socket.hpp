// A ZeroMQ socket with the high-water marks and the patience that all ZeroMQ rows of the table share.
//
// Thread: one. Errors: silence past the patience, and what cppzmq throws.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <zmq.hpp>

#include "bench/compare/peer.hpp"

namespace signalbox::bench {

inline std::string_view bytes_of(const zmq::message_t& message) {
  return {message.data<char>(), message.size()};
}

class ZmqSocket {
 public:
  explicit ZmqSocket(zmq::socket_type type, std::string_view routing_id = {}) : socket_(context_, type) {
    socket_.set(zmq::sockopt::sndhwm, 1000);
    socket_.set(zmq::sockopt::rcvhwm, 1000);
    socket_.set(zmq::sockopt::linger, 1000);
    socket_.set(zmq::sockopt::rcvtimeo, patience_ms);
    socket_.set(zmq::sockopt::sndtimeo, patience_ms);
    if (!routing_id.empty()) socket_.set(zmq::sockopt::routing_id, std::string(routing_id));
  }
  void connect(uint16_t port) { socket_.connect("tcp://127.0.0.1:" + std::to_string(port)); }
  void bind(uint16_t port) { socket_.bind("tcp://127.0.0.1:" + std::to_string(port)); }

  // False: nothing is there, and `wait` was false.
  bool receive(zmq::message_t& message, bool wait) {
    const auto received = socket_.recv(message, wait ? zmq::recv_flags::none : zmq::recv_flags::dontwait);
    if (!received && wait) throw std::runtime_error("nothing came for too long");
    return received.has_value();
  }
  void send(zmq::message_t& message, bool more = false) {
    if (!socket_.send(message, more ? zmq::send_flags::sndmore : zmq::send_flags::none))
      throw std::runtime_error("nothing could be sent for too long");
  }
  void send(std::string_view bytes, bool more = false) {
    zmq::message_t message(bytes.data(), bytes.size());
    send(message, more);
  }
  zmq::socket_t& handle() { return socket_; }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

}  // namespace signalbox::bench
