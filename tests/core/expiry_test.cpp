// Messages that wait for longer than message_ttl_ms: what expires and when, what becomes of it, and that a turn does a
// bounded part of it.
#include "tests/core/bus.hpp"

namespace signalbox::testing {
namespace {

using Strings = std::vector<std::string>;

constexpr const char* sound = R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names   = ["app"]
[routing_mappings]
sms = "app"
[endpoints.app]
)";

class Expiry : public ::testing::Test {
 protected:
  // A bus whose endpoint `app` has these settings, with a transport that is registered.
  void begin(const std::string& app_settings) {
    bus.emplace(sound + app_settings);
    sms.emplace(*bus, 1);
    sms->hello(Role::transport, "sms", 1000, "0123456789abcdef");
    app.emplace(*bus, 2);
  }
  QueueLedger queue(const std::string& name = "app") { return bus->status(name).queue; }
  Strings ids_after_hello(uint64_t prefetch = 1000) {
    Strings ids;
    for (const Received& frame : app->hello(Role::application, "app", prefetch))
      for (const std::string& m : frame.messages) ids.push_back(id_of(m));
    return ids;
  }

  std::optional<Bus> bus;
  std::optional<Peer> sms;
  std::optional<Peer> app;
};

TEST_F(Expiry, WhatHasWaitedForSoLongIsDroppedAndCounted) {
  begin("message_ttl_ms = 1000\n");
  sms->send({user_message("1"), user_message("2")});
  bus->advance(400);
  sms->send({user_message("3")});
  bus->advance(599);
  EXPECT_EQ(queue().waiting.messages, 3U);
  bus->advance(1);
  EXPECT_EQ(queue().expired.messages, 2U);
  EXPECT_EQ(queue().expired.bytes, queue().taken.bytes - queue().waiting.bytes);
  EXPECT_EQ(bus->core().counters().expired, 2U);
  EXPECT_EQ(queue("dead_letters").taken.messages, 0U);
  EXPECT_EQ(ids_after_hello(), (Strings{"3"}));
}

TEST_F(Expiry, BothKindsExpire) {
  begin("message_ttl_ms = 1000\n");
  sms->send({user_message("1"), event("e1", "unknown"), user_message("2")});
  bus->advance(1000);
  EXPECT_EQ(queue().expired.messages, 3U);
}

TEST_F(Expiry, NothingPastItsTimeIsHandedOutWhoeverComesFirst) {
  begin("message_ttl_ms = 1000\n");
  sms->send({user_message("old")});
  bus->advance(999);
  sms->send({user_message("new")});
  // No tick has come since: the newcomer finds what is good, not what is there.
  Time later = bus->now();
  later.monotonic_ms += 1;
  std::string header;
  Hello hello;
  hello.role = Role::application;
  hello.name = "app";
  hello.prefetch = 10;
  write(header, hello);
  bus->core().frame(2, {}, header, {}, 1, later);
  bus->core().flush(later);
  bus->core().check_invariants();
  EXPECT_EQ(app->delivered_ids(), (Strings{"new"}));
}

TEST_F(Expiry, OthersLiveOn) {
  begin("message_ttl_ms = 1000\n[endpoints.sms]\nmax_messages = 10\n");
  app->hello(Role::application, "app", 0);
  sms->bye();
  app->send({outbound("out", "sms")});
  sms->send({user_message("in")});
  bus->advance(100'000);
  EXPECT_EQ(queue("sms").waiting.messages, 1U);
  EXPECT_EQ(queue("sms").expired.messages, 0U);
}

TEST_F(Expiry, DeadLettersWhereTheConfigurationSaysSo) {
  begin("message_ttl_ms = 1000\nexpired = \"dead_letter\"\n");
  sms->send({user_message("1")});
  bus->advance(1000);
  EXPECT_EQ(queue().expired.messages, 0U);
  EXPECT_EQ(queue().dead.messages, 1U);
  EXPECT_EQ(bus->core().counters().expired, 1U);
  Peer reader(*bus, 3);
  const auto frames = reader.hello(Role::application, "dead_letters");
  ASSERT_EQ(frames.size(), 2U);
  const std::string letter = frames[1].messages.at(0);
  EXPECT_EQ(id_of(letter), "1");
  EXPECT_NE(letter.find("waited for longer than message_ttl_ms"), std::string::npos);
  // Dead letters do not expire, since the endpoint's own table does not say so.
  bus->advance(10'000'000);
  reader.nack(1, true);
  EXPECT_EQ(queue("dead_letters").dropped.messages, 1U);
}

TEST_F(Expiry, WhatIsUnderWayExpiresWhenItComesBack) {
  begin("message_ttl_ms = 1000\n");
  sms->send({user_message("1"), user_message("2"), user_message("3"), user_message("4")});
  EXPECT_EQ(ids_after_hello(), (Strings{"1", "2", "3", "4"}));
  bus->advance(2000);
  EXPECT_EQ(queue().under_way.messages, 4U);
  app->ack(0, {2});
  EXPECT_EQ(queue().settled.messages, 1U);
  app->nack(3, true);
  EXPECT_EQ(queue().expired.messages, 1U);
  app->bye();
  EXPECT_EQ(queue().expired.messages, 3U);
  EXPECT_EQ(queue().taken.messages, 4U);
}

TEST_F(Expiry, ALostWorkersMessagesExpireToo) {
  begin("message_ttl_ms = 1000\n");
  sms->send({user_message("1")});
  EXPECT_EQ(ids_after_hello(), (Strings{"1"}));
  bus->advance(1000);
  bus->lose(2);
  EXPECT_EQ(queue().expired.messages, 1U);
}

TEST_F(Expiry, ANackedMessageExpiresWhileItWaitsForItsNextTry) {
  begin("message_ttl_ms = 1000\nredeliver_ms = 5000\n");
  sms->send({user_message("1")});
  EXPECT_EQ(ids_after_hello(), (Strings{"1"}));
  app->nack(1, true);
  EXPECT_EQ(queue().waiting.messages, 1U);
  bus->advance(1000);
  EXPECT_EQ(queue().expired.messages, 1U);
  bus->advance(10'000);
  EXPECT_TRUE(app->delivered_ids().empty());
}

TEST_F(Expiry, AMessageThatCameBackInTimeExpiresAtItsOwnTime) {
  begin("message_ttl_ms = 1000\n");
  sms->send({user_message("1")});
  ids_after_hello();
  bus->advance(500);
  app->bye();
  bus->advance(499);
  EXPECT_EQ(queue().waiting.messages, 1U);
  bus->advance(1);
  EXPECT_EQ(queue().expired.messages, 1U);
}

TEST_F(Expiry, ReleasesTheConfirmationsThatItHeldBack) {
  begin("message_ttl_ms = 1000\nmax_messages = 2\noverflow = \"block\"\nblock_ms = 60000\n");
  sms->send({user_message("1"), user_message("2"), user_message("3")});
  EXPECT_EQ(sms->take().at(0).as<Confirm>().upto, 2U);
  bus->advance(999);
  EXPECT_TRUE(sms->take().empty());
  bus->advance(1);
  const auto frames = sms->take();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].as<Confirm>().upto, 3U);
}

TEST_F(Expiry, MakesRoomInAQueueThatRefuses) {
  begin("message_ttl_ms = 1000\nmax_messages = 1\noverflow = \"refuse\"\n");
  sms->send({user_message("1"), user_message("2")});
  auto frames = sms->take();
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(frames[0].as<Refuse>().seq, 2U);
  bus->advance(1000);
  sms->send({user_message("3")});
  frames = sms->take();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].as<Confirm>().upto, 3U);
}

