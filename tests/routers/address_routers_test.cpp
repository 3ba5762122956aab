// ToAddressRouter and FromAddressRouter beside a twin whose expressions are matched by std::regex, one after the other:
// all small tables with all short addresses, then tables large enough for a set. Then their trails, and their own
// memory under messages without end.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <regex>
#include <vector>

#include "routers/registry.hpp"
#include "tests/routers/router_harness.hpp"

namespace signalbox::testing {
namespace {

using Address = std::optional<std::string>;

struct Rule {
  std::string application;
  std::string expression;
  bool otherwise = false;  // `default`, of a FromAddressRouter
};

struct Twin {
  bool is_to_address = true;  // else FromAddressRouter
  std::vector<Rule> rules;
  std::string default_app;  // of a ToAddressRouter
  bool reply_tracking = true;
  uint64_t max_users = 1000;
  // Of outbound messages, where reply_tracking is false.
  std::map<std::string, Address> remembered = {};

  std::string by_address(const Address& address) const {
    std::vector<std::string> targets;
    for (const Rule& rule : rules) {
      const auto flags = is_to_address ? std::regex_constants::match_continuous : std::regex_constants::match_default;
      if (!address || !std::regex_search(*address, std::regex(rule.expression), flags)) continue;
      targets.push_back(rule.application);
      if (is_to_address) break;
    }
    if (targets.empty() && !default_app.empty()) targets.push_back(default_app);
    for (const Rule& rule : rules) {
      if (rule.otherwise && (targets.empty() || targets.front().starts_with("default "))) {
        targets.push_back("default " + rule.application);
      }
    }
    std::string went;
    for (const std::string& target : targets) {
      const std::string name = target.starts_with("default ") ? target.substr(8) : target;
      went += (went.empty() ? "" : ", ") + name;
    }
    return went.empty() ? "refused no_route" : went;
  }

  std::string decide(const Sample& sample) {
    const auto field = [&](const char* key) -> Address {
      if (!sample.fields.contains(key) || sample.fields[key].is_null()) return std::nullopt;
      return sample.fields[key].get<std::string>();
    };
    if (sample.direction == Direction::inbound) return by_address(field("to_addr"));
    if (sample.direction == Direction::event) {
      if (!sample.followed.empty()) return sample.followed;
      const auto known = remembered.find(*field("user_message_id"));
      return known == remembered.end() ? "refused no_route" : by_address(known->second);
    }
    std::string went = "s";
    if (is_to_address) {
      went = !sample.followed.empty() ? sample.followed : sample.transport_name.value_or("");
      if (went != "s" && went != "t") return "refused unknown_endpoint";
    }
    if (!reply_tracking) remembered[*field("message_id")] = field("from_addr");
    return went;
  }

