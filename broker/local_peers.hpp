// The in-process peers of one broker, and the switch between them and the link: where the core's frames go.
//
// The link numbers its connections with 32 bits; those above are ours, and no number is used twice. What the core says
// to a peer of ours is put aside by it and worked off behind the core's flush: each peer in turn, up to a bound for
// each and for all, so that none keeps the others or the sockets waiting.
//
// Thread: the broker's, but for close_from_outside() and is_foreign_thread(). Owns: the peers, together with their
//         LocalEndpoints. Link, posted functions and core must outlive it.
// Bounds: peer_calls_max and turn_calls_max for a turn; max_registrations for the peers that are registered.
// Tested by tests/broker/local_endpoint_test.cpp.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/core/lanes.hpp"
#include "broker/core/ring.hpp"
#include "broker/link.hpp"
#include "broker/local_peer.hpp"
#include "broker/posted_functions.hpp"

namespace signalbox {

class LocalPeers final : public Output {
 public:
  static constexpr size_t peer_calls_max = 128;
  static constexpr size_t turn_calls_max = 512;

  LocalPeers(Link& link, PostedFunctions& posted) : link_(link), posted_(posted) {}
  LocalPeers(const LocalPeers&) = delete;
  LocalPeers& operator=(const LocalPeers&) = delete;

  // Before any peer is added. The core must outlive them.
  void serve(Lanes& core) { core_ = &core; }

  Result send(ConnectionId to, Bytes header, Run body) override {
    if (to < first_id) return link_.send(to, header, std::move(body));
    LocalPeer* const peer = find(to);
    if (peer == nullptr) return Result::gone;
    peer->take(header);
    return Result::sent;
  }
  Result deliver(ConnectionId to, Bytes header, Run body, const Entry* entries, uint32_t count) override {
    if (to < first_id) return link_.send(to, header, std::move(body));
    LocalPeer* const peer = find(to);
    if (peer == nullptr) return Result::gone;
    peer->take(header, std::move(body), entries, count);
    return Result::sent;
  }

  // One that has said HELLO; its state says how that went.
  std::shared_ptr<LocalPeer> add(LocalEndpointOptions options);
  // Forgets a peer whose registration has ended.
  void remove(LocalPeer& peer);
  // Closes a peer from another thread than the broker's, and waits until that is done.
  void close_from_outside(LocalPeer& peer);
  // The broker is ending.
  void end();

  // --- for the loop
  void set_time(Time now) { now_ = now; }
  // Calls handlers and callbacks. Returns how many.
  size_t work();
  // There is something to call, or to flush.
  bool has_work() const { return !waiting_.empty() || needs_flush_; }
  void flushed() { needs_flush_ = false; }

  // --- for the peers
  void frame(ConnectionId from, Bytes header, Bytes body, size_t parts) {
    needs_flush_ = true;
    core_->frame_at_once(from, own_process_key, header, body, parts, now_);
  }
  uint64_t received_from(EndpointId endpoint) const { return core_->received(endpoint); }
  void list(LocalPeer& peer);
  std::string& header() { return header_; }

  // --- whose thread it is; none: whoever comes, one at a time
  void set_thread(std::thread::id thread) { thread_.store(thread, std::memory_order_release); }
  bool is_foreign_thread() const {
    const std::thread::id thread = thread_.load(std::memory_order_acquire);
    return thread != std::thread::id() && thread != std::this_thread::get_id();
  }

 private:
  static constexpr ConnectionId first_id = ConnectionId{1} << 32;

  LocalPeer* find(ConnectionId id) {
    const size_t slot = static_cast<uint32_t>(id);
    LocalPeer* const peer = slot < slots_.size() ? slots_[slot].get() : nullptr;
    return peer != nullptr && peer->id() == id ? peer : nullptr;
  }

  Link& link_;
  PostedFunctions& posted_;
  Lanes* core_ = nullptr;
  Time now_;
  uint64_t last_serial_ = 0;
  std::vector<std::shared_ptr<LocalPeer>> slots_;  // by the lower half of the id
  std::vector<size_t> free_slots_;
  Ring<ConnectionId> waiting_;  // those that have work, the longest waiting first
  bool needs_flush_ = false;
  bool working_ = false;  // handlers and callbacks run
  bool ended_ = false;
  std::vector<std::shared_ptr<LocalPeer>> removed_;  // while handlers run, theirs may be among them
  std::string header_;                               // scratch
  std::atomic<std::thread::id> thread_;
};

}  // namespace signalbox
