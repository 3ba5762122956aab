// Batches go through the core in groups, and runs are settled in one go: what lies on the edges of either.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/core/bus.hpp"

namespace signalbox::testing {
namespace {

using Strings = std::vector<std::string>;

constexpr const char* two_transports_toml = R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["smpp_transport", "xmpp_transport"]
exposed_names   = ["my_application", "other"]
[routing_mappings]
smpp_transport = "my_application"
xmpp_transport = "my_application"
)";

std::string padded(const std::string& id, size_t bytes) {
  return message({{"message_type", "user_message"}, {"message_id", id}, {"content", std::string(bytes, 'c')}});
}

// A transport with what it sends delivered to one application in one run.
class RunsTest : public ::testing::Test {
 protected:
  void begin(const std::string& more = "") {
    bus = std::make_unique<Bus>(seed_toml + more);
    smpp = std::make_unique<Peer>(*bus, 1);
    app = std::make_unique<Peer>(*bus, 2);
    smpp->hello(Role::transport, "smpp_transport");
    app->hello(Role::application, "my_application");
  }
  Strings send(size_t count, size_t bytes = 1) {
    Strings messages;
    Strings ids;
    for (size_t i = 1; i <= count; ++i) {
      ids.push_back(std::to_string(i));
      messages.push_back(padded(ids.back(), bytes));
    }
    smpp->send(messages);
    EXPECT_EQ(app->delivered_ids(), ids);
    return messages;
  }
  const QueueLedger& books() {
    status = bus->status("my_application");
    return status.queue;
  }
  // The application's worker is lost, and another one comes: what it is handed.
  Strings handed_to_the_next() {
    bus->lose(2);
    next = std::make_unique<Peer>(*bus, 3);
    Strings ids;
    for (const Received& frame : next->hello(Role::application, "my_application"))
      for (const std::string& m : frame.messages) ids.push_back(id_of(m));
    for (const std::string& id : next->delivered_ids()) ids.push_back(id);
    return ids;
  }