  std::string configuration() const {
    std::string toml = reply_tracking ? "" : "reply_tracking = false\n";
    if (is_to_address) {
      toml += "router_class = 'ToAddressRouter'\ntransport_names = ['s', 't']\n";
      if (!default_app.empty()) toml += "default_app = '" + default_app + "'\n";
      toml += "to_address_mappings = [\n";
      for (const Rule& rule : rules) {
        toml += "{name = '" + rule.application + "', pattern = '" + rule.expression + "'},\n";
      }
    } else {
      toml += "router_class = 'FromAddressRouter'\nchannel = 's'\ndestinations = [\n";
      for (const Rule& rule : rules) {
        toml += "{id = '" + rule.application + "', config = {regular_expression = '" + rule.expression +
                "', default = " + (rule.otherwise ? "true" : "false") + "}},\n";
      }
    }
    return toml + "]\n[broker]\nmax_users = " + std::to_string(max_users) + "\n";
  }
};

std::string decide(RouterHarness& harness, const Sample& sample) {
  std::string went = harness.decide(sample);
  if (went.starts_with("refused ")) went.resize(went.find(':'));
  return went;
}

void expect_same(Twin& twin, RouterHarness& harness, const Sample& sample) {
  const std::string wanted = twin.decide(sample);
  ASSERT_EQ(decide(harness, sample), wanted)
      << twin.configuration() << static_cast<int>(sample.direction) << sample.fields << sample.followed;
}

const std::vector<Address>& short_addresses() {
  static const std::vector<Address> all = [] {
    std::vector<Address> made = {std::nullopt, ""};
    for (size_t i = 1; i < made.size(); ++i) {
      if (made[i]->size() == 3) break;
      for (const char* letter : {"a", "b", "\n"}) made.emplace_back(*made[i] + letter);
    }
    return made;
  }();
  return all;
}

void compare_all_short_addresses(Twin& twin) {
  RouterHarness harness(twin.configuration());
  size_t number = 0;
  for (const Address& address : short_addresses()) {
    const Json value = address ? Json(*address) : Json(nullptr);
    const std::string id = "id " + std::to_string(number++);
    Sample sample;
    sample.from = "s";
    sample.fields["to_addr"] = value;
    ASSERT_NO_FATAL_FAILURE(expect_same(twin, harness, sample));
    sample.direction = Direction::outbound;
    sample.from = twin.rules.front().application;
    sample.transport_name = std::vector<std::string>{"s", "t", "x"}[number % 3];
    sample.fields = {{"message_id", id}, {"from_addr", value}};
    ASSERT_NO_FATAL_FAILURE(expect_same(twin, harness, sample));
    sample.direction = Direction::event;
    sample.from = "s";
    sample.transport_name = std::nullopt;
    sample.fields = {{"user_message_id", id}};
    ASSERT_NO_FATAL_FAILURE(expect_same(twin, harness, sample));
    if (twin.reply_tracking) {
      sample.followed = twin.rules.back().application;
      ASSERT_NO_FATAL_FAILURE(expect_same(twin, harness, sample));
    }
  }
}

const std::vector<std::string>& expressions() {
  static const std::vector<std::string> some = {"", "a", "b$", "^ab", "a|bb", ".b", "(ab)+$", "[^a]"};
  return some;
}

TEST(ToAddressRouter, AgreesWithItsTwinOnAllSmallTables) {
  for (const std::string& first : expressions()) {
    for (const std::string& second : expressions()) {
      for (const std::string default_app : {"", "x", "z"}) {
        for (const bool reply_tracking : {true, false}) {
          Twin twin{.rules = {{"x", first}, {"y", second}, {"x", "bab"}},
                    .default_app = default_app,
                    .reply_tracking = reply_tracking};
          ASSERT_NO_FATAL_FAILURE(compare_all_short_addresses(twin));
        }
      }
    }
  }
}

TEST(FromAddressRouter, AgreesWithItsTwinOnAllSmallTables) {
  for (const std::string& first : expressions()) {
    for (const std::string& second : expressions()) {
      for (const int defaults : {0, 1, 2, 3}) {
        for (const bool reply_tracking : {true, false}) {
          Twin twin{.is_to_address = false,
                    .rules = {{"x", first, defaults % 2 == 1}, {"y", second, defaults > 1}},
                    .default_app = "",
                    .reply_tracking = reply_tracking};
          ASSERT_NO_FATAL_FAILURE(compare_all_short_addresses(twin));
        }
      }
    }
  }
}

TEST(AddressRouters, AgreeWithTheirTwinOnRandomTables) {
  const uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 16; ++round) {
    Twin twin{.is_to_address = round % 2 == 0, .rules = {}, .default_app = "", .reply_tracking = round % 4 < 2};
    const size_t count = 1 + random() % 50;
    for (size_t i = 0; i < count; ++i) {
      std::string expression;
      for (size_t parts = 1 + random() % 4; parts > 0; --parts) {
        expression += std::vector<std::string>{"1", "2", "[12]", "3?", "(1|32)", "\\d*4", "5+"}[random() % 7];
      }
      twin.rules.push_back({"app" + std::to_string(i), expression, !twin.is_to_address && random() % 10 == 0});
    }
    if (twin.is_to_address && random() % 2 == 0) twin.default_app = "rest";
    RouterHarness harness(twin.configuration());
    for (int i = 0; i < 100; ++i) {
      Sample sample;
      sample.direction = static_cast<Direction>(random() % 3);
      std::string address;
      for (size_t length = random() % 8; length > 0; --length) address += "123456"[random() % 6];
      const std::string id = "id " + std::to_string(random() % 40);
      if (sample.direction == Direction::outbound) {
        sample.from = "app0";
        sample.transport_name = "s";
        sample.fields = {{"from_addr", address}, {"message_id", id}};
      } else {
        sample.from = "s";
        sample.fields = {{"to_addr", address}};
        if (sample.direction == Direction::event) sample.fields["user_message_id"] = id;
      }
      ASSERT_NO_FATAL_FAILURE(expect_same(twin, harness, sample)) << "seed " << seed;
    }
  }
}

TEST(ToAddressRouter, SaysWhichPatternsItTried) {
  const Twin twin{.rules = {{"x", "1"}, {"y", "2"}, {"z", "3"}}, .default_app = "rest"};
  RouterHarness harness(twin.configuration());
  Sample sample;
  sample.from = "s";
  sample.fields = {{"to_addr", "21"}};
  std::vector<std::string> trail;
  EXPECT_EQ(harness.decide(sample, &trail), "y");
  EXPECT_EQ(trail, (std::vector<std::string>{"pattern \"1\" does not match \"21\"", "pattern \"2\" matches \"21\""}));
  trail.clear();
  sample.fields = {{"to_addr", nullptr}};
  EXPECT_EQ(harness.decide(sample, &trail), "rest");
  EXPECT_EQ(trail, (std::vector<std::string>{"the message has no to_addr for a pattern to match",
                                             "default_app takes what no pattern matches"}));
}

TEST(FromAddressRouter, SaysWhichExpressionsItTried) {
  const Twin twin{.is_to_address = false, .rules = {{"x", "1"}, {"y", "2", true}, {"z", "3"}}, .default_app = ""};
  RouterHarness harness(twin.configuration());
  Sample sample;
  sample.from = "s";
  sample.fields = {{"to_addr", "31"}};
  std::vector<std::string> trail;
  EXPECT_EQ(harness.decide(sample, &trail), "x, z");
  EXPECT_EQ(trail,
            (std::vector<std::string>{"expression \"1\" is found in \"31\"", "expression \"2\" is not found in \"31\"",
                                      "expression \"3\" is found in \"31\""}));
  trail.clear();
  sample.fields = {{"to_addr", "4"}};
  EXPECT_EQ(harness.decide(sample, &trail), "y");
  EXPECT_EQ(trail.back(), "destinations marked default take what no expression finds");
}

TEST(AddressRouters, AFaultShowsTheExpressionAndWhatIsWrongWithIt) {
  for (const bool is_to_address : {true, false}) {
    const Twin twin{
        .is_to_address = is_to_address, .rules = {{"x", "a"}, {"y", "(b"}, {"z", "c**"}}, .default_app = ""};
    const auto read = read_configuration(twin.configuration(), RouterRegistry());
    ASSERT_FALSE(read.configuration);
    ASSERT_EQ(read.faults.size(), 2u);
    EXPECT_EQ(to_line("file", read.faults[0]),
              is_to_address ? "file:5:24: error: the regular expression \"(b\" does not compile: missing ): (b"
                            : "file:5:43: error: the regular expression \"(b\" does not compile: missing ): (b");
    EXPECT_EQ(read.faults[1].text, "the regular expression \"c**\" does not compile: bad repetition operator: **");
  }
}

// Ids without end, short and long: the routers' own memory holds max_users of them at most, and says what had to go.
TEST(AddressRouters, TheirOwnMemoryIsBounded) {
  for (const bool is_to_address : {true, false}) {
    const Twin twin{.is_to_address = is_to_address,
                    .rules = {{"x", "1"}},
                    .default_app = "",
                    .reply_tracking = false,
                    .max_users = 100};
    RouterHarness harness(twin.configuration());
    Sample sample;
    sample.direction = Direction::outbound;
    sample.from = "x";
    sample.transport_name = "s";
    for (int i = 0; i < 3000; ++i) {
      sample.fields = {{"from_addr", "1"}, {"message_id", std::to_string(i)}};
      ASSERT_EQ(harness.decide(sample), "s");
    }
    EXPECT_EQ(harness.settings().state->evicted(), 2900u);
    sample.fields = {{"from_addr", std::string(20'000, '1')}, {"message_id", "long"}};
    ASSERT_EQ(harness.decide(sample), "s");
    EXPECT_EQ(harness.settings().state->evicted(), 3000u) << "it is larger than all the others may be together";
  }
}

}  // namespace
}  // namespace signalbox::testing
