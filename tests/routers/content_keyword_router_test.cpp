// ContentKeywordRouter beside a twin that tries each rule in turn: all small tables with all small messages, then
// larger ones at random. Then its trail, its warning, and its own memory under messages without end.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "routers/registry.hpp"
#include "tests/routers/router_harness.hpp"

namespace signalbox::testing {
namespace {

using Text = std::optional<std::string>;

struct Rule {
  std::string application;
  std::string keyword;
  Text to_addr;
  Text prefix;
};

struct Twin {
  std::vector<Rule> rules;
  std::map<std::string, std::string> mappings;  // application: keyword
  std::string fallback;                         // "": none
  std::map<std::string, std::string> transports;

  static std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return text;
  }

  std::string inbound(const Text& content, const Text& to, const Text& from) const {
    std::string keyword;
    for (const char c : content.value_or("")) {
      if (c == ' ') break;
      keyword += c;
    }
    std::vector<Rule> all = rules;
    for (const auto& [application, word] : mappings) all.push_back({application, word, {}, {}});
    std::string went;
    for (const Rule& rule : all) {
      if (lower(rule.keyword) != lower(keyword)) continue;
      if (rule.to_addr && (!to || *to != *rule.to_addr)) continue;
      if (rule.prefix && (!from || from->compare(0, rule.prefix->size(), *rule.prefix) != 0)) continue;
      went += (went.empty() ? "" : ", ") + rule.application;
    }
    if (!went.empty()) return went;
    return fallback.empty() ? "refused no_route" : fallback;
  }

  std::string outbound(const Text& from, const std::string& followed) const {
    if (from && transports.contains(*from)) return transports.at(*from);
    return followed.empty() ? "refused no_route" : followed;
  }

