// Handlers side by side, against a scripted broker; broker_test.cpp has them against the real one.
#include "worker/handler_threads.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
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
using test::split;
using test::work_until;
using test::WorkerTest;

// Holds the handlers' threads until the test lets them go on.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.wait(lock, [this] { return open_; });
  }
  int arrived() {
    const std::lock_guard lock(mutex_);
    return arrived_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int arrived_ = 0;
};

TEST_F(WorkerTest, HandlersRunSideBySideWhileTheLoopGoesOn) {
  Worker worker(options());
  Gate gate;
  HandlerThreads threads(worker, 3, [&](const Delivery&, Outbox&) { gate.pass(); });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 5));
  ASSERT_TRUE(work_until(worker, [&] { return gate.arrived() == 3; })) << "three at once";
  EXPECT_EQ(threads.under_way(), 5u);
  settle(worker);  // PING is answered meanwhile, and nothing is acknowledged
  EXPECT_EQ(gate.arrived(), 3);
  gate.open();
  EXPECT_TRUE(threads.finish(patience));
  EXPECT_EQ(gate.arrived(), 5);
  EXPECT_EQ(worker.held(), 0u);
  EXPECT_TRUE(worker.paused());
}

TEST_F(WorkerTest, WhatAHandlerSentLeavesBeforeItsDeliveryIsAcknowledged) {
  Worker worker(options());
  std::atomic<bool> took_too_much{false};
  const std::string too_large(size_t{5} << 20, 'x');
  HandlerThreads threads(worker, 4, [&](const Delivery& delivery, Outbox& outbox) {
    took_too_much = outbox.send(Bytes()) || outbox.send(too_large);
    outbox.send(delivery.bytes);
    Message message(delivery.bytes);
    message.set_text("again", message.text("n"));
    outbox.send(message);
  });
  ASSERT_TRUE(broker.welcome(worker));
  constexpr Seq count = 2000;
  broker.send(Deliver{1, false}, numbered(1, count));
  std::set<std::string> answered;
  uint64_t answers = 0;
  Seq upto = 0;
  while (upto < count) {
    std::optional<test::FromWorker> message;
    ASSERT_TRUE(work_until(worker, [&] { return (message = broker.poll()).has_value(); }));
    if (message->as<Send>()) {
      const std::vector<std::string> batch = split(message->body);
      answers += batch.size();
      for (const std::string& each : batch) {
        if (Message(each).fields() == 2) answered.insert(std::string(Message(each).text("again")));
      }
      broker.send(Confirm{message->as<Send>()->first_seq + batch.size() - 1});
      continue;
    }
    auto ack = message->as<Ack>();
    ASSERT_TRUE(ack);
    std::vector<Seq> settled;
    for (; upto < ack->upto; ++upto) settled.push_back(upto + 1);
    while (ack->also.size() > 0) settled.push_back(ack->also.take());
    for (const Seq seq : settled) ASSERT_EQ(answered.count(std::to_string(seq)), 1u) << seq;
  }
  EXPECT_EQ(answers, 2 * count);
  EXPECT_EQ(answered.size(), count);
  EXPECT_FALSE(took_too_much);
  EXPECT_TRUE(threads.finish(patience));
}

