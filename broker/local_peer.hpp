// What is behind a LocalEndpoint: one in-process peer of the core. It keeps what the core tells it until the broker's
// turn comes to it, and counts its window, so that the host is told to wait instead of being thrown out.
//
// What the core says (take()) changes numbers here and is put aside; no host's function runs within the core.
// Deliveries stay references into the queue's blocks until their handler has returned.
//
// Thread: the broker's. Owns: references to what is delivered and not handled yet.
// Errors: see LocalEndpoint. Bounds: prefetch for what is put aside, the send window for numbers and refusals.
// Tested by tests/broker/local_endpoint_test.cpp, local_settling_test.cpp.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "broker/core/output.hpp"
#include "broker/core/ring.hpp"
#include "broker/local_endpoint.hpp"
#include "protocol/header.hpp"
#include "routers/router.hpp"

namespace signalbox {

class LocalPeers;

class LocalPeer {
 public:
  LocalPeer(LocalPeers& peers, ConnectionId id, EndpointId endpoint, LocalEndpointOptions options);
  LocalPeer(const LocalPeer&) = delete;
  LocalPeer& operator=(const LocalPeer&) = delete;

  // --- for LocalPeers
  void hello();
  void take(Bytes header);
  void take(Bytes header, Run body, const Entry* entries, uint32_t count);  // DELIVER
  // Calls callbacks and handlers, about `most` of them, and then acknowledges what was handled. Returns how many.
  size_t work(size_t most);
  bool has_work() const;
  // The broker is ending: nothing may point into its queues any more.
  void end();

  ConnectionId id() const { return id_; }
  bool is_closed() const { return peers_.load(std::memory_order_relaxed) == nullptr; }
  bool listed = false;  // among those that have work

  // --- for LocalEndpoint, which says what these do
  void on_message(std::function<void(const Delivery&)> handler);
  void on_confirmed(std::function<void(Seq)> callback) { on_confirmed_ = std::move(callback); }
  void on_refused(std::function<void(const Refusal&)> callback) { on_refused_ = std::move(callback); }
  void on_handler_failed(std::function<void(const HandlerFailure&)> callback) {
    on_handler_failed_ = std::move(callback);
  }
  SendResult send(Bytes batch, uint32_t messages);
  Held hold();
  bool ack(const Held& held);
  bool nack(const Held& held, std::string_view reason, bool requeue);
  size_t held() const { return held_open_; }
  void set_paused(bool paused);
  void set_prefetch(uint64_t prefetch);
  void close();

  LocalEndpoint::State state() const { return state_; }
  const std::string& fault() const { return fault_; }
  bool draining() const { return draining_; }
  // Null: closed for good. From any thread, for as long as the broker is there.
  LocalPeers* try_peers() const { return peers_.load(std::memory_order_acquire); }
  Seq confirmed() const { return confirmed_; }
  uint64_t unconfirmed() const { return last_sent_ - confirmed_; }
  const Limits& limits() const { return limits_; }

 private:
  struct Sent {
    Seq last_seq = 0;
    uint64_t bytes = 0;
  };
  struct Refused {
    Seq seq = 0;
    std::string code;
    std::string text;
  };
  struct Delivered {
    Run run;
    Seq first_seq = 0;
    bool redelivered = false;
  };
  struct HeldBack {
    Seq seq = 0;
    bool settled = false;
  };

  // REQUIRES: !is_closed().
  LocalPeers& peers() const { return *peers_.load(std::memory_order_relaxed); }
  bool is_open() const { return state_ == LocalEndpoint::State::registered; }
  void take(const Confirm& confirm);
  void fail(std::string reason);
  void drop_deliveries();
  void flow();

  bool next_delivery();
  void handle();
  void handler_failed(Seq seq, std::string_view reason, bool requeue);
  void send_nack(Seq seq, std::string_view reason, bool requeue);
  bool end_hold(Seq seq);
  void acknowledge();

  // Constant after construction.
  const ConnectionId id_;
  const EndpointId endpoint_;
  const LocalEndpointOptions options_;

  std::atomic<LocalPeers*> peers_;                             // read by a destructor on another thread
  LocalEndpoint::State state_ = LocalEndpoint::State::failed;  // until WELCOME
  std::string fault_;
  bool draining_ = false;
  Limits limits_;
  std::function<void(const Delivery&)> on_message_;
  std::function<void(Seq)> on_confirmed_;
  std::function<void(const Refusal&)> on_refused_;
  std::function<void(const HandlerFailure&)> on_handler_failed_;

  // What it sends.
  Seq last_sent_ = 0;
  Seq confirmed_ = 0;
  Seq confirmed_told_ = 0;  // to the host
  uint64_t unconfirmed_bytes_ = 0;
  Ring<Sent> sent_;  // not confirmed yet
  Ring<Refused> refusals_;

  // What it gets.
  uint64_t prefetch_;
  bool paused_ = false;
  Ring<Delivered> inbox_;
  Ring<uint32_t> sizes_;        // of the messages not handled, those of current_ first
  Delivered current_;           // the batch under way,
  Bytes rest_;                  // what of it is not handled,
  Seq next_seq_ = 0;            // and the number of the first of that
  bool handling_ = false;       // a handler runs
  bool handling_held_ = false;  // and has held its message
  Seq handled_ = 0;             // the last number whose handler has returned
  Seq acknowledged_ = 0;        // the last ACK's upto
  Ring<HeldBack> held_;         // by seq; the first is not settled
  size_t held_open_ = 0;        // of these, not settled
  std::vector<Seq> also_;       // settled behind the first that is held, not told yet
};

}  // namespace signalbox
