// Lanes and their peers: registering across lanes, limits over all of them, and peers that have no room.
#include "broker/core/lanes.hpp"
#include "tests/core/lanes_bus.hpp"

namespace signalbox::testing {
namespace {

// --- registering across lanes ----------------------------------------------------------------------------------------

const std::string session = "sixteen secret b";

TEST_F(AcrossLanes, AHelloThatMovesAConnectionKeepsItsDeliveryNumbers) {
  begin();
  send(1, 3);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(1, 3));
  // Four to six are given to it and not settled: they go back as it goes.
  send(4, 6);
  bus_->settle();
  ASSERT_EQ(application_->hello(Role::application, "a_even"), "welcome");
  ASSERT_EQ(bus_->lane_of("a_even"), 0u);
  LanesPeer other(*bus_, 5);
  ASSERT_EQ(other.hello(Role::transport, "t_odd"), "welcome");
  other.send({user_message("to a_even")});
  bus_->settle();
  const std::vector<Received> got = application_->take();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].as<Deliver>().first_seq, 7u);
  application_->ack(7);
  bus_->settle();
  EXPECT_EQ(bus_->status("a_even").queue.settled.messages, 1u);
  EXPECT_EQ(bus_->status("a_odd").queue.waiting.messages, 6u);
  EXPECT_EQ(bus_->lanes().registrations(), 3u);
}

TEST_F(AcrossLanes, WhatAPeerSaysBeforeItMovesIsHeardWhereItSaidIt) {
  begin();
  application_->send({outbound("out", "t_even")});
  Hello frame;
  frame.role = Role::application;
  frame.name = "a_even";
  std::string header;
  write(header, frame);
  bus_->put(application_->connection(), header);  // no lane has had a turn since
  bus_->settle();
  const std::vector<Received> got = application_->take();
  ASSERT_FALSE(got.empty());
  EXPECT_TRUE(got.back().is<Welcome>());
  EXPECT_EQ(transport_->ids(), Ids{"out"});
}

TEST_F(AcrossLanes, ASessionIsTakenOverOnItsLane) {
  begin();
  LanesPeer first(*bus_, 11);
  LanesPeer second(*bus_, 12);
  ASSERT_EQ(first.hello(Role::application, "a_even", 10, session), "welcome");
  first.send({outbound("one", "t_even")});
  ASSERT_EQ(second.hello(Role::application, "a_even", 10, session), "welcome");
  EXPECT_EQ(first.answer(), "taken_over");
  EXPECT_EQ(bus_->lanes().counters().resumed, 1u);
  EXPECT_EQ(transport_->ids(), Ids{"one"});
}

TEST_F(AcrossLanes, ASessionOfAnotherLanesNameIsNotPermitted) {
  begin();
  LanesPeer owner(*bus_, 11);
  LanesPeer thief(*bus_, 12);
  ASSERT_EQ(owner.hello(Role::application, "a_even", 10, session), "welcome");
  EXPECT_EQ(thief.hello(Role::application, "a_odd", 10, session), "not_permitted");
  bus_->lose(owner.connection());
  EXPECT_EQ(thief.hello(Role::application, "a_odd", 10, session), "not_permitted");
  LanesPeer again(*bus_, 13);
  EXPECT_EQ(again.hello(Role::application, "a_even", 10, session), "welcome");
}

// A second HELLO ends the session of the first, also where that was another lane's: its id is free again.
TEST_F(AcrossLanes, AConnectionThatMovesMayTakeItsSessionsIdAlong) {
  begin();
  LanesPeer peer(*bus_, 11);
  ASSERT_EQ(peer.hello(Role::application, "a_even", 10, session), "welcome");
  EXPECT_EQ(peer.hello(Role::application, "a_odd", 10, "another secret b"), "welcome");
  EXPECT_EQ(bus_->lanes().sessions(), 3u);
  LanesPeer next(*bus_, 12);
  EXPECT_EQ(next.hello(Role::application, "a_odd", 10, session), "welcome");
}

