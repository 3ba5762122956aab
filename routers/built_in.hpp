// The routers that come with Signalbox: one factory a file, and nothing else of them can be seen from outside.
#pragma once

#include "routers/router.hpp"

namespace signalbox {

RouterClass simple_dispatch_router();

}  // namespace signalbox
