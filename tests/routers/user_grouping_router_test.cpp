// UserGroupingRouter beside a twin that keeps a list: all short sequences of messages, then long ones at random. Then
// what no case file can show: the counter, the trail, and what becomes of users whose group the file no longer has.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "routers/registry.hpp"
#include "routers/text_map.hpp"
#include "tests/routers/router_harness.hpp"
#include "tests/routers/setup_with_store.hpp"

namespace signalbox::testing {
namespace {

using User = std::optional<std::string>;  // nothing: the message has a nil from_addr

struct Twin {
  std::map<std::string, std::string> groups;  // sorted by code point, since it is sorted by byte
  size_t max_users = 0;
  std::vector<std::pair<std::string, std::string>> users;  // and their group, the longest unseen first
  size_t turn = 0;
  uint64_t evicted = 0;

  std::string decide(const User& user) {
    if (!user) return "refused no_route";
    auto known = std::ranges::find(users, *user, [](const auto& entry) { return entry.first; });
    std::string group;
    if (known != users.end()) {
      group = known->second;
      users.erase(known);
    } else {
      group = std::next(groups.begin(), static_cast<long>(turn++ % groups.size()))->first;
    }
    users.emplace_back(*user, group);
    if (users.size() > max_users) {
      users.erase(users.begin());
      ++evicted;
    }
    return groups.at(group);
  }

  std::string configuration() const {
    std::string toml =
        "router_class = 'UserGroupingRouter'\ndispatcher_name = 'd'\ntransport_names = ['s']\n"
        "exposed_names = ['a', 'b', 'c']\n[group_mappings]\n";
    for (const auto& [group, application] : groups) toml += "'" + group + "' = '" + application + "'\n";
    return toml + "[broker]\nmax_users = " + std::to_string(max_users) + "\n";
  }
};

std::string decide(RouterHarness& harness, const User& user, std::vector<std::string>* trail = nullptr) {
  Sample sample;
  sample.from = "s";
  sample.fields["from_addr"] = user ? Json(*user) : Json(nullptr);
  std::string went = harness.decide(sample, trail);
  if (went.starts_with("refused ")) went.resize(went.find(':'));
  return went;
}

TEST(UserGroupingRouter, AgreesWithItsTwinOnAllShortSequences) {
  const std::vector<std::map<std::string, std::string>> tables = {
      {{"g", "a"}}, {{"g2", "a"}, {"g10", "b"}}, {{"x", "c"}, {"X", "b"}, {"\u00e9", "a"}}};
  const std::vector<User> users = {"1", "2", "3", std::nullopt};
  constexpr size_t length = 5;
  for (const auto& groups : tables) {
    for (const size_t max_users : {1, 2, 9}) {
      for (size_t sequence = 0; sequence < 4 * 4 * 4 * 4 * 4; ++sequence) {
        Twin twin{.groups = groups, .max_users = max_users, .users = {}};
        RouterHarness harness(twin.configuration());
        for (size_t i = 0, rest = sequence; i < length; ++i, rest /= 4) {
          const User& user = users[rest % 4];
          ASSERT_EQ(decide(harness, user), twin.decide(user)) << twin.configuration() << sequence << ", " << i;
        }
        ASSERT_EQ(harness.settings().state->evicted(), twin.evicted);
      }
    }
  }
}

TEST(UserGroupingRouter, AgreesWithItsTwinAtRandom) {
  const uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    Twin twin{.groups = {}, .max_users = 1 + random() % 50, .users = {}};
    for (size_t i = 0; i <= random() % 20; ++i)
      twin.groups["g" + std::to_string(random() % 100)] = std::string(1, "abc"[random() % 3]);
    RouterHarness harness(twin.configuration());
    for (int i = 0; i < 1000; ++i) {
      const User user = random() % 20 == 0 ? User() : "+" + std::to_string(random() % 80);
      ASSERT_EQ(decide(harness, user), twin.decide(user)) << "seed " << seed << ", " << i;
    }
    ASSERT_EQ(harness.settings().state->evicted(), twin.evicted) << "seed " << seed;
  }
}

TEST(UserGroupingRouter, SaysWhichGroupTheUserIsIn) {
  const Twin twin{.groups = {{"g", "a"}}, .max_users = 9, .users = {}};
  RouterHarness harness(twin.configuration());
  std::vector<std::string> trail;
  EXPECT_EQ(decide(harness, "1", &trail), "a");
  EXPECT_EQ(trail, std::vector<std::string>{"user \"1\" is new, and gets group \"g\", the next in turn"});
}

TEST(UserGroupingRouter, WarnsOfEventsThatWillBeRefused) {
  const std::string start =
      "router_class = 'UserGroupingRouter'\ndispatcher_name = 'd'\ntransport_names = ['s', 't']\nexposed_names = "
      "['a']\n";
  const std::string groups = "group_mappings = {g = 'a'}\n";
  EXPECT_TRUE(read_configuration(start + groups, RouterRegistry()).configuration->warnings.empty());
  const auto some = read_configuration(start + groups + "routing_mappings = {s = 'a'}\n", RouterRegistry());
  ASSERT_EQ(some.configuration->warnings.size(), 1u);
  EXPECT_EQ(some.configuration->warnings[0].text,
            "routing_mappings has no entry for \"t\": an event from there whose message is not remembered will be "
            "refused, no_route");
}

// --- one store behind two configurations -------------------------------------------------------------------------

// A store that outlives the configuration, as a durable one does: its tables are found again by their names.
class LastingStore final : public StateStore {
 public:
  std::unique_ptr<StateTable> open(StateTableSettings settings) override {
    return std::make_unique<Table>(tables_[settings.name]);
  }
  uint64_t evicted() const override { return 0; }
  void take_over(StateStore&) override {}  // what it keeps is here already