TEST_F(AcrossLanes, MaxRegistrationsHoldsOverAllLanes) {
  begin("", 10, [](Settings& settings) { settings.max_registrations = 4; });
  LanesPeer third(*bus_, 11);
  LanesPeer fourth(*bus_, 12);
  LanesPeer fifth(*bus_, 13);
  ASSERT_EQ(third.hello(Role::application, "a_even"), "welcome");
  ASSERT_EQ(fourth.hello(Role::application, "a_odd"), "welcome");
  EXPECT_EQ(fifth.hello(Role::application, "a_even"), "too_many");
  EXPECT_EQ(fifth.hello(Role::application, "a_odd"), "too_many");
  EXPECT_EQ(bus_->lanes().counters().too_many_at_once, 2u);
  bus_->lose(third.connection());
  EXPECT_EQ(fifth.hello(Role::application, "a_odd"), "welcome");
}

TEST_F(AcrossLanes, MaxSessionsHoldsOverAllLanesAndALostOneMakesRoomOnWhicheverItIs) {
  begin("", 10, [](Settings& settings) { settings.max_sessions = 3; });
  LanesPeer lost(*bus_, 11);
  ASSERT_EQ(lost.hello(Role::application, "a_even", 10, session), "welcome");
  lost.send({outbound("one", "t_even")});  // so that there is something to come back for
  bus_->settle();
  bus_->lose(lost.connection());
  ASSERT_EQ(bus_->lanes().sessions(), 3u);
  LanesPeer newcomer(*bus_, 12);
  EXPECT_EQ(newcomer.hello(Role::application, "a_odd"), "welcome");
  EXPECT_EQ(bus_->lanes().sessions(), 3u);
  EXPECT_EQ(bus_->lanes().counters().sessions_evicted, 1u);
  LanesPeer further(*bus_, 13);
  EXPECT_EQ(further.hello(Role::application, "a_even"), "too_many");
}

TEST_F(AcrossLanes, AKeysOwnLimitHoldsOverAllLanes) {
  const std::string key(32, 'k');
  begin("", 10, [&](Settings& settings) {
    settings.peers = {{"logic", key, {{Role::application, "a_even"}, {Role::application, "a_odd"}}, 2}};
  });
  LanesPeer one(*bus_, 11);
  LanesPeer two(*bus_, 12);
  LanesPeer three(*bus_, 13);
  ASSERT_EQ(one.hello(Role::application, "a_even", 10, "", key), "welcome");
  ASSERT_EQ(two.hello(Role::application, "a_odd", 10, "", key), "welcome");
  EXPECT_EQ(three.hello(Role::application, "a_even", 10, "", key), "too_many");
  EXPECT_EQ(three.hello(Role::application, "a_odd", 10, "", key), "too_many");
  EXPECT_EQ(bus_->lanes().counters().too_many_of_key, 2u);
}

TEST_F(AcrossLanes, AKeyThatLosesItsRightsLosesItsRegistrationsOnAllLanes) {
  const std::string key(32, 'k');
  const PeerSettings logic{"logic", key, {{Role::application, "a_even"}, {Role::application, "a_odd"}}};
  bus_ = std::make_unique<LanesBus>(crossing(), 2, [&](Settings& settings) {
    settings.keys_required = true;
    settings.peers = {logic};
  });
  LanesPeer one(*bus_, 11);
  LanesPeer two(*bus_, 12);
  ASSERT_EQ(one.hello(Role::application, "a_even", 10, "", key), "welcome");
  ASSERT_EQ(two.hello(Role::application, "a_odd", 10, "", key), "welcome");
  bus_->lanes().peers_changed({}, bus_->now());
  bus_->settle();
  EXPECT_EQ(one.answer(), "not_permitted");
  EXPECT_EQ(two.answer(), "not_permitted");
}

// Integers and arrays come in any width. Whatever it looks like, a HELLO is heard where its endpoint is.
TEST_F(AcrossLanes, AHelloInWideEncodingIsAHello) {
  begin();
  Hello frame;
  frame.role = Role::application;
  frame.name = "a_odd";
  std::string header;
  write(header, frame);
  ASSERT_EQ(header.substr(0, 2), std::string("\x95\x01"));
  const std::string rest = header.substr(2);
  ConnectionId connection = 20;
  for (const std::string& begins : {std::string("\xdc\x00\x05\x01", 4), std::string("\xdd\x00\x00\x00\x05\x01", 6),
                                    std::string("\x95\xcc\x01", 3), std::string("\x95\xcd\x00\x01", 4)}) {
    bus_->put(++connection, begins + rest);
    bus_->settle();
    EXPECT_EQ(LanesPeer(*bus_, connection).answer(), "welcome");
  }
  EXPECT_EQ(bus_->status("a_odd").instances, 5u);
}

