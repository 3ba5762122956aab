// The routers that rewrite transport_name by a table, and TransportToTransportRouter, each beside a naive twin: all
// small tables with all small messages, then larger ones at random.
#include <gtest/gtest.h>

#include "tests/routers/twins.hpp"

namespace signalbox::testing {
namespace {

using Table = std::map<std::string, std::string>;

struct Endpoints {
  Names transports;
  Names applications;
  Names relays;

  std::string configuration(const std::string& router_class) const {
    return "router_class = '" + router_class + "'\ntransport_names = [" + joined(transports, ", ", "'") +
           "]\nexposed_names = [" + joined(applications, ", ", "'") + "]\nrelays = [" + joined(relays, ", ", "'") +
           "]\n";
  }
};

Json with_name(const Sample& sample, const std::string& name) {
  Json message = sent(sample);
  message["transport_name"] = name;
  return message;
}

template <typename Twin>
void expect_same(const Twin& twin, RouterHarness& harness, const Sample& sample) {
  const Fate wanted = twin.decide(sample);
  const Fate got = ask(harness, sample);
  ASSERT_EQ(got.goes, wanted.goes) << twin.configuration() << described(sample);
  ASSERT_EQ(got.arrives, wanted.arrives) << twin.configuration() << described(sample);
}

template <typename Twin>
void compare_all_messages(const Twin& twin, const Names& spoken, const std::vector<Json>& fields) {
  RouterHarness harness(twin.configuration());
  for_each_message(twin.names.transports, twin.names.applications, spoken, fields, [&](const Sample& sample) {
    if (!::testing::Test::HasFatalFailure()) expect_same(twin, harness, sample);
  });
}

// --- RedirectRouter --------------------------------------------------------------------------------------------------

struct Redirecting {
  std::string router_class = "RedirectRouter";
  Endpoints names;
  Table inbound;
  Table outbound;

  Fate decide(const Sample& sample) const {
    if (sample.direction == Direction::outbound) {
      const std::string name = sample.transport_name.value_or("");
      if (!outbound.contains(name)) return {"refused no_route"};
      return {outbound.at(name), sent(sample)};
    }
    std::string target;
    const std::string name = sample.transport_name.value_or(sample.from);
    if (inbound.contains(name)) target = inbound.at(name);
    if (sample.direction == Direction::event && !sample.followed.empty()) target = sample.followed;
    if (target.empty()) return {"refused no_route"};
    return {target, with_name(sample, target)};
  }

  std::string configuration() const {
    return names.configuration(router_class) + "redirect_inbound = " + inline_table(inbound) +
           "\nredirect_outbound = " + inline_table(outbound) + "\n";
  }
};

TEST(RedirectRouter, AgreesWithItsTwinOnAllSmallTables) {
  size_t tables = 0;
  for (const Table& inbound : all_tables({"s", "t", "x"}, {"", "a", "b"})) {
    for (const Table& outbound : all_tables({"a", "b", "x"}, {"", "s", "t"})) {
      const std::string router_class = ++tables % 2 == 0 ? "RedirectRouter" : "RedirectOutboundRouter";
      compare_all_messages(Redirecting{router_class, {{"s", "t"}, {"a", "b"}, {"t"}}, inbound, outbound},
                           {"s", "t", "x", "a", "b"}, {Json::object()});
      ASSERT_FALSE(HasFatalFailure());
    }
  }
  EXPECT_EQ(tables, 27u * 27);
}

// --- FromAddrMultiplexRouter -----------------------------------------------------------------------------------------

struct Multiplexing {
  Endpoints names;
  Table from_addresses;

  Fate decide(const Sample& sample) const {
    const std::string exposed = names.applications.front();
    if (sample.direction != Direction::outbound) return {exposed, with_name(sample, exposed)};
    const auto address = text_in(sample, "from_addr");
    if (!address || !from_addresses.contains(*address)) return {"refused no_route"};
    return {from_addresses.at(*address), with_name(sample, from_addresses.at(*address))};
  }

