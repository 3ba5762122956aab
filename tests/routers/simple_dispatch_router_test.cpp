// SimpleDispatchRouter beside a twin that looks everything up by name, in the order in which the documentation says it:
// all small configurations with all small messages, then larger ones at random. Then its routes, its trail and its
// faults that no case file can show.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <sstream>

#include "routers/registry.hpp"
#include "tests/routers/router_harness.hpp"

namespace signalbox::testing {
namespace {

using Names = std::vector<std::string>;

std::string joined(const Names& names, const std::string& between, const std::string& quote = "") {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text.append(between);
    text.append(quote).append(name).append(quote);
  }
  return text;
}

// The router as one would explain it to somebody, with no thought for speed.
struct Twin {
  Names transports;
  Names applications;
  Names relays;
  std::map<std::string, Names> routing;
  std::map<std::string, std::string> transport_mappings;

  std::string decide(const Sample& sample) const {
    if (sample.direction != Direction::inbound && !sample.followed.empty()) return sample.followed;
    if (sample.direction == Direction::outbound) {
      std::string name = sample.transport_name.value_or("");
      if (transport_mappings.contains(name)) name = transport_mappings.at(name);
      return std::ranges::count(transports, name) > 0 ? name : "refused unknown_endpoint";
    }
    const std::string name = sample.transport_name.value_or(sample.from);
    return routing.contains(name) ? joined(routing.at(name), ", ") : "refused no_route";
  }

  std::string configuration() const {
    std::ostringstream toml;
    toml << "router_class = 'SimpleDispatchRouter'\n"
         << "transport_names = [" << joined(transports, ", ", "'") << "]\n"
         << "exposed_names = [" << joined(applications, ", ", "'") << "]\n"
         << "relays = [" << joined(relays, ", ", "'") << "]\n[routing_mappings]\n";
    for (const auto& [source, targets] : routing) toml << source << " = [" << joined(targets, ", ", "'") << "]\n";
    toml << "[transport_mappings]\n";
    for (const auto& [name, target] : transport_mappings) toml << name << " = '" << target << "'\n";
    return toml.str();
  }
};

void expect_same(const Twin& twin, RouterHarness& harness, const Sample& sample) {
  const std::string wanted = twin.decide(sample);
  std::string went = harness.decide(sample);
  if (went.starts_with("refused ")) went.resize(went.find(':'));
  ASSERT_EQ(went, wanted) << twin.configuration() << "\nfrom " << sample.from << ", transport_name "
                          << sample.transport_name.value_or("(none)") << ", followed " << sample.followed
                          << ", direction " << static_cast<int>(sample.direction);
}

// Every message that these endpoints can send with these names in transport_name.
void compare_all_messages(const Twin& twin, const Names& transport_names) {
  RouterHarness harness(twin.configuration());
  std::vector<std::optional<std::string>> spoken(transport_names.begin(), transport_names.end());
  spoken.emplace_back(std::nullopt);
  for (Direction direction : {Direction::inbound, Direction::event, Direction::outbound}) {
    Names followed = direction == Direction::outbound ? twin.transports : twin.applications;
    followed.emplace_back("");
    for (const std::string& from : direction == Direction::outbound ? twin.applications : twin.transports) {
      for (const auto& transport_name : spoken) {
        for (const std::string& remembered : followed) {
          Sample sample;
          sample.direction = direction;
          sample.from = from;
          sample.transport_name = transport_name;
          sample.followed = remembered;
          expect_same(twin, harness, sample);
        }
      }
    }
  }
}

TEST(SimpleDispatchRouter, AgreesWithItsTwinOnAllSmallTables) {
  const std::vector<Names> target_lists = {{}, {"a"}, {"b"}, {"a", "b"}, {"b", "a"}, {"a", "a"}};
  const Names mapped_to = {"", "s", "t"};
  size_t tables = 0;
  for (const Names& for_s : target_lists) {
    for (const Names& for_t : target_lists) {
      for (const Names& for_x : {target_lists[0], target_lists[3]}) {
        for (const std::string& s_to : mapped_to) {
          for (const std::string& x_to : mapped_to) {
            Twin twin{.transports = {"s", "t"},
                      .applications = {"a", "b"},
                      .relays = {"t"},
                      .routing = {},
                      .transport_mappings = {}};
            if (!for_s.empty()) twin.routing["s"] = for_s;
            if (!for_t.empty()) twin.routing["t"] = for_t;
            if (!for_x.empty()) twin.routing["x"] = for_x;
            if (!s_to.empty()) twin.transport_mappings["s"] = s_to;
            if (!x_to.empty()) twin.transport_mappings["x"] = x_to;
            compare_all_messages(twin, {"s", "t", "x", "a"});
            ASSERT_FALSE(::testing::Test::HasFatalFailure());
            ++tables;
          }
        }
      }
    }
  }
  EXPECT_EQ(tables, 6u * 6 * 2 * 3 * 3);
}

TEST(SimpleDispatchRouter, AgreesWithItsTwinOnRandomTables) {
  const uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](size_t bound) { return random() % bound; };
  for (int round = 0; round < 200; ++round) {
    Twin twin;
    for (size_t i = 0; i <= below(8); ++i) twin.transports.push_back(std::to_string(i).insert(0, 1, 't'));
    for (size_t i = 0; i <= below(8); ++i) twin.applications.push_back(std::to_string(i).insert(0, 1, 'a'));
    twin.relays = {twin.transports[below(twin.transports.size())]};
    Names spoken = twin.transports;
    for (const char* foreign : {"x", "y", "z"}) spoken.emplace_back(foreign);
    for (const std::string& name : spoken) {
      if (below(4) != 0) {
        for (size_t i = 0; i <= below(5); ++i) {
          twin.routing[name].push_back(twin.applications[below(twin.applications.size())]);
        }
      }
      if (below(4) == 0) twin.transport_mappings[name] = twin.transports[below(twin.transports.size())];
    }
    compare_all_messages(twin, spoken);
    ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "seed " << seed;
  }
}

