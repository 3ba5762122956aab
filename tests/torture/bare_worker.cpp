// A worker of a torture run without the library: a DEALER socket and frames, as a worker in another language would do.
//
// It has no session, so what it sent and was not told about stays untold when its connection is over. As a receiver it
// settles in an order of its own, with `also` and with NACKs, changes its prefetch, leaves with BYE, and vanishes.
// Every registration is made on a socket of its own.
//
// SIGTERM ends it.

#include <zmq.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <random>
#include <stdexcept>
#include <variant>

#include "protocol/header.hpp"
#include "protocol/keys.hpp"
#include "tests/torture/books.hpp"

namespace signalbox::torture {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double most_at_once = 500;
constexpr uint64_t unconfirmed_max = 1000;
constexpr uint64_t prefetch_max = 200;
constexpr auto silence_max = std::chrono::seconds(1);  // two heartbeats

volatile std::sig_atomic_t stop = 0;

class BareWorker {
 public:
  BareWorker(Scoreboard& scoreboard, const Assignment& assignment)
      : assignment_(assignment),
        books_(scoreboard, assignment),
        pace_(most_at_once),
        random_(assignment.process),
        context_(zmq_ctx_new()) {}
  ~BareWorker() {
    if (socket_ != nullptr) zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  BareWorker(const BareWorker&) = delete;
  BareWorker& operator=(const BareWorker&) = delete;

  void run() {
    connect();
    while (stop == 0) {
      zmq_pollitem_t item{socket_, 0, ZMQ_POLLIN, 0};
      zmq_poll(&item, 1, 10);
      while (receive()) continue;
      const Clock::time_point now = Clock::now();
      if (now - heard_ > silence_max || now >= return_at_) connect();
      if (broker_ == 0) continue;
      send_what_is_due();
      settle_some();
      report();
    }
  }

 private:
  bool chance(unsigned one_in) { return random_() % one_in == 0; }

  // Afresh: nothing of the old registration counts any more.
  void connect() {
    if (socket_ != nullptr) zmq_close(socket_);
    socket_ = zmq_socket(context_, ZMQ_DEALER);
    const int none = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &none, sizeof none);
    if (!assignment_.secret_key.empty()) {
      std::string public_key(key_characters + 1, '\0');
      zmq_curve_public(public_key.data(), assignment_.secret_key.c_str());
      zmq_setsockopt(socket_, ZMQ_CURVE_SERVERKEY, assignment_.server_key.c_str(), key_characters + 1);
      zmq_setsockopt(socket_, ZMQ_CURVE_PUBLICKEY, public_key.c_str(), key_characters + 1);
      zmq_setsockopt(socket_, ZMQ_CURVE_SECRETKEY, assignment_.secret_key.c_str(), key_characters + 1);
    }
    if (zmq_connect(socket_, assignment_.endpoint.c_str()) != 0) throw std::runtime_error("could not connect");
    Hello hello;
    hello.role = books_.slot().role;
    hello.name = books_.slot().endpoint;
    hello.prefetch = prefetch_max;
    write(header_, hello);
    send_frames({});
    heard_ = Clock::now();
    return_at_ = Clock::time_point::max();
    broker_ = 0;
    draining_ = false;
    sent_ = settled_ = 0;
    unsettled_.clear();
    report();
  }

  // No silence follows where the connection stands: the broker sends PINGs to whoever is not registered, too.
  void come_back() {
    broker_ = 0;
    return_at_ = Clock::now() + std::chrono::milliseconds(100);
  }

  void report() {
    books_.desk().broker = broker_;
    books_.desk().unconfirmed = sent_ - settled_;
  }

  void send_frames(Bytes body) {
    zmq_send(socket_, header_.data(), header_.size(), body.empty() ? 0 : ZMQ_SNDMORE);
    if (!body.empty()) zmq_send(socket_, body.data(), body.size(), 0);
  }

