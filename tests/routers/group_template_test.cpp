// Against what Python's Match.expand() makes of the same templates (3.11); nothing where it raises an error.
#include "routers/group_template.hpp"

#include <gtest/gtest.h>

namespace signalbox {
namespace {

using namespace std::string_view_literals;

struct Expansion {
  std::string_view text;
  std::optional<std::string_view> becomes;
};

std::optional<std::string> expand(std::string_view expression, std::string_view matched, std::string_view text) {
  CapturingPattern pattern;
  EXPECT_EQ(pattern.compile(expression), "");
  EXPECT_TRUE(pattern.match(matched));
  GroupTemplate made;
  if (!made.parse(text, pattern).empty()) return std::nullopt;
  std::string expanded;
  made.append_expanded(expanded, pattern);
  return expanded;
}

void check(std::string_view expression, std::string_view matched, const std::vector<Expansion>& expansions) {
  for (const Expansion& one : expansions) {
    const auto expanded = expand(expression, matched, one.text);
    EXPECT_EQ(expanded, one.becomes ? std::optional(std::string(*one.becomes)) : std::nullopt) << one.text;
  }
}

TEST(GroupTemplate, GroupsAndCharacters) {
  check("(\\d+)-(\\w+)"sv, "12-ab rest"sv,
        {{"\\1"sv, "12"sv},
         {"\\2\\1"sv, "ab12"sv},
         {"\\g<1>\\g<2>"sv, "12ab"sv},
         {"\\g<0>"sv, "12-ab"sv},
         {"a\\tb\\n"sv, "a\011b\012"sv},
         {"\\\\1"sv, "\\1"sv},
         {"\\\\\\1"sv, "\\12"sv},
         {"\\g<2>0"sv, "ab0"sv},
         {""sv, ""sv},
         {"plain"sv, "plain"sv},
         {"\\.\\-\\!"sv, "\\.\\-\\!"sv},
         {"\\0"sv, "\000"sv},
         {"\\01"sv, "\001"sv},
         {"\\012"sv, "\012"sv},
         {"\\101"sv, "A"sv},
         {"\\1011"sv, "A1"sv},
         {"\\200"sv, "\302\200"sv},
         {"\\377"sv, "\303\277"sv},
         {"\\08"sv, "\0008"sv},
         {"\\19"sv, std::nullopt},
         {"\\a\\b\\f\\r\\v"sv, "\007\010\014\015\013"sv},
         {"\303\251\\1\303\251"sv, "\303\25112\303\251"sv},
         {"\\3"sv, std::nullopt},
         {"\\400"sv, std::nullopt},
         {"\\777"sv, std::nullopt},
         {"\\g<3>"sv, std::nullopt},
         {"\\g<x>"sv, std::nullopt},
         {"\\g<>"sv, std::nullopt},
         {"\\g<1"sv, std::nullopt},
         {"\\g1"sv, std::nullopt},
         {"\\g"sv, std::nullopt},
         {"\\"sv, std::nullopt},
         {"\\q"sv, std::nullopt},
         {"\\d"sv, std::nullopt},
         {"\\A"sv, std::nullopt},
         {"\\g<01>"sv, "12"sv},
         {"\\g<-1>"sv, std::nullopt},
         {"\\99"sv, std::nullopt},
         {"$1"sv, "$1"sv},
         {"\\\303\251"sv, "\\\303\251"sv},
         {"\\\012"sv, "\\\012"sv}});
}

TEST(GroupTemplate, GroupsThatTookNoPart) {
  check("(?P<name>a)(b)?(?P<other>c*)"sv, "a!"sv,
        {{"\\g<name>"sv, "a"sv},
         {"[\\2]"sv, "[]"sv},
         {"[\\g<other>]"sv, "[]"sv},
         {"\\g<nam>"sv, std::nullopt},
         {"\\g<name>\\g<1>\\3"sv, "aa"sv},
         {"\\g<3>"sv, ""sv}});
}

TEST(GroupTemplate, APatternWithoutGroups) {
  check("x"sv, "xyz"sv,
        {{"\\g<0>"sv, "x"sv}, {"\\1"sv, std::nullopt}, {"\\g<0>\\g<0>"sv, "xx"sv}, {"\\0"sv, "\000"sv}});
}

TEST(GroupTemplate, MoreThanNineGroups) {
  check("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)"sv, "abcdefghijkl"sv,
        {{"\\10"sv, "j"sv},
         {"\\11"sv, "k"sv},
         {"\\12"sv, std::nullopt},
         {"\\1\\0"sv, "a\000"sv},
         {"\\g<11>"sv, "k"sv},
         {"\\111"sv, "I"sv},
         {"\\118"sv, "k8"sv},
         {"\\81"sv, std::nullopt}});
}

TEST(GroupTemplate, AnEmptyMatch) {
  check(""sv, "abc"sv, {{"[\\g<0>]"sv, "[]"sv}});
}

TEST(GroupTemplate, SaysWhatIsWrong) {
  CapturingPattern pattern;
  ASSERT_EQ(pattern.compile("(?P<country>a)b"), "");
  GroupTemplate made;
  EXPECT_EQ(made.parse("\\2", pattern), "\\2 is no group of its pattern, which has 1");
  EXPECT_EQ(made.parse("\\g<9>", pattern), "\\g<9> is no group of its pattern, which has 1");
  EXPECT_EQ(made.parse("\\g<99999999999999999999999>", pattern),
            "\\g<99999999999999999999999> is no group of its pattern, which has 1");
  EXPECT_EQ(made.parse("\\g<county>", pattern), "its pattern has no group named \"county\"");
  EXPECT_EQ(made.parse("\\g", pattern), "\\g must be followed by a group's number or name, as in \\g<1>");
  EXPECT_EQ(made.parse("\\q", pattern), "\\q means nothing in a template");
  EXPECT_EQ(made.parse("x\\", pattern), "it ends in a lone backslash");
  EXPECT_EQ(made.parse("\\777", pattern), "\\777 is no character: \\377 is the last that can be written so");
  EXPECT_EQ(made.parse("\\g<country>", pattern), "");
}

TEST(CapturingPattern, MatchesFromTheStartAlone) {
  CapturingPattern pattern;
  EXPECT_FALSE(pattern.match("ab"));  // not compiled
  EXPECT_EQ(pattern.compile("(b"), "missing ): (b");
  EXPECT_EQ(pattern.compile("(\x1b"), "missing ): (\\x1b") << "what it quotes must not reach a terminal raw";
  EXPECT_FALSE(pattern.match("b"));
  ASSERT_EQ(pattern.compile("b(c)?"), "");
  EXPECT_FALSE(pattern.match("ab"));
  ASSERT_TRUE(pattern.match("bcd"));
  EXPECT_EQ(pattern.group(0), "bc");
  EXPECT_EQ(pattern.group(1), "c");
  ASSERT_TRUE(pattern.match("bd"));
  EXPECT_EQ(pattern.group(1), "");
}

}  // namespace
}  // namespace signalbox
