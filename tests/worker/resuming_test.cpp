#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
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
using Reason = SendResult::Reason;

// --- liveness and coming back

TEST_F(WorkerTest, AnswersPing) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Ping{});
  EXPECT_TRUE(broker.expect<Pong>(worker));
}

TEST_F(WorkerTest, IgnoresFramesThatItDoesNotKnow) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Flow{1});  // a worker's frame, so not one that a broker sends
  settle(worker);
  EXPECT_EQ(worker.state(), State::registered);
}

TEST_F(WorkerTest, RegistersAgainAfterThreeSilentHeartbeats) {
  broker.limits.heartbeat_ms = 20;
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  const auto registered_at = Worker::Clock::now();
  const auto hello = broker.expect<Hello>(worker);
  ASSERT_TRUE(hello);
  EXPECT_GE(Worker::Clock::now() - registered_at, 55ms);
}

TEST_F(WorkerTest, ASlowHandlerIsNotTheBrokersSilence) {
  broker.limits.heartbeat_ms = 10;
  Worker worker(options());
  worker.on_message([&](const Delivery&) {
    const auto slow = Worker::Clock::now() + 60ms;
    while (Worker::Clock::now() < slow) continue;
    broker.send(Ping{});
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1));
  EXPECT_TRUE(broker.expect<Ack>(worker)) << "and no HELLO before it";
}

TEST_F(WorkerTest, SendsAgainWhatTheBrokerHasNotGot) {
  broker.limits.heartbeat_ms = 20;
  Worker worker(options());
  std::vector<std::string> told;
  worker.on_refused([&](const Refusal& refusal) {
    EXPECT_EQ(refusal.message, numbered(refusal.seq));
    told.push_back("refused " + std::to_string(refusal.seq));
  });
  worker.on_confirmed([&](Seq upto) { told.push_back("confirmed " + std::to_string(upto)); });
  const auto first = broker.expect<Hello>(worker);
  ASSERT_TRUE(first);
  const std::string session(first->as<Hello>()->session);
  broker.send(Welcome{1, session, 0, broker.limits});
  ASSERT_TRUE(worker.wait_registered(patience));
  for (uint64_t i = 1; i <= 6; ++i) ASSERT_TRUE(worker.try_send(numbered(i)));
  worker.flush();
  ASSERT_TRUE(broker.expect<Send>(worker));
  broker.send(Confirm{1});
  ASSERT_TRUE(work_until(worker, [&] { return worker.confirmed() == 1; }));

  broker.restart();  // and the broker had settled up to 4, and refused 3, when the connection broke
  const auto second = broker.expect<Hello>(worker);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->as<Hello>()->session, session);
  EXPECT_EQ(second->as<Hello>()->confirmed, 1u);
  ASSERT_TRUE(worker.try_send(numbered(7))) << "the window stays open meanwhile";
  broker.send(Welcome{1, session, 4, broker.limits});
  broker.send(Refuse{3, "queue_full", "full"});
  ASSERT_TRUE(broker.expect<Ping>(worker));
  broker.send(Pong{});
  const auto again = broker.expect<Send>(worker);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->as<Send>()->first_seq, 5u);
  EXPECT_EQ(again->body, numbered(5, 7));
  broker.send(Confirm{7});
  EXPECT_TRUE(worker.wait_confirmed(patience));
  EXPECT_EQ(told, (std::vector<std::string>{"confirmed 1", "refused 3", "confirmed 4", "confirmed 7"}));
}

TEST_F(WorkerTest, ABrokerThatForgotTheSessionGetsTheUnconfirmed) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(worker.try_send(numbered(i)));
  worker.flush();
  ASSERT_TRUE(broker.expect<Send>(worker));
  broker.send(Confirm{2});
  ASSERT_TRUE(work_until(worker, [&] { return worker.confirmed() == 2; }));
  broker.error(ErrorCode::not_registered);
  ASSERT_TRUE(broker.welcome(worker, 0));
  const auto again = broker.expect<Send>(worker);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->as<Send>()->first_seq, 3u);
  EXPECT_EQ(again->body, numbered(3));
}

TEST_F(WorkerTest, NeverAcknowledgesOnAnotherConnection) {
  Worker worker(options());
  std::vector<std::string> handled;
  worker.on_message([&](const Delivery& delivery) {
    handled.emplace_back(delivery.bytes);
    if (handled.size() > 1) return;
    // While the first is being handled, the connection ends and the next begins, where 1 is another message.
    broker.error(ErrorCode::not_registered);
    while (worker.state() != State::waiting) worker.do_work();
    ASSERT_TRUE(broker.welcome(worker));
    EXPECT_EQ(delivery.bytes, numbered(1)) << "its bytes still stand";
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 2));
  ASSERT_TRUE(work_until(worker, [&] { return worker.registrations() == 2; }));
  settle(worker);  // no ACK came before the PONG
  EXPECT_EQ(handled.size(), 1u) << "the second will be delivered again";
  broker.send(Deliver{1, true}, numbered(7));
  EXPECT_TRUE(acknowledges(worker, 1));
  EXPECT_EQ(handled.back(), numbered(7));
}

