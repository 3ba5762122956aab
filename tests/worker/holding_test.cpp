// Deliveries that are settled later, by hand, or not at all, and what of that the broker sees in which order.
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/worker/scripted_broker.hpp"
#include "worker/worker.hpp"

namespace signalbox {
namespace {

using namespace std::chrono_literals;
using test::numbered;
using test::patience;
using test::work_until;
using test::WorkerTest;
using State = Worker::State;

// A frame from the worker in words: "ACK 3 also 5 6", "NACK 4 because (requeue)", "SEND 1".
std::string described(const test::FromWorker& message) {
  if (auto ack = message.as<Ack>()) {
    std::string words = std::string("ACK ") + std::to_string(ack->upto) + (ack->also.size() > 0 ? " also" : "");
    while (ack->also.size() > 0) words += std::string(" ") + std::to_string(ack->also.take());
    return words;
  }
  if (const auto nack = message.as<Nack>()) {
    return std::string("NACK ") + std::to_string(nack->seq) + " " + std::string(nack->reason) +
           (nack->requeue ? " (requeue)" : "");
  }
  if (const auto send = message.as<Send>()) return std::string("SEND ") + std::to_string(send->first_seq);
  if (message.as<Hello>()) return "HELLO";
  return "?";
}

class HoldingTest : public WorkerTest {
 protected:
  // Everything that the worker has to say. The answer to a first PING may overtake what leaves in the same turn; the
  // answer to a second comes behind it.
  std::vector<std::string> all_said(Worker& worker) {
    std::vector<std::string> said;
    for (int pings = 0; pings < 2; ++pings) {
      broker.send(Ping{});
      for (bool answered = false; !answered;) {
        std::optional<test::FromWorker> message;
        if (!work_until(worker, [&] { return (message = broker.poll()).has_value(); })) {
          ADD_FAILURE() << "no answer to a PING";
          return said;
        }
        answered = message->as<Pong>().has_value();
        if (!answered) said.push_back(described(*message));
      }
    }
    return said;
  }
};
using Said = std::vector<std::string>;

TEST_F(HoldingTest, HeldOnesAreSettledInAnyOrder) {
  Worker worker(options());
  std::vector<Held> held;
  worker.on_message([&](const Delivery& delivery) {
    if (delivery.seq != 2) held.push_back(worker.hold());
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 5));
  ASSERT_TRUE(work_until(worker, [&] { return held.size() == 4; }));
  EXPECT_EQ(all_said(worker), (Said{"ACK 0 also 2"}));
  EXPECT_EQ(worker.held(), 4u);

  EXPECT_TRUE(worker.ack(held.at(2)));  // number 4
  EXPECT_EQ(all_said(worker), (Said{"ACK 0 also 4"}));
  EXPECT_TRUE(worker.ack(held.at(0)));
  EXPECT_EQ(all_said(worker), (Said{"ACK 2"}));
  EXPECT_FALSE(worker.ack(held.at(0))) << "settled already";
  EXPECT_TRUE(worker.nack(held.at(3), "not now"));
  EXPECT_TRUE(worker.nack(held.at(1), "never\n", false));
  EXPECT_EQ(all_said(worker), (Said{"NACK 5 not now (requeue)", "NACK 3 never\\x0a", "ACK 5"}));
  EXPECT_EQ(worker.held(), 0u);
  worker.check_invariants();
}

TEST_F(HoldingTest, ReceivedOnesMayBeHeldToo) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  EXPECT_THROW((void)worker.hold(), std::logic_error);
  broker.send(Deliver{1, false}, numbered(1, 3));
  ASSERT_TRUE(worker.receive(patience));
  const Held first = worker.hold();
  EXPECT_EQ(worker.hold().seq, first.seq) << "the same again";
  ASSERT_TRUE(worker.receive(patience));
  ASSERT_TRUE(worker.receive(patience));
  EXPECT_EQ(all_said(worker), (Said{"ACK 0 also 2"})) << "the third is in hand";
  EXPECT_TRUE(worker.is_held(first));
  EXPECT_TRUE(worker.ack(first));
  EXPECT_FALSE(worker.is_held(first));
  EXPECT_FALSE(worker.receive(1ms));
  EXPECT_EQ(all_said(worker), (Said{"ACK 3"}));
}

TEST_F(HoldingTest, AHeldOneOfAnEarlierConnectionChangesNothing) {
  Worker worker(options());
  std::vector<Held> held;
  worker.on_message([&](const Delivery&) { held.push_back(worker.hold()); });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 2));
  ASSERT_TRUE(work_until(worker, [&] { return held.size() == 2; }));
  broker.error(ErrorCode::not_registered);
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, true}, numbered(7, 8));
  ASSERT_TRUE(work_until(worker, [&] { return held.size() == 4; }));
  EXPECT_FALSE(worker.is_held(held.at(0)));
  EXPECT_FALSE(worker.ack(held.at(0)));
  EXPECT_FALSE(worker.nack(held.at(1), "too late"));
  EXPECT_EQ(all_said(worker), Said{});
  EXPECT_TRUE(worker.ack(held.at(2)));
  EXPECT_EQ(all_said(worker), (Said{"ACK 1"}));
}

