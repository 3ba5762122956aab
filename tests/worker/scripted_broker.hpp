// The other side of a worker under test: a bare ROUTER socket that does what the test says, and nothing else. Both run
// on the test's thread; a step works the worker until what is awaited has happened, or a deadline has passed.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "protocol/header.hpp"
#include "protocol/message_view.hpp"
#include "worker/worker.hpp"

namespace signalbox::test {

// Long enough for the slowest machine and sanitizer; a test that passes never waits for it.
inline constexpr std::chrono::milliseconds patience{30'000};

// Works the worker until `done`, at most for `limit`.
inline bool work_until(Worker& worker, const std::function<bool()>& done, std::chrono::milliseconds limit = patience) {
  const auto deadline = Worker::Clock::now() + limit;
  while (!done()) {
    if (Worker::Clock::now() >= deadline) return false;
    if (worker.do_work() == 0) worker.wait(std::chrono::milliseconds(1));
  }
  return true;
}

// What the worker sent. The frame borrows from the header.
struct FromWorker {
  std::string peer;
  std::string header;
  std::string body;
  size_t frames = 0;

  template <class Frame>
  std::optional<Frame> as() const {
    const auto parsed = parse_worker_frame(header, limits::max_prefetch);
    if (!parsed || !std::holds_alternative<Frame>(*parsed)) return {};
    return std::get<Frame>(*parsed);
  }
};

// Thread: the test's.
class ScriptedBroker {
 public:
  ScriptedBroker() { listen("tcp://127.0.0.1:*"); }

  const std::string& endpoint() const { return endpoint_; }

  // What the next WELCOMEs announce.
  Limits limits{.heartbeat_ms = 5000,
                .max_message_bytes = 1 << 20,
                .max_batch_bytes = 4 << 20,
                .send_window = 16384,
                .send_window_bytes = 16 << 20,
                .max_prefetch = 65536,
                .durable = false,
                .broker = "scripted"};

  // The next message from any worker, if one is there.
  std::optional<FromWorker> poll() {
    zmq::message_t part;
    if (!socket_.recv(part, zmq::recv_flags::dontwait)) return {};
    FromWorker message;
    message.peer = part.to_string();
    while (part.more() && socket_.recv(part)) {
      if (message.frames == 0) message.header = part.to_string();
      if (message.frames == 1) message.body = part.to_string();
      ++message.frames;
    }
    peer_ = message.peer;
    return message;
  }

  // Works the worker until the next message of this kind has come. Any other kind on the way is a failure of the test.
  template <class Frame>
  std::optional<FromWorker> expect(Worker& worker, std::chrono::milliseconds limit = patience) {
    std::optional<FromWorker> message;
    if (!work_until(
            worker, [&] { return (message = poll()).has_value(); }, limit))
      return {};
    if (!message->as<Frame>()) {
      ADD_FAILURE() << "another frame came first, its header: " << testing::PrintToString(message->header);
      return {};
    }
    return message;
  }

  // To the worker that was heard last.
  template <class Frame>
  void send(const Frame& frame, const std::string& body = {}) {
    std::string header;
    write(header, frame);
    socket_.send(zmq::buffer(peer_), zmq::send_flags::sndmore);
    socket_.send(zmq::buffer(header), body.empty() ? zmq::send_flags::none : zmq::send_flags::sndmore);
    if (!body.empty()) socket_.send(zmq::buffer(body), zmq::send_flags::none);
  }
  void error(ErrorCode code, Bytes text = {}) { send(ErrorFrame{to_string(code), text}); }

  // Takes the HELLO that is due and answers it. False: none came.
  bool welcome(Worker& worker, Seq last_seq = 0) {
    const auto hello = expect<Hello>(worker);
    if (!hello) return false;
    const uint64_t before = worker.registrations();
    send(Welcome{1, hello->as<Hello>()->session, last_seq, limits});
    return work_until(worker, [&] { return worker.registrations() > before; });
  }

  // As a broker that crashed and came back: every connection is lost, and the same endpoint listens again.
  void restart() {
    socket_.close();
    const auto deadline = Worker::Clock::now() + patience;
    for (;;) {
      try {
        return listen(endpoint_);
      } catch (const zmq::error_t&) {  // the port is given free by libzmq's own thread, a moment later
        if (Worker::Clock::now() >= deadline) throw;
      }
    }
  }

 private:
  void listen(const std::string& endpoint) {
    socket_ = zmq::socket_t(context_, zmq::socket_type::router);
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::router_mandatory, true);
    socket_.bind(endpoint);
    endpoint_ = socket_.get(zmq::sockopt::last_endpoint);
  }

  zmq::context_t context_;
  zmq::socket_t socket_;
  std::string endpoint_;
  std::string peer_;
};

// A small message that says its number: {"n": "<number>"}.
inline std::string numbered(uint64_t number) {
  const std::string text = std::to_string(number);
  return "\x81\xa1n" + std::string(1, static_cast<char>(0xa0 + text.size())) + text;
}

// The messages of a batch, one by one.
inline std::vector<std::string> split(Bytes body) {
  std::vector<std::string> messages;
  while (!body.empty()) {
    const auto bytes = map_bytes(body);
    if (!bytes) {
      ADD_FAILURE() << "a broken batch";
      break;
    }
    messages.emplace_back(body.substr(0, *bytes));
    body.remove_prefix(*bytes);
  }
  return messages;
}

inline std::string numbered(uint64_t first, uint64_t last) {
  std::string batch;
  for (uint64_t number = first; number <= last; ++number) batch += numbered(number);
  return batch;
}

// A worker's test: a scripted broker, and steps that several share.
class WorkerTest : public testing::Test {
 protected:
  WorkerOptions options(Role role = Role::application) {
    WorkerOptions result;
    result.role = role;
    result.name = "my_worker";
    result.endpoint = broker.endpoint();
    result.backoff_ms_min = 20;
    result.backoff_ms_max = 80;
    return result;
  }
  // Works the worker until it has taken in everything that the broker sent: a PING's answer says so.
  void settle(Worker& worker) {
    broker.send(Ping{});
    ASSERT_TRUE(broker.expect<Pong>(worker));
  }

  // Waits for the ACK of `upto`. A slow run may acknowledge a batch in several steps, each further than the last.
  testing::AssertionResult acknowledges(Worker& worker, Seq upto) {
    Seq before = 0;
    while (const auto ack = broker.expect<Ack>(worker)) {
      const Seq now = ack->as<Ack>()->upto;
      if (now == upto) return testing::AssertionSuccess();
      if (now > upto || now <= before) return testing::AssertionFailure() << "ACK " << now << " after " << before;
      before = now;
    }
    return testing::AssertionFailure() << "no ACK";
  }

  ScriptedBroker broker;
};

}  // namespace signalbox::test
