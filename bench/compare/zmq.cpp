// What libzmq does by itself, without a broker: zmq_proxy between PUSH and PULL, and the least program that forwards by
// name, DEALER to ROUTER to DEALER. One message a ZeroMQ message; nothing is confirmed, and a full pipe holds up the
// sender.
#include <cstdlib>
#include <string>
#include <unordered_map>

#include "bench/compare/peers.hpp"
#include "bench/compare/zmq_socket.hpp"
#include "bench/end_to_end/conversation.hpp"

namespace signalbox::bench {
namespace {

constexpr std::string_view producer_id = "producer";
constexpr std::string_view consumer_id = "consumer";

class ZmqProducer : public PeerProducer {
 public:
  ZmqProducer(const PeerOptions& options, zmq::socket_type type) : socket_(type, producer_id) {
    socket_.connect(options.port);
  }
  void send(const MessageSource& source, uint64_t first, uint64_t count) override {
    for (uint64_t number = first; number < first + count; ++number) {
      zmq::message_t message(source.message_bytes());
      source.write(message.data<char>(), number);
      socket_.send(message);
    }
  }
  void settle() override {}

 private:
  ZmqSocket socket_;
};

class ZmqConsumer : public PeerConsumer {
 public:
  ZmqConsumer(const PeerOptions& options, zmq::socket_type type) : socket_(type, consumer_id) {
    socket_.connect(options.consumer_port);
  }
  void receive(MessageSink& sink) override {
    socket_.receive(message_, true);
    sink.take(bytes_of(message_));
  }

 protected:
  ZmqSocket socket_;

 private:
  zmq::message_t message_;
};

struct PushProducer final : ZmqProducer {
  explicit PushProducer(const PeerOptions& options) : ZmqProducer(options, zmq::socket_type::push) {}
};
struct PullConsumer final : ZmqConsumer {
  explicit PullConsumer(const PeerOptions& options) : ZmqConsumer(options, zmq::socket_type::pull) {}
};
struct DealerProducer final : ZmqProducer {
  explicit DealerProducer(const PeerOptions& options) : ZmqProducer(options, zmq::socket_type::dealer) {}
};
struct DealerConsumer final : ZmqConsumer {
  // Known to the forwarder once its own first message has come back.
  explicit DealerConsumer(const PeerOptions& options) : ZmqConsumer(options, zmq::socket_type::dealer) {
    socket_.send("here");
    zmq::message_t echo;
    socket_.receive(echo, true);
  }
};

int run_zmq_proxy(const PeerOptions& options) {
  ZmqSocket in(zmq::socket_type::pull);
  ZmqSocket out(zmq::socket_type::push);
  for (ZmqSocket* socket : {&in, &out}) {
    socket->handle().set(zmq::sockopt::rcvtimeo, -1);
    socket->handle().set(zmq::sockopt::sndtimeo, -1);
  }
  in.bind(options.port);
  out.bind(options.consumer_port);
  say("ready");
  zmq::proxy(in.handle(), out.handle());
  return EXIT_SUCCESS;
}

// Looks each sender up in a table and hands the message on as it is. A ROUTER without ROUTER_MANDATORY would drop what
// has no room; with it, sending waits.
int run_forwarder(const PeerOptions& options) {
  ZmqSocket router(zmq::socket_type::router);
  router.handle().set(zmq::sockopt::router_mandatory, true);
  router.handle().set(zmq::sockopt::rcvtimeo, -1);
  router.bind(options.port);
  say("ready");
  const std::unordered_map<std::string_view, std::string_view> routes{{producer_id, consumer_id},
                                                                      {consumer_id, consumer_id}};
  for (zmq::message_t sender, body;;) {
    router.receive(sender, true);
    router.receive(body, true);
    const auto route = routes.find(bytes_of(sender));
    if (route == routes.end()) continue;
    router.send(route->second, true);
    router.send(body);
  }
}

}  // namespace

Peer zmq_proxy_peer() {
  return {"zmq_proxy", make_producer<PushProducer>, make_consumer<PullConsumer>, run_zmq_proxy};
}

Peer forwarder_peer() {
  return {"forwarder", make_producer<DealerProducer>, make_consumer<DealerConsumer>, run_forwarder};
}

}  // namespace signalbox::bench
