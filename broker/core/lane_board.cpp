#include "broker/core/lane_board.hpp"

#include <algorithm>
#include <numeric>

#include "broker/core/assert.hpp"

namespace signalbox {

namespace {

bool keeps_state(const DispatcherSettings& dispatcher) {
  const auto piece_does = [](const NamedMiddleware& named) { return named.piece->keeps_state(); };
  return dispatcher.router->keeps_state() || std::ranges::any_of(dispatcher.middleware, piece_does);
}

// For each dispatcher the first of those that it is chained with.
std::vector<uint32_t> chains(const Settings& settings) {
  std::vector<uint32_t> first(settings.dispatchers.size());
  std::iota(first.begin(), first.end(), 0U);
  const auto find = [&](uint32_t dispatcher) {
    while (first[dispatcher] != dispatcher) dispatcher = first[dispatcher] = first[first[dispatcher]];
    return dispatcher;
  };
  for (const EndpointSettings& endpoint : settings.endpoints) {
    if (!endpoint.joint || endpoint.removed) continue;
    const uint32_t one = find(endpoint.dispatcher);
    const uint32_t other = find(settings.endpoints[*endpoint.joint].dispatcher);
    first[std::max(one, other)] = std::min(one, other);
  }
  for (uint32_t dispatcher = 0; dispatcher < first.size(); ++dispatcher) first[dispatcher] = find(dispatcher);
  return first;
}

}  // namespace

std::optional<std::vector<uint32_t>> place_endpoints(const Settings& settings, uint32_t lanes,
                                                     const std::vector<uint32_t>& before) {
  const std::vector<uint32_t> chain_of = chains(settings);
  std::vector<bool> together(settings.dispatchers.size(), false);  // by chain
  for (uint32_t dispatcher = 0; dispatcher < chain_of.size(); ++dispatcher) {
    if (keeps_state(settings.dispatchers[dispatcher])) together[chain_of[dispatcher]] = true;
  }

  std::vector<uint32_t> lane_of = before;
  std::vector<std::optional<uint32_t>> lane_of_chain(settings.dispatchers.size());
  for (size_t id = 0; id < before.size(); ++id) {
    const EndpointSettings& endpoint = settings.endpoints[id];
    const uint32_t chain = chain_of[endpoint.dispatcher];
    if (!together[chain] || endpoint.dead_letters) continue;
    // One that is removed has workers that may yet send.
    if (lane_of_chain[chain].value_or(lane_of[id]) != lane_of[id]) return std::nullopt;
    lane_of_chain[chain] = lane_of[id];
  }
  uint32_t next = static_cast<uint32_t>(before.size() % lanes);
  for (size_t id = before.size(); id < settings.endpoints.size(); ++id) {
    const EndpointSettings& endpoint = settings.endpoints[id];
    const uint32_t chain = chain_of[endpoint.dispatcher];
    const bool fixed = together[chain] && !endpoint.dead_letters;
    uint32_t lane = next;
    if (fixed && lane_of_chain[chain]) {
      lane = *lane_of_chain[chain];
    } else {
      next = (next + 1) % lanes;
    }
    if (fixed) lane_of_chain[chain] = lane;
    lane_of.push_back(lane);
  }
  return lane_of;
}

LaneBoard::LaneBoard(const Settings& settings, uint32_t lanes, size_t passage_parcels)
    : memory_(settings.routing_memory_bytes, settings.hash_secret,
              lanes > 1 ? RoutingMemory::Writers::several : RoutingMemory::Writers::one),
      cores_(lanes, nullptr) {
  SIGNALBOX_ASSERT(lanes > 0 && lanes <= limits::lanes_max, "the configuration bounds the lanes");
  for (uint32_t lane = 0; lane < lanes; ++lane) pools_.emplace_back();
  for (uint32_t pair = 0; pair < lanes * lanes; ++pair) {
    const bool used = pair / lanes != pair % lanes;
    passages_.push_back(used ? std::make_unique<HandoverRing<Parcel>>(passage_parcels) : nullptr);
  }
  settings_changed(settings);
}

LaneBoard::~LaneBoard() {
  for (const auto& passage : passages_) {
    for (Parcel parcel; passage != nullptr && passage->try_pop(parcel);) {
      if (parcel.block != nullptr) Run::drop(parcel.block);
    }
  }
}

bool LaneBoard::nothing_for(uint32_t lane) const {
  for (uint32_t from = 0; from < lanes(); ++from) {
    if (from != lane && !passages_[from * lanes() + lane]->empty()) return false;
  }
  return true;
}

bool LaneBoard::all_passages_empty() const {
  for (uint32_t lane = 0; lane < lanes(); ++lane) {
    if (!nothing_for(lane)) return false;
  }
  return true;
}

void LaneBoard::settings_changed(const Settings& settings) {
  auto placed = place_endpoints(settings, lanes(), lane_of_);
  SIGNALBOX_ASSERT(placed.has_value(), "the configuration keeps apart what is apart");
  lane_of_ = std::move(*placed);
  while (gates_.size() < lane_of_.size()) gates_.emplace_back();
}

}  // namespace signalbox
