// The parts of the configuration that are not a dispatcher's: [broker], [endpoint_defaults] and [endpoints.NAME].
//
// Thread: one, while starting up. Tested by tests/configuration.
#pragma once

#include <string>
#include <vector>

#include "broker/configuration_faults.hpp"
#include "routers/setting.hpp"

namespace signalbox {

// [broker], where there is one (`section` may be null): into the configuration's settings, endpoints and insecure.
// Gives max_users, which is for the routers.
uint64_t read_broker(const Setting* section, Configuration& configuration, FaultList& faults);

// [endpoint_defaults] and [endpoints.NAME] of the whole file: into the endpoints, which are all there by now.
// REQUIRES: read_broker() has been here.
void read_endpoint_settings(const Setting& file, Settings& settings, FaultList& faults);

// The keys that these sections know, for whoever puts one in the wrong place.
const std::vector<std::string>& broker_keys();
const std::vector<std::string>& endpoint_keys();

}  // namespace signalbox
