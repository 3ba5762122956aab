// What reaches a worker from other threads and from signal handlers.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <future>
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

TEST_F(WorkerTest, RunsWhatOtherThreadsPostInTheirOrder) {
  constexpr int threads = 4;
  constexpr int each = 1000;
  Worker worker(options());
  std::vector<std::vector<int>> seen(threads);
  int count = 0;
  std::vector<std::thread> posting;
  for (int thread = 0; thread < threads; ++thread) {
    posting.emplace_back([&, thread] {
      for (int i = 0; i < each; ++i) {
        EXPECT_TRUE(worker.post([&, thread, i] {
          seen[thread].push_back(i);
          if (++count == threads * each) worker.stop();
        }));
      }
    });
  }
  worker.run_for(patience);
  for (std::thread& thread : posting) thread.join();
  ASSERT_EQ(count, threads * each);
  for (const std::vector<int>& numbers : seen) {
    for (int i = 0; i < each; ++i) ASSERT_EQ(numbers.at(i), i);
  }
}

// The wait is for hours: whoever does not wake it fails by the test's own time-out.
TEST_F(WorkerTest, APostWakesALoopThatWaits) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  std::promise<void> waiting;
  std::thread other([&] {
    waiting.get_future().wait();
    EXPECT_TRUE(worker.post([&] { worker.stop(); }));
  });
  ASSERT_TRUE(worker.post([&] { waiting.set_value(); }));
  worker.run();
  other.join();
}

TEST_F(WorkerTest, AStopFromElsewhereWakesALoopThatWaits) {
  Worker worker(options());
  std::promise<void> waiting;
  std::thread other([&] {
    waiting.get_future().wait();
    worker.stop();
  });
  ASSERT_TRUE(worker.post([&] { waiting.set_value(); }));
  worker.run();
  other.join();
}

TEST_F(WorkerTest, AStopIsNoticedWhileWaitingToComeBack) {
  WorkerOptions patient = options();
  patient.backoff_ms_min = patient.backoff_ms_max = 3'600'000;
  Worker worker(patient);
  ASSERT_TRUE(broker.welcome(worker));
  broker.error(ErrorCode::too_many);
  ASSERT_TRUE(work_until(worker, [&] { return worker.state() == Worker::State::waiting; }));
  std::thread other([&] { worker.stop(); });
  worker.run();
  other.join();
}

Worker* signalled = nullptr;

TEST_F(WorkerTest, ASignalHandlerMayStopIt) {
  Worker worker(options());
  signalled = &worker;
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) { signalled->stop(); };
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  // Handled by whichever thread is told: this one, or one that does not work the loop.
  for (int round = 0; round < 2; ++round) {
    const pthread_t self = pthread_self();
    std::promise<void> waiting;
    std::thread other([&] {
      waiting.get_future().wait();
      pthread_kill(round == 0 ? self : pthread_self(), SIGUSR1);
    });
    ASSERT_TRUE(worker.post([&] { waiting.set_value(); }));
    worker.run();
    other.join();
  }
  ASSERT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST_F(WorkerTest, AStopBeforeTheLoopIsNotLost) {
  Worker worker(options());
  worker.stop();
  worker.run();
}

TEST_F(WorkerTest, PostedFunctionsMaySendAndSettle) {
  broker.limits.send_window = 1;
  Worker worker(options());
  std::vector<Held> held;
  worker.on_message([&](const Delivery&) { held.push_back(worker.hold()); });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1));
  ASSERT_TRUE(work_until(worker, [&] { return held.size() == 1; }));
  bool sent = false;
  std::thread other([&] {
    EXPECT_TRUE(worker.post([&] {
      EXPECT_TRUE(worker.send(numbered(1), patience));
      EXPECT_TRUE(worker.send(numbered(2), patience)) << "works the loop until there is room";
      EXPECT_TRUE(worker.ack(held.at(0)));
      EXPECT_FALSE(worker.close(1ms)) << "not from here";
      EXPECT_FALSE(worker.receive(1ms));
      sent = true;
    }));
  });
  std::vector<std::string> seen;
  std::thread answering([&] {  // the scripted broker's socket is this thread's until it is joined
    const auto deadline = Worker::Clock::now() + patience;
    while (seen.size() < 3 && Worker::Clock::now() < deadline) {
      const auto message = broker.poll();
      if (!message) continue;
      seen.push_back(message->as<Send>() ? "SEND" : message->as<Ack>() ? "ACK" : "?");
      if (const auto send = message->as<Send>()) broker.send(Confirm{send->first_seq});
    }
  });
  EXPECT_TRUE(work_until(worker, [&] { return sent && worker.unconfirmed() == 0; }));
  other.join();
  answering.join();
  EXPECT_EQ(seen, (std::vector<std::string>{"SEND", "SEND", "ACK"}));
}

TEST_F(WorkerTest, NoPostedFunctionRunsInTheMiddleOfAHandlerOrOfAnother) {
  broker.limits.send_window = 1;
  Worker worker(options());
  std::vector<std::string> order;
  worker.on_message([&](const Delivery& delivery) {
    order.push_back("handler");
    EXPECT_TRUE(worker.post([&] {
      order.push_back("posted");
      EXPECT_TRUE(worker.post([&] { order.push_back("posted by posted"); }));
      worker.do_work();
      order.push_back("posted ends");
    }));
    if (!worker.try_send(numbered(delivery.seq))) worker.send(numbered(delivery.seq), 5ms);
    worker.do_work();
    order.push_back("handler ends");
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1));
  ASSERT_TRUE(work_until(worker, [&] { return order.size() == 5; }));
  EXPECT_EQ(order, (std::vector<std::string>{"handler", "handler ends", "posted", "posted ends", "posted by posted"}));
}

TEST_F(WorkerTest, WhatAPostedFunctionThrowsPassesThroughTheLoopAndTheNextOnesRun) {
  Worker worker(options());
  std::vector<int> ran;
  ASSERT_TRUE(worker.post([&] { ran.push_back(1); }));
  ASSERT_TRUE(worker.post([&]() -> void { throw std::runtime_error("the program's own"); }));
  ASSERT_TRUE(worker.post([&] { ran.push_back(3); }));
  EXPECT_THROW(worker.run_for(patience), std::runtime_error);
  EXPECT_EQ(ran, (std::vector<int>{1}));
  worker.wait(patience);  // returns at once
  worker.do_work();
  EXPECT_EQ(ran, (std::vector<int>{1, 3}));
}

TEST_F(WorkerTest, TheMailboxIsBoundedAndClosesWithTheWorker) {
  Worker worker(options());
  size_t run = 0;
  for (size_t i = 0; i < Mailbox::functions_max; ++i) ASSERT_TRUE(worker.post([&] { ++run; }));
  EXPECT_FALSE(worker.post([] {}));
  worker.do_work();
  EXPECT_EQ(run, Mailbox::functions_max);
  EXPECT_TRUE(worker.post([&] { ++run; }));
  worker.close(0ms);
  EXPECT_FALSE(worker.post([&] { ++run; }));
}

}  // namespace
}  // namespace signalbox