TEST_F(Expiry, ADrainingBrokerDoesNotWaitForWhatExpires) {
  begin("message_ttl_ms = 1000\n");
  sms->send({user_message("1")});
  bus->core().drain(bus->now());
  EXPECT_FALSE(bus->core().drained());
  bus->advance(1000);
  EXPECT_TRUE(bus->core().drained());
}

TEST_F(Expiry, AJumpOfTheWallClockChangesNothing) {
  begin("message_ttl_ms = 1000\n");
  sms->send({user_message("1")});
  Time now = bus->now();
  for (const int64_t year : {3000, -3000, 0}) {
    now.monotonic_ms += 300;
    now.wall_us = year * 365 * 24 * 3600 * 1'000'000;
    bus->core().tick(now);
    bus->core().check_invariants();
    EXPECT_EQ(queue().waiting.messages, 1U);
  }
  now.monotonic_ms += 100;
  bus->core().tick(now);
  EXPECT_EQ(queue().expired.messages, 1U);
}

// A long queue expires over several turns, the loop is told that there is more, and nobody else waits for the end of
// it.
TEST_F(Expiry, ATurnDoesABoundedPartAndOthersGoOnMeanwhile) {
  begin("message_ttl_ms = 1000\n");
  constexpr size_t messages = 5000;
  Strings batch;
  for (size_t i = 0; i < messages; ++i) batch.push_back(user_message("message " + std::to_string(i)));
  sms->send(batch);
  ids_after_hello(0);
  EXPECT_FALSE(bus->core().has_more());
  bus->advance(1000);
  uint64_t before = queue().expired.messages;
  EXPECT_GT(before, 0U);
  EXPECT_LE(before, 1024U);
  EXPECT_TRUE(bus->core().has_more());
  // Its own worker, which would take all of it, gets none of what is past its time; the other way is open.
  app->flow(1000);
  app->send({outbound("out", "sms")});
  EXPECT_EQ(sms->delivered_ids(), (Strings{"out"}));
  sms->send({user_message("fresh")});
  size_t turns = 0;
  while (bus->core().has_more()) {
    before = queue().expired.messages;
    bus->flush();
    EXPECT_LE(queue().expired.messages - before, 1024U);
    ASSERT_LT(++turns, 10U);
  }
  EXPECT_GE(turns, 1U);
  EXPECT_EQ(queue().expired.messages, messages);
  EXPECT_EQ(app->delivered_ids(), (Strings{"fresh"}));
}

