// Keyword rules beside a twin that tries each rule in turn: at random, with parts that run into each other.
#include "routers/keyword_rules.hpp"

#include <gtest/gtest.h>

#include <random>

namespace signalbox {
namespace {

using Address = std::optional<std::string>;

std::vector<uint32_t> by_hand(const std::vector<KeywordRule>& rules, const std::string& keyword, const Address& to,
                              const Address& from) {
  std::vector<uint32_t> fitting;
  for (uint32_t i = 0; i < rules.size(); ++i) {
    const KeywordRule& rule = rules[i];
    if (rule.keyword != keyword) continue;
    if (rule.to_addr && rule.to_addr != to) continue;
    if (rule.prefix && !(from && from->starts_with(*rule.prefix))) continue;
    fitting.push_back(i);
  }
  return fitting;
}

TEST(KeywordRules, AgreeWithTryingEachInTurn) {
  const uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  // Short texts of few characters, NUL among them, so that many fit and lengths look like text.
  const auto text = [&] {
    std::string made(random() % 4, '\0');
    for (char& c : made) c = std::string_view("ab\0\1\2\3", 6)[random() % 6];
    return made;
  };
  const auto address = [&]() -> Address {
    if (random() % 3 == 0) return std::nullopt;
    return text();
  };
  size_t fitted = 0;
  for (int round = 0; round < 300; ++round) {
    KeywordRules rules;
    std::vector<KeywordRule> list;
    for (size_t i = 0; i < 1 + random() % 60; ++i) {
      list.push_back({.keyword = text(), .to_addr = address(), .prefix = address()});
      rules.add(list.back());
    }
    for (int message = 0; message < 300; ++message) {
      const std::string keyword = text();
      const Address to = address();
      const Address from = address();
      const auto wanted = by_hand(list, keyword, to, from);
      ASSERT_EQ(rules.fitting(keyword, to, from), wanted) << "seed " << seed;
      fitted += wanted.size();
    }
  }
  EXPECT_GT(fitted, 1000u);
}

// A keyword is a peer's text: written like the key of a rule that asks for more it is still nothing but a keyword.
TEST(KeywordRules, NoKeywordPassesForAWholeKey) {
  KeywordRules rules;
  rules.add({.keyword = "k", .to_addr = "t", .prefix = std::nullopt});
  rules.add({.keyword = "plain", .to_addr = std::nullopt, .prefix = std::nullopt});
  const std::string with_lengths("\1\0\0\0k\1\0\0\0t", 10);
  EXPECT_TRUE(rules.fitting(with_lengths, std::nullopt, std::nullopt).empty());
  EXPECT_TRUE(rules.fitting('\0' + with_lengths, std::nullopt, std::nullopt).empty());
  EXPECT_EQ(rules.fitting("k", "t", std::nullopt), std::vector<uint32_t>{0});
}

TEST(KeywordRules, NoneFitNothing) {
  KeywordRules rules;
  EXPECT_TRUE(rules.fitting("", "", "").empty());
}

}  // namespace
}  // namespace signalbox
