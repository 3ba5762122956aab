// ToAddrRouter beside a naive twin that uses the standard library's regular expressions: all small tables with all
// small messages, then as many patterns as make the router match them all at once.
#include <gtest/gtest.h>

#include <regex>

#include "tests/routers/twins.hpp"

namespace signalbox::testing {
namespace {

struct Twin {
  std::vector<std::pair<std::string, std::string>> patterns;  // application and pattern, in order
  std::map<std::string, std::string> transport_mappings;
  Names transports = {"s", "t"};

  Fate decide(const Sample& sample) const {
    if (sample.direction == Direction::inbound) {
      const auto address = text_in(sample, "to_addr");
      Names matching;
      for (const auto& [application, pattern] : patterns) {
        const auto from_start = std::regex_constants::match_continuous;
        if (address && std::regex_search(*address, std::regex(pattern), from_start)) matching.push_back(application);
      }
      if (matching.empty()) return {"refused no_route"};
      return {joined(matching, ", "), sent(sample)};
    }
    if (!sample.followed.empty()) return {sample.followed, sent(sample)};
    if (sample.direction == Direction::event) return {"refused no_route"};
    std::string name = sample.transport_name.value_or("");
    if (transport_mappings.contains(name)) name = transport_mappings.at(name);
    if (!has(transports, name)) return {"refused unknown_endpoint"};
    return {name, sent(sample)};
  }

  Names applications() const {
    Names names;
    for (const auto& [application, pattern] : patterns) names.push_back(application);
    return names;
  }

  std::string configuration() const {
    std::string toml = "router_class = 'ToAddrRouter'\ntransport_names = ['s', 't']\nexposed_names = [" +
                       joined(applications(), ", ", "'") +
                       "]\ntransport_mappings = " + inline_table(transport_mappings) + "\n[toaddr_mappings]\n";
    for (const auto& [application, pattern] : patterns) toml += application + " = '" + pattern + "'\n";
    return toml;
  }
};

void compare_all_messages(const Twin& twin, const Names& addresses) {
  std::vector<Json> fields = {Json::object(), {{"to_addr", nullptr}}};
  for (const std::string& address : addresses) fields.push_back({{"to_addr", address}});
  RouterHarness harness(twin.configuration());
  Names applications = twin.applications();
  if (applications.size() > 3) applications.resize(3);  // who sends, not who gets
  for_each_message(twin.transports, applications, {"s", "t", "x"}, fields, [&](const Sample& sample) {
    if (::testing::Test::HasFatalFailure()) return;
    const Fate wanted = twin.decide(sample);
    const Fate got = ask(harness, sample);
    ASSERT_EQ(got.goes, wanted.goes) << twin.configuration() << described(sample);
    ASSERT_EQ(got.arrives, wanted.arrives) << twin.configuration() << described(sample);
  });
}

TEST(ToAddrRouter, AgreesWithItsTwinOnAllSmallTables) {
  const Names patterns = {"", "1", "1$", "12", "2", ".2", "[12]*$", "(1|2)+3"};
  const Names addresses = {"", "1", "12", "2", "21", "123", "x1", "3"};
  for (const std::string& first : patterns) {
    for (const std::string& second : patterns) {
      for (const auto& mapping : all_tables({"t", "x"}, {"", "s"})) {
        // Not in the order of their names: the file's order is what counts.
        compare_all_messages(Twin{{{"b", first}, {"a", second}}, mapping}, addresses);
        ASSERT_FALSE(HasFatalFailure());
      }
    }
  }
}

TEST(ToAddrRouter, AgreesWithItsTwinOnManyPatterns) {
  const uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  const auto digits = [&](size_t most) {
    std::string text;
    for (size_t i = random() % (most + 1); i > 0; --i) text += static_cast<char>('0' + random() % 3);
    return text;
  };
  for (const size_t count : {3, 10, 40, 150}) {
    Twin twin;
    for (size_t i = 0; i < count; ++i) {
      const std::string tail = random() % 3 == 0 ? "$" : random() % 2 == 0 ? ".1" : "";
      twin.patterns.emplace_back(numbered('a', random() % 1000) + numbered('x', i), digits(4) + tail);
    }
    Names addresses;
    for (int i = 0; i < 30; ++i) addresses.push_back(digits(6));
    compare_all_messages(twin, addresses);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
  }
}

// 256 copies are what a message may have; one more is refused, and not cut off in silence.
TEST(ToAddrRouter, HasABoundOnMatches) {
  for (const size_t count : {256, 257}) {
    Twin twin;
    for (size_t i = 0; i < count; ++i) twin.patterns.emplace_back(numbered('a', i), numbered('x', i) + "|8");
    RouterHarness harness(twin.configuration());
    Sample sample;
    sample.from = "s";
    sample.fields = {{"to_addr", "80"}};
    (void)harness.decide(sample);
    EXPECT_EQ(harness.decision().targets().size(), 256u);
    EXPECT_EQ(harness.decision().overflowed(), count == 257);
  }
}

}  // namespace
}  // namespace signalbox::testing
