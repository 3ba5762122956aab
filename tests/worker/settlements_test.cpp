#include "worker/settlements.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace signalbox {
namespace {

constexpr size_t many = 1000;

// What would leave now: "ACK 3 also 5 6", "NACK 4 no" and "" in turn, with everything handed over transmitted.
std::string next_said(Settlements& settlements, Seq sent = 0, Seq transmitted = 0, size_t also_max = many) {
  if (const auto* nack = settlements.next_nack(transmitted)) {
    std::string said =
        std::string("NACK ") + std::to_string(nack->seq) + " " + nack->reason + (nack->requeue ? "" : " for good");
    settlements.nack_sent();
    return said;
  }
  const auto ack = settlements.next_ack(sent, transmitted, also_max);
  if (!ack) return {};
  std::string said = std::string("ACK ") + std::to_string(ack->upto);
  for (size_t i = 0; i < ack->also_count; ++i) said += (i == 0 ? " also " : " ") + std::to_string(ack->also[i]);
  settlements.ack_sent(*ack);
  return said;
}

TEST(Settlements, WhatIsHandledInOrderIsOneNumber) {
  Settlements settlements;
  EXPECT_EQ(next_said(settlements), "");
  for (Seq seq = 1; seq <= 5; ++seq) settlements.handled(seq);
  EXPECT_FALSE(settlements.all_said());
  EXPECT_EQ(next_said(settlements), "ACK 5");
  EXPECT_EQ(next_said(settlements), "");
  EXPECT_TRUE(settlements.all_said());
}

TEST(Settlements, TheOldestHeldOneKeepsUptoBack) {
  Settlements settlements;
  settlements.handled(1);
  settlements.hold(2);
  settlements.handled(3);
  settlements.hold(4);
  settlements.hold(5);
  EXPECT_EQ(next_said(settlements), "ACK 1 also 3");
  EXPECT_TRUE(settlements.settle(5));
  EXPECT_EQ(next_said(settlements), "ACK 1 also 5");
  EXPECT_EQ(next_said(settlements), "") << "each number once";
  EXPECT_TRUE(settlements.settle(2));
  EXPECT_EQ(next_said(settlements), "ACK 3") << "the gap has closed";
  EXPECT_TRUE(settlements.settle(4));
  EXPECT_EQ(next_said(settlements), "ACK 5");
  settlements.check_invariants();
}

TEST(Settlements, WhatIsNotHeldCannotBeSettled) {
  Settlements settlements;
  settlements.handled(1);
  settlements.hold(2);
  EXPECT_FALSE(settlements.settle(1));
  EXPECT_FALSE(settlements.settle(3));
  EXPECT_TRUE(settlements.is_held(2));
  EXPECT_TRUE(settlements.settle(2));
  EXPECT_FALSE(settlements.is_held(2));
  EXPECT_FALSE(settlements.settle(2)) << "twice";
  EXPECT_FALSE(settlements.settle_as_failed(2, "", true, 0));
  settlements.hold(3);
  settlements.reset();
  EXPECT_FALSE(settlements.settle(3)) << "of another connection";
  EXPECT_EQ(next_said(settlements), "");
}

TEST(Settlements, GapsThatCloseBeforeTheAckNeedNoSingleNumbers) {
  Settlements settlements;
  for (Seq seq = 1; seq <= 4; ++seq) settlements.hold(seq);
  for (const Seq seq : {4, 3, 2, 1}) EXPECT_TRUE(settlements.settle(seq));
  EXPECT_EQ(next_said(settlements), "ACK 4");
}

TEST(Settlements, NoAckNamesMoreSingleNumbersThanAllowed) {
  Settlements settlements;
  for (Seq seq = 1; seq <= 6; ++seq) settlements.hold(seq);
  for (Seq seq = 2; seq <= 6; ++seq) EXPECT_TRUE(settlements.settle(seq));
  EXPECT_EQ(next_said(settlements, 0, 0, 2), "ACK 0 also 2 3");
  EXPECT_EQ(next_said(settlements, 0, 0, 2), "ACK 0 also 4 5");
  EXPECT_FALSE(settlements.all_said());
  EXPECT_EQ(next_said(settlements, 0, 0, 2), "ACK 0 also 6");
  EXPECT_EQ(next_said(settlements, 0, 0, 2), "");
}

TEST(Settlements, AnAckWaitsForWhatWasHandedOverBeforeIt) {
  Settlements settlements;
  settlements.handled(1);
  EXPECT_FALSE(settlements.may_leave(10, 9));
  EXPECT_EQ(next_said(settlements, 10, 9), "");
  settlements.handled(2);  // after 5 more were handed over
  EXPECT_EQ(next_said(settlements, 15, 9), "") << "the first ACK still waits for 10";
  EXPECT_TRUE(settlements.may_leave(15, 10));
  EXPECT_EQ(next_said(settlements, 15, 10), "ACK 1") << "and its mark has not moved";
  EXPECT_EQ(next_said(settlements, 20, 14), "");
  EXPECT_EQ(next_said(settlements, 20, 20), "ACK 2");
}

TEST(Settlements, SendingWithoutAPauseStarvesNoAck) {
  Settlements settlements;
  Seq acked = 0;
  // Each turn hands over ten messages, transmits all but the newest ten, and handles one delivery.
  for (Seq turn = 1; turn <= 100; ++turn) {
    settlements.handled(turn);
    const std::string said = next_said(settlements, 10 * turn, 10 * (turn - 1));
    if (!said.empty()) acked = std::stoull(said.substr(4));
    ASSERT_GE(acked + 3, turn);
  }
}

TEST(Settlements, ANackGoesBeforeTheAckThatCoversIt) {
  Settlements settlements;
  settlements.handled(1);
  settlements.failed(2, "no", true, 7);
  settlements.handled(3);
  EXPECT_EQ(next_said(settlements, 7, 6), "");
  EXPECT_EQ(next_said(settlements, 9, 7), "NACK 2 no");
  EXPECT_EQ(next_said(settlements, 9, 7), "ACK 3") << "sealed when nothing but 7 had been handed over";
  settlements.hold(4);
  EXPECT_TRUE(settlements.settle_as_failed(4, "never", false, 9));
  EXPECT_EQ(next_said(settlements, 9, 8), "");
  EXPECT_EQ(next_said(settlements, 9, 9), "NACK 4 never for good");
  EXPECT_EQ(next_said(settlements, 9, 9), "ACK 4");
}

TEST(Settlements, ANackBehindASealedAckGoesByItself) {
  Settlements settlements;
  settlements.handled(1);
  EXPECT_EQ(next_said(settlements, 5, 0), "");  // sealed at 5
  settlements.failed(2, "no", true, 5);
  settlements.failed(3, "later", true, 8);
  EXPECT_EQ(next_said(settlements, 8, 5), "NACK 2 no");
  EXPECT_EQ(next_said(settlements, 8, 5), "ACK 1") << "covers neither";
  EXPECT_EQ(next_said(settlements, 8, 8), "NACK 3 later");
  EXPECT_EQ(next_said(settlements, 8, 8), "ACK 3");
}

// Holds, settles, fails, sends and transmits at random. What a broker would make of it is kept beside: it never hears
// of a delivery before what was handed over before it, hears of each in the end, and of none that is not settled.
TEST(Settlements, SaysWhatIsTrueAndAllOfIt) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto below = [&](uint64_t bound) { return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random); };
    Settlements settlements;
    Seq sent = 0;
    Seq transmitted = 0;
    Seq delivered = 0;
    std::vector<Seq> held;
    std::vector<Seq> settled_after{0};  // [seq]: what had been handed over when it was settled
    std::vector<bool> settled{true};
    std::set<Seq> nacked;
    std::set<Seq> unsaid;  // settled or not, as the broker sees it
    const auto mark = [&](Seq seq) {
      settled[seq] = true;
      settled_after[seq] = sent;
    };
    const auto say = [&] {
      while (const auto* nack = settlements.next_nack(transmitted)) {
        ASSERT_TRUE(nacked.count(nack->seq) == 1 && unsaid.count(nack->seq) == 1);
        ASSERT_LE(settled_after[nack->seq], transmitted);
        unsaid.erase(nack->seq);
        settlements.nack_sent();
        if (below(3) == 0) return;  // the socket took no more
      }
      while (const auto ack = settlements.next_ack(sent, transmitted, 3)) {
        ASSERT_LE(ack->also_count, 3u);
        std::vector<Seq> numbers(ack->also, ack->also + ack->also_count);
        for (const Seq seq : numbers) ASSERT_TRUE(seq > ack->upto && unsaid.count(seq) == 1) << seq;
        while (!unsaid.empty() && *unsaid.begin() <= ack->upto) {
          numbers.push_back(*unsaid.begin());
          unsaid.erase(unsaid.begin());
        }
        for (const Seq seq : numbers) {
          ASSERT_TRUE(settled[seq] && nacked.count(seq) == 0) << seq;
          ASSERT_LE(settled_after[seq], transmitted) << seq;
          unsaid.erase(seq);
        }
        settlements.ack_sent(*ack);
        if (below(3) == 0) return;
      }
    };
    const auto take = [&] {
      settled.push_back(false);
      settled_after.push_back(0);
      unsaid.insert(++delivered);
      return delivered;
    };
    const auto pick = [&] {
      const size_t i = below(held.size());
      const Seq seq = held[i];
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
      mark(seq);
      return seq;
    };
    for (int step = 0; step < 4000; ++step) {
      switch (below(8)) {
        case 0: {
          const Seq seq = take();
          mark(seq);
          settlements.handled(seq);
          break;
        }
        case 1: {
          const Seq seq = take();
          mark(seq);
          nacked.insert(seq);
          settlements.failed(seq, "no", true, sent);
          break;
        }
        case 2:
        case 3:
          held.push_back(take());
          settlements.hold(held.back());
          break;
        case 4:
          if (!held.empty()) {
            ASSERT_TRUE(settlements.settle(pick()));
          }
          break;
        case 5:
          if (!held.empty()) {
            const Seq seq = pick();
            nacked.insert(seq);
            ASSERT_TRUE(settlements.settle_as_failed(seq, "no", false, sent));
          }
          break;
        case 6:
          sent += below(3);
          transmitted += below(sent - transmitted + 1);
          break;
        default:
          ASSERT_NO_FATAL_FAILURE(say());
      }
      settlements.check_invariants();
      ASSERT_EQ(settlements.held(), held.size());
    }
    while (!held.empty()) ASSERT_TRUE(settlements.settle(pick()));
    transmitted = sent;
    for (int i = 0; i < 1000 && !settlements.all_said(); ++i) ASSERT_NO_FATAL_FAILURE(say());
    EXPECT_TRUE(settlements.all_said());
    EXPECT_TRUE(unsaid.empty());
  }
}

}  // namespace
}  // namespace signalbox
