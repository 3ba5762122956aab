// The configurations among which an entry chooses: small limits, so that short inputs reach them, and between them
// every router, middleware, a chain, each policy of queues, expiry, time-outs and dead letters.
//
// Each is read and checked once; what routers keep is made anew for every use.
//
// Thread: one.
#pragma once

#include <cstddef>
#include <memory>

#include "broker/configuration.hpp"
#include "broker/configuration_again.hpp"

namespace signalbox::fuzz {

inline constexpr size_t installation_count = 8;

const RouterRegistry& registry();

// REQUIRES: below installation_count. Aborts where it has a fault without `before`; with it, null is given.
[[nodiscard]] std::unique_ptr<Configuration> installation(size_t which, const Running* before = nullptr);

}  // namespace signalbox::fuzz
