// What passes through a worker, in either direction, asks nothing of the heap for a single message.
#include "bench/allocations.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

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

// Works the worker until `handled` messages were handed out, and gives what that asked of the heap.
uint64_t allocations_until(Worker& worker, const uint64_t& handled, uint64_t wanted) {
  const auto deadline = Worker::Clock::now() + patience;
  const uint64_t before = allocation_count();
  while (handled < wanted && Worker::Clock::now() < deadline) {
    if (worker.do_work() == 0) worker.wait(std::chrono::milliseconds(1));
  }
  return allocation_count() - before;
}

// Confirms what has come, so that the window stays open.
void confirm_all(ScriptedBroker& broker) {
  while (const auto message = broker.poll()) {
    const auto send = message->as<Send>();
    if (send) broker.send(Confirm{send->first_seq + test::split(message->body).size() - 1});
  }
}

TEST(Allocations, SettlingOutOfOrderAllocatesNothingForAMessage) {
  ScriptedBroker broker;
  Worker worker(options_for(broker));
  std::vector<Held> held;
  held.reserve(2 * batch_messages);
  uint64_t handled = 0;
  worker.on_message([&](const Delivery& delivery) {
    if (delivery.seq % 10 != 0) held.push_back(worker.hold());  // and a tenth is settled at once
    ++handled;
  });
  ASSERT_TRUE(broker.welcome(worker));
  uint64_t counted = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    const uint64_t first = round * batch_messages + 1;
    broker.send(Deliver{first, false}, numbered(first, first + batch_messages - 1));
    uint64_t allocations = allocations_until(worker, handled, (round + 1) * batch_messages);
    const uint64_t before = allocation_count();
    // The oldest stays until the next batch is here, so that all others go out as single numbers.
    for (size_t i = 1; i < held.size(); i += 2) worker.ack(held[i]);
    for (size_t i = (held.size() - 1) / 2 * 2; i > 0; i -= 2) worker.ack(held[i]);
    held.resize(1);
    worker.flush();
    allocations += allocation_count() - before;
    if (round > 4) counted += allocations;
    ASSERT_EQ(handled, (round + 1) * batch_messages);
    ASSERT_EQ(worker.held(), 1u);
    confirm_all(broker);
    if (round % 5 == 4) {
      ASSERT_TRUE(worker.ack(held[0]));
      held.clear();
    }
  }
  EXPECT_LE(counted, rounds * allocations_a_batch_max);
}

// The convenient way: decoded for the handler, answered with a Message. One allocation makes the answer, one is spare.
TEST(Allocations, AnsweringWithMessagesAllocatesAtMostTwiceForEach) {
  ScriptedBroker broker;
  Worker worker(options_for(broker));
  uint64_t handled = 0;
  worker.on_user_message([&](const Message& message) {
    worker.send(message.reply("the answer to what you said, in more than a few bytes"));
    ++handled;
  });
  ASSERT_TRUE(broker.welcome(worker));
  Message message = Message::user_message();
  message.set_from_addr("+27831234567").set_to_addr("*120*1#").set_content("what somebody said, in some words");
  message.set_transport_name("my_transport").set_transport_type("ussd");
  std::string batch;
  for (uint64_t i = 0; i < batch_messages; ++i) batch += message.encoded();
  uint64_t counted = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    broker.send(Deliver{round * batch_messages + 1, false}, batch);
    const uint64_t allocations = allocations_until(worker, handled, (round + 1) * batch_messages);
    if (round > 4) counted += allocations;
    ASSERT_EQ(handled, (round + 1) * batch_messages);
    while (worker.unconfirmed() > 0) {
      confirm_all(broker);
      if (worker.do_work() == 0) worker.wait(std::chrono::milliseconds(1));
    }
  }
  RecordProperty("allocations", std::to_string(counted) + " for " + std::to_string((rounds - 5) * batch_messages));
  EXPECT_LE(counted, (rounds - 5) * (2 * batch_messages + allocations_a_batch_max));
}

TEST(Allocations, ReadingDecodedMessagesAllocatesNothingForEach) {
  ScriptedBroker broker;
  Worker worker(options_for(broker));
  uint64_t handled = 0;
  uint64_t read = 0;
  worker.on_user_message([&](const Message& decoded) {
    read += decoded.content().size() + decoded.from_addr().size();
    ++handled;
  });
  ASSERT_TRUE(broker.welcome(worker));
  Message message = Message::user_message();
  message.set_from_addr("+27831234567").set_content("hello");
  std::string batch;
  for (uint64_t i = 0; i < batch_messages; ++i) batch += message.encoded();
  uint64_t counted = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    broker.send(Deliver{round * batch_messages + 1, false}, batch);
    const uint64_t allocations = allocations_until(worker, handled, (round + 1) * batch_messages);
    if (round > 4) counted += allocations;
    while (broker.poll()) continue;  // its ACKs
  }
  EXPECT_EQ(read, rounds * batch_messages * 17);
  EXPECT_LE(counted, rounds * allocations_a_batch_max);
}

}  // namespace
}  // namespace signalbox
