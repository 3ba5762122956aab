// How in-process handlers settle: by returning, by throwing, by holding and settling later in any order.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "routers/nested_value.hpp"
#include "tests/broker/in_process.hpp"

namespace signalbox {
namespace {

using test::Heard;
using test::local_configuration;
using test::LocalBus;
using test::note_in;
using test::user_message;

// The reason that a dead letter carries.
std::string reason_of(Bytes letter) {
  const std::string_view key = "reason";
  const size_t at = letter.find(key);
  EXPECT_NE(at, std::string::npos);
  const auto length = static_cast<unsigned char>(letter[at + key.size()]);
  if (length == 0xd9)
    return std::string(letter.substr(at + key.size() + 2, static_cast<unsigned char>(letter[at + key.size() + 1])));
  return std::string(letter.substr(at + key.size() + 1, length & 31U));
}

class LocalSettlingTest : public testing::Test {
 protected:
  void SetUp() override {
    undertaker = bus.application("dead_letters");
    undertaker->on_message(
        [this](const Delivery& delivery) { dead[test::id_of(delivery.bytes)] = reason_of(delivery.bytes); });
    application->on_handler_failed([this](const HandlerFailure& failure) {
      failures.push_back(std::to_string(failure.seq) + (failure.requeue ? " again: " : " never: ") +
                         std::string(failure.reason));
    });
  }
  void send(const std::string& id) { ASSERT_TRUE(transport->send(user_message(id, "hello"))); }
  QueueLedger books() { return bus.status("my_application").queue; }

