// A peer sends, and its connection ends: what it sent before counts, whenever a send finds that it is gone. ZeroMQ
// turns sends to such a peer down while frames of it are still to be read.
#include "tests/core/lanes_bus.hpp"

namespace signalbox::testing {
namespace {

using Strings = std::vector<std::string>;

class LastWords : public ::testing::Test {
 protected:
  void SetUp() override {
    transport_.hello(Role::transport, "smpp_transport");
    application_.hello(Role::application, "my_application", 2);
    send(1, 4);
    EXPECT_EQ(application_.delivered_ids(), Strings({"m1", "m2"}));
    bus_.make_gone(application_.connection());
    // A PING that cannot be sent.
    bus_.advance(bus_.core().settings().heartbeat_ms);
    turn(false);
    EXPECT_EQ(bus_.core().registrations(), 2u);
  }

  void send(int first, int last) {
    Strings batch;
    for (int i = first; i <= last; ++i) batch.push_back(user_message("m" + std::to_string(i)));
    transport_.send(batch);
  }
  // A frame in a turn that leaves more unread.
  template <typename Frame>
  void say(ConnectionId from, const Frame& frame, std::string_view body = {}) {
    std::string header;
    write(header, frame);
    bus_.core().frame(from, {}, header, body, body.empty() ? 1 : 2, bus_.now());
    turn(false);
  }
  void turn(bool input_is_read) {
    if (input_is_read) bus_.core().heard_all(bus_.now());
    bus_.core().flush(bus_.now());
    bus_.core().check_invariants();
  }
  void ack(Seq upto) {
    std::string header;
    write_ack(header, upto, nullptr, 0);
    bus_.core().frame(application_.connection(), {}, header, {}, 1, bus_.now());
    turn(false);
  }

  Bus bus_{seed_toml};
  Peer transport_{bus_, 1};
  Peer application_{bus_, 2};
  Peer successor_{bus_, 3};
};

TEST_F(LastWords, WhatItAcknowledgedIsNotDeliveredAgain) {
  ack(1);
  turn(true);
  EXPECT_EQ(bus_.core().registrations(), 1u);
  successor_.hello(Role::application, "my_application");
  turn(true);
  EXPECT_EQ(bus_.core().counters().redelivered, 1u);
  EXPECT_EQ(bus_.status("my_application").queue.settled.messages, 1u);
}

TEST_F(LastWords, UntilTheyAreReadItsSuccessorWaitsForWhatComesBack) {
  std::vector<Received> got = successor_.hello(Role::application, "my_application");
  // The turn of the HELLO had nothing left to read, so it ended whom an earlier one had found.
  ASSERT_EQ(bus_.core().registrations(), 2u);
  Strings ids;
  for (const Received& frame : got)
    for (const std::string& each : frame.messages) ids.push_back(id_of(each));
  EXPECT_EQ(ids, Strings({"m1", "m2", "m3", "m4"}));
}

TEST_F(LastWords, ASuccessorIsGivenNothingInATurnThatLeavesSomethingUnread) {
  Hello hello;
  hello.role = Role::application;
  hello.name = "my_application";
  say(successor_.connection(), hello);
  std::vector<Received> got = successor_.take();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_TRUE(got.front().is<Welcome>());
  ack(2);
  EXPECT_TRUE(successor_.take().empty());
  turn(true);
  EXPECT_EQ(successor_.delivered_ids(), Strings({"m3", "m4"}));
}

TEST_F(LastWords, WhatItSentIsTaken) {
  say(application_.connection(), Send{1}, outbound("r1", "smpp_transport"));
  EXPECT_EQ(transport_.delivered_ids(), Strings({"r1"}));
  turn(true);
  EXPECT_EQ(bus_.core().registrations(), 1u);
}

TEST_F(LastWords, AByeIsNoLoss) {
  say(application_.connection(), Bye{});
  turn(true);
  EXPECT_EQ(bus_.core().registrations(), 1u);
  EXPECT_EQ(bus_.core().counters().connections_lost, 0u);
  successor_.hello(Role::application, "my_application");
  EXPECT_EQ(bus_.status("my_application").queue.under_way.messages, 4u) << "no suspects, which travel alone";
}

TEST_F(LastWords, AHelloIsNotAnswered) {
  Hello hello;
  hello.role = Role::transport;
  hello.name = "xmpp_transport";
  say(application_.connection(), hello);
  EXPECT_EQ(bus_.core().registrations(), 2u);
  turn(true);
  EXPECT_EQ(bus_.core().registrations(), 1u);
  EXPECT_EQ(bus_.core().counters().registrations, 2u);
}

TEST(LastWordsOfOne, ATurnThatFindsItGoneIsNotTheOneThatEndsIt) {
  Bus bus(seed_toml);
  Peer application(bus, 1);
  application.hello(Role::application, "my_application");
  bus.make_gone(1);
  bus.advance(bus.core().settings().heartbeat_ms);
  bus.core().flush(bus.now());
  EXPECT_EQ(bus.core().registrations(), 1u) << "its last frames may have come since";
  EXPECT_TRUE(bus.core().has_more());
  bus.core().heard_all(bus.now());
  EXPECT_EQ(bus.core().registrations(), 0u);
  EXPECT_FALSE(bus.core().has_more());
}

TEST(LastWordsAcrossLanes, CountToo) {
  LanesBus bus(seed_toml);
  LanesPeer transport(bus, 1);
  LanesPeer application(bus, 2);
  LanesPeer successor(bus, 3);
  ASSERT_EQ(transport.hello(Role::transport, "smpp_transport"), "welcome");
  ASSERT_EQ(application.hello(Role::application, "my_application"), "welcome");
  transport.send({user_message("m1"), user_message("m2"), user_message("m3")});
  bus.settle();
  ASSERT_EQ(application.ids(), Strings({"m1", "m2", "m3"}));
  bus.make_gone(2);
  transport.send({user_message("m4")});
  const auto turn = [&bus] {
    for (uint32_t lane = 0; lane < bus.lane_count(); ++lane) bus.step(lane);
    bus.lanes().flush(bus.now());
  };
  for (int i = 0; i < 4; ++i) turn();
  std::string header;
  write_ack(header, 2, nullptr, 0);
  bus.put(2, header);
  for (int i = 0; i < 4; ++i) turn();
  EXPECT_EQ(bus.lanes().registrations(), 2u);
  Hello hello;
  hello.role = Role::application;
  hello.name = "my_application";
  write(header, hello);
  bus.put(2, header);  // from there: nobody will hear the answer
  EXPECT_EQ(bus.lanes().counters().registrations, 2u);
  bus.settle();
  EXPECT_EQ(bus.lanes().registrations(), 1u);
  ASSERT_EQ(successor.hello(Role::application, "my_application"), "welcome");
  bus.settle();
  EXPECT_EQ(bus.status("my_application").queue.settled.messages, 2u);
  EXPECT_EQ(successor.ids(), Strings({"m3", "m4"}));
}

}  // namespace
}  // namespace signalbox::testing
