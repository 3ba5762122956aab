// Deliveries that are not settled within ack_timeout_ms: where the message goes, what the first worker may still do
// with it, and what it costs that worker.
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
ack_timeout_ms = 1000
redeliver_ms = 100
)";

class AckTimeout : public ::testing::Test {
 protected:
  explicit AckTimeout(const std::string& more = "") : bus(sound + more) { sms.hello(Role::transport, "sms"); }
  QueueLedger queue(const std::string& name = "app") { return bus.status(name).queue; }
  const Counters& counters() { return bus.core().counters(); }
  // Registers, and gives the ids of what is delivered at once.
  static Strings hello(Peer& worker, uint64_t prefetch = 1000) {
    Strings ids;
    for (const Received& frame : worker.hello(Role::application, "app", prefetch))
      for (const std::string& m : frame.messages) ids.push_back(id_of(m));
    return ids;
  }

  Bus bus;
  Peer sms{bus, 1};
  Peer first{bus, 2};
  Peer second{bus, 3};
};

TEST_F(AckTimeout, WelcomeNamesItWhereItIsSet) {
  const auto frames = first.hello(Role::application, "app");
  EXPECT_EQ(frames.at(0).as<Welcome>().limits.ack_timeout_ms, 1000U);
  const auto others = sms.hello(Role::transport, "sms");
  EXPECT_EQ(others.at(0).as<Welcome>().limits.ack_timeout_ms, 0U);
  EXPECT_EQ(others.at(0).header.find("ack_timeout_ms"), std::string::npos);
}

TEST_F(AckTimeout, GoesToAnotherInstanceAfterItsDelay) {
  hello(first);
  sms.send({user_message("1")});
  EXPECT_EQ(first.delivered_ids(), (Strings{"1"}));
  hello(second);
  bus.advance(999);
  EXPECT_EQ(queue().under_way.messages, 1U);
  bus.advance(1);
  EXPECT_EQ(counters().ack_timeouts, 1U);
  EXPECT_EQ(queue().waiting.messages, 1U);
  EXPECT_TRUE(second.delivered_ids().empty());
  bus.advance(100);
  const auto frames = second.take();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_TRUE(frames[0].as<Deliver>().redelivered);
  EXPECT_EQ(id_of(frames[0].messages.at(0)), "1");
  EXPECT_TRUE(first.delivered_ids().empty());
  second.ack(1);
  EXPECT_EQ(queue().settled.messages, 1U);
  // The first one's ACK comes too late to matter, and is no fault.
  first.ack(1);
  EXPECT_EQ(queue().settled.messages, 1U);
  EXPECT_EQ(counters().settled_late, 0U);
  EXPECT_TRUE(first.take().empty());
}

TEST_F(AckTimeout, BackToTheSameWhereThereIsNoOther) {
  hello(first);
  sms.send({user_message("1")});
  first.take();
  bus.advance(1000);
  bus.advance(100);
  const auto frames = first.take();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].as<Deliver>().first_seq, 2U);
  first.ack(2);
  EXPECT_EQ(queue().settled.messages, 1U);
}

TEST_F(AckTimeout, OnlyWhatIsOldEnoughAndNotSettled) {
  hello(first);
  sms.send({user_message("1"), user_message("2"), user_message("3")});
  bus.advance(500);
  sms.send({user_message("4")});
  first.ack(1, {3});
  bus.advance(500);
  EXPECT_EQ(counters().ack_timeouts, 1U);
  EXPECT_EQ(queue().settled.messages, 2U);
  EXPECT_EQ(queue().under_way.messages, 1U);
  bus.advance(500);
  EXPECT_EQ(counters().ack_timeouts, 2U);
}

TEST_F(AckTimeout, ALateAckSettlesWhatWaitsAgain) {
  hello(first);
  sms.send({user_message("1"), user_message("2"), user_message("3")});
  bus.advance(1000);
  EXPECT_EQ(queue().waiting.messages, 3U);
  first.ack(1, {3});
  EXPECT_EQ(queue().settled.messages, 2U);
  EXPECT_EQ(counters().settled_late, 2U);
  first.take();
  bus.advance(100);
  EXPECT_EQ(first.delivered_ids(), (Strings{"2"})) << "after its delay";
  bus.advance(10);
  first.ack(2);  // the number that it had first: late, but in time
  EXPECT_EQ(queue().settled.messages, 3U);
  EXPECT_EQ(queue().under_way.messages, 0U);
  first.ack(4);
  EXPECT_EQ(queue().settled.messages, 3U);
}