  std::string configuration() const {
    return names.configuration("FromAddrMultiplexRouter") + "fromaddr_mappings = " + inline_table(from_addresses) +
           "\n";
  }
};

TEST(FromAddrMultiplexRouter, AgreesWithItsTwinOnAllSmallTables) {
  const std::vector<Json> fields = {Json::object(),       {{"from_addr", nullptr}}, {{"from_addr", "1"}},
                                    {{"from_addr", "2"}}, {{"from_addr", ""}},      {{"from_addr", "12"}}};
  size_t tables = 0;
  for (const Table& addresses : all_tables({"1", "2", ""}, {"", "s", "t"})) {
    compare_all_messages(Multiplexing{{{"s", "t"}, {"a"}, {"t"}}, addresses}, {"s", "t", "x", "a"}, fields);
    ASSERT_FALSE(HasFatalFailure());
    ++tables;
  }
  EXPECT_EQ(tables, 27u);
}

// --- TransportToTransportRouter --------------------------------------------------------------------------------------

struct CrossingOver {
  Endpoints names;
  std::map<std::string, Names> routing;

  Fate decide(const Sample& sample) const {
    if (sample.direction != Direction::inbound) return {"discarded"};
    const std::string name = sample.transport_name.value_or(sample.from);
    if (!routing.contains(name)) return {"refused no_route"};
    return {joined(routing.at(name), ", "), sent(sample)};
  }

  std::string configuration() const {
    std::string toml = names.configuration("TransportToTransportRouter") + "[routing_mappings]\n";
    for (const auto& [source, targets] : routing) toml += source + " = [" + joined(targets, ", ", "'") + "]\n";
    return toml;
  }
};

TEST(TransportToTransportRouter, AgreesWithItsTwinOnAllSmallTables) {
  const std::vector<Names> lists = {{}, {"s"}, {"t"}, {"s", "t"}, {"t", "s"}, {"t", "t"}};
  for (const Names& for_s : lists) {
    for (const Names& for_t : lists) {
      for (const Names& for_x : lists) {
        CrossingOver twin{{{"s", "t"}, {"a"}, {"t"}}, {}};
        if (!for_s.empty()) twin.routing["s"] = for_s;
        if (!for_t.empty()) twin.routing["t"] = for_t;
        if (!for_x.empty()) twin.routing["x"] = for_x;
        // Nothing that an application sends gets anywhere, so there is nothing that an event could follow.
        RouterHarness harness(twin.configuration());
        for_each_message({"s", "t"}, {"a"}, {"s", "t", "x", "a"}, {Json::object()}, [&](const Sample& sample) {
          if (sample.followed.empty() && !HasFatalFailure()) expect_same(twin, harness, sample);
        });
        ASSERT_FALSE(HasFatalFailure());
      }
    }
  }
}

// --- larger, at random -----------------------------------------------------------------------------------------------

TEST(RedirectingRouters, AgreeWithTheirTwinsOnRandomTables) {
  const uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](size_t bound) { return random() % bound; };
  const auto any_of = [&](const Names& names) { return names[below(names.size())]; };
  for (int round = 0; round < 60; ++round) {
    Endpoints names;
    for (size_t i = 0; i <= below(7); ++i) names.transports.push_back(numbered('t', i));
    for (size_t i = 0; i <= below(7); ++i) names.applications.push_back(numbered('a', i));
    names.relays = {any_of(names.transports)};
    Names spoken = names.transports;
    for (const char* foreign : {"x", "y", "a0"}) spoken.emplace_back(foreign);

    Redirecting redirecting{.router_class = "RedirectRouter", .names = names, .inbound = {}, .outbound = {}};
    Multiplexing multiplexing{names, {}};
    multiplexing.names.applications.resize(1);
    CrossingOver crossing{names, {}};
    std::vector<Json> fields = {Json::object()};
    for (const std::string& name : spoken) {
      if (name != "a0" && below(3) > 0) redirecting.inbound[name] = any_of(names.applications);
      if (name != "a0" && below(3) > 0) crossing.routing[name] = {any_of(names.transports), any_of(names.transports)};
      if (below(3) > 0) multiplexing.from_addresses["+" + name] = any_of(names.transports);
      fields.push_back({{"from_addr", "+" + name}});
    }
    for (const std::string& name : names.applications) {
      if (below(3) > 0) redirecting.outbound[name] = any_of(names.transports);
    }
    compare_all_messages(redirecting, spoken, {Json::object()});
    compare_all_messages(multiplexing, {"t0", "x"}, fields);
    compare_all_messages(CrossingOver{{names.transports, {}, names.relays}, crossing.routing}, spoken, fields);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace signalbox::testing
