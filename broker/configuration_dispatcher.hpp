// One dispatcher of the configuration: its names, its settings, its router, its middleware.
//
// It is read in two steps, since the endpoints of all dispatchers must be there before the first router is made: a
// router asks for names, and its configuration may be given by other tables' faults.
//
// Thread: one, while starting up. Owns: what it has read; borrows the file's Setting, the registry and the fault list.
// Tested by tests/configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/configuration_chains.hpp"
#include "broker/configuration_faults.hpp"
#include "broker/configuration_middleware.hpp"
#include "routers/registry.hpp"

namespace signalbox {

struct Numbers;  // configuration_again.hpp

// Which endpoints of the file there are, and where each was named, while the dispatchers are read one by one.
using EndpointsByName = std::unordered_map<std::string, EndpointId>;

class DispatcherReader final : public RouterSetup {
 public:
  // `table` is a [[dispatcher]], or, with `whole_file`, the file itself.
  DispatcherReader(const Setting& table, bool whole_file, uint32_t index, const RouterRegistry& registry,
                   FaultList& faults);

  // Reads what every dispatcher has, and adds its endpoints.
  // Names that another dispatcher has in the other role become joints; the second listing of each goes to `joints`.
  void read_endpoints(Settings& settings, EndpointsByName& endpoints, std::vector<ListedJoint>& joints);
  // Adds the dispatcher's own dead-letter endpoint, or takes `shared`.
  void read_dead_letters(Settings& settings, EndpointsByName& endpoints, EndpointId shared);
  // Endpoints and dispatchers have other numbers than the places where they were read; before finish().
  void renumber(const Numbers& numbers);
  // Makes the router, reports the keys that nobody reads, and hands the dispatcher over.
  DispatcherSettings finish(Settings& settings, uint64_t max_users);

  const std::string& name() const { return name_; }
  // Null where the file names none, or none that there is.
  const RouterClass* router_class() const { return router_class_; }
  // Where the name is given, else the dispatcher's place.
  Position name_position() const;

  // The keys of every dispatcher, those at the top of a file that are no dispatcher's, and those that vumi alone reads.
  static const std::vector<std::string>& common_keys();
  static const std::vector<std::string>& file_keys();
  static const std::vector<std::string>& vumi_keys();

  // RouterSetup
  const Setting* find(std::string_view key) override;
  const Setting* require(std::string_view key) override;
  Position place() const override;
  void fault(Position where, std::string text) override;
  void unknown_name(Position where, std::string text, std::string_view name,
                    const std::vector<std::string>& known) override;
  void warn(Position where, std::string text) override;
  std::string_view dispatcher_name() const override { return name_; }
  const std::vector<std::string>& transports() const override { return transports_.names; }
  const std::vector<std::string>& applications() const override { return applications_.names; }
  std::optional<EndpointId> transport(std::string_view name) const override { return transports_.find(name); }
  std::optional<EndpointId> application(std::string_view name) const override { return applications_.find(name); }
  std::string_view name_of(EndpointId endpoint) const override { return settings_->endpoints[endpoint].name; }
  bool has_relays() const override { return has_relays_; }
  bool reply_tracking() const override { return reply_tracking_; }
  uint64_t expire_routing_memory_s() const override { return expire_routing_memory_s_; }
  uint64_t max_users() const override { return max_users_; }
  StateStore& state() override { return *state_; }

 private:
  // One direction's endpoints: in order, and by name.
  struct Names {
    std::vector<std::string> names;
    std::unordered_map<std::string, EndpointId> ids;
    std::optional<EndpointId> find(std::string_view name) const;
  };

  void read_router_class();
  void read_common();
  void read_expiry();
  ListedNames list_names();
  std::vector<ListedName> read_names(const Setting* list, std::string_view what);
  void add_names(const std::vector<ListedName>& listed, Role role, Settings& settings, EndpointsByName& endpoints,
                 std::vector<ListedJoint>& joints);
  void report_second_listing(const ListedName& listed, Role role, const Settings& settings, EndpointId first);
  void read_relays(Settings& settings);
  void report_stray_keys();
  void report_stray_key(const Setting& item);

  const Setting& table_;
  const bool whole_file_;
  const uint32_t index_;  // among those that are read
  const RouterRegistry& registry_;
  FaultList& faults_;
  const Settings* settings_ = nullptr;

  MiddlewareReader middleware_;
  const RouterClass* router_class_ = nullptr;  // null: missing, or unknown
  std::string name_;
  Names transports_;
  Names applications_;
  std::unordered_map<EndpointId, Position> listed_at_;
  bool has_relays_ = false;
  bool reply_tracking_ = true;
  uint64_t expire_routing_memory_s_ = 0;
  uint64_t max_users_ = 0;
  StateStore* state_ = nullptr;
  EndpointId dead_letters_ = 0;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace signalbox
