// What passes through a worker, in either direction, asks nothing of the heap for a single message.
#include "bench/allocations.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "tests/worker/scripted_broker.hpp"
#include "worker/worker.hpp"

namespace signalbox {
namespace {

using bench::allocation_count;
using test::numbered;
using test::patience;
using test::ScriptedBroker;
using test::work_until;

constexpr uint64_t batch_messages = 1000;
constexpr uint64_t rounds = 50;

// For a whole batch there may be some (libzmq's own, those of its threads included); for a message there is none.
constexpr uint64_t allocations_a_batch_max = 20;

WorkerOptions options_for(const ScriptedBroker& broker) {
  WorkerOptions options;
  options.role = Role::transport;
  options.name = "my_transport";
  options.endpoint = broker.endpoint();
  return options;
}

TEST(Allocations, TheCounterCounts) {
  const uint64_t before = allocation_count();
  const std::string text(1000, 'x');
  EXPECT_EQ(text.size(), 1000u);
  EXPECT_EQ(allocation_count(), before + 1);
}

TEST(Allocations, SendingAllocatesNothingForAMessage) {
  ScriptedBroker broker;
  Worker worker(options_for(broker));
  ASSERT_TRUE(broker.welcome(worker));
  const std::string message = numbered(12345);
  uint64_t sent = 0;
  uint64_t counted = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    const uint64_t before = allocation_count();
    for (uint64_t i = 0; i < batch_messages; ++i) sent += static_cast<bool>(worker.try_send(message));
    worker.flush();
    if (round > 4) counted += allocation_count() - before;  // by then all blocks have their size
    ASSERT_EQ(sent, (round + 1) * batch_messages);
    uint64_t arrived = 0;
    ASSERT_TRUE(work_until(worker, [&] {
      while (const auto batch = broker.poll()) arrived += test::split(batch->body).size();
      return arrived == batch_messages;
    }));
    broker.send(Confirm{sent});
    ASSERT_TRUE(worker.wait_confirmed(patience));
  }
  EXPECT_LE(counted, rounds * allocations_a_batch_max);
}

TEST(Allocations, ReceivingAllocatesNothingForAMessage) {
  ScriptedBroker broker;
  Worker worker(options_for(broker));
  uint64_t handled = 0;
  worker.on_message([&](const Delivery& delivery) { handled += !delivery.bytes.empty(); });
  ASSERT_TRUE(broker.welcome(worker));
  const std::string batch = numbered(1, batch_messages);
  uint64_t counted = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    broker.send(Deliver{round * batch_messages + 1, false}, batch);
    const uint64_t wanted = (round + 1) * batch_messages;
    const auto deadline = Worker::Clock::now() + patience;
    const uint64_t before = allocation_count();
    while (handled < wanted && Worker::Clock::now() < deadline) {
      if (worker.do_work() == 0) worker.wait(std::chrono::milliseconds(1));
    }
    if (round > 4) counted += allocation_count() - before;
    ASSERT_EQ(handled, wanted);
    while (broker.poll()) continue;  // its ACKs
  }
  EXPECT_LE(counted, rounds * allocations_a_batch_max);
}

}  // namespace
}  // namespace signalbox
