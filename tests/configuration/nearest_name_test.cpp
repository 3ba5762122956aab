#include <gtest/gtest.h>

#include "broker/configuration_faults.hpp"
#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

const Lines known = {"smpp_transport", "xmpp_transport", "my_application", "sms", "ab", ""};

std::string nearest(std::string_view name) {
  return nearest_name(name, known).value_or("(none)");
}

TEST(NearestName, FindsTheSmallestMistake) {
  EXPECT_EQ(nearest("smpp_transprt"), "smpp_transport");    // one left out
  EXPECT_EQ(nearest("xmppp_transport"), "xmpp_transport");  // one too many
  EXPECT_EQ(nearest("my-application"), "my_application");   // another
  EXPECT_EQ(nearest("my_applicatoin"), "my_application");   // two swapped
  EXPECT_EQ(nearest("SMPP_Transport"), "smpp_transport");   // case aside
  EXPECT_EQ(nearest("sns"), "sms");
}

TEST(NearestName, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(nearest("telegram"), "(none)");
  EXPECT_EQ(nearest("xyz"), "(none)");
  EXPECT_EQ(nearest("ac"), "(none)") << "of two letters one is no misspelling";
  EXPECT_EQ(nearest(""), "(none)");
}

TEST(NearestName, CountsCharactersAndNotBytes) {
  EXPECT_EQ(nearest_name("журнол", {"журнал"}), "журнал") << "one of six, though of twelve bytes";
  EXPECT_EQ(nearest_name("sm😀", {"sms"}), "sms");
  EXPECT_EQ(nearest_name("é😀", {"éa"}), std::nullopt) << "of two letters one is no misspelling";
}

TEST(NearestName, TakesTheFirstOfEquals) {
  EXPECT_EQ(nearest_name("app0", {"app1", "app2"}), "app1");
}

TEST(NearestName, StopsSuggestingInAFileThatIsWrongThroughout) {
  FaultList faults;
  for (uint32_t line = 1; line <= 150; ++line) faults.unknown_name({line, 1}, "unknown", "smss", known);
  const Lines lines = as_lines(faults.take_faults());
  ASSERT_EQ(lines.size(), 150u);
  EXPECT_EQ(lines[99], "100:1 unknown; did you mean \"sms\"?");
  EXPECT_EQ(lines[100], "101:1 unknown");
}

TEST(FaultList, GivesFaultsInTheOrderOfTheFileAndOnce) {
  FaultList faults;
  faults.fault({2, 1}, "late");
  faults.fault({1, 9}, "right");
  faults.fault({1, 2}, "left");
  faults.fault({1, 9}, "right, another");
  faults.fault({1, 9}, "right");
  EXPECT_FALSE(faults.empty());
  EXPECT_EQ(as_lines(faults.take_faults()), (Lines{"1:2 left", "1:9 right", "1:9 right, another", "2:1 late"}));
  EXPECT_TRUE(faults.empty());
}

}  // namespace
}  // namespace signalbox::testing
