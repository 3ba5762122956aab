// What goes from lane to lane, in what order, and how a queue's limit holds for senders of other lanes.
#include "broker/core/lanes.hpp"

#include "tests/core/lanes_bus.hpp"

namespace signalbox::testing {
namespace {

// --- messages across lanes -------------------------------------------------------------------------------------------

TEST_F(AcrossLanes, AMessageIsConfirmedByItsSendersLaneAlone) {
  begin();
  send(1, 1);
  bus_->flush();
  EXPECT_EQ(transport_->confirmed(), 1u) << "the other lane takes it in any case";
  EXPECT_EQ(application_->ids(), Ids{});
  EXPECT_FALSE(bus_->lanes().is_still());
  EXPECT_FALSE(bus_->lanes().drained());
  bus_->step(1);
  bus_->flush();
  EXPECT_EQ(application_->ids(), ids(1, 1));
  application_->ack(1);
  bus_->settle();
  EXPECT_TRUE(bus_->lanes().drained());
  EXPECT_EQ(bus_->lanes().queue_memory_bytes(), 0u);
  EXPECT_EQ(bus_->lanes().received(bus_->endpoint("t_even")), 1u);
  EXPECT_EQ(bus_->status("a_odd").queue.settled.messages, 1u);
}

TEST_F(AcrossLanes, OneSendersMessagesStayInOrder) {
  begin();
  size_t number = 0;
  for (int turn = 0; turn < 60; ++turn) {
    std::vector<std::string> batch;
    for (int i = 0; i <= turn % 7; ++i) batch.push_back(user_message(id(++number)));
    transport_->send(batch);
    if (turn % 3 == 0) bus_->step(0);
    if (turn % 11 == 0) bus_->step(1);
  }
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(1, number));
}

TEST_F(AcrossLanes, BothKindsTravelAndEachStaysInOrder) {
  begin();
  application_->send({outbound("out", "t_even")});
  bus_->settle();
  EXPECT_EQ(transport_->ids(), Ids{"out"});
  std::vector<std::string> batch;
  for (size_t i = 1; i <= 20; ++i) {
    batch.push_back(user_message(id(i)));
    batch.push_back(event("event", "out"));
  }
  transport_->send(batch);
  bus_->settle();
  size_t events = 0;
  Ids messages;
  for (const Received& frame : application_->take()) {
    for (const std::string& m : frame.messages) {
      field(m, Field::message_type) == "event" ? (void)++events : messages.push_back(id_of(m));
    }
  }
  EXPECT_EQ(events, 20u);
  EXPECT_EQ(messages, ids(1, 20));
}

// Small ones are copied into the queue's block, blocks that are full become the queue's own; and one may be larger than
// any block.
TEST_F(AcrossLanes, MessagesOfAllSizesArriveAsTheyWere) {
  begin("", 1000, [](Settings& settings) { settings.send_window_bytes = 64 * limits::mebibyte; });
  std::vector<std::string> sent;
  for (const size_t bytes : {10UL, 900UL, 1100UL, 40'000UL, 70'000UL, 20UL, 500'000UL, 30UL}) {
    for (int i = 0; i < 3; ++i) {
      MessageView view;
      const std::string content(bytes, static_cast<char>('a' + i));
      const std::string text = message({{"message_type", "user_message"},
                                        {"message_id", id(sent.size())},
                                        {"transport_name", "t_even"},
                                        {"content", content}});
      ASSERT_EQ(view.scan(text), Scan::ok);
      sent.push_back(text);
    }
  }
  for (size_t i = 0; i < sent.size(); i += 4) {
    transport_->send(
        {sent.begin() + static_cast<std::ptrdiff_t>(i), sent.begin() + static_cast<std::ptrdiff_t>(i + 4)});
    bus_->settle();
  }
  std::vector<std::string> got;
  for (const Received& frame : application_->take())
    got.insert(got.end(), frame.messages.begin(), frame.messages.end());
  EXPECT_TRUE(got == sent) << got.size() << " of " << sent.size();
  application_->ack(sent.size());
  bus_->settle();
  EXPECT_EQ(bus_->lanes().queue_memory_bytes(), 0u);
}

TEST_F(AcrossLanes, AFullPassageLosesNothingAndKeepsTheOrder) {
  begin("", 4000);
  const size_t count = LaneBoard::passage_parcels_default + 100;
  send(1, count / 2);
  bus_->flush();
  send(count / 2 + 1, count);
  bus_->flush();
  EXPECT_EQ(transport_->confirmed(), count);
  bus_->step(1);  // room for some; what was left goes before what comes now
  send(count + 1, count + 10);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(1, count + 10));
}

TEST_F(AcrossLanes, WhatIsOnItsWayIsLetGoOfWithTheBroker) {
  begin();
  send(1, LaneBoard::passage_parcels_default + 10);
  EXPECT_FALSE(bus_->lanes().is_still());
}

TEST_F(AcrossLanes, ADeadLetterGoesToItsEndpointsLane) {
  begin();
  ASSERT_NE(bus_->lane_of("dead_letters"), bus_->lane_of("a_odd"));
  LanesPeer letters(*bus_, 3);
  ASSERT_EQ(letters.hello(Role::application, "dead_letters"), "welcome");
  send(1, 3);
  bus_->settle();
  application_->nack(2, false);
  bus_->settle();
  EXPECT_EQ(letters.ids(), Ids{"m2"});
  EXPECT_EQ(bus_->status("a_odd").queue.dead.messages, 1u);
  EXPECT_EQ(bus_->status("dead_letters").queue.taken.messages, 1u);
}

TEST_F(AcrossLanes, AReplyFindsItsWayBack) {
  begin();
  send(1, 1);
  bus_->settle();
  application_->send({reply("r1", "m1")});
  bus_->settle();
  EXPECT_EQ(transport_->ids(), Ids{"r1"});
}

// --- limits of a queue on another lane -------------------------------------------------------------------------------

TEST_F(AcrossLanes, AQueueThatRefusesDoesSoAtItsLimit) {
  begin("[endpoints.a_odd]\nmax_messages = 2\noverflow = 'refuse'\n", 0);
  send(1, 3);
  Codes codes;
  bus_->flush();
  EXPECT_EQ(transport_->confirmed(&codes), 3u);
  EXPECT_EQ(codes, Codes{"queue_full"}) << "counted while they are on their way";
  application_->flow(10);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(1, 2));
  application_->ack(2);
  bus_->settle();
  send(4, 4);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(4, 4));
}

