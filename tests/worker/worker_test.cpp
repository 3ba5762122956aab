#include "worker/worker.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/worker/scripted_broker.hpp"

namespace signalbox {
namespace {

using namespace std::chrono_literals;
using test::numbered;
using test::patience;
using test::ScriptedBroker;
using test::split;
using test::work_until;
using State = Worker::State;
using Reason = SendResult::Reason;

class WorkerTest : public testing::Test {
 protected:
  WorkerOptions options(Role role = Role::application) {
    WorkerOptions result;
    result.role = role;
    result.name = "my_worker";
    result.endpoint = broker.endpoint();
    result.backoff_ms_min = 20;
    result.backoff_ms_max = 80;
    return result;
  }
  // Works the worker until it has taken in everything that the broker sent: a PING's answer says so.
  void settle(Worker& worker) {
    broker.send(Ping{});
    ASSERT_TRUE(broker.expect<Pong>(worker));
  }

  // Waits for the ACK of `upto`. A slow run may acknowledge a batch in several steps, each further than the last.
  testing::AssertionResult acknowledges(Worker& worker, Seq upto) {
    Seq before = 0;
    while (const auto ack = broker.expect<Ack>(worker)) {
      const Seq now = ack->as<Ack>()->upto;
      if (now == upto) return testing::AssertionSuccess();
      if (now > upto || now <= before) return testing::AssertionFailure() << "ACK " << now << " after " << before;
      before = now;
    }
    return testing::AssertionFailure() << "no ACK";
  }

  ScriptedBroker broker;
};

// --- registering

TEST_F(WorkerTest, RegistersWithWhatItsOptionsSay) {
  WorkerOptions with = options(Role::transport);
  with.prefetch = 7;
  with.client = "test 1.0";
  with.instance = "left";
  Worker worker(with);
  EXPECT_EQ(worker.state(), State::connecting);
  const auto message = broker.expect<Hello>(worker);
  ASSERT_TRUE(message);
  const Hello hello = *message->as<Hello>();
  EXPECT_EQ(message->frames, 1u);
  EXPECT_EQ(message->peer.size(), 5u);
  EXPECT_EQ(message->peer[0], '\0') << "a routing id of libzmq's own making";
  EXPECT_EQ(hello.version, 1u);
  EXPECT_EQ(hello.role, Role::transport);
  EXPECT_EQ(hello.name, "my_worker");
  EXPECT_EQ(hello.session.size(), 16u);
  EXPECT_EQ(hello.confirmed, 0u);
  EXPECT_EQ(hello.prefetch, 7u);
  EXPECT_EQ(hello.client, "test 1.0");
  EXPECT_EQ(hello.instance, "left");
  broker.send(Welcome{1, hello.session, 0, broker.limits});
  EXPECT_TRUE(worker.wait_registered(patience));
  EXPECT_EQ(worker.state(), State::registered);
  EXPECT_EQ(worker.limits().broker, "scripted");
}

TEST_F(WorkerTest, SaysAtOnceWhatCannotWork) {
  WorkerOptions bad = options();
  bad.name = "a/b";
  EXPECT_THROW(Worker{bad}, std::invalid_argument);
  bad.name = "";
  EXPECT_THROW(Worker{bad}, std::invalid_argument);
  bad = options();
  bad.endpoint = "nowhere";
  EXPECT_THROW(Worker{bad}, std::runtime_error);
  bad = options();
  bad.session = "short";
  EXPECT_THROW(Worker{bad}, std::invalid_argument);
}

TEST_F(WorkerTest, EachWorkerHasASessionOfItsOwn) {
  Worker first(options());
  Worker second(options());
  const auto one = broker.expect<Hello>(first);
  const auto other = broker.expect<Hello>(second);
  ASSERT_TRUE(one && other);
  EXPECT_NE(one->as<Hello>()->session, other->as<Hello>()->session);
}

TEST_F(WorkerTest, TakesNothingBeforeItIsRegistered) {
  Worker worker(options());
  EXPECT_EQ(worker.try_send(numbered(1)).reason, Reason::window_full);
  EXPECT_EQ(worker.send(numbered(1), 1ms).reason, Reason::window_full);
}

TEST_F(WorkerTest, WaitsForABrokerThatIsNotThereYet) {
  WorkerOptions later = options();
  later.endpoint = "ipc://" + testing::TempDir() + "signalbox_worker_test_nobody";
  Worker worker(later);
  EXPECT_FALSE(worker.wait_registered(20ms));
  EXPECT_EQ(worker.state(), State::connecting);
  EXPECT_FALSE(worker.close(5ms));
}

TEST_F(WorkerTest, AsksAgainWhereNobodyAnswers) {
  WorkerOptions impatient = options();
  impatient.heartbeat_ms = 10;
  Worker worker(impatient);
  const auto first = broker.expect<Hello>(worker);
  const auto second = broker.expect<Hello>(worker);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->peer, second->peer) << "on a fresh connection";
  EXPECT_EQ(first->as<Hello>()->session, second->as<Hello>()->session);
}

// --- sending

TEST_F(WorkerTest, NumbersWhatItSendsAndSendsWhatGathered) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  EXPECT_EQ(worker.try_send(numbered(1)).seq, 1u);
  EXPECT_EQ(worker.try_send(numbered(2)).seq, 2u);
  EXPECT_EQ(worker.try_send(numbered(3)).seq, 3u);
  worker.flush();
  const auto batch = broker.expect<Send>(worker);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->as<Send>()->first_seq, 1u);
  EXPECT_EQ(batch->body, numbered(1, 3));

  EXPECT_EQ(worker.try_send(numbered(4)).seq, 4u);
  worker.flush();
  const auto lone = broker.expect<Send>(worker);
  ASSERT_TRUE(lone);
  EXPECT_EQ(lone->as<Send>()->first_seq, 4u);
  EXPECT_EQ(lone->body, numbered(4)) << "a lone message leaves at once";
}

