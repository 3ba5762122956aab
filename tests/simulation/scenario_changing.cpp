// Installations that change while the broker runs, as reloads change them: endpoints go, come back, move and appear,
// chains are taken apart, routes, limits, times and rights change.
//
// Numbers are kept as configuration_again keeps them: what is gone has its number still, as removed, and what is new
// gets the next.
#include <algorithm>

#include "tests/simulation/message.hpp"
#include "tests/simulation/scenario.hpp"

namespace signalbox::simulation {
namespace {

constexpr uint64_t keys_an_endpoint = 3;
constexpr uint64_t late_endpoints_max = 4;

uint64_t time_or_none(Random& random, uint64_t none_per_mille, uint64_t low, uint64_t high) {
  return random.chance(none_per_mille) ? 0 : random.between(low, high);
}

}  // namespace

void Scenario::make_changing(Random& random) {
  rough_ = changing_ = true;
  twin_ = random.chance(600) || all_routers_;
  if (twin_) {
    make_tree(random);
  } else {
    make_several_dispatchers(random);
  }
  keys_required_ = random.chance(500);
  removed_endpoint_ms = random.below(3000);
  // Letters that die together may be dropped in any order: none are.
  endpoints_[dead_letters_].max_messages = 1'000'000;
  for (EndpointSettings& endpoint : endpoints_)
    if (random.chance(600)) change_times(random, endpoint);
}

std::string Scenario::key_of(EndpointId endpoint, uint64_t instance) const {
  if (!changing_) return {};
  if ((endpoint + instance) % 7 == 3) return std::string(own_process_key);
  if (!keys_required_) return {};
  std::string key = numbered("key ", endpoint * keys_an_endpoint + instance);
  key.resize(32, '.');
  return key;
}

std::vector<PeerSettings> Scenario::peers() const {
  std::vector<PeerSettings> peers;
  for (EndpointId id = 0; keys_required_ && id < endpoints_.size(); ++id) {
    for (uint64_t instance = 0; instance < keys_an_endpoint; ++instance) {
      const uint64_t number = id * keys_an_endpoint + instance;
      const std::string key = key_of(id, instance);
      if (endpoints_[id].joint || key == own_process_key || gone_keys_.contains(number)) continue;
      PeerSettings& peer = peers.emplace_back();
      peer.name = numbered("peer ", number);
      peer.key = key;
      // One that is narrowed has a name that is not the one it uses.
      const EndpointSettings& mine = endpoints_[narrowed_keys_.contains(number) ? dead_letters_ : id];
      peer.may_be.push_back({mine.role, mine.name});
    }
  }
  return peers;
}

void Scenario::change_rights(Random& random) {
  for (uint64_t left = random.between(1, 3); left > 0; --left) {
    const uint64_t number = random.below(endpoints_.size() * keys_an_endpoint);
    std::set<uint64_t>& keys = random.chance(500) ? gone_keys_ : narrowed_keys_;
    if (keys.erase(number) == 0) keys.insert(number);
  }
}

// Once it has been without a ttl again, it stays so: whether what came meanwhile would expire is not promised.
void Scenario::change_times(Random& random, EndpointSettings& endpoint) {
  if (!without_ttl_.contains(endpoint.name)) {
    const uint64_t ttl_ms = time_or_none(random, 200, 20, 4000);
    if (ttl_ms == 0 && endpoint.message_ttl_ms != 0) without_ttl_.insert(endpoint.name);
    endpoint.message_ttl_ms = ttl_ms;
  }
  endpoint.expired = random.chance(500) && !endpoint.dead_letters ? Expired::dead_letter : Expired::drop;
  endpoint.ack_timeout_ms = time_or_none(random, 300, 10, 3000);
}

void Scenario::change_limits(Random& random, EndpointSettings& endpoint) {
  if (endpoint.joint || endpoint.dead_letters) return;
  const EndpointSettings other = make_endpoint(random, endpoint.name, endpoint.role);
  endpoint.overflow = other.overflow;
  endpoint.max_messages = other.max_messages;
  endpoint.max_bytes = other.max_bytes;
  endpoint.block_ms = other.block_ms;
  endpoint.max_deliveries = other.max_deliveries;
  endpoint.redeliver_ms = other.redeliver_ms;
}

// A worker's endpoint whose dispatcher has another of its role.
bool Scenario::may_go(EndpointId id) const {
  const EndpointSettings& endpoint = endpoints_[id];
  if (endpoint.joint || endpoint.dead_letters || endpoint.removed) return false;
  const std::vector<EndpointId> alike = endpoints_of(endpoint.dispatcher, endpoint.role);
  return std::ranges::count_if(alike, [this](EndpointId other) { return !endpoints_[other].joint; }) > 1;
}

void Scenario::go_or_come_back(Random& random, EndpointId id) {
  const EndpointSettings& endpoint = endpoints_[id];
  if (!endpoint.removed && !endpoint.joint && !may_go(id)) return;
  set_removed(random, id, !endpoint.removed);
}

// Both ends of a joint together.
void Scenario::set_removed(Random& random, EndpointId id, bool removed) {
  endpoints_[id].removed = removed;
  if (const auto other = endpoints_[id].joint) {
    endpoints_[*other].removed = removed;
    reroute(random, endpoints_[*other].dispatcher);
  }
  reroute(random, endpoints_[id].dispatcher);
}

void Scenario::move(Random& random, EndpointId id) {
  if (!may_go(id)) return;
  const uint32_t before = endpoints_[id].dispatcher;
  endpoints_[id].dispatcher = static_cast<uint32_t>(random.below(dispatchers_.size()));
  reroute(random, before);
  reroute(random, endpoints_[id].dispatcher);
}

void Scenario::appear(Random& random) {
  if (endpoints_.size() >= dead_letters_ + 1 + late_endpoints_max) return;
  const Role role = random.chance(500) ? Role::transport : Role::application;
  EndpointSettings endpoint = make_endpoint(random, numbered("late_", endpoints_.size()), role);
  endpoint.dispatcher = static_cast<uint32_t>(random.below(dispatchers_.size()));
  endpoints_.push_back(endpoint);
  change_times(random, endpoints_.back());
  reroute(random, endpoint.dispatcher);
}

void Scenario::reroute(Random& random, uint32_t id) {
  Dispatcher next;
  next.reply_tracking = dispatchers_[id].reply_tracking;
  dispatchers_[id] = next;
  if (twin_) {
    choose_router(random, id);
  } else {
    map_simply(random, id);
  }
}

uint64_t Scenario::change(Random& random) {
  uint64_t changes = 0;
  for (uint64_t left = random.between(1, 3); left > 0; --left) {
    const auto id = static_cast<EndpointId>(random.below(endpoints_.size()));
    const uint64_t what = random.below(9);
    changes = changes * 10 + what;
    if (what == 0 || what == 1) {
      if (!endpoints_[id].dead_letters) go_or_come_back(random, id);
    } else if (what == 2) {
      change_limits(random, endpoints_[id]);
    } else if (what == 3) {
      change_times(random, endpoints_[id]);
    } else if (what == 4) {
      reroute(random, static_cast<uint32_t>(random.below(dispatchers_.size())));
    } else if (what == 5) {
      move(random, id);
    } else if (what == 6) {
      appear(random);
    } else if (what == 7) {
      change_rights(random);
    } else {
      session_ttl_s = random.between(2, 60);
      max_unsettled_bytes = random.between(500, 8000);
      removed_endpoint_ms = random.below(3000);
    }
  }
  return changes;
}

void Scenario::bring_everything_back(Random& random) {
  gone_keys_.clear();
  narrowed_keys_.clear();
  for (EndpointId id = 0; id < endpoints_.size(); ++id)
    if (endpoints_[id].removed) set_removed(random, id, false);
}

}  // namespace signalbox::simulation
