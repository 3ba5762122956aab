// What `signalbox check` prints of a configuration that has no fault: where everything goes.
//
// Thread: any; no state. Tested by tests/configuration.
#pragma once

#include <string>

#include "broker/configuration.hpp"

namespace signalbox {

// The routes of every dispatcher as one table each, its columns aligned, each line ended.
[[nodiscard]] std::string routes_table(const Configuration& configuration);

}  // namespace signalbox