TEST_F(AcrossLanes, AQueueThatDropsKeepsTheLast) {
  begin("[endpoints.a_odd]\nmax_messages = 3\noverflow = 'drop_oldest'\n", 0);
  send(1, 5);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 5u);
  EXPECT_EQ(bus_->status("a_odd").queue.dropped.messages, 2u);
  application_->flow(10);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(3, 5));
  // All of it is under way: what comes cannot even come in. Its sender's lane could not know.
  send(6, 6);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 6u);
  EXPECT_EQ(application_->ids(), Ids{});
  EXPECT_EQ(bus_->status("a_odd").queue.dropped.messages, 3u);
}

TEST_F(AcrossLanes, AQueueThatBlocksHoldsItsSendersConfirmation) {
  begin("[endpoints.a_odd]\nmax_messages = 2\n", 0);
  send(1, 3);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 2u);
  bus_->advance(1000);
  EXPECT_EQ(transport_->confirmed(), 0u);
  application_->flow(10);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 0u) << "what is under way counts";
  application_->ack(1);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 3u);
  // And once more: who waited before waits again.
  send(4, 5);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 0u);
  application_->ack(5);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 5u);
}

TEST_F(AcrossLanes, ASenderThatCameTooLateToWaitIsReleasedAtOnce) {
  begin("[endpoints.a_odd]\nmax_messages = 2\n", 2);
  send(1, 2);
  bus_->settle();
  send(3, 3);  // the gate says that it is over its limit
  bus_->flush();
  EXPECT_EQ(transport_->confirmed(), 2u);
  application_->ack(2);  // but when that is heard of, it is not
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 3u);
}

TEST_F(AcrossLanes, SendersOfSeveralLanesWaitForOneQueueAndAllAreReleased) {
  LanesBus bus(R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["t0", "t1", "t2"]
exposed_names   = ["app"]
[routing_mappings]
t0 = "app"
t1 = "app"
t2 = "app"
[endpoints.app]
max_messages = 3
)",
               4);
  std::vector<std::unique_ptr<LanesPeer>> senders;
  for (ConnectionId connection = 1; connection <= 3; ++connection) {
    const std::string name = "t" + std::to_string(connection - 1);
    ASSERT_NE(bus.lane_of(name), bus.lane_of("app"));
    senders.push_back(std::make_unique<LanesPeer>(bus, connection));
    ASSERT_EQ(senders.back()->hello(Role::transport, name), "welcome");
  }
  LanesPeer application(bus, 9);
  ASSERT_EQ(application.hello(Role::application, "app", 0), "welcome");
  for (size_t i = 0; i < 3; ++i) senders[i]->send({user_message(id(2 * i)), user_message(id(2 * i + 1))});
  bus.settle();
  std::vector<Seq> confirmed;
  for (const auto& sender : senders) confirmed.push_back(sender->confirmed());
  EXPECT_EQ(confirmed, (std::vector<Seq>{2, 1, 0}));
  application.flow(10);
  bus.settle();
  EXPECT_EQ(application.ids().size(), 6u);
  application.ack(6);
  bus.settle();
  for (size_t i = 1; i < 3; ++i) EXPECT_EQ(senders[i]->confirmed(), 2u) << i;
}