TEST_F(HoldingTest, AConnectionThatEndsUnderAHandlerTakesItsHoldAlong) {
  Worker worker(options());
  Held held;
  worker.on_message([&](const Delivery& delivery) {
    if (delivery.redelivered) return;
    broker.error(ErrorCode::not_registered);
    while (worker.state() != State::waiting) worker.do_work();
    held = worker.hold();
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 2));
  ASSERT_TRUE(broker.welcome(worker));
  EXPECT_FALSE(worker.ack(held));
  broker.send(Deliver{1, true}, numbered(1, 2));
  EXPECT_TRUE(acknowledges(worker, 2));
}

TEST_F(HoldingTest, NoAckNamesMoreThanTheBrokerAllows) {
  broker.limits.max_prefetch = 3;
  Worker worker(options());
  std::vector<Held> held;
  worker.on_message([&](const Delivery&) { held.push_back(worker.hold()); });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 6));
  ASSERT_TRUE(work_until(worker, [&] { return held.size() == 6; }));
  for (size_t i = 1; i < 6; ++i) EXPECT_TRUE(worker.ack(held.at(i)));
  EXPECT_EQ(all_said(worker), (Said{"ACK 0 also 2 3 4", "ACK 0 also 5 6"}));
}

// --- answers before acknowledgements

TEST_F(HoldingTest, AnAnswerLeavesBeforeTheAckOfWhatItAnswers) {
  Worker worker(options());
  worker.on_message([&](const Delivery& delivery) { ASSERT_TRUE(worker.send(numbered(100 + delivery.seq))); });
  ASSERT_TRUE(broker.welcome(worker));
  Seq answered = 0;
  Seq acked = 0;
  for (Seq round = 0; round < 20; ++round) {
    broker.send(Deliver{round * 50 + 1, false}, numbered(round * 50 + 1, round * 50 + 50));
    while (acked < round * 50 + 50) {
      std::optional<test::FromWorker> message;
      ASSERT_TRUE(work_until(worker, [&] { return (message = broker.poll()).has_value(); }));
      if (message->as<Send>()) {
        ASSERT_EQ(message->as<Send>()->first_seq, answered + 1);
        answered += test::split(message->body).size();
      } else {
        ASSERT_TRUE(message->as<Ack>());
        acked = message->as<Ack>()->upto;
        ASSERT_LE(acked, answered) << "acknowledged, and its answer is not on its way";
      }
    }
  }
}

