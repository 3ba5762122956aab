// The core, frame by frame: what the protocol page says of sections 3 to 7, with nothing between the test and the state
// machine.
#include "broker/core/core.hpp"

#include "tests/core/bus.hpp"

namespace signalbox::testing {
namespace {

using Strings = std::vector<std::string>;
using Seqs = std::vector<Seq>;

TEST(Core, CarriesAMessageAndItsReplyAndEvent) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  Peer app(bus, 2);
  ASSERT_TRUE(smpp.hello(Role::transport, "smpp_transport").at(0).is<Welcome>());
  ASSERT_TRUE(app.hello(Role::application, "my_application").at(0).is<Welcome>());

  smpp.send({user_message("m1"), user_message("m2")});
  auto frames = app.take();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].as<Deliver>().first_seq, 1U);
  EXPECT_FALSE(frames[0].as<Deliver>().redelivered);
  ASSERT_EQ(frames[0].messages.size(), 2U);
  EXPECT_EQ(field(frames[0].messages[0], Field::transport_name), "smpp_transport");
  frames = smpp.take();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].as<Confirm>().upto, 2U);

  app.ack(2);
  app.send({reply("r1", "m1")});
  frames = smpp.take();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].messages, Strings{reply("r1", "m1")});
  EXPECT_EQ(app.take().at(0).as<Confirm>().upto, 1U);

  smpp.ack(1);
  smpp.send({event("e1", "r1")});
  EXPECT_EQ(field(app.delivered().at(0), Field::user_message_id), "r1");
  EXPECT_EQ(bus.status("my_application").queue.settled.messages, 2U);
}

TEST(Core, GivesBackInTheOldOrder) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  Peer first(bus, 2);
  first.hello(Role::application, "my_application", 3);
  smpp.send({user_message("1"), user_message("2"), user_message("3"), user_message("4")});
  EXPECT_EQ(first.delivered_ids(), (Strings{"1", "2", "3"}));
  first.ack(0, {2});
  EXPECT_EQ(first.delivered_ids(), (Strings{"4"}));
  bus.lose(2);
  Peer second(bus, 3);
  const auto frames = second.hello(Role::application, "my_application");
  Strings ids;
  for (const Received& frame : frames) {
    if (frame.is<Deliver>()) {
      EXPECT_TRUE(frame.as<Deliver>().redelivered);
    }
    for (const std::string& m : frame.messages) ids.push_back(id_of(m));
  }
  EXPECT_EQ(ids, (Strings{"1", "3", "4"}));
}

TEST(Core, RequeuesAfterItsDelayAndDeadLettersInTheEnd) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  Peer app(bus, 2);
  app.hello(Role::application, "my_application");
  smpp.send({user_message("bad")});
  Seq seq = 1;
  for (const uint64_t wait_ms : {1000, 2000, 4000, 8000}) {
    EXPECT_EQ(app.delivered_ids(), (Strings{"bad"}));
    app.nack(seq++, true);
    bus.advance(wait_ms - 1);
    EXPECT_TRUE(app.delivered_ids().empty());
    bus.advance(1);
  }
  EXPECT_EQ(app.delivered_ids(), (Strings{"bad"}));
  app.nack(seq, true, "no good");
  Peer reader(bus, 3);
  const auto frames = reader.hello(Role::application, "dead_letters");
  ASSERT_EQ(frames.size(), 2U);
  const std::string letter = frames[1].messages.at(0);
  EXPECT_EQ(id_of(letter), "bad");
  EXPECT_NE(letter.find("no good"), std::string::npos);
  EXPECT_EQ(bus.status("my_application").queue.dead.messages, 1U);
}

TEST(Core, AMessageThatKillsItsWorkerIsFound) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  smpp.send({user_message("a"), user_message("poison"), user_message("b")});
  Strings handled;
  ConnectionId connection = 10;
  for (;
       connection < 40 &&
       bus.status("my_application").queue.waiting.messages + bus.status("my_application").queue.under_way.messages > 0;
       ++connection) {
    Peer app(bus, connection);
    auto frames = app.hello(Role::application, "my_application");
    for (bool alive = true; alive;) {
      Seq seq = 0;
      Strings got;
      for (const Received& frame : frames) {
        if (!frame.is<Deliver>()) continue;
        seq = frame.as<Deliver>().first_seq;
        for (const auto& m : frame.messages) got.push_back(id_of(m));
      }
      if (got.empty()) break;
      for (const std::string& id : got) {
        if (id == "poison") alive = false;
      }
      if (!alive) break;
      for (const std::string& id : got) handled.push_back(id);
      app.ack(seq + got.size() - 1);
      frames = app.take();
    }
    bus.lose(connection);
  }
  EXPECT_EQ(handled, (Strings{"a", "b"}));
  EXPECT_EQ(bus.status("my_application").queue.dead.messages, 1U);
  EXPECT_EQ(connection, 10U + 2 + 5 + 1)
      << "two losses make it travel alone, five failures alone make it dead; then b goes";
}

