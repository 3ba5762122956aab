// UserGroupingRouter: each user belongs to a group, for ever, and each group to an application.
//
// A user is an exact from_addr. One that is new gets the next group in turn; the turn goes by the groups' names, sorted
// by code point. What is remembered is the name of the group and not its application, so that giving a group to another
// application moves all its users, and taking a group out makes its users new again. The memory is bounded by
// max_users: whoever has been unseen for longest makes room, and that is counted.
//
// Thread: one. Owns: its tables; the users' groups and the turn are in its state tables.
// Bounds: max_users. Tested by the cases in cases/user_grouping.toml, and a naive twin.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

#include "routers/built_in.hpp"
#include "routers/following.hpp"
#include "routers/outbound_by_name.hpp"
#include "routers/reading_names.hpp"
#include "routers/state_store.hpp"
#include "routers/targets_by_transport.hpp"

namespace signalbox {

namespace {

class UserGroupingRouter final : public Router {
 public:
  explicit UserGroupingRouter(RouterSetup& setup) {
    setup.require("exposed_names");
    const Setting* groups = setup.require("group_mappings");
    if (is_table(setup, groups, "group_mappings")) read_groups(setup, *groups);
    const Setting* name = setup.require("dispatcher_name");
    if (is_text(setup, name, "dispatcher_name")) open_tables(setup, name->text);
    const Setting* routing = find_routing_mappings(setup, false);
    if (routing != nullptr) {
      events_.read(
          setup, routing, Role::application,
          setup.reply_tracking() ? "an event from there whose message is not remembered" : "an event from there");
    }
    has_events_ = routing != nullptr;
    transports_.read(setup);
    add_routes(setup, routing);
  }

  void inbound(const Incoming& incoming, Decision& decision) override {
    if (!incoming.message.has(Field::from_addr)) {
      decision.refuse(RefusalCode::no_route, "the message has no from_addr, and so no user to find a group for");
      return;
    }
    const std::string_view user = incoming.message.text(Field::from_addr);
    const Group* const known = known_group_of(user, incoming.now);
    const Group& group = known != nullptr ? *known : new_group_of(user, incoming.now);
    if (Trail* trail = decision.trail()) {
      trail->note("user " + in_quotes(user) + (known != nullptr ? " is known, in group " : " is new, and gets group ") +
                  in_quotes(group.name) + (known != nullptr ? "" : ", the next in turn"));
    }
    decision.deliver(group.application);
  }

  void event(const Incoming& incoming, Decision& decision) override {
    if (follow_event(incoming, decision)) return;
    if (has_events_) {
      events_.decide(incoming, decision);
    } else {
      decision.refuse(RefusalCode::no_route, "there are no routing_mappings, by which other events would go");
    }
  }

  void outbound(const Incoming& incoming, Decision& decision) override { transports_.decide(incoming, decision); }

  std::vector<Route> routes() const override { return routes_; }

 private:
  struct Group {
    std::string name;
    EndpointId application = 0;
    std::string remembered;  // what a user's entry says: its place among the groups, and its name
  };
  static constexpr size_t place_bytes = sizeof(uint32_t);

  void read_groups(RouterSetup& setup, const Setting& mappings) {
    if (mappings.items.empty()) setup.fault(mappings.position, "group_mappings is empty: there is no group to be in");
    for (const Setting& entry : mappings.items) {
      if (entry.key.empty()) setup.fault(entry.key_position, "a group's name must not be empty");
      if (const auto application = read_endpoint(setup, entry, Role::application))
        groups_.push_back({entry.key, *application, {}});
    }
    std::ranges::sort(groups_, {}, &Group::name);  // UTF-8 sorts by code point
    for (uint32_t place = 0; place < groups_.size(); ++place) {
      std::string& remembered = groups_[place].remembered;
      remembered.assign(reinterpret_cast<const char*>(&place), place_bytes).append(groups_[place].name);
    }
  }

  void open_tables(RouterSetup& setup, const std::string& name) {
    users_ = setup.state().open(
        {.name = name + ":user", .entries_max = setup.max_users(), .keep_ms = 0, .reading_renews = true});
    turn_ =
        setup.state().open({.name = name + ":round-robin", .entries_max = 1, .keep_ms = 0, .reading_renews = false});
  }

  // Null: the user is new, or the group is gone.
  const Group* known_group_of(std::string_view user, const Time& now) {
    const auto known = users_->get(user, now);
    return known ? find(*known) : nullptr;
  }

  const Group& new_group_of(std::string_view user, const Time& now) {
    const Group& next = groups_[take_turn(now) % groups_.size()];
    users_->put(user, next.remembered, now);
    return next;
  }

  // The group that is remembered so; null: there is none of that name any more. Where the groups are the same as when
  // it was written, it stands where it stood then.
  const Group* find(std::string_view remembered) const {
    if (remembered.size() < place_bytes) return nullptr;
    uint32_t place = 0;
    std::memcpy(&place, remembered.data(), place_bytes);
    if (place < groups_.size() && groups_[place].remembered == remembered) return &groups_[place];
    const auto group = std::ranges::lower_bound(groups_, remembered.substr(place_bytes), {}, &Group::name);
    return group != groups_.end() && group->name == remembered.substr(place_bytes) ? &*group : nullptr;
  }

  // How many users had a turn before.
  uint64_t take_turn(const Time& now) {
    uint64_t turn = 0;
    if (const auto text = turn_->get("next", now)) std::from_chars(text->data(), text->data() + text->size(), turn);
    turn_->put("next", std::to_string(turn + 1), now);
    return turn;
  }

  void add_routes(RouterSetup& setup, const Setting* routing) {
    for (const Group& group : groups_) {
      routes_.push_back({"inbound", "any", "the user is in group " + in_quotes(group.name),
                         std::string(setup.name_of(group.application)), ""});
    }
    routes_.push_back({"inbound", "any", "the user is new", "the next group in turn", ""});
    const std::string_view condition = add_followed_event(setup, routes_);
    if (routing != nullptr) {
      events_.add_routes(setup, routing, "event", condition, routes_);
    } else {
      routes_.push_back({"event", "any", std::string(condition), "refused: no_route", ""});
    }
    transports_.add_routes(setup, routes_);
  }

  std::vector<Group> groups_;  // sorted by name
  std::unique_ptr<StateTable> users_;
  std::unique_ptr<StateTable> turn_;
  bool has_events_ = false;
  TargetsByTransport events_;
  OutboundByName transports_;
  std::vector<Route> routes_;
};

std::unique_ptr<Router> make_user_grouping_router(RouterSetup& setup) {
  return std::make_unique<UserGroupingRouter>(setup);
}

}  // namespace

RouterClass user_grouping_router() {
  return {.name = "UserGroupingRouter",
          .make = make_user_grouping_router,
          .keys = {"group_mappings", "dispatcher_name", "transport_mappings", "routing_mappings", "route_mappings"},
          .list_names = nullptr};
}

}  // namespace signalbox
