// The whole core under load without a socket: every frame that it sends is counted and let go at once, and what it
// delivers is acknowledged in the next turn, as a quick worker would.
//
// Pairs of endpoints, transport i mapped to application i by a real SimpleDispatchRouter from a real configuration;
// each of the active pairs has one worker on either side, and further workers sit idle on the pairs behind them.
//
// Thread: one. Errors: what the core refuses, or answers with ERROR, is counted as a fault; flawless() says whether
// every message sent came out settled.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench/messages.hpp"
#include "broker/configuration.hpp"
#include "broker/core/core.hpp"
#include "protocol/header.hpp"
#include "routers/registry.hpp"

namespace signalbox::bench {

struct CoreShape {
  size_t pairs = 1;         // endpoints are twice as many
  size_t active = 1;        // pairs with a worker on either side
  size_t idle_workers = 0;  // one each on the applications behind the active ones, going round
  size_t message_bytes = 424;
  uint64_t routing_memory_bytes = limits::routing_memory_bytes;
  uint64_t prefetch = limits::send_window_messages;
};

class CoreHarness final : public Output {
 public:
  explicit CoreHarness(const CoreShape& shape) : shape_(shape), core_(settings(shape), *this) {
    pairs_.resize(shape.pairs);
    for (size_t i = 0; i < shape.active; ++i) {
      pairs_[i].message = message_of(shape.message_bytes, transport(i));
      hello(transport_id(i), Role::transport, transport(i));
      hello(application_id(i), Role::application, application(i));
    }
    for (size_t i = 0; i < shape.idle_workers; ++i) {
      const size_t behind =
          shape.pairs > shape.active ? shape.active + i % (shape.pairs - shape.active) : i % shape.pairs;
      hello(2 * shape.pairs + i, Role::application, application(behind));
    }
    core_.flush(now_);
  }

  // Pair `i` sends a batch of `count`, after its application has acknowledged what it had. No flush: that ends a turn.
  void send(size_t i, size_t count) {
    Pair& pair = pairs_[i];
    acknowledge(i);
    fill_body(i, count);
    write(header_, Send{pair.sent + 1});
    pair.sent += count;
    core_.frame(transport_id(i), {}, header_, body_, 2, now_);
  }
  void flush() {
    // A millisecond a hundred turns or so: time passes, and nothing expires.
    if (++turns_ % 128 == 0) ++now_.monotonic_ms;
    core_.flush(now_);
  }
  // Acknowledges until nothing is under way.
  void settle() {
    for (bool any = true; any;) {
      any = false;
      for (size_t i = 0; i < shape_.active; ++i) any = acknowledge(i) || any;
      core_.flush(now_);
    }
  }
  // Pauses or resumes the workers of application `i`.
  void set_prefetch(size_t i, uint64_t prefetch) {
    write(header_, Flow{prefetch});
    core_.frame(application_id(i), {}, header_, {}, 1, now_);
  }

  // Application `i` acknowledges what it has; false: it had nothing new.
  bool acknowledge(size_t i) {
    Pair& pair = pairs_[i];
    if (pair.acknowledged == pair.delivered) return false;
    pair.acknowledged = pair.delivered;
    write_ack(header_, pair.delivered);
    core_.frame(application_id(i), {}, header_, {}, 1, now_);
    return true;
  }
  Seq delivered(size_t i) const { return pairs_[i].delivered; }

  // REQUIRES: settle() was called last.
  bool flawless() const {
    for (const Pair& pair : pairs_)
      if (pair.delivered != pair.sent) return false;
    return faults_ == 0;
  }
  uint64_t messages() const { return next_number_; }
  Core& core() { return core_; }

  // A frame from the core.
  Result send(ConnectionId to, Bytes header, Run body) override {
    const auto type = static_cast<FrameType>(header[1]);
    if (type == FrameType::deliver) {
      Pair& pair = pairs_[to / 2];
      pair.delivered += body.bytes().size() / pair.message.bytes.size();
    } else if (type == FrameType::refuse || type == FrameType::error || type == FrameType::bye) {
      ++faults_;
    }
    return Result::sent;
  }

 private:
  struct Pair {
    Message message;
    Seq sent = 0;
    Seq delivered = 0;
    Seq acknowledged = 0;
  };

  static std::string name(std::string_view stem, size_t i) {
    std::string text(stem);
    text.resize(stem.size() + 4);
    write_hexadecimal(text.data() + stem.size(), 4, i);
    return text;
  }
  std::string transport(size_t i) const { return shape_.pairs == 1 ? std::string(transport_name) : name("smpp", i); }
  std::string application(size_t i) const { return shape_.pairs == 1 ? std::string(application_name) : name("app", i); }
  static ConnectionId transport_id(size_t i) { return 2 * i; }
  static ConnectionId application_id(size_t i) { return 2 * i + 1; }

  Settings settings(const CoreShape& shape) const {
    std::string transports;
    std::string applications;
    std::string mappings;
    for (size_t i = 0; i < shape.pairs; ++i) {
      transports += '"' + transport(i) + "\", ";
      applications += '"' + application(i) + "\", ";
      mappings += transport(i) + " = \"" + application(i) + "\"\n";
    }
    const std::string text = "router_class = \"SimpleDispatchRouter\"\ntransport_names = [" + transports +
                             "]\nexposed_names = [" + applications + "]\n[routing_mappings]\n" + mappings;
    ConfigurationResult result = read_configuration(text, RouterRegistry());
    if (!result.configuration) throw std::runtime_error(to_line("bench", result.faults.front()));
    Settings settings = std::move(result.configuration->settings);
    settings.routing_memory_bytes = shape.routing_memory_bytes;
    return settings;
  }

  // The batch of the last turn, if it was this pair's and as long, is numbered anew: that is next to nothing beside
  // what the core does, and copying the messages once more would not be.
  void fill_body(size_t i, size_t count) {
    const Message& message = pairs_[i].message;
    if (body_of_ != i || body_.size() != count * message.bytes.size()) {
      write_batch(body_, message, next_number_, count);
      body_of_ = i;
    } else {
      for (size_t at = 0; at < count; ++at)
        write_number(body_.data() + at * message.bytes.size(), message, next_number_ + at);
    }
    next_number_ += count;
  }

  // With a session of its own, as a worker that means to resume has.
  void hello(ConnectionId from, Role role, Bytes endpoint) {
    std::array<char, limits::session_id_bytes> session;
    write_hexadecimal(session.data(), session.size(), from + 1);
    Hello hello;
    hello.session = {session.data(), session.size()};
    hello.role = role;
    hello.name = endpoint;
    hello.prefetch = shape_.prefetch;
    write(header_, hello);
    core_.frame(from, {}, header_, {}, 1, now_);
  }

  const CoreShape shape_;
  std::vector<Pair> pairs_;
  Time now_{1'000'000, 1'700'000'000'000'000};
  std::string header_;
  std::string body_;
  size_t body_of_ = 0;
  uint64_t next_number_ = 0;
  uint64_t turns_ = 0;
  uint64_t faults_ = 0;
  Core core_;
};

}  // namespace signalbox::bench