// Found by the simulator: the peer had no room when it said BYE, and was never told what became of what it had sent.
TEST(Core, WhoLeavesIsToldBeforeGoodbyeEvenIfThereIsNoRoomAtFirst) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  bus.block(1);
  smpp.send({user_message("1"), "\x80"});
  smpp.bye();
  EXPECT_TRUE(smpp.take().empty());
  bus.block(1, false);
  bus.advance(1);
  const auto frames = smpp.take();
  ASSERT_EQ(frames.size(), 3U);
  EXPECT_EQ(frames[0].as<Refuse>().seq, 2U);
  EXPECT_EQ(frames[1].as<Confirm>().upto, 2U);
  EXPECT_TRUE(frames[2].is<Bye>());
  EXPECT_EQ(bus.core().sessions(), 0U);
}

TEST(Core, ANackAtDeadLettersDropsWhateverItAsksFor) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  Peer app(bus, 2);
  app.hello(Role::application, "my_application");
  smpp.send({user_message("1"), user_message("2")});
  app.nack(1, false, "first");
  app.nack(2, false, "second");
  Peer reader(bus, 3);
  reader.hello(Role::application, "dead_letters");
  reader.nack(1, false);
  reader.nack(2, true);
  bus.advance(60'000);
  EXPECT_TRUE(reader.delivered().empty());
  EXPECT_EQ(bus.status("dead_letters").queue.dropped.messages, 2U);
}

// Found by the simulator: a CONFIRM in the middle of a batch freed none of the batch's bytes.
TEST(Core, APartlyConfirmedBatchFreesWhatIsConfirmed) {
  const std::string m = user_message("12345678");
  Bus bus(seed_toml + "[endpoints.my_application]\nmax_messages = 2\n",
          [&](Settings& settings) { settings.send_window_bytes = 4 * m.size(); });
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  smpp.send({m, m, m, m});
  EXPECT_EQ(smpp.take().at(0).as<Confirm>().upto, 2U);
  smpp.send({user_message("x"), user_message("y")});  // two unconfirmed, two more: within four
  for (const Received& frame : smpp.take()) EXPECT_TRUE(frame.is<Refuse>()) << "queue_full, but no ERROR window";
  smpp.send({m, m});
  EXPECT_TRUE(smpp.take().at(0).is<ErrorFrame>());
}

// Found by the simulator: what only the instance kept free for a suspect had room for was not tried again.
TEST(Core, WhoWasKeptFreeForASuspectGetsTheRestOnceItHasGoneElsewhere) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  smpp.send({user_message("suspect")});
  for (ConnectionId doomed = 10; doomed < 12; ++doomed) {
    Peer(bus, doomed).hello(Role::application, "my_application");
    bus.lose(doomed);
  }
  Peer a(bus, 2);
  a.hello(Role::application, "my_application", 1);
  a.take();
  smpp.send({user_message("1"), user_message("2"), user_message("3")});
  EXPECT_EQ(bus.status("my_application").queue.under_way.messages, 1U) << "it travels alone";
  bus.lose(2);
  Peer b(bus, 3);
  b.hello(Role::application, "my_application", 0);
  Peer c(bus, 4);
  c.hello(Role::application, "my_application", 0);
  b.flow(5);
  EXPECT_EQ(b.delivered_ids(), (Strings{"suspect"}));
  c.flow(5);
  EXPECT_EQ(c.delivered_ids(), (Strings{"1", "2", "3"}));
}

TEST(Core, WhoSaysByeAndHelloBeforeItIsAnsweredBeginsAnew) {
  const std::string id = "0123456789abcdef";
  for (const ConnectionId back_on : {1U, 2U}) {
    Bus bus(seed_toml);
    Peer smpp(bus, 1);
    smpp.hello(Role::transport, "smpp_transport", 1000, id);
    bus.block(1);
    smpp.send({user_message("1")});
    smpp.bye();
    Peer back(bus, back_on);
    back.hello(Role::transport, "smpp_transport", 1000, id);
    bus.block(1, false);
    bus.advance(1);
    EXPECT_EQ(bus.core().sessions(), 1U);
    EXPECT_EQ(bus.core().registrations(), 1U);
    EXPECT_EQ(bus.core().counters().resumed, 0U);
  }
}

}  // namespace
}  // namespace signalbox::testing
