// Counts what the worker's thread allocates while messages go through it, in both directions.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "tests/worker/scripted_broker.hpp"
#include "worker/worker.hpp"

namespace {
thread_local uint64_t allocations = 0;
}

// The compiler cannot see that these two belong together.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes != 0 ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
void* operator new[](size_t bytes) {
  return operator new(bytes);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  std::free(memory);
}
#pragma GCC diagnostic pop

namespace signalbox {
namespace {

using test::numbered;
using test::patience;
using test::ScriptedBroker;
using test::work_until;

constexpr uint64_t batch_messages = 1000;
constexpr uint64_t rounds = 50;

// For a whole batch there may be a few (libzmq's own message, a chunk of its queue); for a message none.
constexpr uint64_t allocations_a_batch_max = 8;

WorkerOptions options_for(const ScriptedBroker& broker) {
  WorkerOptions options;
  options.role = Role::transport;
  options.name = "my_transport";
  options.endpoint = broker.endpoint();
  return options;
}

TEST(Allocations, TheCounterCounts) {
  const uint64_t before = allocations;
  const std::string text(1000, 'x');
  EXPECT_EQ(text.size(), 1000u);
  EXPECT_EQ(allocations, before + 1);
}

TEST(Allocations, SendingAllocatesNothingForAMessage) {
  ScriptedBroker broker;
  Worker worker(options_for(broker));
  ASSERT_TRUE(broker.welcome(worker));
  const std::string message = numbered(12345);
  uint64_t sent = 0;
  uint64_t counted = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    const uint64_t before = allocations;
    for (uint64_t i = 0; i < batch_messages; ++i) sent += static_cast<bool>(worker.try_send(message));
    worker.flush();
    if (round > 4) counted += allocations - before;  // by then all blocks have their size
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
    const uint64_t before = allocations;
    while (handled < wanted && Worker::Clock::now() < deadline) {
      if (worker.do_work() == 0) worker.wait(std::chrono::milliseconds(1));
    }
    if (round > 4) counted += allocations - before;
    ASSERT_EQ(handled, wanted);
    while (broker.poll()) continue;  // its ACKs
  }
  EXPECT_LE(counted, rounds * allocations_a_batch_max);
}

}  // namespace
}  // namespace signalbox