TEST_F(WorkerTest, BacksOffTwiceAsLongEachTime) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  for (const auto wait : {20ms, 40ms, 80ms, 80ms}) {
    const auto asked_at = Worker::Clock::now();
    broker.error(ErrorCode::too_many, "come back later");
    ASSERT_TRUE(work_until(worker, [&] { return worker.state() == State::waiting; }));
    EXPECT_EQ(worker.fault(), "too_many: come back later");
    ASSERT_TRUE(broker.expect<Hello>(worker));
    EXPECT_GE(Worker::Clock::now() - asked_at, wait);
  }
  broker.send(Welcome{1, {}, 0, broker.limits});
  ASSERT_TRUE(worker.wait_registered(patience));
  EXPECT_EQ(worker.fault(), "");
  settle(worker);  // this one works, so the next pause is short again
  const auto asked_at = Worker::Clock::now();
  broker.error(ErrorCode::gap);
  ASSERT_TRUE(broker.expect<Hello>(worker));
  EXPECT_GE(Worker::Clock::now() - asked_at, 20ms);
  EXPECT_LT(Worker::Clock::now() - asked_at, patience);
}

TEST_F(WorkerTest, NotRegisteredBeforeTheAnswerToHelloIsIgnored) {
  Worker worker(options());
  const auto hello = broker.expect<Hello>(worker);
  ASSERT_TRUE(hello);
  broker.error(ErrorCode::not_registered);
  broker.send(Welcome{1, hello->as<Hello>()->session, 0, broker.limits});
  EXPECT_TRUE(worker.wait_registered(patience));
  EXPECT_EQ(worker.registrations(), 1u);
}

// A HELLO whose connection was given up before the answer may still reach the broker, behind the one on the next
// connection, and take its registration over.
TEST_F(WorkerTest, ComesBackWhereAHelloOfItsOwnTookItOver) {
  Worker worker(options());
  for (int unanswered = 0; unanswered < 2; ++unanswered) {
    ASSERT_TRUE(broker.expect<Hello>(worker));
    broker.restart();
  }
  ASSERT_TRUE(broker.welcome(worker));
  ASSERT_TRUE(worker.try_send(numbered(1)));
  worker.flush();
  ASSERT_TRUE(broker.expect<Send>(worker));
  for (int unanswered = 0; unanswered < 2; ++unanswered) {
    broker.error(ErrorCode::taken_over, "by the first HELLO");
    ASSERT_TRUE(broker.welcome(worker));
    const auto again = broker.expect<Send>(worker);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->as<Send>()->first_seq, 1u) << "it resumes";
  }
  broker.error(ErrorCode::taken_over, "by somebody else: all of its own have come");
  EXPECT_TRUE(work_until(worker, [&] { return worker.state() == State::failed; }));
}

TEST_F(WorkerTest, ComesBackWhereAHelloThatWasAnsweredTooLateTookItOver) {
  WorkerOptions impatient = options();
  impatient.heartbeat_ms = 100;
  Worker worker(impatient);
  ASSERT_TRUE(broker.expect<Hello>(worker));
  ASSERT_TRUE(broker.welcome(worker)) << "the second, after three heartbeats without an answer";
  broker.error(ErrorCode::taken_over);
  EXPECT_TRUE(broker.welcome(worker));
}

TEST_F(WorkerTest, AnAnsweredHelloTakesNothingOver) {
  Worker worker(options());
  ASSERT_TRUE(broker.expect<Hello>(worker));
  broker.error(ErrorCode::too_many);
  ASSERT_TRUE(broker.expect<Hello>(worker));
  broker.send(Bye{"draining"});
  ASSERT_TRUE(broker.welcome(worker));
  broker.restart();
  ASSERT_TRUE(broker.welcome(worker));
  broker.error(ErrorCode::taken_over);
  EXPECT_TRUE(work_until(worker, [&] { return worker.state() == State::failed; }));
}

