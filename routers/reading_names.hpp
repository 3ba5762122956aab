// Names of endpoints in a router's settings, read by all routers in the same way and with the same words for the same
// faults. Each function reports what is wrong at its place; its result then says that there is nothing to use.
//
// Thread: one, while starting up. Owns: nothing. Errors: to RouterSetup::fault.
// Tested by the fault cases of tests/configuration, and through every router.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "routers/router.hpp"

namespace signalbox {

// True: a table. A missing one is false without a fault; a value of another type is a fault.
[[nodiscard]] bool is_table(RouterSetup& setup, const Setting* setting, std::string_view key);

// One name of an endpoint of that role in this dispatcher.
std::optional<EndpointId> read_endpoint(RouterSetup& setup, const Setting& item, Role role);

// The same, or a list of them: in order, duplicates kept, at least one, at most limits::targets_max.
std::vector<EndpointId> read_endpoints(RouterSetup& setup, const Setting& entry, Role role);

// The key of an entry in a table by transport. True where messages can come under that name: from a transport of this
// dispatcher, or, under a name that is no endpoint, through a relay.
[[nodiscard]] bool is_source(RouterSetup& setup, const Setting& entry);

// `routing_mappings`, which vumi's code calls route_mappings: one key with two names, and both at once is a fault. Null
// where there is neither; that is a fault if it is `required`.
const Setting* find_routing_mappings(RouterSetup& setup, bool required);

// The application of a router that serves exactly one; any other number is a fault at exposed_names.
std::optional<EndpointId> read_only_application(RouterSetup& setup);

// True or false as the setting says, `otherwise` where there is none.
[[nodiscard]] bool read_flag(RouterSetup& setup, const Setting* setting, std::string_view key, bool otherwise);

// True: a text that is not empty. Null is false without a fault.
[[nodiscard]] bool is_text(RouterSetup& setup, const Setting* setting, std::string_view what);

}  // namespace signalbox
