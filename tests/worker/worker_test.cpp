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
using test::split;
using test::work_until;
using test::WorkerTest;
using State = Worker::State;
using Reason = SendResult::Reason;

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
  const std::string message = "\x81\xa1n\xd9\x64" + std::string(100, 'x');
  const uint64_t count = 2 * SendWindow::block_bytes / message.size();
  for (uint64_t i = 0; i < count; ++i) ASSERT_TRUE(worker.try_send(message));
  std::optional<test::FromWorker> batch;
  ASSERT_TRUE(work_until(worker, [&] { return (batch = broker.poll()).has_value(); }));
  EXPECT_EQ(batch->as<Send>()->first_seq, 1u);
  EXPECT_GT(batch->body.size(), SendWindow::block_bytes - message.size());
  EXPECT_LE(batch->body.size(), SendWindow::block_bytes);
  uint64_t seen = split(batch->body).size();
  for (; seen < count; seen += split(batch->body).size()) {
    batch = broker.expect<Send>(worker);
    ASSERT_TRUE(batch);
    ASSERT_EQ(batch->as<Send>()->first_seq, seen + 1);
  }
  EXPECT_EQ(seen, count);
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
  ASSERT_TRUE(seen->as<Send>()) << "the first was answered while the second was being handled";
  EXPECT_EQ(seen->body, numbered(1));
  EXPECT_TRUE(acknowledges(worker, 1)) << "and settled, behind its answer";
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

}  // namespace
}  // namespace signalbox
