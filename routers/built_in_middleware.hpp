// The middleware that comes with Signalbox: one factory a file, and nothing else of it can be seen from outside.
#pragma once

#include "routers/middleware.hpp"

namespace signalbox {

MiddlewareClass address_prefix_provider_setting_middleware();
MiddlewareClass address_translation_middleware();
MiddlewareClass logging_middleware();
MiddlewareClass session_length_middleware();
MiddlewareClass static_provider_setting_middleware();
MiddlewareClass tagging_middleware();

}  // namespace signalbox
