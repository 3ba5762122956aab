// Many expressions at once beside each by itself: the answer may depend neither on how many there are nor on how much
// memory there is for them. And no text makes one slow.
#include "routers/patterns.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <string>
#include <vector>

namespace signalbox {
namespace {

using Match = Patterns::Match;

struct Generator {
  std::mt19937 random;

  size_t below(size_t bound) { return random() % bound; }

  std::string expression(int depth) {
    static const std::vector<std::string> atoms = {"a",   "b",   "c", ".", "[ab]", "[^a]",    "\\d",
                                                   "\\.", "\\b", "^", "$", "",     "(?i:ab)", "\u00e9"};
    if (depth == 0) return atoms[below(atoms.size())];
    switch (below(6)) {
      case 0:
        return std::string("(").append(expression(depth - 1)).append("|").append(expression(depth - 1)).append(")");
      case 1:
        return std::string("(?:").append(expression(depth - 1)).append(")*");
      case 2:
        return std::string("(").append(expression(depth - 1)).append(")?");
      case 3:
        return std::string("(?:").append(expression(depth - 1)).append("){1,3}");
      default:
        return expression(depth - 1) + expression(depth - 1);
    }
  }

  std::string text() {
    static const std::vector<std::string> letters = {"a", "b", "c", "A", "B", "1", ".", "\n", "\u00e9", " "};
    std::string made;
    for (size_t i = below(9); i > 0; --i) made += letters[below(letters.size())];
    return made;
  }
};

// Each in a Patterns of its own, where it is tried alone.
std::vector<int> one_by_one(std::vector<Patterns>& singles, std::string_view text) {
  std::vector<int> matching;
  for (size_t i = 0; i < singles.size(); ++i) {
    if (singles[i].first(text) == 0) matching.push_back(static_cast<int>(i));
  }
  return matching;
}

void expect_same(Patterns& patterns, std::vector<Patterns>& singles, const std::string& text) {
  const std::vector<int> wanted = one_by_one(singles, text);
  ASSERT_EQ(patterns.first(text), wanted.empty() ? -1 : wanted.front()) << text;
  ASSERT_EQ(patterns.matching(text), wanted) << text;
}

TEST(Patterns, ManyAnswerAsEachDoesAlone) {
  const uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  Generator generate{std::mt19937(seed)};
  size_t matches = 0;
  for (int round = 0; round < 60; ++round) {
    const Match match = round % 2 == 0 ? Match::at_start : Match::anywhere;
    Patterns patterns(match);
    std::vector<Patterns> singles;
    const size_t count = round % 3 == 0 ? 1 + generate.below(4) : 5 + generate.below(40);
    while (patterns.size() < count) {
      const std::string expression = generate.expression(static_cast<int>(generate.below(4)));
      if (!patterns.add(expression).empty()) continue;
      ASSERT_EQ(singles.emplace_back(match).add(expression), "");
    }
    patterns.prepare();
    for (Patterns& single : singles) single.prepare();
    ASSERT_EQ(patterns.has_set(), count > 4);
    for (int i = 0; i < 100; ++i) {
      ASSERT_NO_FATAL_FAILURE(expect_same(patterns, singles, generate.text())) << "seed " << seed;
      matches += patterns.matching(generate.text()).size();
    }
  }
  EXPECT_GT(matches, 1000u);
}

// From hardly any memory to plenty: a set is built or not, and the answers are the same.
TEST(Patterns, WantOfMemoryChangesNoAnswer) {
  Generator generate{std::mt19937(7)};
  std::vector<std::string> expressions;
  // Behind each a there are many ways to go on, so the states of a set are many and large.
  for (int i = 0; i < 40; ++i) expressions.push_back("(?s).*a.{" + std::to_string(i % 20) + "}" + "bc"[i % 2]);
  std::vector<Patterns> singles;
  for (const std::string& expression : expressions) {
    ASSERT_EQ(singles.emplace_back(Match::at_start).add(expression), "");
    singles.back().prepare();
  }
  std::vector<std::string> texts;
  for (int i = 0; i < 60; ++i) {
    std::string& text = texts.emplace_back();
    for (size_t length = generate.below(300); length > 0; --length) text += "abc"[generate.below(3)];
  }
  bool any_set = false;
  bool any_without = false;
  for (int64_t memory_bytes = 1 << 10; memory_bytes <= 8 << 20; memory_bytes += memory_bytes / 2) {
    Patterns patterns(Match::at_start, memory_bytes);
    for (const std::string& expression : expressions) ASSERT_EQ(patterns.add(expression), "");
    patterns.prepare();
    (patterns.has_set() ? any_set : any_without) = true;
    for (const std::string& text : texts) {
      ASSERT_NO_FATAL_FAILURE(expect_same(patterns, singles, text)) << memory_bytes << " bytes";
    }
  }
  EXPECT_TRUE(any_set);
  EXPECT_TRUE(any_without);
}

TEST(Patterns, MatchFromTheStartAndNotToTheEnd) {
  for (const int more : {0, 20}) {
    Patterns at_start(Match::at_start);
    Patterns anywhere(Match::anywhere);
    for (Patterns* patterns : {&at_start, &anywhere}) {
      ASSERT_EQ(patterns->add("12|45"), "");
      for (int i = 0; i < more; ++i) ASSERT_EQ(patterns->add(std::to_string(i).append("x")), "");
      patterns->prepare();
    }
    EXPECT_EQ(at_start.first("123"), 0);
    EXPECT_EQ(at_start.first("456"), 0);
    EXPECT_EQ(at_start.first("0123"), -1);
    EXPECT_EQ(at_start.first("045"), -1) << "an alternative is anchored too";
    EXPECT_EQ(at_start.first("\n12"), -1);
    EXPECT_EQ(anywhere.first("0123"), 0);
    EXPECT_EQ(anywhere.first("021"), -1) << "the digits of the others have an x behind them";
    EXPECT_EQ(anywhere.first(""), -1);
  }
}

TEST(Patterns, SayWhatDoesNotCompile) {
  Patterns patterns(Match::at_start);
  EXPECT_EQ(patterns.add("(a"), "missing ): (a");
  EXPECT_EQ(patterns.add("[b"), "missing ]: [b");
  EXPECT_EQ(patterns.add("a**"), "bad repetition operator: **");
  EXPECT_EQ(patterns.add("(?=a)"), "invalid perl operator: (?=");
  EXPECT_EQ(patterns.add("\\1"), "invalid escape sequence: \\1");
  EXPECT_EQ(patterns.add("(\t\x1b"), "missing ): (\\x09\\x1b") << "what it quotes must not reach a terminal raw";
  EXPECT_NE(patterns.add("((a{100}){100}){100}"), "") << "a pattern too large is no pattern";
  EXPECT_EQ(patterns.size(), 0u);
  EXPECT_EQ(patterns.add("a"), "");
  patterns.prepare();
  EXPECT_EQ(patterns.first("a"), 0) << "those that failed have no number";
}

TEST(Patterns, NoneMatchNothing) {
  Patterns patterns(Match::anywhere);
  patterns.prepare();
  EXPECT_EQ(patterns.first("a"), -1);
  EXPECT_TRUE(patterns.matching("").empty());
}

// --- time --------------------------------------------------------------------------------------------------------

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// For one text of that size, the best of several tries.
double seconds_for(Patterns& patterns, size_t bytes, int repetitions) {
  std::string text(bytes, 'a');
  text += '!';
  double best = 1e9;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const double start = processor_seconds();
    for (int i = 0; i < repetitions; ++i) (void)patterns.first(text);
    best = std::min(best, (processor_seconds() - start) / repetitions);
  }
  return best;
}

// Expressions with which engines that go back and try again take years. A text 16 times as long may take 16 times as
// long; going back would make it 256 times at the least.
TEST(Patterns, NoTextMakesOneSlow) {
  const std::vector<std::string> catastrophic = {"(a+)+$",
                                                 "(a|aa)+$",
                                                 "(a|a)*$",
                                                 "(.*a){12}b",
                                                 "(a*)*b",
                                                 "(x+x+)+y|(a+a+)+b",
                                                 "(([a-z])+.)+[A-Z]$",
                                                 "^(a?){40}a{40}$",
                                                 "(?:a?a?a?a?a?)+b"};
  for (const bool all_at_once : {false, true}) {
    std::vector<std::vector<std::string>> groups;
    if (all_at_once) {
      groups.push_back(catastrophic);
      for (int i = 0; i < 20; ++i) groups.back().push_back("(a|" + std::to_string(i) + ")+$");
    } else {
      for (const std::string& expression : catastrophic) groups.push_back({expression});
    }
    for (const auto& group : groups) {
      Patterns patterns(Match::at_start);
      for (const std::string& expression : group) ASSERT_EQ(patterns.add(expression), "");
      patterns.prepare();
      ASSERT_EQ(patterns.has_set(), all_at_once);
      (void)patterns.first(std::string(100, 'a'));  // whatever is made once, is made now
      const double few = seconds_for(patterns, 4 << 10, 16);
      const double many = seconds_for(patterns, 64 << 10, 1);
      EXPECT_LT(many, few * 16 * 6) << group.front();
    }
  }
}

}  // namespace
}  // namespace signalbox