TEST_F(AckTimeout, ALateAckSettlesWhatIsUnderWayToAnother) {
  hello(first);
  sms.send({user_message("1")});
  first.take();
  hello(second, 1);
  bus.advance(1000);
  bus.advance(100);
  EXPECT_EQ(second.delivered_ids(), (Strings{"1"}));
  first.ack(1);
  EXPECT_EQ(queue().settled.messages, 1U);
  EXPECT_EQ(queue().under_way.messages, 0U);
  EXPECT_EQ(counters().settled_late, 1U);
  // The other has it in its hands still: its one slot is free when it says so.
  first.bye();
  sms.send({user_message("2")});
  EXPECT_TRUE(second.delivered_ids().empty());
  second.ack(1);
  EXPECT_EQ(queue().settled.messages, 1U);
  EXPECT_EQ(second.delivered_ids(), (Strings{"2"}));
  second.ack(2);
  EXPECT_EQ(queue().settled.messages, 2U);
}

TEST_F(AckTimeout, OneAckOfBothNumbersFreesBothSlotsInWhateverOrder) {
  hello(first, 2);
  sms.send({user_message("1")});
  bus.advance(1000);
  bus.advance(100);
  EXPECT_EQ(first.delivered_ids(), (Strings{"1", "1"})) << "there is no other instance";
  first.ack(0, {2, 1});
  EXPECT_EQ(queue().settled.messages, 1U);
  sms.send({user_message("2"), user_message("3")});
  EXPECT_EQ(first.delivered_ids(), (Strings{"2", "3"}));
}

TEST_F(AckTimeout, WhoIsLateIsNotKeptForASuspectAnyMore) {
  hello(second, 1);
  sms.send({user_message("x")});
  EXPECT_EQ(second.delivered_ids(), (Strings{"x"}));
  // One becomes a suspect, one is NACKed, one just comes back.
  hello(first);
  sms.send({user_message("1"), user_message("suspect"), user_message("2")});
  first.nack(1, true);
  bus.lose(first.connection());
  Peer third{bus, 4};
  EXPECT_EQ(hello(third, 1), (Strings{"suspect"}));
  bus.lose(third.connection());
  second.flow(10);
  bus.advance(100);
  EXPECT_TRUE(second.delivered_ids().empty()) << "it is kept until it can take the suspect";
  bus.advance(900);
  EXPECT_EQ(counters().ack_timeouts, 1U);
  EXPECT_EQ(second.delivered_ids(), (Strings{"1", "2"})) << "in their old places";
}

TEST_F(AckTimeout, TheOthersNackOfWhatWasSettledLateIsIgnored) {
  hello(first);
  sms.send({user_message("1")});
  hello(second, 1);
  bus.advance(1000);
  bus.advance(100);
  first.ack(1);
  second.nack(1, false, "too late");
  EXPECT_EQ(queue().settled.messages, 1U);
  EXPECT_EQ(queue().dead.messages, 0U);
}

TEST_F(AckTimeout, ALateNackIsIgnoredAndFreesItsSlot) {
  hello(first, 1);
  sms.send({user_message("1"), user_message("2")});
  EXPECT_EQ(first.delivered_ids(), (Strings{"1"}));
  bus.advance(1000);
  EXPECT_TRUE(first.delivered_ids().empty());
  first.nack(1, false, "late");
  EXPECT_EQ(queue().dead.messages, 0U);
  EXPECT_EQ(queue().waiting.messages + queue().under_way.messages, 2U);
  EXPECT_EQ(first.delivered_ids(), (Strings{"2"}));
}

// One that never settles gets its prefetch and nothing more, however often what it holds is taken from it.
TEST_F(AckTimeout, AWorkerThatSettlesNothingIsNotFlooded) {
  hello(first, 3);
  Strings batch;
  for (int i = 0; i < 20; ++i) batch.push_back(user_message(std::to_string(i)));
  sms.send(batch);
  size_t got = first.delivered_ids().size();
  for (int i = 0; i < 50; ++i) {
    bus.advance(1000);
    got += first.delivered_ids().size();
  }
  EXPECT_EQ(got, 3U);
  EXPECT_EQ(counters().ack_timeouts, 3U);
  hello(second);
  bus.advance(100);
  EXPECT_EQ(queue().under_way.messages, 20U) << "all of it is the other's";
}

TEST_F(AckTimeout, AFailureAtAHealthyInstanceDoesNotWaitForTheOneThatHangs) {
  hello(first, 1);
  sms.send({user_message("1")});
  hello(second, 1);
  bus.advance(1000);
  bus.advance(100);
  EXPECT_EQ(second.delivered_ids(), (Strings{"1"}));
  second.nack(1, true);
  bus.advance(200);
  EXPECT_EQ(second.delivered_ids(), (Strings{"1"})) << "the other has not settled what it has";
}

