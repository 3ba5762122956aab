#include "worker/send_window.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>

#include "tests/worker/scripted_broker.hpp"

namespace signalbox {
namespace {

using test::numbered;
using test::split;

SendWindow window_of(uint64_t messages, uint64_t bytes = 1 << 20, uint64_t batch_bytes = 1 << 20) {
  SendWindow window;
  window.set_limits(messages, bytes, batch_bytes);
  return window;
}

// A map with one text of `bytes` bytes.
std::string message_of(size_t bytes, char fill) {
  std::string message = "\x81\xa1n\xdb";
  for (int shift = 24; shift >= 0; shift -= 8) message += static_cast<char>(bytes >> shift & 0xff);
  return message + std::string(bytes, fill);
}

std::string transmit(SendWindow& window) {
  std::string sent;
  while (const auto batch = window.next_batch()) {
    sent += batch->body;
    window.transmitted(*batch);
    window.check_invariants();
  }
  return sent;
}

TEST(SendWindow, TakesNothingBeforeItsLimitsAreKnown) {
  EXPECT_FALSE(SendWindow().fits(1));
}

TEST(SendWindow, WhatGathersIsOneBatch) {
  SendWindow window = window_of(100);
  for (uint64_t i = 1; i <= 3; ++i) window.append(numbered(i));
  const auto batch = window.next_batch();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->first_seq, 1u);
  EXPECT_EQ(batch->messages, 3u);
  EXPECT_EQ(batch->body, numbered(1, 3));
  window.transmitted(*batch);
  EXPECT_FALSE(window.next_batch());
  EXPECT_TRUE(window.all_transmitted());

