// What the tests round the core share: a broker in a thread, a peer that is a bare DEALER socket, and deadlines.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <msgpack.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "broker/broker.hpp"
#include "broker/configuration.hpp"
#include "broker/log.hpp"
#include "broker/stop_signal.hpp"
#include "protocol/header.hpp"
#include "routers/registry.hpp"

namespace signalbox::test {

using Clock = std::chrono::steady_clock;
// Long enough for the slowest machine and sanitizer; a test that passes never waits for it.
inline constexpr std::chrono::milliseconds patience{30'000};

inline int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

// A path below the tests' own folder that no other test has.
inline std::string unique_path(const std::string& suffix) {
  static int count = 0;
  return testing::TempDir() + "signalbox_" + std::to_string(getpid()) + "_" + std::to_string(++count) + suffix;
}

template <class Frame>
std::string encode(const Frame& frame) {
  std::string out;
  write(out, frame);
  return out;
}

inline std::string ack(Seq upto) {
  std::string out;
  write_ack(out, upto);
  return out;
}

inline Hello hello(Role role, std::string_view name, uint64_t prefetch = 1000) {
  Hello frame;
  frame.role = role;
  frame.name = name;
  frame.prefetch = prefetch;
  return frame;
}

// A vumi user message with the fields that the broker reads, as a map.
inline std::string user_message(std::string_view id, std::string_view content, std::string_view transport = {},
                                std::string_view in_reply_to = {}) {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> packer(buffer);
  const auto text = [&packer](std::string_view value) {
    packer.pack_str(static_cast<uint32_t>(value.size()));
    packer.pack_str_body(value.data(), static_cast<uint32_t>(value.size()));
  };
  const auto text_or_nil = [&](std::string_view value) {
    if (value.empty())
      packer.pack_nil();
    else
      text(value);
  };
  packer.pack_map(5);
  text("message_type");
  text("user_message");
  text("message_id");
  text(id);
  text("content");
  text(content);
  text("transport_name");
  text_or_nil(transport);
  text("in_reply_to");
  text_or_nil(in_reply_to);
  return {buffer.data(), buffer.size()};
}

// One message from the broker. The frame borrows from the header, so it is parsed where it is wanted.
struct Got {
  std::string header;
  std::string body;

  std::optional<BrokerFrame> frame() const { return parse_broker_frame(header); }
  template <class Frame>
  std::optional<Frame> as() const {
    const auto parsed = frame();
    if (!parsed || !std::holds_alternative<Frame>(*parsed)) return {};
    return std::get<Frame>(*parsed);
  }
  // The code, if this is an ERROR.
  std::string error() const {
    const auto parsed = as<ErrorFrame>();
    return parsed ? std::string(parsed->code) : std::string();
  }
};

// A bare DEALER socket. Thread: one.
class Peer {
 public:
  Peer(zmq::context_t& context, const std::string& endpoint, const std::string& routing_id = {},
       const std::function<void(zmq::socket_t&)>& options = {})
      : socket_(context, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::ipv6, endpoint.find('[') != std::string::npos);
    if (!routing_id.empty()) socket_.set(zmq::sockopt::routing_id, routing_id);
    if (options) options(socket_);
    socket_.connect(endpoint);
  }

  // False: there was no room for a whole `patience`.
  bool send(const std::vector<std::string>& parts) {
    socket_.set(zmq::sockopt::sndtimeo, static_cast<int>(patience.count()));
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto flags = i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
      if (!socket_.send(zmq::buffer(parts[i]), flags)) return false;
    }
    return true;
  }

  // The next message of whatever kind; empty when the deadline has passed.
  std::optional<Got> receive(Clock::time_point deadline) {
    zmq::message_t part;
    socket_.set(zmq::sockopt::rcvtimeo, milliseconds_until(deadline));
    if (!socket_.recv(part)) return {};
    Got got;
    got.header = part.to_string();
    for (bool first = true; part.more(); first = false) {
      if (!socket_.recv(part)) return {};
      if (first) got.body = part.to_string();
    }
    return got;
  }
  std::optional<Got> receive() { return receive(Clock::now() + patience); }

  // The next message of this kind. PINGs on the way are answered; anything else on the way is skipped.
  template <class Frame>
  std::optional<Got> receive_a(Clock::time_point deadline) {
    while (auto got = receive(deadline)) {
      if (got->as<Frame>()) return got;
      if (got->as<Ping>()) send({encode(Pong{})});
    }
    return {};
  }
  template <class Frame>
  std::optional<Got> receive_a() {
    return receive_a<Frame>(Clock::now() + patience);
  }

  // HELLO, and wait for WELCOME.
  bool register_as(Role role, std::string_view name, uint64_t prefetch = 1000) {
    return send({encode(hello(role, name, prefetch))}) && receive_a<Welcome>().has_value();
  }

  zmq::socket_t& socket() { return socket_; }

 private:
  zmq::socket_t socket_;
};

// The seed example, on the given endpoints.
inline std::string configuration_text(const std::vector<std::string>& endpoints, const std::string& broker_keys = {},
                                      const std::string& rest = {}) {
  std::string list;
  for (const std::string& endpoint : endpoints) list += (list.empty() ? "\"" : ", \"") + endpoint + "\"";
  return "router_class = \"SimpleDispatchRouter\"\n"
         "transport_names = [\"smpp_transport\", \"xmpp_transport\"]\n"
         "exposed_names = [\"my_application\", \"other_application\"]\n"
         "[routing_mappings]\n"
         "smpp_transport = \"my_application\"\n"
         "xmpp_transport = \"other_application\"\n"
         "[broker]\n"
         "routing_memory_bytes = 1048576\n"
         "endpoints = [" +
         list + "]\n" + broker_keys + "\n" + rest;
}

inline Configuration configuration(const std::string& text) {
  const RouterRegistry registry;
  ConfigurationResult result = read_configuration(text, registry);
  for (const Fault& fault : result.faults) ADD_FAILURE() << to_line("test.toml", fault);
  if (result.configuration == nullptr) throw std::runtime_error("the test's configuration has faults");
  return std::move(*result.configuration);
}

// A broker that runs in a thread of its own until stop() or the end of the test.
class RunningBroker {
 public:
  explicit RunningBroker(const std::string& text, void* context = nullptr)
      : broker_(configuration(text), context), thread_([this] { ending_ = broker_.run(stop_); }) {}
  ~RunningBroker() {
    stop_.request();
    stop_.request();
    join();
  }

  const std::string& endpoint(size_t i = 0) const { return broker_.endpoints().at(i); }
  void request_stop() { stop_.request(); }
  // Waits for the end; call request_stop() before.
  const Ending& join() {
    if (thread_.joinable()) thread_.join();
    return ending_;
  }
  // Once joined.
  const Broker& broker() const { return broker_; }

 private:
  StopSignal stop_;
  Ending ending_;
  Broker broker_;
  std::thread thread_;
};

}  // namespace signalbox::test