TEST_F(AcrossLanes, StrangersAreAnswered) {
  begin();
  LanesPeer stranger(*bus_, 20);
  stranger.ping();
  bus_->settle();
  EXPECT_EQ(stranger.answer(), "not_registered");
  EXPECT_EQ(stranger.hello(Role::application, "nobody"), "unknown_endpoint");
  EXPECT_EQ(stranger.hello(Role::transport, "a_odd"), "unknown_endpoint");
  EXPECT_EQ(stranger.hello(Role::application, "a_odd"), "welcome");
  EXPECT_EQ(stranger.hello(Role::application, "nobody"), "unknown_endpoint");
  EXPECT_EQ(bus_->lanes().registrations(), 2u);
}

TEST_F(AcrossLanes, DrainingEndsWhenNothingIsOnItsWayEither) {
  begin();
  application_->send({outbound("last", "t_even")});
  bus_->step(1);
  bus_->lanes().drain(bus_->now());
  EXPECT_FALSE(bus_->lanes().drained());
  bus_->settle();
  EXPECT_FALSE(bus_->lanes().drained()) << "it is delivered and not settled";
  transport_->ack(1);
  bus_->settle();
  EXPECT_TRUE(bus_->lanes().drained());
  LanesPeer late(*bus_, 20);
  EXPECT_EQ(late.hello(Role::application, "a_odd"), "nothing");
}

// A frame that a lane has dealt with while all stood still may have left something for another, which leaves with the
// next turn.
TEST_F(AcrossLanes, DrainingWaitsForWhatHasNotLeftItsLaneYet) {
  begin();
  std::string header;
  write(header, Send{1});
  bus_->lanes().frame_at_once(application_->connection(), {}, header, outbound("last", "t_even"), 2, bus_->now());
  EXPECT_FALSE(bus_->lanes().is_still());
  EXPECT_FALSE(bus_->lanes().drained());
  bus_->settle();
  EXPECT_EQ(transport_->ids(), Ids{"last"});
}

// --- peers without room ----------------------------------------------------------------------------------------------

TEST_F(AcrossLanes, WhatAPeerHasNoRoomForIsKeptInOrder) {
  begin();
  bus_->block(application_->connection());
  send(1, 20);
  bus_->settle();
  EXPECT_EQ(application_->ids(), Ids{});
  bus_->advance(50);
  send(21, 30);
  bus_->settle();
  bus_->block(application_->connection(), false);
  bus_->advance(10);
  EXPECT_EQ(application_->ids(), ids(1, 30));
  send(31, 31);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(31, 31)) << "its lane knows that there is room";
  application_->ack(31);
  bus_->settle();
  EXPECT_EQ(bus_->status("a_odd").queue.settled.messages, 31u);
}

TEST_F(AcrossLanes, ALaneSendsNoMoreToAPeerWithoutRoom) {
  begin();
  bus_->block(application_->connection());
  send(1, 1);
  bus_->settle();
  send(2, 50);
  bus_->settle();
  EXPECT_EQ(bus_->status("a_odd").queue.under_way.messages, 1u);
  EXPECT_EQ(bus_->status("a_odd").queue.waiting.messages, 49u);
}

TEST_F(AcrossLanes, APeerThatGoesWhileThingsAreKeptForItGivesThemBack) {
  begin();
  bus_->block(application_->connection());
  send(1, 3);
  bus_->settle();
  bus_->make_gone(application_->connection());
  bus_->advance(10);
  EXPECT_EQ(bus_->lanes().registrations(), 1u);
  LanesPeer successor(*bus_, 9);
  ASSERT_EQ(successor.hello(Role::application, "a_odd"), "welcome");
  bus_->advance(10);
  EXPECT_EQ(successor.ids(), ids(1, 3));
}

TEST_F(AcrossLanes, APeerThatASendFindsGoneGivesBackWhatItHad) {
  begin();
  send(1, 3);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(1, 3));
  bus_->make_gone(application_->connection());
  send(4, 4);
  bus_->settle();
  EXPECT_EQ(bus_->lanes().registrations(), 1u);
  EXPECT_EQ(bus_->lanes().counters().connections_lost, 1u);
  LanesPeer successor(*bus_, 9);
  ASSERT_EQ(successor.hello(Role::application, "a_odd"), "welcome");
  bus_->advance(10);
  EXPECT_EQ(successor.ids().size(), 4u);
}

