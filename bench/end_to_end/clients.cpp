#include "bench/end_to_end/clients.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>
#include <zmq.hpp>

#include "bench/delivered.hpp"
#include "bench/end_to_end/conversation.hpp"
#include "bench/end_to_end/worker_clients.hpp"
#include "bench/messages.hpp"
#include "protocol/header.hpp"

namespace signalbox::bench {
namespace {

constexpr int high_water_mark = 1000;
constexpr int patience_ms = 30'000;  // silence for as long as this is a fault

// One socket, set up alike on both sides of the comparison.
class Socket {
 public:
  explicit Socket(zmq::socket_type type) : socket_(context_, type) {
    socket_.set(zmq::sockopt::sndhwm, high_water_mark);
    socket_.set(zmq::sockopt::rcvhwm, high_water_mark);
    socket_.set(zmq::sockopt::linger, 1000);
    socket_.set(zmq::sockopt::rcvtimeo, patience_ms);
    socket_.set(zmq::sockopt::sndtimeo, patience_ms);
  }
  void connect(const std::string& endpoint) { socket_.connect(endpoint); }
  void bind(const std::string& endpoint) { socket_.bind(endpoint); }

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
  void send(Bytes bytes, bool more = false) {
    zmq::message_t message(bytes.data(), bytes.size());
    send(message, more);
  }
  zmq::socket_t& handle() { return socket_; }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

Bytes bytes_of(const zmq::message_t& message) {
  return {message.data<char>(), message.size()};
}

// What a run of messages is checked for, whichever way it came: none missing, none twice, in order.
class Checker {
 public:
  explicit Checker(const ClientOptions& options)
      : message_(message_of(options.message_bytes)), timed_(options.rate != 0), warm_up_(options.warm_up) {
    if (timed_ && !message_.has_stamp()) throw std::runtime_error("this message has no room for a time stamp");
    if (timed_) latencies_ns_.reserve(options.count);
  }

  uint64_t received() const { return received_; }

  void message(Bytes bytes) {
    if (bytes.size() != message_.bytes.size()) throw std::runtime_error("a message has changed its size");
    if (!has_number(bytes.data(), message_, received_))
      throw std::runtime_error("a message is missing, or out of order");
    ++received_;
    if (timed_ && received_ > warm_up_)
      latencies_ns_.push_back(now_ns() - read_hexadecimal(bytes.data() + message_.id_offset, stamp_digits));
  }

  std::string latencies() {
    std::sort(latencies_ns_.begin(), latencies_ns_.end());
    const auto at = [&](double quantile) {
      if (latencies_ns_.empty()) return 0.0;
      const auto last = static_cast<double>(latencies_ns_.size() - 1);
      return static_cast<double>(latencies_ns_[static_cast<size_t>(quantile * last + 0.5)]) / 1000;
    };
    char text[128];
    std::snprintf(text, sizeof text, " p50_us=%.1f p99_us=%.1f p999_us=%.1f", at(0.5), at(0.99), at(0.999));
    return text;
  }

 private:
  const Message message_;
  const bool timed_;
  const uint64_t warm_up_;
  uint64_t received_ = 0;
  std::vector<uint64_t> latencies_ns_;
};

// Fills in numbered messages, stamped with the time where latency is measured.
class Template {
 public:
  explicit Template(const ClientOptions& options)
      : message_(message_of(options.message_bytes)), stamped_(options.rate != 0) {}

  size_t size() const { return message_.bytes.size(); }

  zmq::message_t batch(uint64_t first, size_t count) const {
    zmq::message_t body(count * size());
    char* at = body.data<char>();
    for (size_t i = 0; i < count; ++i, at += size()) {
      std::memcpy(at, message_.bytes.data(), size());
      write_number(at, message_, first + i);
      if (stamped_) write_hexadecimal(at + message_.id_offset, stamp_digits, now_ns());
    }
    return body;
  }

