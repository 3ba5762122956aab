#include "routers/targets_by_transport.hpp"

#include <algorithm>
#include <string>

#include "routers/reading_names.hpp"

namespace signalbox {

namespace {

bool is_relay(RouterSetup& setup, const std::string& transport) {
  const Setting* relays = setup.find("relays");
  return relays != nullptr &&
         std::ranges::any_of(relays->items, [&](const Setting& item) { return item.text == transport; });
}

// Whether the mappings speak of that transport at all, if only with faults that are reported already.
bool is_mentioned(RouterSetup& setup, const std::string& transport) {
  for (const std::string_view key : {"routing_mappings", "route_mappings"}) {
    const Setting* mappings = setup.find(key);
    if (mappings != nullptr && mappings->find(transport) != nullptr) return true;
  }
  return false;
}

// A relay may well carry nothing under its own name, so it is not missed.
void warn_of_silent_transports(RouterSetup& setup, std::string_view what) {
  const Setting* listed = setup.find("transport_names");
  if (listed == nullptr) return;
  for (const Setting& item : listed->items) {
    if (setup.transport(item.text) && !is_mentioned(setup, item.text) && !is_relay(setup, item.text)) {
      setup.warn(item.position, "routing_mappings has no entry for " + in_quotes(item.text) + ": " + std::string(what) +
                                    " will be refused, no_route");
    }
  }
}

}  // namespace

void TargetsByTransport::read(RouterSetup& setup, const Setting* mappings, Role targets, std::string_view what) {
  for (const std::string& name : setup.transports()) {
    by_transport_.resize(std::max<size_t>(by_transport_.size(), *setup.transport(name) + 1));
  }
  if (!is_table(setup, mappings, "routing_mappings")) return;
  for (const Setting& entry : mappings->items) {
    std::vector<EndpointId> endpoints = read_endpoints(setup, entry, targets);
    if (!is_source(setup, entry)) continue;
    if (const auto transport = setup.transport(entry.key)) {
      by_transport_[*transport] = std::move(endpoints);
    } else {
      by_name_.emplace(entry.key, std::move(endpoints));
    }
  }
  warn_of_silent_transports(setup, what);
}

const std::vector<EndpointId>* TargetsByTransport::find(const Incoming& incoming) const {
  if (incoming.transport) {
    const std::vector<EndpointId>& targets = by_transport_[*incoming.transport];
    return targets.empty() ? nullptr : &targets;
  }
  const auto found = by_name_.find(incoming.transport_name);
  return found == by_name_.end() || found->second.empty() ? nullptr : &found->second;
}

void TargetsByTransport::decide(const Incoming& incoming, Decision& decision) const {
  const std::vector<EndpointId>* targets = find(incoming);
  if (targets == nullptr) {
    decision.refuse(RefusalCode::no_route,
                    "routing_mappings has no entry for transport_name " + in_quotes(incoming.transport_name));
    return;
  }
  if (Trail* trail = decision.trail()) trail->note("routing_mappings." + in_quotes(incoming.transport_name));
  for (const EndpointId target : *targets) decision.deliver(target);
}

void TargetsByTransport::add_routes(const RouterSetup& setup, const Setting* mappings, std::string_view what,
                                    std::string_view condition, std::vector<Route>& routes) const {
  if (mappings == nullptr || mappings->type != Setting::Type::table) return;
  for (const Setting& entry : mappings->items) {
    std::string words(condition);
    if (!setup.transport(entry.key)) words += words.empty() ? "carried by a relay" : ", carried by a relay";
    const auto add = [&](const std::string& target) {
      routes.push_back({std::string(what), entry.key, words, target, ""});
    };
    if (entry.type == Setting::Type::text) add(entry.text);
    for (const Setting& item : entry.items) add(item.text);
  }
  for (const std::string& transport : setup.transports()) {
    if (mappings->find(transport) != nullptr) continue;
    routes.push_back({std::string(what), transport, std::string(condition), "refused: no_route", ""});
  }
}

}  // namespace signalbox
