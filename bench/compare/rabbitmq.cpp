// RabbitMQ, by librabbitmq: a classic queue behind the default exchange. Confirmations are wanted if the run has a
// window, and one acknowledgement may stand for several messages.
#include <amqp.h>
#include <amqp_tcp_socket.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/compare/peers.hpp"

namespace signalbox::bench {
namespace {

constexpr amqp_channel_t channel = 1;
constexpr uint64_t confirmations_each = 64;  // messages sent between two looks for confirmations
constexpr int frame_bytes_max = 131'072;
constexpr uint8_t persistent = 2;

void check(int status, const char* what) {
  if (status != AMQP_STATUS_OK) throw std::runtime_error(std::string(what) + ": " + amqp_error_string2(status));
}

class RabbitConnection {
 public:
  explicit RabbitConnection(uint16_t port) : state_(amqp_new_connection()) {
    amqp_socket_t* const socket = amqp_tcp_socket_new(state_);
    if (socket == nullptr) throw std::runtime_error("no socket");
    check(amqp_socket_open(socket, "127.0.0.1", port), "connect");
    const amqp_rpc_reply_t reply =
        amqp_login(state_, "/", 0, frame_bytes_max, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) throw std::runtime_error("login refused");
    amqp_channel_open(state_, channel);
    check_reply("channel");
  }
  ~RabbitConnection() { amqp_destroy_connection(state_); }
  RabbitConnection(const RabbitConnection&) = delete;
  RabbitConnection& operator=(const RabbitConnection&) = delete;

  amqp_connection_state_t state() const { return state_; }
  void check_reply(const char* what) const {
    if (amqp_get_rpc_reply(state_).reply_type != AMQP_RESPONSE_NORMAL)
      throw std::runtime_error(std::string(what) + ": refused");
  }

 private:
  const amqp_connection_state_t state_;
};

class RabbitProducer final : public PeerProducer {
 public:
  explicit RabbitProducer(const PeerOptions& options) : window_(options.window), connection_(options.port) {
    properties_._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties_.delivery_mode = options.durable ? persistent : 1;
    if (window_ == 0) return;
    amqp_confirm_select(connection_.state(), channel);
    connection_.check_reply("confirmations");
  }

  void send(const MessageSource& source, uint64_t first, uint64_t count) override {
    buffer_.resize(source.message_bytes());
    const amqp_bytes_t body{buffer_.size(), buffer_.data()};
    for (uint64_t number = first; number < first + count; ++number) {
      if (window_ != 0) take_confirmations();
      source.write(buffer_.data(), number);
      check(amqp_basic_publish(connection_.state(), channel, amqp_empty_bytes, amqp_cstring_bytes(queue_name), 0, 0,
                               &properties_, body),
            "publish");
      ++sent_;
    }
  }
  void settle() override {
    while (window_ != 0 && confirmed_ < sent_) take_confirmation(true);
  }

 private:
  void take_confirmations() {
    if (sent_ % confirmations_each == 0)
      while (take_confirmation(false)) continue;
    while (sent_ - confirmed_ >= window_) take_confirmation(true);
  }
  // False: none is there.
  bool take_confirmation(bool wait) {
    timeval time{wait ? patience_ms / 1000 : 0, 0};
    amqp_frame_t frame;
    const int status = amqp_simple_wait_frame_noblock(connection_.state(), &frame, &time);
    if (status == AMQP_STATUS_TIMEOUT && !wait) return false;
    check(status, "confirmation");
    if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
      throw std::runtime_error("not the confirmation expected");
    const auto* const ack = static_cast<const amqp_basic_ack_t*>(frame.payload.method.decoded);
    if (ack->multiple) {
      confirmed_ = std::max(confirmed_, ack->delivery_tag);
    } else {
      early_.insert(ack->delivery_tag);
    }
    while (!early_.empty() && *early_.begin() <= confirmed_ + 1) {
      confirmed_ = std::max(confirmed_, *early_.begin());
      early_.erase(early_.begin());
    }
    amqp_maybe_release_buffers(connection_.state());
    return true;
  }

  const uint64_t window_;
  const RabbitConnection connection_;
  amqp_basic_properties_t properties_{};
  std::vector<char> buffer_;
  uint64_t sent_ = 0;
  uint64_t confirmed_ = 0;
  std::set<uint64_t> early_;  // confirmed one by one, ahead of what is confirmed whole
};

class RabbitConsumer final : public PeerConsumer {
 public:
  explicit RabbitConsumer(const PeerOptions& options)
      : acknowledge_each_(options.acknowledge_each), connection_(options.consumer_port) {
    const amqp_bytes_t queue = amqp_cstring_bytes(queue_name);
    amqp_queue_delete(connection_.state(), channel, queue, 0, 0);  // of the run before, which this broker has seen too
    connection_.check_reply("delete");
    amqp_queue_declare(connection_.state(), channel, queue, 0, options.durable, 0, 0, amqp_empty_table);
    connection_.check_reply("queue");
    amqp_basic_qos(connection_.state(), channel, 0, static_cast<uint16_t>(options.prefetch), 0);
    connection_.check_reply("prefetch");
    amqp_basic_consume(connection_.state(), channel, queue, amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
    connection_.check_reply("consume");
  }

  void receive(MessageSink& sink) override {
    amqp_maybe_release_buffers(connection_.state());
    timeval time{patience_ms / 1000, 0};
    amqp_envelope_t envelope;
    if (amqp_consume_message(connection_.state(), &envelope, &time, 0).reply_type != AMQP_RESPONSE_NORMAL)
      throw std::runtime_error("nothing came for too long");
    sink.take({static_cast<const char*>(envelope.message.body.bytes), envelope.message.body.len});
    const uint64_t tag = envelope.delivery_tag;
    amqp_destroy_envelope(&envelope);
    if (sink.received() % acknowledge_each_ == 0)
      check(amqp_basic_ack(connection_.state(), channel, tag, acknowledge_each_ > 1), "acknowledge");
  }

 private:
  const uint64_t acknowledge_each_;
  const RabbitConnection connection_;
};

}  // namespace

Peer rabbitmq_peer() {
  return {"rabbitmq", make_producer<RabbitProducer>, make_consumer<RabbitConsumer>};
}

}  // namespace signalbox::bench