  // One message of one or two frames. False: there is none.
  bool receive() {
    std::string frames[2];
    for (size_t i = 0, more = 1; more != 0; ++i) {
      zmq_msg_t part;
      zmq_msg_init(&part);
      if (zmq_msg_recv(&part, socket_, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&part);
        return false;
      }
      if (i < 2) frames[i].assign(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
      more = zmq_msg_more(&part) != 0 ? 1 : 0;
      zmq_msg_close(&part);
    }
    heard_ = Clock::now();
    const std::optional<BrokerFrame> frame = parse_broker_frame(frames[0]);
    if (!frame) throw std::runtime_error("the broker sent what is no frame");
    handle(*frame, frames[1]);
    return true;
  }

  void handle(const BrokerFrame& frame, Bytes body) {
    if (const auto* welcome = std::get_if<Welcome>(&frame)) {
      broker_ = static_cast<uint8_t>(welcome->limits.max_message_bytes - message_bytes_base);
    } else if (const auto* deliver = std::get_if<Deliver>(&frame)) {
      take_delivery(*deliver, body);
    } else if (const auto* confirm = std::get_if<Confirm>(&frame)) {
      books_.settled(settled_ + 1, confirm->upto, broker_);
      settled_ = confirm->upto;
    } else if (const auto* refuse = std::get_if<Refuse>(&frame)) {
      books_.refused(refuse->seq, broker_, refuse->code);
    } else if (std::holds_alternative<Ping>(frame)) {
      write(header_, Pong{});
      send_frames({});
    } else if (const auto* bye = std::get_if<Bye>(&frame)) {
      // The broker drains, and goes on taking ACKs; or this is the answer to a BYE from here.
      draining_ = bye->reason == "draining";
      if (!draining_) come_back();
    } else if (const auto* error = std::get_if<ErrorFrame>(&frame)) {
      std::fprintf(stderr, "bare %s: %s %s\n", std::string(books_.slot().endpoint).c_str(),
                   std::string(error->code).c_str(), std::string(error->text).c_str());
      come_back();
    }
  }

  void send_what_is_due() {
    if (!books_.slot().sends || !books_.scoreboard().sending()) return;
    const Flow flow = *books_.slot().sends;
    std::string batch;
    std::string message;
    const uint64_t first = sent_ + 1;
    for (uint64_t due = pace_.due(books_.scoreboard().rate(flow)); due > 0; --due) {
      if (sent_ - settled_ >= unconfirmed_max || !books_.next(message, flow, books_.slot().endpoint)) break;
      books_.taken(++sent_);
      batch += message;
    }
    if (batch.empty()) return;
    write(header_, Send{first});
    send_frames(batch);
  }

  void take_delivery(const Deliver& deliver, Bytes body) {
    MessageView view;
    for (Seq seq = deliver.first_seq; !body.empty(); ++seq) {
      if (view.scan(body) != Scan::ok) throw std::runtime_error("the broker sent what is no batch");
      const Bytes message = body.substr(0, view.bytes().size());
      body.remove_prefix(view.bytes().size());
      const std::optional<Books::Received> received = books_.received(message, deliver.redelivered, broker_);
      if (received) unsettled_.emplace(seq, *received);
    }
  }

  // Something of what is there, at random; in the end all of it, since whatever is left comes up again.
  void settle_some() {
    if (unsettled_.empty()) return;
    const auto any = std::next(unsettled_.begin(), static_cast<std::ptrdiff_t>(random_() % unsettled_.size()));
    if (chance(50)) {
      write(header_, Nack{any->first, "not now", true});
      send_frames({});
      unsettled_.erase(any);
    } else if (chance(4)) {
      books_.handled(any->second);
      write_ack(header_, 0, &any->first, 1);
      send_frames({});
      unsettled_.erase(any);
    } else {
      const Seq upto = any->first;
      for (auto it = unsettled_.begin(); it != unsettled_.end() && it->first <= upto; it = unsettled_.erase(it))
        books_.handled(it->second);
      write_ack(header_, upto);
      send_frames({});
    }
    if (chance(100)) {
      write(header_, signalbox::Flow{random_() % prefetch_max + 1});
      send_frames({});
    }
    // Who leaves a broker that drains is not let in again, and what waits for it would be left behind.
    if (draining_) return;
    if (chance(1000)) {
      write(header_, Bye{});
      send_frames({});
      unsettled_.clear();  // they go back
    }
    if (chance(1000)) connect();  // without a word
  }

  const Assignment& assignment_;
  Books books_;
  Pace pace_;
  std::mt19937_64 random_;
  void* const context_;
  void* socket_ = nullptr;
  std::string header_;
  Clock::time_point heard_;
  Clock::time_point return_at_ = Clock::time_point::max();
  uint8_t broker_ = 0;  // 0: not registered
  bool draining_ = false;
  Seq sent_ = 0;
  Seq settled_ = 0;
  std::map<Seq, Books::Received> unsettled_;
};

int run(int argc, char** argv) {
  std::signal(SIGTERM, [](int) { stop = 1; });
  const Assignment assignment = Assignment::read(argc, argv);
  second_of_run(assignment.second);
  Scoreboard scoreboard(assignment.scoreboard, assignment.messages);
  BareWorker(scoreboard, assignment).run();
  return 0;
}

}  // namespace
}  // namespace signalbox::torture

int main(int argc, char** argv) {
  try {
    return signalbox::torture::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bare worker: %s\n", error.what());
    return 1;
  }
}