// A handler that hands over faster than the connection takes it leaves a part of its answers behind when it returns.
TEST_F(HoldingTest, TheAckWaitsWhereTheConnectionTakesNoMore) {
  Worker worker(options());
  uint64_t answers = 0;
  const std::string answer = "\x81\xa1n\xdb" + std::string("\x00\x00\xea\x60", 4) + std::string(60'000, 'x');
  worker.on_message([&](const Delivery&) {
    while (worker.try_send(answer)) ++answers;
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1));
  ASSERT_TRUE(work_until(worker, [&] { return answers > 0; }));
  ASSERT_GT(answers, 200u);
  uint64_t seen = 0;
  std::optional<test::FromWorker> message;
  do {
    ASSERT_TRUE(work_until(worker, [&] { return (message = broker.poll()).has_value(); }));
    if (message->as<Send>()) seen += test::split(message->body).size();
  } while (message->as<Send>());
  EXPECT_EQ(described(*message), "ACK 1");
  EXPECT_EQ(seen, answers);
}

TEST_F(HoldingTest, AfterAResumeTheAckWaitsForTheAnswersToBeSentAgain) {
  Worker worker(options());
  worker.on_message([](const Delivery&) {});
  ASSERT_TRUE(broker.welcome(worker));
  ASSERT_TRUE(worker.try_send(numbered(1)));
  ASSERT_TRUE(worker.try_send(numbered(2)));
  EXPECT_EQ(all_said(worker), (Said{"SEND 1"}));
  broker.error(ErrorCode::not_registered);
  broker.limits.send_window = 1;  // so that the second stays here until the first is confirmed
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1));
  EXPECT_EQ(all_said(worker), (Said{"SEND 1"}));
  broker.send(Confirm{1});
  EXPECT_EQ(all_said(worker), (Said{"SEND 2", "ACK 1"}));
}

// --- handlers that throw

TEST_F(HoldingTest, WhatAHandlerThrowsBecomesANack) {
  Worker worker(options());
  std::vector<std::string> told;
  worker.on_handler_failed([&](const HandlerFailure& failure) {
    told.push_back(std::to_string(failure.seq) + " " + std::string(failure.reason) + (failure.requeue ? "" : "!"));
    EXPECT_TRUE(worker.try_send(numbered(failure.seq)).seq > 0) << "a callback may send";
  });
  worker.on_message([&](const Delivery& delivery) {
    if (delivery.seq == 2) throw std::runtime_error("no database\n");
    if (delivery.seq == 3) throw Reject("an address that is none");
    if (delivery.seq == 4) throw 42;
    if (delivery.seq == 5) throw std::runtime_error(std::string(300, 'x'));
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 6));
  ASSERT_TRUE(work_until(worker, [&] { return told.size() == 4; }));
  Said said = all_said(worker);
  std::erase_if(said, [](const std::string& words) { return words.substr(0, 4) == "SEND"; });
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said.back(), "ACK 6") << "the loop goes on";
  std::erase_if(said, [](const std::string& words) { return words.substr(0, 3) == "ACK"; });
  EXPECT_EQ(said, (Said{"NACK 2 no database\\x0a (requeue)", "NACK 3 an address that is none",
                        "NACK 4 unknown exception (requeue)", "NACK 5 " + std::string(255, 'x') + " (requeue)"}));
  EXPECT_EQ(told, (Said{"2 no database\\x0a", "3 an address that is none!", "4 unknown exception",
                        "5 " + std::string(255, 'x')}));
}

TEST_F(HoldingTest, AHandlerThatHoldsAndThrowsHasFailed) {
  Worker worker(options());
  std::vector<Held> held;
  worker.on_message([&](const Delivery& delivery) {
    held.push_back(worker.hold());
    if (delivery.seq == 2) worker.ack(held.back());
    throw std::runtime_error("after all");
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 2));
  ASSERT_TRUE(work_until(worker, [&] { return held.size() == 2; }));
  Said said = all_said(worker);
  std::erase(said, "ACK 1");  // of a slow run, which says it in two steps
  EXPECT_EQ(said, (Said{"NACK 1 after all (requeue)", "ACK 2"})) << "what it had settled stays settled";
  EXPECT_FALSE(worker.ack(held.at(0)));
}

