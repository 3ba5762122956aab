// Dispatchers that chain: names that two of them share are joints, and joints must make no cycle, nor a chain of more
// than limits::chained_dispatchers_max dispatchers.
//
// Thread: one, while starting up. Errors: faults. Tested by tests/configuration/chains_test.cpp.
#pragma once

#include <vector>

#include "broker/configuration_faults.hpp"
#include "broker/core/settings.hpp"

namespace signalbox {

// A joint as it was met in the file: at the second listing of its name.
struct ListedJoint {
  EndpointId joint = 0;  // either side
  Position where;
};

// Reports each cycle once, at the joint that closes it, and a chain that is too long at the joint that makes it so.
void check_chains(const Settings& settings, const std::vector<std::string>& dispatcher_names,
                  const std::vector<ListedJoint>& joints, FaultList& faults);

}  // namespace signalbox