  LocalBus bus{local_configuration(table(), table({{"redeliver_ms", 1000}, {"max_deliveries", 3}}))};
  std::unique_ptr<LocalEndpoint> transport = bus.transport();
  std::unique_ptr<LocalEndpoint> application = bus.application("my_application", 4);
  std::unique_ptr<LocalEndpoint> undertaker;
  std::map<std::string, std::string> dead;  // id: reason
  std::vector<std::string> failures;
  std::vector<Heard> heard;
};

TEST_F(LocalSettlingTest, WhatAHandlerThrowsHasTheMessageComeAgain) {
  int calls = 0;
  application->on_message([&](const Delivery& delivery) {
    note_in(heard)(delivery);
    if (++calls == 1) throw std::runtime_error("the database is away");
    if (calls == 2) throw 42;
  });
  send("1");
  bus.settle();
  EXPECT_EQ(books().waiting.messages, 1u);
  bus.pass(999);
  EXPECT_EQ(heard.size(), 1u);
  bus.pass(2001);
  bus.pass(100);  // the tick that finds it due
  bus.pass(3000);
  EXPECT_EQ(heard, (std::vector<Heard>{{"1", 1, false}, {"1", 2, true}, {"1", 3, true}}));
  EXPECT_EQ(failures, (std::vector<std::string>{"1 again: the database is away",
                                                "2 again: the handler threw something that is no exception"}));
  EXPECT_EQ(books().settled.messages, 1u);
}

TEST_F(LocalSettlingTest, WhatFailsAsOftenAsIsAllowedBecomesADeadLetter) {
  application->on_message([](const Delivery&) { throw std::runtime_error("never"); });
  send("1");
  for (int i = 0; i < 200; ++i) bus.pass(100);
  EXPECT_EQ(failures.size(), 3u);
  EXPECT_EQ(dead, (std::map<std::string, std::string>{{"1", "never"}}));
}

TEST_F(LocalSettlingTest, RejectMakesADeadLetterAtOnce) {
  application->on_message([](const Delivery&) { throw Reject("no such account"); });
  send("1");
  bus.settle();
  EXPECT_EQ(dead, (std::map<std::string, std::string>{{"1", "no such account"}}));
  EXPECT_EQ(failures, std::vector<std::string>{"1 never: no such account"});
}

TEST_F(LocalSettlingTest, AFailureLeavesTheOthersOfItsBatchAlone) {
  application->on_message([&](const Delivery& delivery) {
    note_in(heard)(delivery);
    if (heard.back().id == "2") throw Reject("not this one");
  });
  for (const char* id : {"1", "2", "3"}) send(id);
  bus.settle();
  EXPECT_EQ(heard.size(), 3u);
  EXPECT_EQ(books().settled.messages, 2u);
  EXPECT_EQ(books().dead.messages, 1u);
}

TEST_F(LocalSettlingTest, HeldMessagesAreSettledInAnyOrderAndHoldNobodyUp) {
  std::vector<Held> holding;
  application->on_message([&](const Delivery& delivery) {
    note_in(heard)(delivery);
    if (heard.size() <= 3) holding.push_back(application->hold());
  });
  for (int i = 1; i <= 20; ++i) send(std::to_string(i));
  bus.settle();
  EXPECT_EQ(heard.size(), 20u) << "three of four in hand, all others through the fourth place";
  EXPECT_EQ(application->held(), 3u);
  EXPECT_EQ(books().settled.messages, 17u);
  EXPECT_EQ(books().under_way.messages, 3u);

  EXPECT_TRUE(application->ack(holding[1]));
  EXPECT_FALSE(application->ack(holding[1])) << "it is settled already";
  EXPECT_TRUE(application->nack(holding[2], "not now"));
  EXPECT_TRUE(application->nack(holding[0], "not ever", false));
  EXPECT_FALSE(application->nack(holding[2]));
  bus.settle();
  EXPECT_EQ(application->held(), 0u);
  EXPECT_EQ(dead, (std::map<std::string, std::string>{{"1", "not ever"}}));
  bus.pass(1100);
  EXPECT_EQ(heard.back(), (Heard{"3", 21, true}));
  EXPECT_EQ(books().settled.messages, 19u);
}

TEST_F(LocalSettlingTest, WhatIsHeldElsewhereIsNoneOfOurs) {
  Held theirs;
  application->on_message([&](const Delivery&) { theirs = application->hold(); });
  send("1");
  bus.settle();
  const auto other = bus.application("other_application");
  EXPECT_FALSE(other->ack(theirs));
  EXPECT_FALSE(application->ack({}));
  EXPECT_EQ(books().under_way.messages, 1u);
  application->close();
  EXPECT_FALSE(application->ack(theirs)) << "the broker has taken it back";
  EXPECT_EQ(books().waiting.messages, 1u);
}

TEST_F(LocalSettlingTest, ThereIsNothingToHoldOutsideAHandler) {
  EXPECT_THROW((void)application->hold(), std::logic_error);
  transport->on_confirmed([&](Seq) { EXPECT_THROW((void)transport->hold(), std::logic_error); });
  send("1");
  bus.settle();
}

TEST_F(LocalSettlingTest, AHandlerMaySettleWhatItHoldsBeforeItReturns) {
  application->on_message([&](const Delivery& delivery) {
    note_in(heard)(delivery);
    const Held held = application->hold();
    EXPECT_EQ(application->hold().seq, held.seq) << "twice is once";
    if (heard.size() == 1) {
      EXPECT_TRUE(application->ack(held));
    } else {
      EXPECT_TRUE(application->nack(held, "no", false));
    }
  });
  send("1");
  send("2");
  bus.settle();
  EXPECT_EQ(books().settled.messages, 1u);
  EXPECT_EQ(dead.size(), 1u);
}

TEST_F(LocalSettlingTest, AHandlerThatHoldsAndThrowsHasGivenItsMessageBack) {
  Held held;
  application->on_message([&](const Delivery& delivery) {
    note_in(heard)(delivery);
    held = application->hold();
    throw Reject("after all not");
  });
  send("1");
  bus.settle();
  EXPECT_FALSE(application->ack(held));
  EXPECT_EQ(application->held(), 0u);
  EXPECT_EQ(dead.size(), 1u);
}

TEST_F(LocalSettlingTest, AReplyIsInItsQueueBeforeTheMessageIsSettled) {
  // The application goes while its handler runs: its answer stands, and the message is delivered again.
  application->on_message([&](const Delivery&) {
    EXPECT_TRUE(application->send(user_message("answer", "hi", {}, "1")));
    application->close();
  });
  send("1");
  bus.settle();
  EXPECT_EQ(bus.status("smpp_transport").queue.waiting.messages, 1u);
  EXPECT_EQ(books().waiting.messages, 1u);
}

// All ways of settling in all orders, by seed: whatever is done, each message ends settled or as a dead letter, once.
TEST_F(LocalSettlingTest, AnyOrderOfSettlingEndsWithTheBooksBalanced) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto one_in = [&](uint32_t n) { return random() % n == 0; };
    application->set_prefetch(1 + random() % 50);
    std::vector<Held> holding;
    application->on_message([&](const Delivery&) {
      if (one_in(2)) holding.push_back(application->hold());
      if (one_in(11)) throw std::runtime_error("again");
      if (one_in(13)) throw Reject("never");
    });
    const uint64_t taken_before = books().taken.messages;
    for (int i = 0; i < 500; ++i) {
      send(std::to_string(seed) + "." + std::to_string(i));
      if (one_in(3)) bus.turn();
      while (!holding.empty() && one_in(2)) {
        const auto at = static_cast<std::ptrdiff_t>(random() % holding.size());
        const Held held = holding[static_cast<size_t>(at)];
        holding.erase(holding.begin() + at);
        if (one_in(10)) {
          application->nack(held, "held too long", one_in(2));
        } else {
          application->ack(held);
        }
      }
      if (one_in(50)) one_in(2) ? application->pause() : application->resume();
      if (one_in(20)) bus.pass(500);
    }
    application->resume();
    for (int i = 0; i < 10'000 && !bus.broker.drained(); ++i) {
      for (const Held& held : std::exchange(holding, {})) application->ack(held);
      bus.pass(1000);
    }
    EXPECT_EQ(books().taken.messages, taken_before + 500);
    EXPECT_EQ(books().taken.messages, books().settled.messages + books().dead.messages);
    EXPECT_EQ(application->held(), 0u);
  }
}

}  // namespace
}  // namespace signalbox
