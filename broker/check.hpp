// What `signalbox check` prints of a configuration that has no fault: where everything goes.
//
// Thread: any; no state. Tested by tests/configuration/check_test.cpp, tests/configuration/drawing_test.cpp.
#pragma once

#include <string>

#include "broker/configuration.hpp"

namespace signalbox {

enum class Colours : bool { plain, terminal };

// The routes of every dispatcher as one table each, its columns aligned, each line ended; then the joints, if any.
[[nodiscard]] std::string routes_table(const Configuration& configuration, Colours colours = Colours::plain);

// The same for Graphviz, as one digraph: transports on the left, applications on the right, a cluster for each
// dispatcher where there are several. What goes nowhere is not drawn, nor are events: the table has them.
[[nodiscard]] std::string routes_drawing(const Configuration& configuration);

}  // namespace signalbox
