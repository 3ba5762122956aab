// What a Message asks of the heap: one block when it is made or taken over, nothing when it is used again.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "bench/allocations.hpp"
#include "bench/messages.hpp"
#include "worker/message.hpp"

namespace signalbox {
namespace {

template <typename Function>
uint64_t allocations_of(Function function) {
  const uint64_t before = bench::allocation_count();
  function();
  return bench::allocation_count() - before;
}

class MessageAllocations : public testing::Test {
 protected:
  // What is made once, with the first of its kind.
  void SetUp() override { (void)Message::user_message().reply("x").ack("y"); }
};

TEST_F(MessageAllocations, TheCountingCounts) {
  EXPECT_GE(allocations_of([] { Message().set_text("a", "b"); }), 1u);
}

TEST_F(MessageAllocations, BuildingOneTakesOneBlock) {
  const uint64_t counted = allocations_of([] {
    Message message = Message::user_message();
    message.set_session_event("new").set_transport_type("sms").set_transport_name("smpp");
    message.set_to_addr("+27831234567").set_from_addr("+27821112223").set_content("How much airtime left?");
    message.set_text("to_addr_type", "msisdn").set_text("from_addr_type", "msisdn");
    message.set_nil("expires_at").set_nil("priority").set_value("__cache__", "\x80");
    EXPECT_EQ(message.bytes().size(), 428u);
  });
  EXPECT_LE(counted, 1u) << "a user message of 21 fields";
}

TEST_F(MessageAllocations, TakingOneOverTakesOneBlock) {
  const std::string bytes = bench::vumi_message().bytes;
  const uint64_t counted = allocations_of([&] {
    const Message message(bytes);
    EXPECT_EQ(message.content(), "How much airtime left");
    EXPECT_EQ(message.endpoint_name(), "");
    EXPECT_EQ(message.fields(), 21u);
  });
  EXPECT_LE(counted, 1u) << "decoding, and reading fields";
}

TEST_F(MessageAllocations, AnswersTakeOneBlock) {
  Message received(bench::vumi_message().bytes);
  received.set_endpoint_name("billing").set_text({"helper_metadata", "note"}, std::string(500, 'n'));
  const std::string content(700, 'c');
  EXPECT_LE(allocations_of([&] { (void)received.reply(content); }), 1u);
  EXPECT_LE(allocations_of([&] { (void)received.reply_group(content, Message::Session::close); }), 1u);
  EXPECT_LE(allocations_of([&] { (void)received.ack("network-7"); }), 1u);
  EXPECT_LE(allocations_of([&] { (void)received.nack("no such number"); }), 1u);
  EXPECT_LE(allocations_of([&] { (void)received.delivery_report("delivered"); }), 1u);
}

TEST_F(MessageAllocations, UsedAgainItTakesNone) {
  const std::string longer = bench::vumi_message().bytes;
  const std::string shorter = bench::small_message().bytes;
  Message message(longer);
  const uint64_t counted = allocations_of([&] {
    for (int i = 0; i < 100; ++i) {
      if (!message.decode(i % 2 == 0 ? longer : shorter)) ADD_FAILURE() << "no message";
      message.set_text("message_type", "event");
    }
  });
  EXPECT_EQ(counted, 0u);
}

TEST_F(MessageAllocations, MovingOneTakesNone) {
  Message message(bench::vumi_message().bytes);
  EXPECT_EQ(allocations_of([&] {
              Message moved = std::move(message);
              message = std::move(moved);
            }),
            0u);
  EXPECT_EQ(message.fields(), 21u);
}

}  // namespace
}  // namespace signalbox