  std::unique_ptr<Bus> bus;
  std::unique_ptr<Peer> smpp;
  std::unique_ptr<Peer> app;
  std::unique_ptr<Peer> next;
  EndpointStatus status;
};

TEST_F(RunsTest, AnAckInTheMiddleSettlesWhatIsBeforeIt) {
  begin();
  send(10);
  app->ack(4);
  EXPECT_EQ(books().settled.messages, 4U);
  EXPECT_EQ(books().under_way.messages, 6U);
  app->ack(7);
  EXPECT_EQ(books().settled.messages, 7U);
  EXPECT_EQ(handed_to_the_next(), (Strings{"8", "9", "10"}));
  next->ack(3);
  EXPECT_EQ(books().settled.messages, 10U);
  EXPECT_EQ(bus->core().queue_memory_bytes(), 0U);
}

TEST_F(RunsTest, AnAckSaidTwiceSettlesOnce) {
  begin();
  send(10);
  app->ack(0, {3, 5, 5});
  EXPECT_EQ(books().settled.messages, 2U);
  app->ack(6, {3});
  EXPECT_EQ(books().settled.messages, 6U);
  app->ack(6);
  app->ack(2, {8});
  EXPECT_EQ(books().settled.messages, 7U);
  app->ack(10);
  app->ack(10, {1, 10});
  EXPECT_EQ(books().settled.messages, 10U);
  EXPECT_TRUE(app->take().empty()) << "no ERROR for any of it";
}

TEST_F(RunsTest, WhatWasNackedInARunIsNotSettledWithIt) {
  begin();
  send(10);
  app->nack(3, true);
  app->nack(7, false, "broken");
  app->ack(10);
  EXPECT_EQ(books().settled.messages, 8U);
  EXPECT_EQ(books().dead.messages, 1U);
  EXPECT_EQ(books().waiting.messages, 1U);
  bus->advance(limits::redeliver_ms);
  EXPECT_EQ(app->delivered_ids(), Strings{"3"});
  app->ack(11);
  EXPECT_EQ(books().settled.messages, 9U);
}

// It was handed out anew since: its first number there stands for nothing any more.
TEST_F(RunsTest, WhatIsUnderWayAgainIsNotSettledByItsOldRun) {
  begin();
  send(10);
  app->nack(3, true);
  bus->advance(limits::redeliver_ms);
  EXPECT_EQ(app->delivered_ids(), Strings{"3"});
  app->ack(10);
  EXPECT_EQ(books().settled.messages, 9U);
  EXPECT_EQ(books().under_way.messages, 1U);
  app->ack(11);
  EXPECT_EQ(books().settled.messages, 10U);
}

TEST_F(RunsTest, WhatExpiredInARunIsNotSettledWithIt) {
  begin("[endpoints.my_application]\nmessage_ttl_ms = 1000\n");
  send(10);
  bus->advance(1000);
  app->nack(4, true);
  EXPECT_EQ(books().expired.messages, 1U);
  app->ack(10);
  EXPECT_EQ(books().settled.messages, 9U);
  EXPECT_EQ(books().taken, books().settled + books().expired);
}

TEST_F(RunsTest, WhatIsLeftOfARunThatMovedIsWhole) {
  begin();
  send(200, 400);
  const uint64_t full = bus->core().queue_memory_bytes();
  app->ack(197);
  smpp->send({padded("large", 60'000)});  // takes a segment of its own, and what is left before it is moved
  bus->flush();
  EXPECT_LT(bus->core().queue_memory_bytes(), full + 8 * limits::kibibyte);
  EXPECT_EQ(app->delivered_ids(), Strings{"large"});
  app->nack(199, true);
  app->ack(198);
  bus->advance(limits::redeliver_ms);
  EXPECT_EQ(app->delivered_ids(), Strings{"199"});
  EXPECT_EQ(handed_to_the_next(), (Strings{"199", "200", "large"}));
  next->ack(3);
  bus->flush();
  EXPECT_EQ(books().settled.messages, 201U);
  EXPECT_EQ(bus->core().queue_memory_bytes(), 0U);
}

// The routing memory is asked for some messages at a time: every size on either side of such a group, each message
// answered where its original came from, and faulty ones between them.
TEST(Batches, OfAnySizeFollowMessageByMessage) {
  for (const size_t count : {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 130}) {
    SCOPED_TRACE(count);
    Bus bus(two_transports_toml);
    Peer smpp(bus, 1);
    Peer xmpp(bus, 2);
    Peer app(bus, 3);
    smpp.hello(Role::transport, "smpp_transport");
    xmpp.hello(Role::transport, "xmpp_transport");
    app.hello(Role::application, "my_application");
    Strings of_smpp;
    Strings of_xmpp;
    Strings replies;
    Strings to_smpp;
    Strings to_xmpp;
    for (size_t i = 0; i < count; ++i) {
      const std::string id = "m" + std::to_string(i);
      const bool is_smpp = i % 3 != 1;
      (is_smpp ? of_smpp : of_xmpp).push_back(user_message(id));
      if (i % 5 == 4) replies.push_back(message({{"message_type", "user_message"}}));  // without an id: refused
      replies.push_back(reply("r" + std::to_string(i), id));
      (is_smpp ? to_smpp : to_xmpp).push_back(replies.back());
    }
    smpp.send(of_smpp);
    if (!of_xmpp.empty()) xmpp.send(of_xmpp);
    EXPECT_EQ(app.delivered().size(), count);
    app.send(replies);
    EXPECT_EQ(smpp.delivered(), to_smpp);
    EXPECT_EQ(xmpp.delivered(), to_xmpp);
    EXPECT_EQ(bus.core().counters().refusals[static_cast<size_t>(RefusalCode::malformed)], count / 5);
  }
}

TEST(Batches, OfEventsAndMessagesFollowTheEventsOnly) {
  Bus bus(two_transports_toml);
  Peer smpp(bus, 1);
  Peer app(bus, 2);
  Peer other(bus, 3);
  smpp.hello(Role::transport, "smpp_transport");
  app.hello(Role::application, "my_application");
  other.hello(Role::application, "other");
  Strings sent;
  Strings of_other;
  Strings to_other;
  size_t to_app = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string id = "o" + std::to_string(i);
    of_other.push_back(outbound(id, "smpp_transport"));
    if (i % 2 == 0) {
      sent.push_back(event("e" + std::to_string(i), id));
      to_other.push_back("e" + std::to_string(i));
    } else {
      sent.push_back(user_message("u" + std::to_string(i)));
      ++to_app;
    }
  }
  other.send(of_other);
  EXPECT_EQ(smpp.delivered_ids().size(), of_other.size());
  smpp.send(sent);
  Strings events;
  for (const std::string& m : other.delivered()) events.push_back(field(m, Field::event_id));
  EXPECT_EQ(events, to_other);
  EXPECT_EQ(app.delivered_ids().size(), to_app);
}

// Copies for many targets go by turns, and at a limit the messages of one batch part: the first so many are taken.
TEST(Batches, PartAtTheLimitOfAQueue) {
  Bus bus(std::string(two_transports_toml) + "[endpoints.my_application]\nmax_messages = 20\noverflow = \"refuse\"\n");
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  Strings messages;
  for (int i = 0; i < 50; ++i) messages.push_back(user_message(std::to_string(i)));
  smpp.send(messages);
  EXPECT_EQ(bus.status("my_application").queue.waiting.messages, 20U);
  EXPECT_EQ(bus.status("smpp_transport").sender.routed.messages, 20U);
  EXPECT_EQ(bus.status("smpp_transport").sender.refused.messages, 30U);
}

}  // namespace
}  // namespace signalbox::testing