TEST_F(WorkerTest, ACompleteBatchLeavesBeforeAnyoneAsks) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  uint64_t taken = 0;
  while (taken < 10'000 && worker.try_send(numbered(taken + 1))) ++taken;
  ASSERT_EQ(taken, 10'000u);
  uint64_t seen = 0;
  std::optional<test::FromWorker> batch;
  ASSERT_TRUE(work_until(worker, [&] { return (batch = broker.poll()).has_value(); }));
  EXPECT_EQ(batch->as<Send>()->first_seq, 1u);
  EXPECT_GT(batch->body.size(), SendWindow::block_bytes - 100);
  EXPECT_LE(batch->body.size(), SendWindow::block_bytes);
  for (seen = split(batch->body).size(); seen < taken; seen += split(batch->body).size()) {
    batch = broker.expect<Send>(worker);
    ASSERT_TRUE(batch);
    ASSERT_EQ(batch->as<Send>()->first_seq, seen + 1);
  }
  EXPECT_EQ(seen, taken);
}

TEST_F(WorkerTest, AFullWindowTakesNoMore) {
  broker.limits.send_window = 2;
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  std::vector<Seq> confirmed;
  worker.on_confirmed([&](Seq upto) { confirmed.push_back(upto); });
  EXPECT_TRUE(worker.try_send(numbered(1)));
  EXPECT_TRUE(worker.try_send(numbered(2)));
  EXPECT_EQ(worker.try_send(numbered(3)).reason, Reason::window_full);
  EXPECT_EQ(worker.send(numbered(3), 10ms).reason, Reason::window_full) << "and says so when the time is over";
  EXPECT_EQ(worker.unconfirmed(), 2u);

  broker.send(Confirm{1});
  EXPECT_EQ(worker.send(numbered(3), patience).seq, 3u) << "waits for the confirmation";
  EXPECT_EQ(worker.try_send(numbered(4)).reason, Reason::window_full);
  EXPECT_EQ(worker.confirmed(), 1u);
  broker.send(Confirm{3});
  EXPECT_TRUE(worker.wait_confirmed(patience));
  EXPECT_EQ(confirmed, (std::vector<Seq>{1, 3}));
}

TEST_F(WorkerTest, AWindowIsFullInBytesToo) {
  broker.limits.send_window_bytes = 10;
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  EXPECT_TRUE(worker.try_send(numbered(1)));
  EXPECT_TRUE(worker.try_send(numbered(2)));
  EXPECT_EQ(worker.try_send(numbered(3)).reason, Reason::window_full);
}

TEST_F(WorkerTest, WhatNoBatchHoldsIsNotTaken) {
  broker.limits.max_batch_bytes = 100;
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  Message message;
  message.set_content(std::string(100, 'x'));
  EXPECT_EQ(worker.try_send(message).reason, Reason::too_large);
  EXPECT_EQ(worker.try_send(Bytes()).reason, Reason::too_large);
  message.set_content("x");
  EXPECT_EQ(worker.send(message).seq, 1u);
}

TEST_F(WorkerTest, ARefusalComesWithItsMessageAndBeforeTheConfirmation) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  std::vector<std::string> told;
  worker.on_refused([&](const Refusal& refusal) {
    told.push_back(std::to_string(refusal.seq) + " " + std::string(refusal.code) + " " + std::string(refusal.text));
    EXPECT_EQ(refusal.message, numbered(refusal.seq));
    EXPECT_EQ(worker.send(numbered(4), patience).seq, 4u) << "a callback may send";
  });
  worker.on_confirmed([&](Seq upto) { told.push_back("confirmed " + std::to_string(upto)); });
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(worker.try_send(numbered(i)));
  worker.flush();
  ASSERT_TRUE(broker.expect<Send>(worker));
  broker.send(Refuse{2, "no_route", "no rule takes it"});
  broker.send(Confirm{3});
  ASSERT_TRUE(work_until(worker, [&] { return worker.confirmed() == 3; }));
  EXPECT_EQ(told, (std::vector<std::string>{"2 no_route no rule takes it", "confirmed 3"}));
}

