#include "broker/local_peers.hpp"

#include <future>
#include <utility>

#include "broker/core/assert.hpp"

namespace signalbox {

namespace {

// Where a peer's messages are counted; for a name that is none any will do, since it never registers.
EndpointId endpoint_of(const Settings& settings, const LocalEndpointOptions& options) {
  for (EndpointId id = 0; id < settings.endpoints.size(); ++id) {
    const EndpointSettings& endpoint = settings.endpoints[id];
    if (endpoint.name == options.name && endpoint.role == options.role && !endpoint.removed) return id;
  }
  return 0;
}

}  // namespace

std::shared_ptr<LocalPeer> LocalPeers::add(LocalEndpointOptions options) {
  SIGNALBOX_ASSERT(!ended_, "the broker has ended");
  SIGNALBOX_ASSERT(!is_foreign_thread(), "an in-process endpoint is made on the broker's thread: see Broker::post()");
  if (free_slots_.empty()) {
    free_slots_.push_back(slots_.size());
    slots_.emplace_back();
  }
  const size_t slot = free_slots_.back();
  free_slots_.pop_back();
  const ConnectionId id = ++last_serial_ << 32 | slot;
  const EndpointId endpoint = endpoint_of(core_->settings(), options);
  auto peer = std::make_shared<LocalPeer>(*this, id, endpoint, std::move(options));
  slots_[slot] = peer;
  peer->hello();
  return peer;
}

void LocalPeers::remove(LocalPeer& peer) {
  core_->connection_gone(peer.id(), now_);
  needs_flush_ = true;
  const size_t slot = static_cast<uint32_t>(peer.id());
  std::shared_ptr<LocalPeer> removed = std::move(slots_[slot]);
  slots_[slot] = nullptr;
  free_slots_.push_back(slot);
  // A function of its own may be what runs now.
  if (working_) removed_.push_back(std::move(removed));
}

void LocalPeers::close_from_outside(LocalPeer& peer) {
  auto task = std::make_shared<std::packaged_task<void()>>([&peer] { peer.close(); });
  const std::future<void> done = task->get_future();
  if (!posted_.put_anyway([task] { (*task)(); })) return;  // the broker has ended, and has closed it
  task.reset();
  done.wait();  // also where the broker ends and drops the function
}

void LocalPeers::end() {
  ended_ = true;
  for (std::shared_ptr<LocalPeer>& slot : slots_) {
    const std::shared_ptr<LocalPeer> peer = std::move(slot);
    slot = nullptr;
    if (peer != nullptr) peer->end();
  }
  waiting_.clear();
}

void LocalPeers::list(LocalPeer& peer) {
  if (peer.listed || peer.is_closed()) return;
  peer.listed = true;
  waiting_.push_back(peer.id());
}

size_t LocalPeers::work() {
  if (waiting_.empty()) return 0;
  // What is thrown passes through, and leaves all as it must be.
  struct Working {
    LocalPeers& peers;
    explicit Working(LocalPeers& all) : peers(all) { peers.working_ = true; }
    ~Working() {
      peers.working_ = false;
      const auto removed = std::exchange(peers.removed_, {});
    }
  };
  struct Visit {
    LocalPeers& peers;
    LocalPeer& peer;
    ~Visit() {
      if (peer.has_work()) peers.list(peer);
    }
  };
  const Working working(*this);
  size_t calls = 0;
  for (size_t left = waiting_.size(); left > 0 && calls < turn_calls_max; --left) {
    LocalPeer* const peer = find(waiting_.front());
    waiting_.pop_front();
    if (peer == nullptr) continue;
    peer->listed = false;
    const Visit visit{*this, *peer};
    calls += peer->work(peer_calls_max);
  }
  return calls;
}

}  // namespace signalbox
