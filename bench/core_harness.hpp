// The whole core under load without a socket: every frame that it sends is counted and let go at once, and what it
// delivers is acknowledged in the next turn, as a quick worker would.
//
// The core comes from a real configuration, that of its CoreShape; further workers sit idle behind those at work.
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

#include "bench/core_configuration.hpp"
#include "bench/messages.hpp"
#include "broker/configuration.hpp"
#include "broker/core/core.hpp"
#include "protocol/header.hpp"
#include "routers/registry.hpp"

namespace signalbox::bench {

class CoreHarness final : public Output {
 public:
  explicit CoreHarness(const CoreShape& shape) : shape_(shape), core_(settings(shape), *this) {
    const size_t workers_a_pair = shape.fan_out * shape.instances;
    pairs_.resize(shape.pairs);
    workers_.resize(shape.active * workers_a_pair);
    for (size_t i = 0; i < shape.active; ++i) {
      pairs_[i].message = message_of(shape.message_bytes, transport_of(shape, i));
      pairs_[i].owing.reserve(workers_a_pair);
      hello(transport_id(i), Role::transport, transport_of(shape, i));
    }
    for (size_t i = 0; i < workers_.size(); ++i) {
      workers_[i].pair = i / workers_a_pair;
      hello(worker_id(i), Role::application, application_of(shape, i / shape.instances));
    }
    const size_t at_work = shape.active * shape.fan_out;
    const size_t behind = shape.applications() - at_work;
    for (size_t i = 0; i < shape.idle_workers; ++i) {
      const size_t application = behind > 0 ? at_work + i % behind : i % shape.applications();
      hello(2 * (shape.pairs + workers_.size() + i), Role::application, application_of(shape, application));
    }
    core_.flush(now_);
  }

  // Pair `i` sends a batch of `count`, after its applications have acknowledged what they had. No flush: that ends a
  // turn.
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
  // Pauses or resumes application worker `i`: of pair `i`, where each pair has one.
  void set_prefetch(size_t i, uint64_t prefetch) {
    write(header_, Flow{prefetch});
    core_.frame(worker_id(i), {}, header_, {}, 1, now_);
  }

  // The applications of pair `i` acknowledge what they have; false: they had nothing new.
  bool acknowledge(size_t i) {
    Pair& pair = pairs_[i];
    if (pair.owing.empty()) return false;
    for (const size_t of : pair.owing) {
      Worker& worker = workers_[of];
      worker.acknowledged = worker.delivered;
      write_ack(header_, worker.delivered);
      core_.frame(worker_id(of), {}, header_, {}, 1, now_);
    }
    pair.owing.clear();
    return true;
  }
  // Copies, to all applications of pair `i`.
  uint64_t delivered(size_t i) const { return pairs_[i].delivered; }

  // REQUIRES: settle() was called last.
  bool flawless() const {
    for (const Pair& pair : pairs_)
      if (pair.delivered != pair.sent * shape_.fan_out) return false;
    return faults_ == 0;
  }
  uint64_t messages() const { return next_number_; }
  Core& core() { return core_; }

  // A frame from the core.
  Result send(ConnectionId to, Bytes header, Run body) override {
    const auto type = static_cast<FrameType>(header[1]);
    if (type == FrameType::deliver) {
      const size_t of = (to - 1) / 2;
      Worker& worker = workers_[of];
      Pair& pair = pairs_[worker.pair];
      const uint64_t count = body.bytes().size() / pair.message.bytes.size();
      if (worker.acknowledged == worker.delivered) pair.owing.push_back(of);
      worker.delivered += count;
      pair.delivered += count;
    } else if (type == FrameType::refuse || type == FrameType::error || type == FrameType::bye) {
      ++faults_;
    }
    return Result::sent;
  }

 private:
  struct Pair {
    Message message;
    Seq sent = 0;
    uint64_t delivered = 0;
    std::vector<size_t> owing;  // its workers that have something to acknowledge
  };
  struct Worker {
    size_t pair = 0;
    Seq delivered = 0;
    Seq acknowledged = 0;
  };

  static ConnectionId transport_id(size_t i) { return 2 * i; }
  static ConnectionId worker_id(size_t i) { return 2 * i + 1; }

  static Settings settings(const CoreShape& shape) {
    ConfigurationResult result = read_configuration(core_configuration(shape), RouterRegistry());
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
  std::vector<Worker> workers_;
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
