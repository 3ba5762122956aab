// Signalbox, by clients on libzmq and protocol/header.hpp. They pass bytes, as the clients of all other brokers do: the
// producer numbers a template, the consumer finds where each message ends. Windows and batches are those of
// bench_end_to_end.
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>

#include "bench/compare/peers.hpp"
#include "bench/compare/zmq_socket.hpp"
#include "bench/delivered.hpp"
#include "protocol/header.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t batch_bytes = 192 * 1024;  // the most that a producer sends in one SEND

// A registered worker, as raw as can be.
class RawWorker {
 public:
  RawWorker(uint16_t port, Role role, Bytes name, uint64_t prefetch) : socket_(zmq::socket_type::dealer) {
    socket_.connect(port);
    Hello hello;
    hello.role = role;
    hello.name = name;
    hello.prefetch = prefetch;
    hello.client = "bench";
    write(header_, hello);
    socket_.send(header_);
    if (!std::holds_alternative<Welcome>(receive(true).value())) throw std::runtime_error("no WELCOME");
  }

  // The next frame; PINGs are answered here. Empty: none is there, and `wait` was false. Borrows until the next call.
  std::optional<BrokerFrame> receive(bool wait) {
    while (socket_.receive(incoming_, wait)) {
      body_.rebuild();
      const bool has_body = incoming_.more();
      auto frame = parse_broker_frame(bytes_of(incoming_));
      if (!frame) throw std::runtime_error("the broker sent what is no frame");
      if (has_body) socket_.receive(body_, true);
      if (const auto* error = std::get_if<ErrorFrame>(&*frame)) throw std::runtime_error(std::string(error->text));
      if (const auto* refuse = std::get_if<Refuse>(&*frame)) throw std::runtime_error(std::string(refuse->text));
      if (!std::holds_alternative<Ping>(*frame)) return frame;
      write(header_, Pong{});
      socket_.send(header_);
    }
    return std::nullopt;
  }
  Bytes body() const { return bytes_of(body_); }

  void send(Seq first, zmq::message_t& batch) {
    write(header_, Send{first});
    socket_.send(header_, true);
    socket_.send(batch);
  }
  void acknowledge(Seq upto) {
    write_ack(header_, upto);
    socket_.send(header_);
  }

 private:
  ZmqSocket socket_;
  std::string header_;
  zmq::message_t incoming_;
  zmq::message_t body_;
};

// What there is room for goes at once, whatever its size.
class SignalboxProducer final : public PeerProducer {
 public:
  explicit SignalboxProducer(const PeerOptions& options)
      : window_(options.window), worker_(options.port, Role::transport, transport_name, 0) {}

  void send(const MessageSource& source, uint64_t first, uint64_t count) override {
    const size_t size = source.message_bytes();
    const uint64_t batch_max = batch_bytes / size;
    for (const uint64_t upto = first + count; sent_ < upto;) {
      take_confirmations(window_ == sent_ - confirmed_);
      const uint64_t messages = std::min({window_ - (sent_ - confirmed_), batch_max, upto - sent_});
      if (messages == 0) continue;
      zmq::message_t batch(messages * size);
      for (uint64_t i = 0; i < messages; ++i) source.write(batch.data<char>() + i * size, sent_ + i);
      worker_.send(sent_ + 1, batch);
      sent_ += messages;
    }
  }
  void settle() override {
    while (confirmed_ < sent_) take_confirmations(true);
  }

 private:
  void take_confirmations(bool wait) {
    while (const auto frame = worker_.receive(wait)) {
      const auto* confirm = std::get_if<Confirm>(&*frame);
      if (confirm == nullptr || confirm->upto > sent_) throw std::runtime_error("not the confirmation expected");
      confirmed_ = confirm->upto;
      wait = false;
    }
  }

  const uint64_t window_;
  RawWorker worker_;
  uint64_t sent_ = 0;
  uint64_t confirmed_ = 0;
};

class SignalboxConsumer final : public PeerConsumer {
 public:
  explicit SignalboxConsumer(const PeerOptions& options)
      : prefetch_(options.prefetch),
        worker_(options.consumer_port, Role::application, application_name, options.prefetch) {}

  // Acknowledges a quarter of the prefetch at the latest: the broker would stand still while it waits for more.
  void receive(MessageSink& sink) override {
    const Seq ends = delivered_ + prefetch_ / 4;
    for (auto frame = worker_.receive(true); frame; frame = worker_.receive(false)) {
      const auto* deliver = std::get_if<Deliver>(&*frame);
      if (deliver == nullptr || deliver->redelivered || deliver->first_seq != delivered_ + 1)
        throw std::runtime_error("not the delivery expected");
      messages_.each(worker_.body(), [&](Bytes message) {
        sink.take(message);
        ++delivered_;
      });
      if (delivered_ >= ends) break;
    }
    worker_.acknowledge(delivered_);
  }

 private:
  const uint64_t prefetch_;
  RawWorker worker_;
  DeliveredMessages messages_;
  Seq delivered_ = 0;
};

}  // namespace

Peer signalbox_peer() {
  return {"signalbox", make_producer<SignalboxProducer>, make_consumer<SignalboxConsumer>};
}

}  // namespace signalbox::bench