TEST_F(WorkerTest, OtherErrorsAreForTheCaller) {
  for (const ErrorCode code :
       {ErrorCode::version, ErrorCode::malformed, ErrorCode::unknown_endpoint, ErrorCode::not_permitted,
        ErrorCode::taken_over, ErrorCode::window, ErrorCode::too_large, ErrorCode::internal}) {
    SCOPED_TRACE(to_string(code));
    Worker worker(options());
    ASSERT_TRUE(broker.expect<Hello>(worker));
    broker.error(code, "because\nof this");
    EXPECT_FALSE(worker.wait_registered(patience));
    EXPECT_EQ(worker.state(), State::failed);
    EXPECT_EQ(worker.fault(), std::string(to_string(code)) + ": because\\x0aof this");
    EXPECT_EQ(worker.try_send(numbered(1)).reason, Reason::ended);
    EXPECT_EQ(worker.send(numbered(1)).reason, Reason::ended);
    EXPECT_FALSE(worker.receive(patience));
    EXPECT_FALSE(worker.close(patience));
    worker.run();  // returns, since it has ended
  }
}

TEST_F(WorkerTest, ABrokerThatHasSettledMoreThanWasSentKnowsAnotherSender) {
  WorkerOptions borrowed = options();
  borrowed.session = "sixteen bytes of";
  Worker worker(borrowed);
  const auto hello = broker.expect<Hello>(worker);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->as<Hello>()->session, borrowed.session);
  broker.send(Welcome{1, borrowed.session, 1, broker.limits});
  EXPECT_FALSE(worker.wait_registered(patience));
  EXPECT_EQ(worker.state(), State::failed);
  EXPECT_NE(worker.fault(), "");
}

// A refusal is told when it is final. The connection breaks before that, and the broker that comes back has forgotten
// what it had refused, and takes it.
TEST_F(WorkerTest, ARefusalThatDidNotLastIsNotTold) {
  Worker worker(options());
  std::vector<std::string> told;
  worker.on_refused([&](const Refusal& refusal) { told.push_back("refused " + std::to_string(refusal.seq)); });
  worker.on_confirmed([&](Seq upto) { told.push_back("confirmed " + std::to_string(upto)); });
  ASSERT_TRUE(broker.welcome(worker));
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(worker.try_send(numbered(i)));
  worker.flush();
  ASSERT_TRUE(broker.expect<Send>(worker));
  broker.send(Refuse{2, "queue_full", "full"});  // while the confirmation of the first is held
  broker.send(Refuse{3, "queue_full", "full"});
  settle(worker);
  EXPECT_TRUE(told.empty());
  broker.restart();
  ASSERT_TRUE(broker.welcome(worker));
  ASSERT_TRUE(broker.expect<Send>(worker));
  broker.send(Refuse{3, "queue_full", "still full"});
  broker.send(Confirm{3});
  ASSERT_TRUE(worker.wait_confirmed(patience));
  EXPECT_EQ(told, (std::vector<std::string>{"refused 3", "confirmed 3"}));
}

TEST_F(WorkerTest, WhatACallbackThrowsPassesThroughAndTheNumbersStand) {
  Worker worker(options());
  std::vector<Seq> refused;
  worker.on_refused([&](const Refusal& refusal) {
    refused.push_back(refusal.seq);
    throw std::runtime_error("the program's own");
  });
  ASSERT_TRUE(broker.welcome(worker));
  for (uint64_t i = 1; i <= 2; ++i) ASSERT_TRUE(worker.try_send(numbered(i)));
  worker.flush();
  ASSERT_TRUE(broker.expect<Send>(worker));
  broker.send(Refuse{1, "no_route", "no rule takes it"});
  broker.send(Confirm{2});
  EXPECT_THROW((void)worker.wait_confirmed(patience), std::runtime_error);
  EXPECT_TRUE(worker.wait_confirmed(patience));
  EXPECT_EQ(refused, (std::vector<Seq>{1}));
  worker.check_invariants();
}

TEST_F(WorkerTest, RegistersAgainAsSoonAsTheConnectionBreaks) {
  Worker worker(options());  // whose broker's heartbeat is 5 s
  const auto first = broker.expect<Hello>(worker);
  ASSERT_TRUE(first);
  broker.restart();  // before the answer
  ASSERT_TRUE(work_until(worker, [&] { return worker.state() == State::waiting; }));
  EXPECT_EQ(worker.fault(), "the connection was lost");
  ASSERT_TRUE(broker.welcome(worker));
  const auto cut_at = Worker::Clock::now();
  broker.restart();
  ASSERT_TRUE(broker.welcome(worker));
  EXPECT_LT(Worker::Clock::now() - cut_at, 10s) << "silence would tell after 15 s";
}

// --- leaving