TEST_F(AckTimeout, AsOftenAsMaxDeliveriesMakesADeadLetter) {
  hello(first);
  sms.send({user_message("1")});
  for (const uint64_t wait_ms : {100, 200, 400, 800}) {
    EXPECT_EQ(first.delivered_ids(), (Strings{"1"}));
    bus.advance(1000);
    bus.advance(wait_ms);
  }
  EXPECT_EQ(first.delivered_ids(), (Strings{"1"}));
  EXPECT_EQ(queue().dead.messages, 0U);
  bus.advance(1000);
  EXPECT_EQ(queue().dead.messages, 1U);
  EXPECT_EQ(counters().ack_timeouts, 5U);
  Peer reader(bus, 9);
  const auto frames = reader.hello(Role::application, "dead_letters");
  ASSERT_EQ(frames.size(), 2U);
  const std::string& letter = frames[1].messages.at(0);
  EXPECT_EQ(id_of(letter), "1");
  EXPECT_NE(letter.find("ack timeout"), std::string::npos);
  // Late even for that.
  first.ack(5);
  EXPECT_EQ(queue().settled.messages, 0U);
}

TEST_F(AckTimeout, WhoLeavesHoldsNothingAnyMore) {
  hello(first);
  sms.send({user_message("1")});
  bus.advance(1000);
  bus.lose(2);
  EXPECT_EQ(queue().waiting.messages, 1U);
  bus.advance(100);
  EXPECT_EQ(hello(second), (Strings{"1"}));
  second.ack(1);
  EXPECT_EQ(queue().settled.messages, 1U);
}

TEST_F(AckTimeout, ANewRegistrationOnTheSameConnectionSettlesNothingOfTheOld) {
  hello(first);
  sms.send({user_message("1")});
  bus.advance(1000);
  hello(first, 0);
  first.ack(1);
  EXPECT_EQ(queue().settled.messages, 0U);
  EXPECT_EQ(queue().waiting.messages, 1U);
}

TEST_F(AckTimeout, TheTimeOfAMessageBeginsAnewWithEachDelivery) {
  hello(first);
  sms.send({user_message("1")});
  bus.advance(900);
  first.bye();
  hello(second);
  bus.advance(900);
  EXPECT_EQ(counters().ack_timeouts, 0U);
  bus.advance(100);
  EXPECT_EQ(counters().ack_timeouts, 1U);
}

// More than a turn's share is due at once; the turn after next has it all.
TEST_F(AckTimeout, ATurnDoesABoundedPart) {
  constexpr size_t messages = 3000;
  Strings batch;
  for (size_t i = 0; i < messages; ++i) batch.push_back(user_message("message " + std::to_string(i)));
  sms.send(batch);
  EXPECT_EQ(hello(first, 5000).size(), messages);
  bus.advance(1000);
  EXPECT_LE(counters().ack_timeouts, 2048U);
  EXPECT_TRUE(bus.core().has_more());
  for (size_t turns = 0; bus.core().has_more(); ++turns) {
    bus.flush();
    ASSERT_LT(turns, 10U);
  }
  EXPECT_EQ(counters().ack_timeouts, messages);
  first.ack(messages);
  EXPECT_EQ(queue().settled.messages, messages);
}

// The list of what was handed out does not grow with what has been settled, and still finds what has not.
TEST_F(AckTimeout, OneStragglerAmongManyIsStillFound) {
  hello(first);
  sms.send({user_message("straggler")});
  for (Seq seq = 2; seq < 2000; ++seq) {
    sms.send({user_message("message " + std::to_string(seq))});
    first.ack(0, {seq});
  }
  hello(second);
  bus.advance(1000);
  EXPECT_EQ(counters().ack_timeouts, 1U);
  bus.advance(100);
  EXPECT_EQ(second.delivered_ids(), (Strings{"straggler"}));
  first.ack(1);
  EXPECT_EQ(queue().settled.messages, queue().taken.messages);
}

class AckTimeoutAndExpiry : public AckTimeout {
 protected:
  AckTimeoutAndExpiry() : AckTimeout("message_ttl_ms = 1500\n") {}
};

TEST_F(AckTimeoutAndExpiry, AMessageTakenFromItsWorkerExpiresAtItsTime) {
  hello(first);
  sms.send({user_message("1")});
  bus.advance(1000);
  EXPECT_EQ(queue().waiting.messages, 1U);
  bus.advance(499);
  EXPECT_EQ(queue().under_way.messages, 1U) << "at the same again";
  bus.advance(1000);
  EXPECT_EQ(queue().expired.messages, 1U) << "that timed out as well, and it was too old to come back";
  first.ack(2);
  EXPECT_EQ(queue().settled.messages, 0U);
}

}  // namespace
}  // namespace signalbox::testing