// Both transports send to the application that is on the second one's lane.
std::string both_to_one(const std::string& rest) {
  return R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["t_even", "t_odd"]
exposed_names   = ["a_even", "a_odd"]
[routing_mappings]
t_even = "a_odd"
t_odd  = "a_odd"
)" + rest;
}

class TwoSendersOfTwoLanes : public ::testing::Test {
 protected:
  void begin(const std::string& rest) {
    bus_ = std::make_unique<LanesBus>(both_to_one("[endpoints.a_odd]\n" + rest));
    far_ = std::make_unique<LanesPeer>(*bus_, 1);
    near_ = std::make_unique<LanesPeer>(*bus_, 2);
    ASSERT_EQ(far_->hello(Role::transport, "t_even"), "welcome");
    ASSERT_EQ(near_->hello(Role::transport, "t_odd"), "welcome");
    ASSERT_EQ(bus_->lane_of("t_odd"), bus_->lane_of("a_odd"));
    ASSERT_NE(bus_->lane_of("t_even"), bus_->lane_of("a_odd"));
  }

  std::unique_ptr<LanesBus> bus_;
  std::unique_ptr<LanesPeer> far_;
  std::unique_ptr<LanesPeer> near_;
};

// Whoever hears of the confirmation and then sends finds the queue as full as it is.
TEST_F(TwoSendersOfTwoLanes, WhatIsConfirmedIsThereBeforeWhatIsSentAfterwards) {
  begin("max_messages = 1\n");
  far_->send({user_message("first")});
  bus_->step(0);
  bus_->flush();
  ASSERT_EQ(far_->confirmed(), 1u);
  near_->send({user_message("second")});
  bus_->step(1);
  bus_->flush();
  EXPECT_EQ(near_->confirmed(), 0u) << "it waits for room, as its place in the queue says";
  bus_->settle();
  EXPECT_EQ(near_->confirmed(), 0u);
}

TEST_F(TwoSendersOfTwoLanes, WhatIsOnItsWayCountsForASenderOnTheQueuesOwnLane) {
  begin("max_messages = 2\noverflow = 'refuse'\n");
  far_->send({user_message("one"), user_message("two")});
  bus_->step(0);
  std::string header;
  write(header, Send{1});
  bus_->lanes().frame_at_once(near_->connection(), {}, header, user_message("three"), 2, bus_->now());
  Codes codes;
  bus_->settle();
  EXPECT_EQ(near_->confirmed(&codes), 1u);
  EXPECT_EQ(codes, Codes{"queue_full"});
  EXPECT_EQ(bus_->status("a_odd").queue.waiting.messages, 2u);
}

// Messages of two lanes come by two ways. The lane that fills the queue may be heard before the one that came first.
TEST(TwoLanesThatFillAQueue, WaitForItThoughTheLastToCountIsHeardFirst) {
  LanesBus bus(R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["t0", "t1"]
exposed_names   = ["app"]
[routing_mappings]
t0 = "app"
t1 = "app"
[endpoints.app]
max_messages = 2
)",
               3);
  LanesPeer first(bus, 1);
  LanesPeer second(bus, 2);
  LanesPeer application(bus, 3);
  ASSERT_EQ(first.hello(Role::transport, "t0"), "welcome");
  ASSERT_EQ(second.hello(Role::transport, "t1"), "welcome");
  ASSERT_EQ(application.hello(Role::application, "app", 10), "welcome");
  // Not in a turn: what it admits is counted, and stays where it is.
  std::string header;
  write(header, Send{1});
  const std::string two = user_message("1") + user_message("2");
  bus.lanes().frame_at_once(second.connection(), {}, header, two, 2, bus.now());
  first.send({user_message("3")});
  bus.step(0);
  bus.step(2);
  bus.step(0);
  bus.flush();
  EXPECT_EQ(first.confirmed(), 0u);
  bus.settle();
  EXPECT_EQ(first.confirmed(), 0u);
  EXPECT_EQ(application.ids().size(), 3u);
  application.ack(1);
  bus.settle();
  EXPECT_EQ(first.confirmed(), 1u);
}

