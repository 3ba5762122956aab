// Mosquitto, by libmosquitto: MQTT 3.1.1 with QoS 1, in which the broker confirms each message and the consumer
// acknowledges each, one by one. The library cannot gather messages, so it takes more of the processor than the broker.
#include <mosquitto.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/compare/peers.hpp"

namespace signalbox::bench {
namespace {

constexpr int quality = 1;

void check(int status, const char* what) {
  if (status != MOSQ_ERR_SUCCESS) throw std::runtime_error(std::string(what) + ": " + mosquitto_strerror(status));
}

struct Destroy {
  void operator()(mosquitto* client) const { mosquitto_destroy(client); }
};
using Client = std::unique_ptr<mosquitto, Destroy>;

Client new_client(const char* name, void* owner, uint64_t in_flight_max) {
  mosquitto_lib_init();
  Client client(mosquitto_new(name, true, owner));
  if (client == nullptr) throw std::runtime_error("no client");
  check(mosquitto_int_option(client.get(), MOSQ_OPT_TCP_NODELAY, 1), "TCP_NODELAY");
  check(mosquitto_max_inflight_messages_set(client.get(), static_cast<unsigned>(in_flight_max)), "in flight");
  return client;
}

// The library's thread reads and writes; ours fills its window.
class MosquittoProducer final : public PeerProducer {
 public:
  explicit MosquittoProducer(const PeerOptions& options)
      : window_(options.window), client_(new_client("producer", this, options.window)) {
    mosquitto_publish_callback_set(client_.get(), [](mosquitto*, void* owner, int) {
      static_cast<MosquittoProducer*>(owner)->note_confirmation();
    });
    check(mosquitto_connect(client_.get(), "127.0.0.1", options.port, 60), "connect");
    check(mosquitto_loop_start(client_.get()), "thread");
  }
  ~MosquittoProducer() override {
    mosquitto_disconnect(client_.get());
    mosquitto_loop_stop(client_.get(), false);
  }

  void send(const MessageSource& source, uint64_t first, uint64_t count) override {
    buffer_.resize(source.message_bytes());
    for (uint64_t number = first; number < first + count; ++number) {
      wait_until_unconfirmed(window_ - 1);
      source.write(buffer_.data(), number);
      ++sent_;
      check(mosquitto_publish(client_.get(), nullptr, queue_name, static_cast<int>(buffer_.size()), buffer_.data(),
                              quality, false),
            "publish");
    }
  }
  void settle() override { wait_until_unconfirmed(0); }

 private:
  void note_confirmation() {
    const std::lock_guard lock(mutex_);
    ++confirmed_;
    changed_.notify_one();
  }
  void wait_until_unconfirmed(uint64_t at_most) {
    std::unique_lock lock(mutex_);
    const auto enough = [&] { return sent_ - confirmed_ <= at_most; };
    if (!changed_.wait_for(lock, std::chrono::milliseconds(patience_ms), enough))
      throw std::runtime_error("no confirmation came for too long");
  }

  const uint64_t window_;
  std::vector<char> buffer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t sent_ = 0;
  uint64_t confirmed_ = 0;  // written by the library's thread, under mutex_
  const Client client_;
};

class MosquittoConsumer final : public PeerConsumer {
 public:
  explicit MosquittoConsumer(const PeerOptions& options) : client_(new_client("consumer", this, options.prefetch)) {
    mosquitto_message_callback_set(client_.get(), [](mosquitto*, void* owner, const mosquitto_message* message) {
      static_cast<MosquittoConsumer*>(owner)->take(*message);
    });
    mosquitto_subscribe_callback_set(client_.get(), [](mosquitto*, void* owner, int, int, const int*) {
      static_cast<MosquittoConsumer*>(owner)->is_subscribed_ = true;
    });
    check(mosquitto_connect(client_.get(), "127.0.0.1", options.consumer_port, 60), "connect");
    check(mosquitto_subscribe(client_.get(), nullptr, queue_name, quality), "subscribe");
    while (!is_subscribed_) check(mosquitto_loop(client_.get(), patience_ms, 1), "subscribe");
  }

  void receive(MessageSink& sink) override {
    sink_ = &sink;
    for (const uint64_t before = sink.received(); sink.received() == before;) {
      check(mosquitto_loop(client_.get(), 1000, 1), "receive");
      if (failure_) std::rethrow_exception(failure_);
    }
  }

 private:
  // The library is written in C: nothing may be thrown through it.
  void take(const mosquitto_message& message) {
    if (failure_) return;
    try {
      if (sink_ == nullptr) throw std::runtime_error("a message came before its time");
      sink_->take({static_cast<const char*>(message.payload), static_cast<size_t>(message.payloadlen)});
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  MessageSink* sink_ = nullptr;
  bool is_subscribed_ = false;
  std::exception_ptr failure_;
  const Client client_;
};

}  // namespace

Peer mosquitto_peer() {
  return {"mosquitto", make_producer<MosquittoProducer>, make_consumer<MosquittoConsumer>};
}

}  // namespace signalbox::bench