TEST(SimpleDispatchRouter, SaysWhatItConsidered) {
  RouterHarness harness(
      "router_class = 'SimpleDispatchRouter'\ntransport_names = ['s']\nexposed_names = ['a']\n"
      "routing_mappings = {s = 'a'}\ntransport_mappings = {x = 's'}\n");
  const auto trail_of = [&](Direction direction, const std::string& from, const std::string& transport_name,
                            const std::string& followed) {
    std::vector<std::string> trail;
    Sample sample;
    sample.direction = direction;
    sample.from = from;
    sample.transport_name = transport_name;
    sample.followed = followed;
    (void)harness.decide(sample, &trail);
    return joined(trail, "; ");
  };
  EXPECT_EQ(trail_of(Direction::inbound, "s", "s", ""), "routing_mappings.\"s\"");
  EXPECT_EQ(trail_of(Direction::event, "s", "s", ""),
            "the message that the event is about is not remembered; routing_mappings.\"s\"");
  EXPECT_EQ(trail_of(Direction::event, "s", "s", "a"), "the event follows the message that it is about");
  EXPECT_EQ(trail_of(Direction::outbound, "a", "x", "s"), "the reply goes where the original came from");
  EXPECT_EQ(trail_of(Direction::outbound, "a", "x", ""), "transport_mappings.\"x\"");
  EXPECT_EQ(trail_of(Direction::outbound, "a", "s", ""), "transport_name is a transport of this dispatcher");
}

TEST(SimpleDispatchRouter, RewritesNothing) {
  RouterHarness harness(
      "router_class = 'SimpleDispatchRouter'\ntransport_names = ['s']\nexposed_names = ['a', 'b']\n"
      "routing_mappings = {s = ['a', 'b']}\n");
  Sample sample;
  sample.from = "s";
  EXPECT_EQ(harness.decide(sample), "a, b");
  EXPECT_TRUE(harness.decision().edits().empty());
  EXPECT_TRUE(harness.router().uses_transport_name());
}

}  // namespace
}  // namespace signalbox::testing