TEST_F(AcrossLanes, AfterBlockMsItRefusesUntilThereIsRoom) {
  begin("[endpoints.a_odd]\nmax_messages = 2\nblock_ms = 5000\n", 0);
  send(1, 3);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 2u);
  bus_->advance(5000);
  EXPECT_EQ(transport_->confirmed(), 3u);
  send(4, 4);
  Codes codes;
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(&codes), 4u);
  EXPECT_EQ(codes, Codes{"queue_full"});
  application_->flow(10);
  application_->ack(0);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(1, 3));
  application_->ack(3);
  bus_->settle();
  codes.clear();
  send(5, 5);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(&codes), 5u);
  EXPECT_EQ(codes, Codes{});
}

TEST_F(AcrossLanes, WhatWouldGoPastTwiceTheLimitIsRefusedAtOnce) {
  begin("[endpoints.a_odd]\nmax_messages = 2\n", 0);
  std::vector<std::string> batch;
  for (size_t i = 1; i <= 6; ++i) batch.push_back(user_message(id(i)));
  transport_->send(batch);
  bus_->settle();
  EXPECT_EQ(bus_->status("a_odd").queue.waiting.messages, 4u);
  application_->flow(10);
  bus_->settle();
  application_->ack(4);
  Codes codes;
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(&codes), 6u);
  EXPECT_EQ(codes, (Codes{"queue_full", "queue_full"}));
}

TEST_F(AcrossLanes, WhoWaitsAndLeavesIsForgotten) {
  begin("[endpoints.a_odd]\nmax_messages = 1\n", 0);
  send(1, 2);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 1u);
  bus_->lose(transport_->connection());
  application_->flow(10);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(1, 2));
  application_->ack(2);
  bus_->settle();
  EXPECT_EQ(bus_->lanes().queue_memory_bytes(), 0u);
}

TEST_F(AcrossLanes, AReloadThatRaisesTheLimitReleasesWhoWaits) {
  begin("[endpoints.a_odd]\nmax_messages = 1\n", 0);
  send(1, 2);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 1u);
  EXPECT_EQ(bus_->reload(crossing("[endpoints.a_odd]\nmax_messages = 10\n")), Ids{});
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 2u);
}

TEST_F(AcrossLanes, AfterAReloadAFullQueueIsStillFull) {
  begin("[endpoints.a_odd]\nmax_messages = 2\noverflow = 'refuse'\n", 0);
  send(1, 2);
  bus_->settle();
  EXPECT_EQ(bus_->reload(crossing("[endpoints.a_odd]\nmax_messages = 2\noverflow = 'refuse'\n")), Ids{});
  send(3, 3);
  Codes codes;
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(&codes), 3u);
  EXPECT_EQ(codes, Codes{"queue_full"});
}

TEST_F(AcrossLanes, AReloadThatEndsTheBlockingReleasesWhoWaits) {
  begin("[endpoints.a_odd]\nmax_messages = 1\n", 0);
  send(1, 2);
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 1u);
  send(3, 3);  // its parcel is on its way
  EXPECT_EQ(bus_->reload(crossing("[endpoints.a_odd]\nmax_messages = 1\noverflow = 'refuse'\n")), Ids{});
  bus_->settle();
  EXPECT_EQ(transport_->confirmed(), 3u);
  EXPECT_EQ(bus_->status("a_odd").queue.waiting.messages, 2u);
}

TEST_F(AcrossLanes, AReloadThatAddsAnEndpointPutsItOnALaneAndMovesNobody) {
  begin();
  const uint32_t before = bus_->lane_of("a_even");
  const std::string more = R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["t_even", "t_odd", "t_new"]
exposed_names   = ["a_even", "a_odd"]
[routing_mappings]
t_even = "a_odd"
t_odd  = "a_even"
t_new  = "a_odd"
)";
  EXPECT_EQ(bus_->reload(more), Ids{});
  EXPECT_EQ(bus_->lane_of("a_even"), before);
  LanesPeer newcomer(*bus_, 7);
  ASSERT_EQ(newcomer.hello(Role::transport, "t_new"), "welcome");
  newcomer.send({user_message("of the new one")});
  send(1, 1);
  bus_->settle();
  EXPECT_EQ(application_->ids().size(), 2u);
}

TEST_F(AcrossLanes, AReloadThatWouldHaveToMoveOneIsTurnedDown) {
  begin();
  const std::vector<std::string> faults = bus_->reload(R"(
router_class    = "LoadBalancingRouter"
transport_names = ["t_even", "t_odd"]
exposed_names   = ["a_even"]
)");
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].find("restart the broker"), std::string::npos) << faults[0];
  send(1, 1);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(1, 1)) << "nothing has changed";
}

}  // namespace
}  // namespace signalbox::testing