TEST_F(WorkerTest, AHandlerThatThrowsOnAThreadGivesItsMessageBack) {
  Worker worker(options());
  std::vector<std::string> told;
  worker.on_handler_failed([&](const HandlerFailure& failure) {
    told.push_back(std::to_string(failure.seq) + " " + std::string(failure.reason) + (failure.requeue ? "" : "!"));
  });
  HandlerThreads threads(worker, 1, [&](const Delivery& delivery, Outbox& outbox) {
    outbox.send(delivery.bytes);
    if (delivery.seq == 1) throw std::runtime_error("no database\n");
    if (delivery.seq == 2) throw Reject("no such address");
    if (delivery.seq == 3) throw 42;
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 4));
  std::set<Seq> requeued;
  std::set<Seq> rejected;
  std::string sent;
  Seq upto = 0;
  while (upto < 4) {
    std::optional<test::FromWorker> message;
    ASSERT_TRUE(work_until(worker, [&] { return (message = broker.poll()).has_value(); }));
    if (message->as<Send>()) sent += message->body;
    if (const auto nack = message->as<Nack>()) (nack->requeue ? requeued : rejected).insert(nack->seq);
    if (const auto ack = message->as<Ack>()) upto = ack->upto;
  }
  EXPECT_EQ(requeued, (std::set<Seq>{1, 3}));
  EXPECT_EQ(rejected, (std::set<Seq>{2}));
  EXPECT_EQ(sent, numbered(4)) << "what the others had sent is dropped";
  EXPECT_EQ(told, (std::vector<std::string>{"1 no database\\x0a", "2 no such address!", "3 unknown exception"}));
}

TEST_F(WorkerTest, AFullWindowHoldsAnswersBackAndNothingElse) {
  broker.limits.send_window = 2;
  Worker worker(options());
  HandlerThreads threads(worker, 2, [&](const Delivery& delivery, Outbox& outbox) {
    for (int i = 0; i < 3; ++i) outbox.send(delivery.bytes);
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 2));
  ASSERT_TRUE(work_until(worker, [&] { return worker.unconfirmed() == 2; }));
  ASSERT_TRUE(broker.expect<Send>(worker));
  settle(worker);
  EXPECT_EQ(worker.held(), 2u);
  Seq confirmed = 2;
  broker.send(Confirm{confirmed});
  std::vector<std::string> seen;
  while (seen.empty() || worker.held() > 0 || seen.back() == "SEND") {
    std::optional<test::FromWorker> message;
    ASSERT_TRUE(work_until(worker, [&] { return (message = broker.poll()).has_value(); }));
    seen.push_back(message->as<Send>() ? "SEND" : "ACK");
    if (message->as<Send>()) broker.send(Confirm{confirmed += split(message->body).size()});
  }
  EXPECT_EQ(confirmed, 6u);
  EXPECT_TRUE(threads.finish(patience));
}

TEST_F(WorkerTest, AnswersOfAConnectionThatIsOverAreDropped) {
  Worker worker(options());
  Gate gate;
  std::atomic<int> handled{0};
  HandlerThreads threads(worker, 1, [&](const Delivery& delivery, Outbox& outbox) {
    ++handled;
    if (!delivery.redelivered) gate.pass();
    outbox.send(delivery.bytes);
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 3));
  ASSERT_TRUE(work_until(worker, [&] { return gate.arrived() == 1; }));
  broker.error(ErrorCode::not_registered);
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, true}, numbered(1, 3));
  settle(worker);
  EXPECT_EQ(threads.under_way(), 4u) << "one being handled, and what was delivered anew";
  gate.open();
  ASSERT_TRUE(threads.finish(patience));
  EXPECT_EQ(handled, 4);
  EXPECT_EQ(worker.unconfirmed(), 3u) << "each answered once";
}

TEST_F(WorkerTest, TheEndOfTheThreadsKeepsWhatIsDoneAndLeavesTheRest) {
  Worker worker(options());
  Gate gate;
  std::optional<HandlerThreads> threads(std::in_place, worker, 2, [&](const Delivery& delivery, Outbox& outbox) {
    gate.pass();
    outbox.send(delivery.bytes);
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 5));
  ASSERT_TRUE(work_until(worker, [&] { return gate.arrived() == 2; }));
  EXPECT_FALSE(threads->finish(1ms));
  gate.open();
  threads.reset();
  EXPECT_GE(worker.unconfirmed(), 2u);
  EXPECT_EQ(worker.unconfirmed() + worker.held(), 5u) << "answered, or still the broker's";
  worker.check_invariants();
}

}  // namespace
}  // namespace signalbox
