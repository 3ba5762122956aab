// Pause, resume and the prefetch, as the broker sees them.
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
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

class FlowTest : public WorkerTest {
 protected:
  // The prefetch of the FLOW that comes next; empty: none came, or another frame.
  std::optional<uint64_t> flow(Worker& worker) {
    const auto message = broker.expect<Flow>(worker);
    if (!message) return {};
    return message->as<Flow>()->prefetch;
  }
};

TEST_F(FlowTest, APausedWorkerTakesNothingUntilItResumes) {
  WorkerOptions with = options();
  with.prefetch = 7;
  Worker worker(with);
  std::vector<Seq> handled;
  worker.on_message([&](const Delivery& delivery) {
    handled.push_back(delivery.seq);
    if (delivery.seq == 1) worker.pause();
  });
  ASSERT_TRUE(broker.welcome(worker));
  broker.send(Deliver{1, false}, numbered(1, 2));
  ASSERT_TRUE(work_until(worker, [&] { return worker.paused(); }));
  EXPECT_EQ(flow(worker), 0u);
  EXPECT_TRUE(acknowledges(worker, 1));
  broker.send(Deliver{3, false}, numbered(3));  // was on its way
  settle(worker);
  EXPECT_EQ(handled, (std::vector<Seq>{1}));
  EXPECT_FALSE(worker.receive(1ms));

  worker.resume();
  EXPECT_EQ(flow(worker), 7u);
  EXPECT_TRUE(acknowledges(worker, 3));
  EXPECT_EQ(handled, (std::vector<Seq>{1, 2, 3}));
}

TEST_F(FlowTest, APauseThatIsOverBeforeItLeftIsNotSaid) {
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  worker.pause();
  worker.resume();
  settle(worker);  // PONG comes first
}

TEST_F(FlowTest, APausedWorkerRegistersPaused) {
  Worker worker(options());
  worker.pause();
  auto hello = broker.expect<Hello>(worker);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->as<Hello>()->prefetch, 0u);
  broker.send(Welcome{1, hello->as<Hello>()->session, 0, broker.limits});
  ASSERT_TRUE(worker.wait_registered(patience));
  worker.resume();
  EXPECT_EQ(flow(worker), 1000u);
  worker.pause();
  EXPECT_EQ(flow(worker), 0u);

  broker.error(ErrorCode::not_registered);
  hello = broker.expect<Hello>(worker);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->as<Hello>()->prefetch, 0u);
  worker.resume();  // between HELLO and its answer
  broker.send(Welcome{1, hello->as<Hello>()->session, 0, broker.limits});
  EXPECT_EQ(flow(worker), 1000u);
}

TEST_F(FlowTest, ThePrefetchMayChange) {
  broker.limits.max_prefetch = 500;
  Worker worker(options());
  ASSERT_TRUE(broker.welcome(worker));
  settle(worker);  // 1000 was asked for and 500 given: nothing to say
  worker.set_prefetch(20);
  EXPECT_EQ(flow(worker), 20u);
  worker.set_prefetch(501);
  EXPECT_EQ(flow(worker), 500u) << "what the broker gives at most";
  worker.set_prefetch(0);
  EXPECT_EQ(flow(worker), 0u);
  worker.set_prefetch(30);
  EXPECT_EQ(flow(worker), 30u);

  broker.error(ErrorCode::not_registered);
  const auto hello = broker.expect<Hello>(worker);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->as<Hello>()->prefetch, 30u);
}

}  // namespace
}  // namespace signalbox