  window.append(numbered(4));
  EXPECT_EQ(window.next_batch()->first_seq, 4u);
  EXPECT_EQ(window.next_batch()->body, numbered(4));
}

TEST(SendWindow, CountsMessagesAndBytes) {
  SendWindow window = window_of(2, 10);
  window.append(numbered(1));
  EXPECT_TRUE(window.fits(5));
  EXPECT_FALSE(window.fits(6));
  window.append(numbered(2));
  EXPECT_FALSE(window.fits(0)) << "two of two";
  transmit(window);
  window.settle(2);
  EXPECT_EQ(window.held_bytes(), 0u);
  EXPECT_TRUE(window.fits(1000)) << "one message always fits";
  window.append(message_of(1000, 'x'));
  EXPECT_FALSE(window.fits(1));
}

TEST(SendWindow, ABatchIsBounded) {
  SendWindow window = window_of(100'000, 100 << 20);
  const std::string message = message_of(1000, 'x');
  bool complete = false;
  const size_t enough = SendWindow::block_bytes / message.size() + 2;
  for (size_t i = 0; i < enough && !complete; ++i) complete = window.append(message);
  EXPECT_TRUE(complete) << "the second block was begun, so the first is complete";
  const auto batch = window.next_batch();
  EXPECT_LE(batch->body.size(), SendWindow::block_bytes);
  EXPECT_GT(batch->body.size() + message.size(), SendWindow::block_bytes);
}

TEST(SendWindow, AMessageLargerThanABlockTravelsAlone) {
  SendWindow window = window_of(100, 100 << 20);
  const std::string large = message_of(200'000, 'x');
  window.append(numbered(1));
  window.append(large);
  window.append(numbered(3));
  EXPECT_EQ(window.next_batch()->body, numbered(1));
  window.transmitted(*window.next_batch());
  EXPECT_EQ(window.next_batch()->body, large);
  window.transmitted(*window.next_batch());
  EXPECT_EQ(window.next_batch()->body, numbered(3));
  EXPECT_EQ(window.message(2), large);
}

TEST(SendWindow, WhatIsLentIsNotWrittenOver) {
  SendWindow window = window_of(100);
  window.append(numbered(1));
  const SendWindow::Batch batch = *window.next_batch();
  void* const loan = batch.lender->lend();
  window.transmitted(batch);
  window.append(numbered(2));
  EXPECT_EQ(transmit(window), numbered(2)) << "the same block goes on behind what was lent";
  window.settle(2);
  // All blocks of the ring come into use again, and more.
  for (uint64_t i = 3; i < 20; ++i) {
    window.append(message_of(SendWindow::block_bytes / 2, 'x'));
    transmit(window);
    window.settle(i);
  }
  EXPECT_EQ(batch.body, numbered(1));
  LendableBytes::end_loan(loan);
}

TEST(SendWindow, ALoanOutlivesTheWindow) {
  void* loan = nullptr;
  Bytes lent;
  {
    SendWindow window = window_of(100);
    window.append(message_of(5000, 'x'));
    loan = window.next_batch()->lender->lend();
    lent = window.next_batch()->body;
  }
  EXPECT_EQ(lent, message_of(5000, 'x'));
  LendableBytes::end_loan(loan);
}

TEST(SendWindow, RewindsIntoTheMiddleOfABatch) {
  SendWindow window = window_of(100);
  for (uint64_t i = 1; i <= 10; ++i) window.append(numbered(i));
  EXPECT_EQ(transmit(window), numbered(1, 10));
  window.settle(3);
  window.rewind(7);
  EXPECT_EQ(window.next_batch()->first_seq, 8u);
  EXPECT_EQ(transmit(window), numbered(8, 10));
  window.rewind(0);
  EXPECT_EQ(window.next_batch()->first_seq, 4u) << "what is settled is gone";
  EXPECT_EQ(transmit(window), numbered(4, 10));
}

TEST(SendWindow, MaySettleWhatHasYetToBeSentAgain) {
  SendWindow window = window_of(100);
  for (uint64_t i = 1; i <= 10; ++i) window.append(numbered(i));
  transmit(window);
  window.rewind(2);
  window.settle(6);
  window.check_invariants();
  EXPECT_EQ(transmit(window), numbered(7, 10));
}

TEST(SendWindow, FindsAMessageByItsNumber) {
  SendWindow window = window_of(100);
  for (uint64_t i = 1; i <= 10; ++i) window.append(numbered(i));
  EXPECT_EQ(window.message(7), numbered(7));
  EXPECT_EQ(window.message(11), "");
  transmit(window);
  window.settle(7);
  EXPECT_EQ(window.message(7), "");
  EXPECT_EQ(window.message(8), numbered(8));
}

TEST(SendWindow, SendsLessAtATimeUnderNarrowerLimits) {
  SendWindow window = window_of(100);
  for (uint64_t i = 1; i <= 9; ++i) window.append(numbered(i));
  window.set_limits(4, 1 << 20, 1 << 20);
  EXPECT_EQ(transmit(window), numbered(1, 4));
  window.settle(4);
  window.set_limits(100, 1 << 20, 11);  // bytes of a batch: two messages and a bit
  EXPECT_EQ(window.next_batch()->body, numbered(5, 6));
  EXPECT_EQ(transmit(window), numbered(5, 9));
}

// Against a list of numbers and texts, with everything that can happen happening at random.
TEST(SendWindow, AgreesWithAnObviousModel) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto below = [&](uint64_t bound) { return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random); };
    SendWindow window = window_of(200, 400'000, 150'000);
    std::deque<std::pair<Seq, std::string>> held;  // unsettled, in order
    Seq sent = 0;                                  // up to here
    Seq settled = 0;
    Seq last = 0;
    for (int step = 0; step < 3000; ++step) {
      switch (below(6)) {
        case 0:
        case 1:
        case 2: {
          const std::string message =
              message_of(below(20) == 0 ? below(90'000) : below(300), static_cast<char>('a' + last % 26));
          if (!window.fits(message.size())) break;
          window.append(message);
          held.emplace_back(++last, message);
          break;
        }
        case 3:
          if (const auto batch = window.next_batch()) {
            ASSERT_EQ(batch->first_seq, sent + 1);
            const auto messages = split(batch->body);
            ASSERT_EQ(messages.size(), batch->messages);
            for (const std::string& message : messages) ASSERT_EQ(message, held.at(sent++ - settled).second);
            window.transmitted(*batch);
          } else {
            ASSERT_EQ(sent, last) << "what fits the window is always sent";
          }
          break;
        case 4:
          if (sent > settled) {
            settled += 1 + below(sent - settled);
            window.settle(settled);
            while (!held.empty() && held.front().first <= settled) held.pop_front();
          }
          break;
        default:
          if (below(20) == 0) {
            const Seq received = below(sent + 1);
            window.rewind(received);
            sent = std::max(received, settled);
          }
      }
      ASSERT_NO_FATAL_FAILURE(window.check_invariants());
      ASSERT_EQ(window.last_seq(), last);
      ASSERT_EQ(window.unsettled(), held.size());
      if (!held.empty()) {
        const auto& any = held.at(below(held.size()));
        ASSERT_EQ(window.message(any.first), any.second);
      }
    }
  }
}

}  // namespace
}  // namespace signalbox