 private:
  class Table final : public StateTable {
   public:
    explicit Table(TextMap<std::string>& entries) : entries_(entries) {}
    std::optional<std::string_view> get(std::string_view key, const Time&) override {
      const auto found = entries_.find(key);
      if (found == entries_.end()) return std::nullopt;
      return found->second;
    }
    void put(std::string_view key, std::string_view value, const Time&) override {
      entries_.insert_or_assign(std::string(key), std::string(value));
    }
    void erase(std::string_view key) override { entries_.erase(std::string(key)); }
    uint64_t size() const override { return entries_.size(); }

   private:
    TextMap<std::string>& entries_;
  };
  std::map<std::string, TextMap<std::string>> tables_;
};

LastingStore* lasting_store = nullptr;

std::unique_ptr<Router> make_with_store(RouterSetup& setup) {
  SetupWithStore with_store(setup, *lasting_store);
  return RouterRegistry().find("UserGroupingRouter")->make(with_store);
}

RouterRegistry registry_with_store() {
  RouterRegistry registry;
  RouterClass grouping = *registry.find("UserGroupingRouter");
  grouping.make = make_with_store;
  registry.add(grouping);
  return registry;
}

TEST(UserGroupingRouter, UsersOutliveTheConfigurationAndAreNewWhereTheirGroupIsGone) {
  LastingStore store;
  lasting_store = &store;
  const RouterRegistry registry = registry_with_store();
  Twin twin{.groups = {{"g1", "a"}, {"g2", "b"}}, .max_users = 9, .users = {}};
  {
    RouterHarness before(twin.configuration(), registry);
    EXPECT_EQ(decide(before, "ann"), "a");
    EXPECT_EQ(decide(before, "bob"), "b");
  }
  twin.groups = {{"g1", "c"}, {"g2", "b"}};
  {
    RouterHarness moved(twin.configuration(), registry);
    EXPECT_EQ(decide(moved, "ann"), "c") << "the group has another application now, and keeps its users";
    EXPECT_EQ(decide(moved, "cat"), "c") << "the turn goes on where it stood";
  }
  twin.groups = {{"g1", "a"}, {"g3", "c"}};
  {
    RouterHarness gone(twin.configuration(), registry);
    EXPECT_EQ(decide(gone, "ann"), "a");
    EXPECT_EQ(decide(gone, "bob"), "c") << "g2 is gone: bob is new, and the next in turn is g3";
    EXPECT_EQ(decide(gone, "bob"), "c");
    EXPECT_EQ(decide(gone, "dan"), "a");
  }
}

}  // namespace
}  // namespace signalbox::testing
