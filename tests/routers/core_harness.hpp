// A broker's core as far as routing goes: the real way of a message (broker/core/routing.hpp) with the real memory, and
// in place of queues a list of what went where.
//
// Thread: one. Owns: the configuration and the memory. Errors: a configuration with faults fails the test; a message
// that is none is refused, as the core does.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/routing.hpp"
#include "tests/routers/router_harness.hpp"

namespace signalbox::testing {

class CoreHarness final : private Surroundings, private Routing::Sink {
 public:
  explicit CoreHarness(std::string_view toml, const RouterRegistry& registry = RouterRegistry());

  // "app1, app2", or "refused no_route: …", or "discarded".
  std::string send(std::string_view from, const Json& message, const Time& now);
  // What arrived of the message sent last, in order.
  struct Copy {
    std::string target;
    Json message;
  };
  const std::vector<Copy>& copies() const { return copies_; }
  const Routing::Noticed& noticed() const { return routing_.noticed(); }

  // The endpoints that have a worker; empty: all.
  void set_live(std::optional<std::set<std::string>> live) { live_ = std::move(live); }
  bool is_transport(std::string_view name) const;

 private:
  bool has_live_worker(EndpointId endpoint) const override;
  bool offer(EndpointId target, MessageKind kind, Bytes copy) override;
  void left_out(EndpointId target, MessageKind kind, Bytes copy, RefusalCode code) override;

  RouterHarness made_;
  RoutingMemory memory_;
  std::optional<std::set<std::string>> live_;
  std::vector<Copy> copies_;
  Routing routing_;
};

}  // namespace signalbox::testing
