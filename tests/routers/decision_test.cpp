#include <gtest/gtest.h>

#include "protocol/limits.hpp"
#include "routers/router.hpp"

namespace signalbox {
namespace {

TEST(Decision, BeginsWithNothing) {
  Decision decision;
  EXPECT_EQ(decision.verdict(), Decision::Verdict::none);
  EXPECT_TRUE(decision.targets().empty());
  EXPECT_EQ(decision.trail(), nullptr);
}

TEST(Decision, KeepsTargetsInOrderWithDuplicates) {
  Decision decision;
  decision.deliver(3);
  decision.deliver(1);
  decision.deliver(3);
  ASSERT_EQ(decision.targets().size(), 3u);
  EXPECT_EQ(decision.targets()[0].endpoint, 3u);
  EXPECT_EQ(decision.targets()[1].endpoint, 1u);
  EXPECT_EQ(decision.targets()[2].endpoint, 3u);
  EXPECT_EQ(decision.verdict(), Decision::Verdict::deliver);
}

TEST(Decision, GivesEditsToTheTargetNamedLast) {
  Decision decision;
  decision.set(Field::transport_name, "lost");  // before any target: nobody's
  decision.deliver(1);
  decision.deliver(2);
  decision.set(Field::transport_name, decision.text("sms"));
  decision.edit({.operation = Edit::Operation::push, .path = {"helper_metadata", "list"}, .value = "\x01"});
  decision.deliver(3);
  decision.set(Field::to_addr, "\xc0");
  const auto& targets = decision.targets();
  EXPECT_EQ(targets[0].edit_count, 0u);
  ASSERT_EQ(targets[1].edit_count, 2u);
  ASSERT_EQ(targets[2].edit_count, 1u);
  const Edit& rewrite = decision.edits()[targets[1].first_edit];
  EXPECT_EQ(rewrite.operation, Edit::Operation::set);
  EXPECT_EQ(rewrite.path[0], "transport_name");
  EXPECT_EQ(rewrite.path[1], "");
  EXPECT_EQ(rewrite.value, "\xa3sms");
  EXPECT_EQ(decision.edits()[targets[1].first_edit + 1].path[1], "list");
  EXPECT_EQ(decision.edits()[targets[2].first_edit].path[0], "to_addr");
}

TEST(Decision, ForgetsTargetsWhenItRefuses) {
  Decision decision;
  decision.deliver(1);
  decision.set(Field::to_addr, "\xc0");
  decision.refuse(RefusalCode::unknown_endpoint, "nobody");
  EXPECT_EQ(decision.verdict(), Decision::Verdict::refuse);
  EXPECT_EQ(decision.refusal(), RefusalCode::unknown_endpoint);
  EXPECT_EQ(decision.reason(), "nobody");
  EXPECT_TRUE(decision.targets().empty());
  EXPECT_TRUE(decision.edits().empty());
  decision.deliver(2);  // a refusal stands
  EXPECT_EQ(decision.verdict(), Decision::Verdict::refuse);
  EXPECT_TRUE(decision.targets().empty());
}

TEST(Decision, ForgetsTargetsWhenItDiscards) {
  Decision decision;
  decision.deliver(1);
  decision.discard("said before");
  decision.deliver(2);
  EXPECT_EQ(decision.verdict(), Decision::Verdict::discard);
  EXPECT_EQ(decision.reason(), "said before");
  EXPECT_TRUE(decision.targets().empty());
}

TEST(Decision, LeavesOutCopiesBeyondTheBound) {
  Decision decision;
  for (size_t i = 0; i < limits::targets_max; ++i) decision.deliver(1);
  EXPECT_FALSE(decision.overflowed());
  decision.deliver(2);
  decision.set(Field::to_addr, "\xc0");  // of the copy left out, not of the one before it
  EXPECT_TRUE(decision.overflowed());
  EXPECT_EQ(decision.targets().size(), limits::targets_max);
  EXPECT_EQ(decision.targets().back().edit_count, 0u);
  decision.clear();
  EXPECT_FALSE(decision.overflowed());
}

TEST(Decision, KeepsBytesWhereTheyAreUntilItIsCleared) {
  Decision decision;
  const Bytes first = decision.text("first");
  const char* address = first.data();
  std::vector<Bytes> others;
  for (int i = 0; i < 1000; ++i)
    others.push_back(decision.keep("a value that no small string holds " + std::to_string(i)));
  EXPECT_EQ(first,
            "\xa5"
            "first");
  EXPECT_EQ(first.data(), address);
  EXPECT_EQ(others[17], "a value that no small string holds 17");
  decision.clear();
  EXPECT_EQ(decision.text("again"),
            "\xa5"
            "again");
}

TEST(Decision, IsEmptyAgainWhenCleared) {
  Decision decision;
  decision.deliver(1);
  decision.remember_as(7);
  EXPECT_EQ(decision.tag(), 7);
  decision.refuse(RefusalCode::no_route, "words");
  decision.clear();
  EXPECT_EQ(decision.verdict(), Decision::Verdict::none);
  EXPECT_EQ(decision.tag(), 0);
  EXPECT_EQ(decision.reason(), "");
}

}  // namespace
}  // namespace signalbox