// --- decoded

Message answer_to(const Message& message) {
  return message.reply("You said " + std::string(message.content()));
}

TEST_F(HoldingTest, UserMessagesAndEventsComeDecoded) {
  Worker worker(options());
  Said told;
  worker.on_user_message([&](const Message& message) {
    told.push_back("message " + std::string(message.content()));
    ASSERT_TRUE(worker.send(answer_to(message)));
  });
  worker.on_event([&](const Message& event) { told.push_back("event " + std::string(event.event_type())); });
  ASSERT_TRUE(broker.welcome(worker));
  Message message = Message::user_message();
  message.set_content("hello").set_from_addr("+27831234567");
  broker.send(Deliver{1, false}, message.encoded());
  broker.send(Deliver{2, false}, message.ack("n1").encoded());
  const auto sent = broker.expect<Send>(worker);
  ASSERT_TRUE(sent);
  EXPECT_EQ(Message(sent->body).content(), "You said hello");
  EXPECT_TRUE(acknowledges(worker, 2));
  EXPECT_EQ(told, (Said{"message hello", "event ack"}));
}

TEST_F(HoldingTest, WhatHasNoHandlerOfItsOwnGoesToTheGeneralOneOrIsAcknowledged) {
  Message message = Message::user_message();
  message.set_content("hello");
  const std::string unreadable = "\x81\x01\x01";  // a key that is no text
  {
    Worker worker(options());
    Said told;
    worker.on_event([&](const Message& event) { told.push_back("event " + std::string(event.event_type())); });
    worker.on_message([&](const Delivery& delivery) { told.push_back(std::to_string(delivery.seq)); });
    ASSERT_TRUE(broker.welcome(worker));
    broker.send(Deliver{1, false}, message.encoded());
    broker.send(Deliver{2, false}, message.delivery_report("delivered").encoded());
    broker.send(Deliver{3, false}, unreadable);
    EXPECT_TRUE(acknowledges(worker, 3));
    EXPECT_EQ(told, (Said{"1", "event delivery_report", "3"}));
  }
  Worker worker(options());
  uint64_t messages = 0;
  worker.on_user_message([&](const Message&) { ++messages; });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, message.ack("n1").encoded());
  EXPECT_TRUE(acknowledges(worker, 1));
  broker.send(Deliver{2, false}, unreadable);
  EXPECT_EQ(all_said(worker), (Said{"NACK 2 the worker cannot read it", "ACK 2"}));
  EXPECT_EQ(messages, 0u);
}

TEST_F(HoldingTest, DeliveriesWhoseNumbersDoNotJoinEndIt) {
  Worker worker(options());
  worker.on_message([](const Delivery&) {});
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{2, false}, numbered(2));
  EXPECT_TRUE(work_until(worker, [&] { return worker.state() == State::failed; }));
  EXPECT_NE(worker.fault(), "");
}

// --- leaving

TEST_F(HoldingTest, WhatIsHeldWhenItClosesGoesBack) {
  Worker worker(options());
  std::vector<Held> held;
  worker.on_message([&](const Delivery&) { held.push_back(worker.hold()); });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 3));
  ASSERT_TRUE(work_until(worker, [&] { return held.size() == 3; }));
  EXPECT_TRUE(worker.ack(held.at(1)));
  EXPECT_FALSE(worker.close(20ms)) << "nobody answers the BYE";
  EXPECT_FALSE(worker.ack(held.at(0)));
  const auto deadline = Worker::Clock::now() + patience;
  Said said;
  while (said.size() < 2 && Worker::Clock::now() < deadline) {
    if (const auto message = broker.poll()) said.push_back(message->as<Bye>() ? "BYE" : described(*message));
  }
  EXPECT_EQ(said, (Said{"ACK 0 also 2", "BYE"})) << "the broker takes the others back with the BYE";
}

}  // namespace
}  // namespace signalbox