TEST_F(AcrossLanes, AHelloOfAPeerWithoutRoomThatMovesIsAnsweredInItsTurn) {
  begin();
  bus_->block(application_->connection());
  send(1, 2);
  bus_->settle();
  EXPECT_EQ(application_->hello(Role::application, "a_even"), "nothing");
  bus_->block(application_->connection(), false);
  bus_->advance(10);
  const std::vector<Received> got = application_->take();
  ASSERT_GE(got.size(), 2u);
  EXPECT_TRUE(got.front().is<Deliver>());
  EXPECT_TRUE(got.back().is<Welcome>());
  LanesPeer other(*bus_, 5);
  ASSERT_EQ(other.hello(Role::transport, "t_odd"), "welcome");
  other.send({user_message("to a_even")});
  bus_->settle();
  EXPECT_EQ(application_->ids(), Ids{"to a_even"});
}

// What the link says of it reaches the lane that it was at only after it has moved.
TEST_F(AcrossLanes, APeerWithoutRoomThatMovesAndComesBackIsServed) {
  begin();
  bus_->block(application_->connection());
  application_->ping();
  EXPECT_EQ(application_->hello(Role::application, "a_even"), "nothing");
  bus_->block(application_->connection(), false);
  bus_->advance(10);
  EXPECT_EQ(application_->answer(), "welcome");
  EXPECT_GT(bus_->lanes().sleep_ms(1, bus_->now()), 1u) << "the lane that it left waits for nothing";
  EXPECT_EQ(application_->hello(Role::application, "a_odd"), "welcome");
}

// --- the table of connections ----------------------------------------------------------------------------------------

TEST_F(AcrossLanes, AFloodOfHellosThatAreTurnedDownIsForgottenAndNobodyElse) {
  begin("", 10, [](Settings& settings) { settings.max_registrations = 2; });
  Hello frame;
  frame.role = Role::application;
  frame.name = "a_odd";
  std::string header;
  write(header, frame);
  for (ConnectionId connection = 1000; connection < 11'000; ++connection) {
    bus_->put(connection, header);
    if (connection % 500 == 0) bus_->advance(1);
  }
  bus_->advance(1);
  EXPECT_EQ(LanesPeer(*bus_, 1000).answer(), "too_many");
  send(1, 2);
  bus_->settle();
  EXPECT_EQ(application_->ids(), ids(1, 2));
  application_->ack(2);
  bus_->settle();
  EXPECT_EQ(bus_->status("a_odd").queue.settled.messages, 2u);
}

TEST(Lanes, HaveRoomUntilARingIsFull) {
  LanesBus bus(crossing(), 2);
  LanesPeer transport(bus, 1);
  ASSERT_EQ(transport.hello(Role::transport, "t_even"), "welcome");
  size_t frames = 0;
  while (bus.lanes().has_room() && frames < 10'000) {
    transport.ping();
    ++frames;
  }
  EXPECT_EQ(frames, Lanes::ring_frames);
  transport.ping();  // one that comes all the same is kept, behind the others
  EXPECT_FALSE(bus.lanes().has_room());
  bus.step(0);
  EXPECT_TRUE(bus.lanes().has_room());
  bus.settle();
  EXPECT_EQ(transport.take().size(), frames + 1);
}

TEST(Lanes, ASleepingLaneKnowsWhatItWaitsFor) {
  LanesBus bus(crossing(), 2);
  LanesPeer transport(bus, 1);
  ASSERT_EQ(transport.hello(Role::transport, "t_even"), "welcome");
  bus.settle();
  EXPECT_EQ(bus.lanes().sleep_ms(0, bus.now()), Lanes::tick_interval_ms);
  transport.send({user_message("m1")});
  EXPECT_EQ(bus.lanes().sleep_ms(0, bus.now()), 0u);
  EXPECT_GT(bus.lanes().sleep_ms(1, bus.now()), 0u);
  bus.step(0);
  EXPECT_GT(bus.lanes().sleep_ms(0, bus.now()), 0u);
  EXPECT_EQ(bus.lanes().sleep_ms(1, bus.now()), 0u) << "a parcel lies there";
}

}  // namespace
}  // namespace signalbox::testing