TEST_F(WorkerTest, AConfirmationOfWhatWasNeverSentEndsIt) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Confirm{1});
  EXPECT_TRUE(work_until(worker, [&] { return worker.state() == State::failed; }));
}

// --- receiving

TEST_F(WorkerTest, HandsOutEachMessageAndAcknowledgesTheBatch) {
  Worker worker(options());
  std::vector<std::string> handled;
  worker.on_message([&](const Delivery& delivery) {
    handled.push_back(std::to_string(delivery.seq) + (delivery.redelivered ? " again" : ""));
    EXPECT_EQ(delivery.bytes, numbered(delivery.seq));
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 3));
  EXPECT_TRUE(acknowledges(worker, 3));
  broker.send(Deliver{4, true}, numbered(4));
  EXPECT_TRUE(acknowledges(worker, 4));
  EXPECT_EQ(handled, (std::vector<std::string>{"1", "2", "3", "4 again"}));
}

TEST_F(WorkerTest, ASlowHandlersAnswersDoNotWaitForTheBatch) {
  Worker worker(options());
  std::optional<test::FromWorker> seen;
  worker.on_message([&](const Delivery& delivery) {
    if (delivery.seq == 1) {
      ASSERT_TRUE(worker.try_send(numbered(1)));
      const auto slow = Worker::Clock::now() + 2ms;
      while (Worker::Clock::now() < slow) continue;
    } else {
      const auto deadline = Worker::Clock::now() + patience;
      while (!seen && Worker::Clock::now() < deadline) seen = broker.poll();
    }
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 2));
  ASSERT_TRUE(work_until(worker, [&] { return seen.has_value(); }));
  ASSERT_TRUE(seen->as<Ack>()) << "the first was settled while the second was being handled";
  EXPECT_EQ(seen->as<Ack>()->upto, 1u);
}

TEST_F(WorkerTest, AMessageWhoseHandlerThrowsIsNotAcknowledged) {
  Worker worker(options());
  std::vector<Seq> tried;
  worker.on_message([&](const Delivery& delivery) {
    tried.push_back(delivery.seq);
    if (tried.size() == 2) throw std::runtime_error("the handler's own");
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 3));
  EXPECT_THROW(work_until(worker, [] { return false; }), std::runtime_error);
  worker.flush();
  EXPECT_TRUE(acknowledges(worker, 1));
  EXPECT_TRUE(acknowledges(worker, 3));
  EXPECT_EQ(tried, (std::vector<Seq>{1, 2, 2, 3})) << "handed out again";
}

TEST_F(WorkerTest, AHandlerThatWaitsForTheWindowIsNotEnteredAgain) {
  broker.limits.send_window = 1;
  Worker worker(options());
  int depth = 0;
  std::vector<Seq> handled;
  worker.on_message([&](const Delivery& delivery) {
    EXPECT_EQ(++depth, 1);
    if (!worker.try_send(numbered(delivery.seq))) {
      // The confirmation that makes room lies behind another delivery.
      broker.send(Deliver{delivery.seq + 1, false}, numbered(delivery.seq + 1));
      broker.send(Confirm{delivery.seq - 1});
      EXPECT_EQ(worker.send(numbered(delivery.seq), patience).seq, delivery.seq);
    }
    EXPECT_EQ(delivery.bytes, numbered(delivery.seq)) << "its bytes still stand";
    handled.push_back(delivery.seq);
    if (handled.size() == 5) worker.stop();
    --depth;
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 2));
  worker.run_for(patience);
  EXPECT_EQ(handled, (std::vector<Seq>{1, 2, 3, 4, 5}));
}

TEST_F(WorkerTest, StopLeavesTheRestOfTheBatchForLater) {
  Worker worker(options());
  std::vector<Seq> handled;
  worker.on_message([&](const Delivery& delivery) {
    handled.push_back(delivery.seq);
    if (delivery.seq == 2) worker.stop();
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 3));
  worker.run_for(patience);
  EXPECT_EQ(handled, (std::vector<Seq>{1, 2}));
  EXPECT_TRUE(work_until(worker, [&] { return handled.size() == 3; }));
}

TEST_F(WorkerTest, MayBeAskedForMessagesInstead) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  EXPECT_FALSE(worker.receive(1ms));
  broker.send(Deliver{1, false}, numbered(1, 2));
  const auto first = worker.receive(patience);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->bytes, numbered(1));
  EXPECT_EQ(worker.receive(patience)->bytes, numbered(2));
  worker.flush();
  EXPECT_TRUE(acknowledges(worker, 1)) << "the second is still in the caller's hands";
  EXPECT_FALSE(worker.receive(1ms));
  EXPECT_TRUE(acknowledges(worker, 2));
}

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
