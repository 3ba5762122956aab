#include "routers/outbound_by_name.hpp"

#include <algorithm>
#include <string>

#include "routers/following.hpp"
#include "routers/reading_names.hpp"

namespace signalbox {

void OutboundByName::read(RouterSetup& setup) {
  for (const std::string& name : setup.transports()) {
    const EndpointId transport = *setup.transport(name);
    by_transport_.resize(std::max<size_t>(by_transport_.size(), transport + 1));
    by_transport_[transport] = transport;
    names_.resize(by_transport_.size());
    names_[transport] = name;
  }
  const Setting* mappings = setup.find("transport_mappings");
  if (!is_table(setup, mappings, "transport_mappings")) return;
  for (const Setting& entry : mappings->items) {
    if (entry.key.empty()) setup.fault(entry.key_position, "a name must not be empty");
    const auto target = read_endpoint(setup, entry, Role::transport);
    if (!target) continue;
    if (const auto transport = setup.transport(entry.key)) {
      by_transport_[*transport] = *target;
    } else {
      by_name_.emplace(entry.key, *target);
    }
  }
}

std::optional<EndpointId> OutboundByName::transport_for(const Incoming& incoming) const {
  if (incoming.transport && names_[*incoming.transport] == incoming.transport_name) {
    return by_transport_[*incoming.transport];
  }
  const auto found = by_name_.find(incoming.transport_name);
  if (found != by_name_.end()) return found->second;
  return incoming.transport;  // the joint that leads to a transport further down, if there is one
}

void OutboundByName::decide(const Incoming& incoming, Decision& decision) const {
  if (follow_reply(incoming, decision)) return;
  if (const std::optional<EndpointId> target = transport_for(incoming)) {
    if (Trail* trail = decision.trail()) {
      if (incoming.transport != target) {
        trail->note("transport_mappings." + in_quotes(incoming.transport_name));
      } else {
        note_transport(*trail, names_[*target] == incoming.transport_name);
      }
    }
    decision.deliver(*target);
  } else if (incoming.transport_name.empty()) {
    decision.refuse(RefusalCode::unknown_endpoint,
                    "the message has no transport_name, and is no reply to a message that is remembered");
  } else {
    decision.refuse(RefusalCode::unknown_endpoint, "transport_name " + in_quotes(incoming.transport_name) +
                                                       " is neither in transport_mappings nor a transport of this "
                                                       "dispatcher");
  }
}

void OutboundByName::add_routes(RouterSetup& setup, std::vector<Route>& routes) const {
  add_followed_reply(setup, routes);
  const Setting* mappings = setup.find("transport_mappings");
  if (mappings != nullptr && mappings->type == Setting::Type::table) {
    for (const Setting& entry : mappings->items) {
      routes.push_back({"outbound", "any", "transport_name is " + in_quotes(entry.key), entry.text, ""});
    }
  }
  routes.push_back({"outbound", "any", "transport_name is a transport", "that transport", ""});
  routes.push_back({"outbound", "any", "otherwise", "refused: unknown_endpoint", ""});
}

}  // namespace signalbox