TEST_F(WorkerTest, ATransportKeepsItsMessagesWhileTheBrokerDrains) {
  Worker worker(options(Role::transport));
  worker.on_message([](const Delivery&) {});
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Bye{"draining"});
  ASSERT_TRUE(work_until(worker, [&] { return worker.draining(); }));
  EXPECT_EQ(worker.try_send(numbered(1)).seq, 1u);
  worker.flush();
  broker.send(Deliver{1, false}, numbered(1));
  EXPECT_TRUE(broker.expect<Ack>(worker)) << "what is delivered is handled, and nothing is sent";
  broker.error(ErrorCode::not_registered);
  ASSERT_TRUE(broker.welcome(worker));
  EXPECT_FALSE(worker.draining());
  EXPECT_EQ(broker.expect<Send>(worker)->body, numbered(1));
}

TEST_F(WorkerTest, AnApplicationGoesOnWhileTheBrokerDrains) {
  Worker worker(options(Role::application));
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Bye{"draining"});
  ASSERT_TRUE(work_until(worker, [&] { return worker.draining(); }));
  EXPECT_TRUE(worker.send(numbered(1)));
  EXPECT_TRUE(broker.expect<Send>(worker));
}

TEST_F(WorkerTest, ComesBackLaterWhereHelloIsAnsweredWithBye) {
  Worker worker(options());
  ASSERT_TRUE(broker.expect<Hello>(worker));
  broker.send(Bye{"draining"});
  ASSERT_TRUE(work_until(worker, [&] { return worker.state() == State::waiting; }));
  EXPECT_TRUE(broker.welcome(worker));
}

TEST_F(WorkerTest, ClosesOnceAllIsConfirmedAndByeAnswered) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  ASSERT_TRUE(worker.try_send(numbered(1)));
  std::vector<std::string> seen;
  std::thread answering([&] {  // the scripted broker's socket is this thread's until it is joined
    const auto deadline = Worker::Clock::now() + patience;
    while ((seen.empty() || seen.back() != "BYE") && Worker::Clock::now() < deadline) {
      const auto message = broker.poll();
      if (!message) continue;
      seen.push_back(message->as<Send>() ? "SEND" : message->as<Bye>() ? "BYE" : "?");
      if (seen.back() == "SEND") broker.send(Confirm{1});
      if (seen.back() == "BYE") broker.send(Bye{});
    }
  });
  EXPECT_TRUE(worker.close(patience));
  answering.join();
  EXPECT_EQ(seen, (std::vector<std::string>{"SEND", "BYE"}));
  EXPECT_EQ(worker.state(), State::closed);
  EXPECT_EQ(worker.try_send(numbered(2)).reason, Reason::ended);
  EXPECT_FALSE(worker.close(patience)) << "there is nothing left to close";
}

TEST_F(WorkerTest, ByeThatWasLostWithItsConnectionIsSaidAgain) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  std::vector<std::string> seen;
  std::thread answering([&] {  // the scripted broker's socket is this thread's until it is joined
    const auto deadline = Worker::Clock::now() + patience;
    while (seen.size() < 3 && Worker::Clock::now() < deadline) {
      const auto message = broker.poll();
      if (!message) continue;
      seen.push_back(message->as<Bye>() ? "BYE" : message->as<Hello>() ? "HELLO" : "?");
      if (seen.size() == 1) broker.restart();
      if (const auto hello = message->as<Hello>()) broker.send(Welcome{1, hello->session, 0, broker.limits});
      if (seen.size() == 3) broker.send(Bye{});
    }
  });
  EXPECT_TRUE(worker.close(patience));
  answering.join();
  EXPECT_EQ(seen, (std::vector<std::string>{"BYE", "HELLO", "BYE"}));
}

TEST_F(WorkerTest, ClosesByItsDeadlineWhateverTheBrokerDoes) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  ASSERT_TRUE(worker.try_send(numbered(1)));
  const auto begun = Worker::Clock::now();
  EXPECT_FALSE(worker.close(20ms));
  EXPECT_LT(Worker::Clock::now() - begun, patience);
  EXPECT_EQ(worker.state(), State::closed);
}

TEST_F(WorkerTest, AcknowledgesTheLastBeforeItSaysBye) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1));
  ASSERT_TRUE(worker.receive(patience));
  EXPECT_FALSE(worker.close(20ms)) << "nobody answers the BYE";
  const auto deadline = Worker::Clock::now() + patience;
  std::vector<std::string> seen;
  while (seen.size() < 2 && Worker::Clock::now() < deadline) {
    const auto message = broker.poll();
    if (!message) continue;
    seen.push_back(message->as<Ack>() ? "ACK" : message->as<Bye>() ? "BYE" : "?");
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"ACK", "BYE"}));
}

}  // namespace
}  // namespace signalbox
