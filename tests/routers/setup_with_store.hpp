// A router's real setup, but for its store: so a test sees what a router keeps, and under what names.
//
// Thread: one. Owns: nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routers/router.hpp"

namespace signalbox::testing {

class SetupWithStore final : public RouterSetup {
 public:
  SetupWithStore(RouterSetup& setup, StateStore& store) : setup_(setup), store_(store) {}
  const Setting* find(std::string_view key) override { return setup_.find(key); }
  const Setting* require(std::string_view key) override { return setup_.require(key); }
  Position place() const override { return setup_.place(); }
  void fault(Position where, std::string text) override { setup_.fault(where, std::move(text)); }
  void unknown_name(Position where, std::string text, std::string_view name,
                    const std::vector<std::string>& known) override {
    setup_.unknown_name(where, std::move(text), name, known);
  }
  void warn(Position where, std::string text) override { setup_.warn(where, std::move(text)); }
  std::string_view dispatcher_name() const override { return setup_.dispatcher_name(); }
  const std::vector<std::string>& transports() const override { return setup_.transports(); }
  const std::vector<std::string>& applications() const override { return setup_.applications(); }
  std::optional<EndpointId> transport(std::string_view name) const override { return setup_.transport(name); }
  std::optional<EndpointId> application(std::string_view name) const override { return setup_.application(name); }
  std::string_view name_of(EndpointId endpoint) const override { return setup_.name_of(endpoint); }
  bool has_relays() const override { return setup_.has_relays(); }
  bool reply_tracking() const override { return setup_.reply_tracking(); }
  uint64_t expire_routing_memory_s() const override { return setup_.expire_routing_memory_s(); }
  uint64_t max_users() const override { return setup_.max_users(); }
  StateStore& state() override { return store_; }

 private:
  RouterSetup& setup_;
  StateStore& store_;
};

}  // namespace signalbox::testing
