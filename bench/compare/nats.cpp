// NATS, by its own C library: the core, which forwards and forgets, and JetStream, which keeps a stream, confirms what
// it has kept, and takes acknowledgements.
//
// The most messages of a subscription that the library holds are set to no limit only after it exists: a large limit
// beforehand overflows an int of the library's.
#include <nats/nats.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/compare/peers.hpp"

namespace signalbox::bench {
namespace {

constexpr int64_t second_ns = 1'000'000'000;

void check(natsStatus status, const char* what) {
  if (status != NATS_OK) throw std::runtime_error(std::string(what) + ": " + natsStatus_GetText(status));
}

template <typename Type, void (*destroy)(Type*)>
struct Destroy {
  void operator()(Type* object) const { destroy(object); }
};
using Connection = std::unique_ptr<natsConnection, Destroy<natsConnection, natsConnection_Destroy>>;
using Subscription = std::unique_ptr<natsSubscription, Destroy<natsSubscription, natsSubscription_Destroy>>;
using NatsMessage = std::unique_ptr<natsMsg, Destroy<natsMsg, natsMsg_Destroy>>;
using NatsOptions = std::unique_ptr<natsOptions, Destroy<natsOptions, natsOptions_Destroy>>;
using JetStream = std::unique_ptr<jsCtx, Destroy<jsCtx, jsCtx_Destroy>>;

Connection connect(uint16_t port, bool is_paced) {
  natsOptions* raw = nullptr;
  check(natsOptions_Create(&raw), "options");
  const NatsOptions options(raw);
  const std::string url = "nats://127.0.0.1:" + std::to_string(port);
  check(natsOptions_SetURL(raw, url.c_str()), "address");
  // Flat out, the library gathers what it writes; paced, that would only be a wait.
  check(natsOptions_SetSendAsap(raw, is_paced), "writing");
  check(natsOptions_SetMaxPendingMsgs(raw, 1'000'000), "limit");
  natsConnection* connection = nullptr;
  check(natsConnection_Connect(&connection, raw), "connect");
  return Connection(connection);
}

std::string_view bytes_of(const NatsMessage& message) {
  return {natsMsg_GetData(message.get()), static_cast<size_t>(natsMsg_GetDataLength(message.get()))};
}

NatsMessage next_message(const Subscription& subscription) {
  natsMsg* message = nullptr;
  check(natsSubscription_NextMsg(&message, subscription.get(), patience_ms), "receive");
  return NatsMessage(message);
}

class NatsProducer final : public PeerProducer {
 public:
  explicit NatsProducer(const PeerOptions& options) : connection_(connect(options.port, options.rate != 0)) {}

  void send(const MessageSource& source, uint64_t first, uint64_t count) override {
    buffer_.resize(source.message_bytes());
    for (uint64_t number = first; number < first + count; ++number) {
      source.write(buffer_.data(), number);
      check(natsConnection_Publish(connection_.get(), queue_name, buffer_.data(), static_cast<int>(buffer_.size())),
            "publish");
    }
  }
  // Nothing confirms; but what the library holds has left.
  void settle() override { check(natsConnection_FlushTimeout(connection_.get(), patience_ms), "flush"); }

 private:
  const Connection connection_;
  std::vector<char> buffer_;
};

class NatsConsumer final : public PeerConsumer {
 public:
  explicit NatsConsumer(const PeerOptions& options) : connection_(connect(options.consumer_port, options.rate != 0)) {
    natsSubscription* subscription = nullptr;
    check(natsConnection_SubscribeSync(&subscription, connection_.get(), queue_name), "subscribe");
    subscription_.reset(subscription);
    check(natsSubscription_SetPendingLimits(subscription, -1, -1), "limits");
    check(natsConnection_FlushTimeout(connection_.get(), patience_ms), "flush");
  }
  void receive(MessageSink& sink) override { sink.take(bytes_of(next_message(subscription_))); }

 private:
  const Connection connection_;
  Subscription subscription_;
};

JetStream jet_stream(const Connection& connection, uint64_t window) {
  jsOptions options;
  check(jsOptions_Init(&options), "options");
  options.Wait = patience_ms;
  options.PublishAsync.MaxPending = static_cast<int64_t>(window);
  options.PublishAsync.StallWait = patience_ms;
  jsCtx* stream = nullptr;
  check(natsConnection_JetStream(&stream, connection.get(), &options), "JetStream");
  return JetStream(stream);
}

class JetStreamProducer final : public PeerProducer {
 public:
  explicit JetStreamProducer(const PeerOptions& options)
      : connection_(connect(options.port, options.rate != 0)), stream_(jet_stream(connection_, options.window)) {}

  void send(const MessageSource& source, uint64_t first, uint64_t count) override {
    buffer_.resize(source.message_bytes());
    for (uint64_t number = first; number < first + count; ++number) {
      source.write(buffer_.data(), number);
      check(js_PublishAsync(stream_.get(), queue_name, buffer_.data(), static_cast<int>(buffer_.size()), nullptr),
            "publish");
    }
  }
  // Whatever the broker refused is missing at the consumer, which ends the run.
  void settle() override {
    jsPubOptions options;
    check(jsPubOptions_Init(&options), "options");
    options.MaxWait = patience_ms;
    check(js_PublishAsyncComplete(stream_.get(), &options), "confirmations");
  }

 private:
  const Connection connection_;
  const JetStream stream_;
  std::vector<char> buffer_;
};

class JetStreamConsumer final : public PeerConsumer {
 public:
  explicit JetStreamConsumer(const PeerOptions& options)
      : acknowledge_each_(options.acknowledge_each),
        connection_(connect(options.consumer_port, options.rate != 0)),
        stream_(jet_stream(connection_, 1)) {
    jsStreamConfig config;
    check(jsStreamConfig_Init(&config), "options");
    const char* subjects[] = {queue_name};
    config.Name = queue_name;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = options.file ? js_FileStorage : js_MemoryStorage;
    config.Replicas = 1;
    check(js_AddStream(nullptr, stream_.get(), &config, nullptr, nullptr), "stream");
    jsSubOptions sub;
    check(jsSubOptions_Init(&sub), "options");
    sub.Stream = queue_name;
    sub.ManualAck = true;
    sub.Config.AckPolicy = acknowledge_each_ == 1 ? js_AckExplicit : js_AckAll;
    sub.Config.AckWait = 60 * second_ns;
    sub.Config.MaxAckPending = static_cast<int64_t>(options.prefetch);
    natsSubscription* subscription = nullptr;
    check(js_SubscribeSync(&subscription, stream_.get(), queue_name, nullptr, &sub, nullptr), "subscribe");
    subscription_.reset(subscription);
    check(natsSubscription_SetPendingLimits(subscription, -1, -1), "limits");
  }
  void receive(MessageSink& sink) override {
    const NatsMessage message = next_message(subscription_);
    sink.take(bytes_of(message));
    if (sink.received() % acknowledge_each_ == 0) check(natsMsg_Ack(message.get(), nullptr), "acknowledge");
  }

 private:
  const uint64_t acknowledge_each_;
  const Connection connection_;
  const JetStream stream_;
  Subscription subscription_;
};

}  // namespace

Peer nats_peer() {
  return {"nats", make_producer<NatsProducer>, make_consumer<NatsConsumer>};
}

Peer jetstream_peer() {
  return {"jetstream", make_producer<JetStreamProducer>, make_consumer<JetStreamConsumer>};
}

}  // namespace signalbox::bench
