// Keys in the configuration: the broker's own in [broker], and [[peer]], who may be what.
//
// No fault quotes a secret. Thread: one, while starting up. Tested by tests/configuration/peers_test.cpp.
#pragma once

#include <string>

#include "broker/configuration_faults.hpp"
#include "routers/setting.hpp"

namespace signalbox {

// secret_key_file or secret_key of [broker] (`section` may be null): into the configuration's secret_key, and
// keys_required wherever one of the two is given, be it right or not. A relative path begins in `folder`.
void read_secret_key(const Setting* section, const std::string& folder, Configuration& configuration,
                     FaultList& faults);

// [[peer]] of the whole file: into the settings' peers.
// REQUIRES: read_secret_key() has been here, and the endpoints are all there.
void read_peers(const Setting& file, Configuration& configuration, FaultList& faults);

}  // namespace signalbox
