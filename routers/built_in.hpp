// The routers that come with Signalbox: one factory a file, and nothing else of them can be seen from outside.
#pragma once

#include "routers/router.hpp"

namespace signalbox {

RouterClass content_keyword_router();
RouterClass from_addr_multiplex_router();
RouterClass from_address_router();
RouterClass load_balancing_router();
RouterClass redirect_outbound_router();
RouterClass redirect_router();
RouterClass routing_table_dispatcher();
RouterClass simple_dispatch_router();
RouterClass to_addr_router();
RouterClass to_address_router();
RouterClass transport_to_transport_router();
RouterClass user_grouping_router();

}  // namespace signalbox