TEST_F(Expiry, TwoQueuesThatExpireAtOnceTakeTurns) {
  bus.emplace(R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names   = ["app", "other"]
[routing_mappings]
sms = ["app", "other"]
[endpoint_defaults]
message_ttl_ms = 1000
)");
  sms.emplace(*bus, 1);
  sms->hello(Role::transport, "sms");
  Strings batch;
  for (size_t i = 0; i < 4000; ++i) batch.push_back(user_message("message " + std::to_string(i)));
  sms->send(batch);
  bus->advance(1000);
  bus->flush();
  EXPECT_GT(queue("app").expired.messages, 0U);
  EXPECT_GT(queue("other").expired.messages, 0U);
  EXPECT_LE(queue("app").expired.messages + queue("other").expired.messages, 2048U);
}

// Under way in front, in the middle and behind: each message is looked at once, and what is settled is passed over.
TEST_F(Expiry, HolesInTheQueueDoNotStopIt) {
  begin("message_ttl_ms = 1000\n");
  Strings batch;
  for (size_t i = 0; i < 700; ++i) batch.push_back(user_message("message " + std::to_string(i)));
  sms->send(batch);
  EXPECT_EQ(ids_after_hello(500).size(), 500U);
  std::vector<Seq> odd;
  for (Seq seq = 101; seq < 500; seq += 2) odd.push_back(seq);
  app->flow(0);
  app->ack(0, odd);
  bus->advance(1000);
  EXPECT_EQ(queue().expired.messages, 200U);
  EXPECT_EQ(queue().under_way.messages, 300U);
  bus->lose(2);
  EXPECT_EQ(queue().expired.messages, 500U);
  EXPECT_EQ(queue().settled.messages, 200U);
}

}  // namespace
}  // namespace signalbox::testing