 private:
  const Message message_;
  const bool stamped_;
};

// A registered worker, as raw as can be: headers by protocol/header.hpp, bodies as they are.
class Worker {
 public:
  Worker(const ClientOptions& options, Role role, Bytes name) : socket_(zmq::socket_type::dealer) {
    socket_.connect(options.endpoint);
    Hello hello;
    hello.role = role;
    hello.name = name;
    hello.prefetch = options.window;
    hello.client = "bench";
    write(header_, hello);
    socket_.send(header_);
    BrokerFrame frame = receive(true).value();
    if (!std::holds_alternative<Welcome>(frame)) throw std::runtime_error("the broker did not welcome us");
  }

  // The next frame; PINGs are answered here. Empty: none is there, and `wait` was false. Borrows until the next call.
  std::optional<BrokerFrame> receive(bool wait) {
    while (socket_.receive(incoming_, wait)) {
      body_.rebuild();
      const bool has_body = incoming_.more();
      auto frame = parse_broker_frame(bytes_of(incoming_));
      if (!frame) throw std::runtime_error("the broker sent what is no frame");
      if (has_body) socket_.receive(body_, true);
      if (const auto* error = std::get_if<ErrorFrame>(&*frame)) fail("ERROR", error->code, error->text);
      if (const auto* refuse = std::get_if<Refuse>(&*frame)) fail("REFUSE", refuse->code, refuse->text);
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
  void leave() {
    write(header_, Bye{});
    socket_.send(header_);
  }

 private:
  [[noreturn]] static void fail(const char* what, Bytes code, Bytes text) {
    throw std::runtime_error(std::string(what) + " " + std::string(code) + ": " + std::string(text));
  }

  Socket socket_;
  std::string header_;
  zmq::message_t incoming_;
  zmq::message_t body_;
};

// Sends by windows and batches: what there is room for goes at once, whatever its size.
class Producer {
 public:
  explicit Producer(const ClientOptions& options)
      : options_(options), template_(options), worker_(options, Role::transport, transport_name) {}

  void send(uint64_t upto) {
    const uint64_t batch_max = std::max<uint64_t>(1, options_.batch_bytes / template_.size());
    while (sent_ < upto) {
      take_confirmations(false);
      uint64_t room = options_.window - (sent_ - confirmed_);
      if (room == 0) {
        take_confirmations(true);
        continue;
      }
      const uint64_t count = std::min({room, batch_max, upto - sent_});
      zmq::message_t batch = template_.batch(sent_, count);
      worker_.send(sent_ + 1, batch);
      sent_ += count;
    }
  }
  void wait_for_confirmations() {
    while (confirmed_ < sent_) take_confirmations(true);
  }
  void leave() { worker_.leave(); }

 private:
  void take_confirmations(bool wait) {
    while (const auto frame = worker_.receive(wait)) {
      const auto* confirm = std::get_if<Confirm>(&*frame);
      if (confirm == nullptr || confirm->upto > sent_) throw std::runtime_error("not the confirmation expected");
      confirmed_ = confirm->upto;
      wait = false;
    }
  }

  const ClientOptions& options_;
  const Template template_;
  Worker worker_;
  uint64_t sent_ = 0;
  uint64_t confirmed_ = 0;
};

// The same towards zmq_proxy: one message a ZeroMQ message, no promises.
class PlainProducer {
 public:
  explicit PlainProducer(const ClientOptions& options) : template_(options), socket_(zmq::socket_type::push) {
    socket_.connect(options.endpoint);
  }
  void send(uint64_t upto) {
    for (; sent_ < upto; ++sent_) {
      zmq::message_t message = template_.batch(sent_, 1);
      socket_.send(message);
    }
  }
  void wait_for_confirmations() {}
  void leave() {}

 private:
  const Template template_;
  Socket socket_;
  uint64_t sent_ = 0;
};

template <typename AnyProducer>
void produce(AnyProducer& producer, const ClientOptions& options) {
  producer.send(options.warm_up);
  wait_for_word();
  const uint64_t first_ns = now_ns();
  const uint64_t total = options.warm_up + options.count;
  uint64_t latest_ns = 0;  // by how much a paced message left late
  if (options.rate == 0) {
    producer.send(total);
  } else {
    const uint64_t interval_ns = 1'000'000'000 / options.rate;
    for (uint64_t i = 0; i < options.count; ++i) {
      const uint64_t due_ns = first_ns + i * interval_ns;
      wait_until(due_ns);
      latest_ns = std::max(latest_ns, now_ns() - due_ns);
      producer.send(options.warm_up + i + 1);
    }
  }
  producer.wait_for_confirmations();
  report_sent(first_ns, latest_ns);
  wait_for_word();
  producer.leave();
}

int consume(const ClientOptions& options) {
  Checker checker(options);
  Worker worker(options, Role::application, application_name);
  DeliveredMessages messages;
  say("ready");
  const uint64_t total = options.warm_up + options.count;
  bool warm = false;
  uint64_t turns = 0;
  Seq delivered = 0;
  while (checker.received() < total) {
    // One turn: wait for a frame, take what is there, acknowledge once. It ends with a quarter of the window at the
    // latest: whoever acknowledged only at its end would have the broker stand still meanwhile.
    const Seq turn_ends = delivered + options.window / 4;
    for (auto frame = worker.receive(true); frame; frame = worker.receive(false)) {
      const auto* deliver = std::get_if<Deliver>(&*frame);
      if (deliver == nullptr || deliver->redelivered || deliver->first_seq != delivered + 1)
        throw std::runtime_error("not the delivery expected");
      messages.each(worker.body(), [&](Bytes message) {
        checker.message(message);
        ++delivered;
      });
      if (delivered >= turn_ends) break;
    }
    worker.acknowledge(delivered);
    ++turns;
    if (!std::exchange(warm, checker.received() >= options.warm_up) && warm) say("warm");
  }
  const uint64_t last_ns = now_ns();
  report_done(last_ns, turns, checker.latencies());
  wait_for_word();
  worker.leave();
  return EXIT_SUCCESS;
}

int consume_plain(const ClientOptions& options) {
  Checker checker(options);
  Socket socket(zmq::socket_type::pull);
  socket.connect(options.endpoint);
  say("ready");
  zmq::message_t message;
  const uint64_t total = options.warm_up + options.count;
  while (checker.received() < total) {
    socket.receive(message, true);
    checker.message(bytes_of(message));
    if (checker.received() == options.warm_up) say("warm");
  }
  const uint64_t last_ns = now_ns();
  report_done(last_ns, checker.received(), checker.latencies());
  wait_for_word();
  return EXIT_SUCCESS;
}

}  // namespace

int run_producer(const ClientOptions& options) {
  if (options.via == Via::worker_library) return run_worker_producer(options);
  if (options.via == Via::signalbox) {
    Producer producer(options);
    produce(producer, options);
  } else {
    PlainProducer producer(options);
    produce(producer, options);
  }
  return EXIT_SUCCESS;
}

int run_consumer(const ClientOptions& options) {
  if (options.via == Via::worker_library) return run_worker_consumer(options);
  return options.via == Via::signalbox ? consume(options) : consume_plain(options);
}

int run_proxy(const std::string& frontend, const std::string& backend) {
  zmq::context_t context;
  zmq::socket_t in(context, zmq::socket_type::pull);
  zmq::socket_t out(context, zmq::socket_type::push);
  for (zmq::socket_t* socket : {&in, &out}) {
    socket->set(zmq::sockopt::sndhwm, high_water_mark);
    socket->set(zmq::sockopt::rcvhwm, high_water_mark);
  }
  in.bind(frontend);
  out.bind(backend);
  say("ready");
  zmq::proxy(in, out);
  return EXIT_SUCCESS;
}

}  // namespace signalbox::bench