  std::string configuration() const {
    std::string toml =
        "router_class = 'ContentKeywordRouter'\ndispatcher_name = 'd'\ntransport_names = ['s', 't']\n"
        "exposed_names = ['a', 'b', 'c']\n";
    if (!fallback.empty()) toml += "fallback_application = '" + fallback + "'\n";
    toml += "rules = [\n";
    for (const Rule& rule : rules) {
      toml += "{app = '" + rule.application + "', keyword = '" + rule.keyword + "'";
      if (rule.to_addr) toml += ", to_addr = '" + *rule.to_addr + "'";
      if (rule.prefix) toml += ", prefix = '" + *rule.prefix + "'";
      toml += "},\n";
    }
    toml += "]\n[keyword_mappings]\n";
    for (const auto& [application, keyword] : mappings) toml += application + " = '" + keyword + "'\n";
    toml += "[transport_mappings]\n";
    for (const auto& [from, transport] : transports) toml += "'" + from + "' = '" + transport + "'\n";
    return toml;
  }
};

void put(Json& fields, const char* key, const Text& text) {
  fields[key] = text ? Json(*text) : Json(nullptr);
}

std::string decide(RouterHarness& harness, const Sample& sample) {
  std::string went = harness.decide(sample);
  if (went.starts_with("refused ")) went.resize(went.find(':'));
  return went;
}

void expect_inbound(const Twin& twin, RouterHarness& harness, const Text& content, const Text& to, const Text& from) {
  Sample sample;
  sample.from = "s";
  put(sample.fields, "content", content);
  put(sample.fields, "to_addr", to);
  put(sample.fields, "from_addr", from);
  ASSERT_EQ(decide(harness, sample), twin.inbound(content, to, from)) << twin.configuration() << sample.fields;
}

TEST(ContentKeywordRouter, AgreesWithItsTwinOnAllSmallTables) {
  std::vector<Rule> forms;
  for (const std::string keyword : {"", "A"}) {
    for (const Text& to : {Text(), Text(""), Text("x")}) {
      for (const Text& prefix : {Text(), Text(""), Text("p")}) forms.push_back({"", keyword, to, prefix});
    }
  }
  size_t tables = 0;
  for (Rule first : forms) {
    for (Rule second : forms) {
      first.application = "a";
      second.application = tables % 2 == 0 ? "b" : "a";
      const Twin twin{
          .rules = {first, second},
          .mappings = tables % 3 == 0 ? std::map<std::string, std::string>{{"c", "a"}} : decltype(twin.mappings){},
          .fallback = tables % 5 < 2 ? "c" : "",
          .transports = {}};
      RouterHarness harness(twin.configuration());
      for (const Text& content : {Text(), Text(""), Text("a"), Text("A b"), Text(" a"), Text("b"), Text("a\t")}) {
        for (const Text& to : {Text(), Text(""), Text("x"), Text("xy")}) {
          for (const Text& from : {Text(), Text(""), Text("p"), Text("pq"), Text("qp")}) {
            ASSERT_NO_FATAL_FAILURE(expect_inbound(twin, harness, content, to, from));
          }
        }
      }
      ++tables;
    }
  }
  EXPECT_EQ(tables, 18u * 18);
}

TEST(ContentKeywordRouter, AgreesWithItsTwinOnRandomTables) {
  const uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  const auto text = [&](std::string_view letters, size_t most) {
    std::string made(random() % (most + 1), ' ');
    for (char& c : made) c = letters[random() % letters.size()];
    return made;
  };
  const auto perhaps = [&](std::string_view letters, size_t most) {
    return random() % 3 == 0 ? Text() : Text(text(letters, most));
  };
  for (int round = 0; round < 60; ++round) {
    Twin twin;
    for (size_t i = random() % 80; i > 0; --i) {
      twin.rules.push_back({std::string(1, "abc"[random() % 3]), text("aAbB ", 2), perhaps("12", 2), perhaps("34", 3)});
    }
    for (const char* application : {"a", "b"}) {
      if (random() % 2 == 0) twin.mappings[application] = text("ab", 2);
    }
    if (random() % 2 == 0) twin.fallback = "b";
    for (size_t i = random() % 4; i > 0; --i) twin.transports[text("56", 2)] = random() % 2 == 0 ? "s" : "t";
    RouterHarness harness(twin.configuration());
    for (int i = 0; i < 300; ++i) {
      ASSERT_NO_FATAL_FAILURE(expect_inbound(twin, harness, perhaps("aAbB ", 4), perhaps("12", 2), perhaps("34", 4)))
          << "seed " << seed;
      Sample sample;
      sample.direction = Direction::outbound;
      sample.from = "a";
      const Text from = perhaps("56", 2);
      put(sample.fields, "from_addr", from);
      sample.followed = std::vector<std::string>{"", "s", "t"}[random() % 3];
      ASSERT_EQ(decide(harness, sample), twin.outbound(from, sample.followed)) << twin.configuration() << seed;
    }
  }
}

TEST(ContentKeywordRouter, SaysWhichRulesFitAndWhichDoNot) {
  const Twin twin{.rules = {{"a", "Stop", "1", {}}, {"b", "stop", {}, "+4"}},
                  .mappings = {{"c", "go"}},
                  .fallback = "c",
                  .transports = {}};
  RouterHarness harness(twin.configuration());
  Sample sample;
  sample.from = "s";
  sample.fields = {{"content", "STOP it"}, {"from_addr", "+44"}};
  std::vector<std::string> trail;
  EXPECT_EQ(harness.decide(sample, &trail), "b");
  EXPECT_EQ(trail, (std::vector<std::string>{"the keyword is \"stop\"",
                                             "rule 1 (keyword is \"stop\", to_addr is \"1\") does not fit",
                                             "rule 2 (keyword is \"stop\", from_addr starts with \"+4\") fits",
                                             "rule 3 (keyword is \"go\") does not fit"}));
  trail.clear();
  sample.fields = {{"content", "x"}};
  EXPECT_EQ(harness.decide(sample, &trail), "c");
  EXPECT_EQ(trail.back(), "fallback_application takes what no rule fits");
}

TEST(ContentKeywordRouter, WarnsOfAKeywordThatNeverFits) {
  const Twin twin{.rules = {{"a", "two words", {}, {}}}, .mappings = {}, .fallback = "", .transports = {}};
  const auto read = read_configuration(twin.configuration(), RouterRegistry());
  ASSERT_TRUE(read.configuration);
  ASSERT_EQ(read.configuration->warnings.size(), 1u);
  EXPECT_EQ(
      to_line("file", read.configuration->warnings[0]),
      "file:6:23: error: the keyword \"two words\" has a space, and a keyword ends at the first space: it never fits");
}

// Ids without end: the router's own memory holds max_users of them, and says what had to go.
TEST(ContentKeywordRouter, ItsOwnMemoryIsBounded) {
  Twin twin{.rules = {}, .mappings = {}, .fallback = "", .transports = {{"1", "s"}}};
  RouterHarness harness("reply_tracking = false\n" + twin.configuration() + "[broker]\nmax_users = 100\n");
  Sample sample;
  sample.direction = Direction::outbound;
  sample.from = "a";
  sample.transport_name = "b";
  for (int i = 0; i < 5000; ++i) {
    sample.fields = {{"from_addr", "1"}, {"message_id", "id " + std::to_string(i)}};
    ASSERT_EQ(harness.decide(sample), "s");
  }
  EXPECT_EQ(harness.settings().state->evicted(), 4900u);
  Sample event;
  event.direction = Direction::event;
  event.from = "s";
  event.fields = {{"user_message_id", "id 4900"}};
  EXPECT_EQ(decide(harness, event), "b");
  event.fields = {{"user_message_id", "id 4899"}};
  EXPECT_EQ(decide(harness, event), "refused no_route");
}

}  // namespace
}  // namespace signalbox::testing
