// Another configuration while the core runs: what lives on, what is new, and how what is gone is wound up.
#include <gtest/gtest.h>

#include "tests/core/bus.hpp"

namespace signalbox::testing {
namespace {

using Strings = std::vector<std::string>;

// One dispatcher, SimpleDispatchRouter, with these mappings; `more` stands at the end.
std::string simple(const std::string& transports, const std::string& applications, const std::string& mappings,
                   const std::string& more = "") {
  return "router_class = 'SimpleDispatchRouter'\ntransport_names = " + transports +
         "\nexposed_names = " + applications + "\nrouting_mappings = " + mappings + "\n" + more;
}

const std::string before = simple("['sms', 'ussd']", "['survey', 'log']", "{sms = 'survey', ussd = 'log'}");

struct Reload : ::testing::Test {
  void start() {
    sms.hello(Role::transport, "sms");
    ussd.hello(Role::transport, "ussd");
    survey.hello(Role::application, "survey");
    log.hello(Role::application, "log");
  }
  // What a frame of the peer's says, in a word or two: "confirm 3", "refuse no_route", "error not_permitted" …
  static Strings words(const std::vector<Received>& frames) {
    Strings all;
    for (const Received& frame : frames) {
      if (frame.is<Confirm>()) all.push_back("confirm " + std::to_string(frame.as<Confirm>().upto));
      if (frame.is<Refuse>()) all.push_back("refuse " + std::string(frame.as<Refuse>().code));
      if (frame.is<ErrorFrame>()) all.push_back("error " + std::string(frame.as<ErrorFrame>().code));
      if (frame.is<Bye>()) all.push_back("bye");
      for (const std::string& message : frame.messages) all.push_back("deliver " + id_of(message));
    }
    return all;
  }

  Bus bus{before};
  Peer sms{bus, 1};
  Peer ussd{bus, 2};
  Peer survey{bus, 3};
  Peer log{bus, 4};
};

TEST_F(Reload, SwapsTheRoutesAndKeepsTheSessions) {
  start();
  ASSERT_EQ(bus.reload(simple("['sms', 'ussd']", "['survey', 'log']", "{sms = 'log', ussd = 'survey'}")), Strings());
  sms.send({user_message("m1")});
  EXPECT_EQ(words(sms.take()), Strings({"confirm 1"}));
  EXPECT_EQ(log.delivered_ids(), Strings({"m1"}));
  EXPECT_EQ(bus.core().registrations(), 4U);
}

TEST_F(Reload, WhatWaitsIsDeliveredStill) {
  sms.hello(Role::transport, "sms");
  sms.send({user_message("m1"), user_message("m2")});
  ASSERT_EQ(bus.reload(simple("['ussd', 'sms']", "['log', 'survey']", "{sms = 'log', ussd = 'log'}")), Strings())
      << "the order of the names means nothing";
  EXPECT_EQ(words(survey.hello(Role::application, "survey")), Strings({"deliver m1", "deliver m2"}));
  survey.ack(2);
  EXPECT_EQ(bus.status("survey").queue.under_way.messages, 0U);
}

TEST_F(Reload, WhatIsUnderWayIsSettledStill) {
  start();
  sms.send({user_message("m1"), user_message("m2")});
  EXPECT_EQ(survey.delivered_ids(), Strings({"m1", "m2"}));
  ASSERT_EQ(bus.reload(
                simple("['mail', 'sms', 'ussd']", "['survey', 'log']", "{mail = 'log', sms = 'survey', ussd = 'log'}")),
            Strings());
  survey.ack(1);
  survey.nack(2, false, "no");
  EXPECT_EQ(bus.status("survey").queue.settled.messages, 1U);
  EXPECT_EQ(bus.status("dead_letters").queue.waiting.messages, 1U);
}

TEST_F(Reload, RepliesAndEventsFollowWhatWasSentBefore) {
  start();
  sms.send({user_message("m1")});
  survey.send({outbound("o1", "ussd")});
  ASSERT_EQ(bus.reload(simple("['mail', 'ussd', 'sms']", "['log', 'survey']", "{sms = 'log', ussd = 'log'}")),
            Strings());
  (void)sms.take();
  (void)survey.take();
  log.send({reply("r1", "m1")});
  EXPECT_EQ(sms.delivered_ids(), Strings({"r1"}));
  ussd.send({event("e1", "o1")});
  EXPECT_EQ(survey.delivered().size(), 1U);
}

TEST_F(Reload, ASessionResumesUnderTheNext) {
  const std::string session = "0123456789abcdef";
  sms.hello(Role::transport, "sms", 1000, session);
  sms.send({user_message("m1"), user_message("m2")});
  bus.lose(1);
  ASSERT_EQ(bus.reload(simple("['mail', 'sms']", "['survey']", "{sms = 'survey'}")), Strings());
  Peer again{bus, 9};
  const auto answer = again.hello(Role::transport, "sms", 1000, session);
  ASSERT_FALSE(answer.empty());
  EXPECT_EQ(answer[0].as<Welcome>().last_seq, 2U);
}

TEST_F(Reload, NewNamesCanBeRegistered) {
  start();
  Peer mail{bus, 5};
  EXPECT_EQ(words(mail.hello(Role::transport, "mail")), Strings({"error unknown_endpoint"}));
  ASSERT_EQ(bus.reload(simple("['sms', 'ussd', 'mail']", "['survey', 'log']",
                              "{sms = 'survey', ussd = 'log', mail = 'survey'}")),
            Strings());
  EXPECT_TRUE(mail.hello(Role::transport, "mail").at(0).is<Welcome>());
  mail.send({user_message("m1")});
  EXPECT_EQ(survey.delivered_ids(), Strings({"m1"}));
}

TEST_F(Reload, WithAFaultNothingChanges) {
  start();
  EXPECT_EQ(bus.reload(simple("['sms', 'ussd']", "['survey']", "{sms = 'log', ussd = 'survey'}")).size(), 1U);
  sms.send({user_message("m1")});
  EXPECT_EQ(survey.delivered_ids(), Strings({"m1"}));
}

TEST_F(Reload, WhatWorkersWereToldCannotChange) {
  EXPECT_EQ(bus.reload(before + "[broker]\nsend_window = 100\nmax_sessions = 100\n"),
            Strings({"test.toml:6:15: error: send_window is 16384 and cannot become 100 while the broker runs: restart "
                     "it, or leave the value as it was"}));
  EXPECT_EQ(bus.reload(before + "[broker]\nsend_window = 16384\nmax_sessions = 100\n"), Strings());
}

const std::string without_log = simple("['sms', 'ussd']", "['survey']", "{sms = 'survey', ussd = 'survey'}",
                                       "[broker]\nremoved_endpoint_ms = 5000\n");

TEST_F(Reload, ARemovedEndpointTakesNothingMoreAndItsWorkersMayFinish) {
  start();
  ussd.send({user_message("m1"), user_message("m2")});
  ASSERT_EQ(bus.reload(without_log), Strings());
  EXPECT_EQ(log.delivered_ids(), Strings({"m1", "m2"}));
  ussd.send({user_message("m3")});
  EXPECT_EQ(survey.delivered_ids(), Strings({"m3"}));
  log.send({reply("r1", "m1")});
  EXPECT_EQ(words(log.take()), Strings({"confirm 1"}));
  (void)ussd.take();
  log.ack(2);
  bus.advance(4999);
  EXPECT_TRUE(words(log.take()).empty());
  Peer second{bus, 7};
  EXPECT_EQ(words(second.hello(Role::application, "log")), Strings({"error unknown_endpoint"}));
  bus.advance(1);
  EXPECT_EQ(words(log.take()), Strings({"error unknown_endpoint"}));
  EXPECT_EQ(bus.status("dead_letters").queue.waiting.messages, 0U);
}

TEST_F(Reload, WhatIsLeftOfARemovedEndpointBecomesDeadLetters) {
  start();
  log.flow(2);
  ussd.send({user_message("m1"), user_message("m2"), user_message("m3"), event("e1", "unknown")});
  ASSERT_EQ(bus.reload(without_log), Strings());
  EXPECT_EQ(log.delivered_ids(), Strings({"m1", "m2"}));
  log.ack(1);
  (void)log.take();
  bus.advance(5000);
  EXPECT_EQ(words(log.take()), Strings({"error unknown_endpoint"}));
  EXPECT_EQ(bus.status("log").queue.waiting.messages, 0U);
  Peer letters{bus, 6};
  Strings dead;
  for (const Received& frame : letters.hello(Role::application, "dead_letters")) {
    dead.insert(dead.end(), frame.messages.begin(), frame.messages.end());
  }
  ASSERT_EQ(dead.size(), bus.status("log").queue.dead.messages);
  ASSERT_EQ(dead.size(), 3U) << "two user messages, one of them under way, and the event";
  EXPECT_NE(dead.at(0).find("no longer in the configuration"), std::string::npos);
}

TEST_F(Reload, WhatARemovedTransportSendsIsRefused) {
  start();
  ASSERT_EQ(bus.reload(simple("['sms']", "['survey', 'log']", "{sms = 'survey'}")), Strings());
  ussd.send({user_message("m1")});
  EXPECT_EQ(words(ussd.take()), Strings({"refuse unknown_endpoint", "confirm 1"}));
}

TEST_F(Reload, NothingFollowsToARemovedEndpoint) {
  start();
  ussd.send({user_message("m1")});
  ASSERT_EQ(bus.reload(simple("['sms']", "['survey', 'log']", "{sms = 'survey'}")), Strings());
  survey.send({reply("r1", "m1")});
  EXPECT_EQ(words(survey.take()), Strings({"refuse unknown_endpoint", "confirm 1"}));
  EXPECT_TRUE(ussd.delivered_ids().empty());
}

TEST_F(Reload, ANameThatComesBackHasItsQueueAgain) {
  sms.hello(Role::transport, "sms");
  ussd.hello(Role::transport, "ussd");
  ussd.send({user_message("m1")});
  ASSERT_EQ(bus.reload(without_log), Strings());
  bus.advance(1000);
  ASSERT_EQ(bus.reload(before), Strings());
  bus.advance(10'000);
  EXPECT_EQ(words(log.hello(Role::application, "log")), Strings({"deliver m1"}));
  EXPECT_EQ(bus.core().settings().endpoints.size(), 5U) << "under its own number";
}

TEST_F(Reload, AManyTimesChangedFileKeepsItsNumbers) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(bus.reload(without_log), Strings());
    ASSERT_EQ(bus.reload(before), Strings());
  }
  EXPECT_EQ(bus.core().settings().endpoints.size(), 5U);
}

TEST_F(Reload, ManyMessagesAreWoundUpAFewAtATime) {
  ussd.hello(Role::transport, "ussd");
  for (size_t sent = 0; sent < 2 * limits::removed_a_tick_messages + 1; sent += 1001) {
    Strings batch;
    for (size_t i = 0; i < 1001; ++i) batch.push_back(user_message("m" + std::to_string(sent + i)));
    ussd.send(batch);
  }
  const uint64_t all = bus.status("log").queue.waiting.messages;
  ASSERT_GT(all, 2 * limits::removed_a_tick_messages);
  ASSERT_EQ(bus.reload(without_log), Strings());
  bus.advance(5000);
  EXPECT_EQ(bus.status("log").queue.waiting.messages, all - limits::removed_a_tick_messages);
  bus.advance(100);
  bus.advance(100);
  EXPECT_EQ(bus.status("log").queue.waiting.messages, 0U);
  EXPECT_EQ(bus.status("dead_letters").queue.taken.messages, all);
}

TEST_F(Reload, AHigherLimitLetsGoOfWhatWasHeldBack) {
  Bus small{before + "[endpoints.survey]\nmax_messages = 1\n"};
  Peer sender{small, 1};
  sender.hello(Role::transport, "sms");
  sender.send({user_message("m1"), user_message("m2")});
  EXPECT_EQ(words(sender.take()), Strings({"confirm 1"}));
  ASSERT_EQ(small.reload(before + "[endpoints.survey]\nmax_messages = 10\n"), Strings());
  EXPECT_EQ(words(sender.take()), Strings({"confirm 2"}));
}

TEST_F(Reload, AnEndpointThatBlocksNoMoreLetsGoOfWhatItHeldBack) {
  const std::string limit = before + "[endpoints.survey]\nmax_messages = 1\n";
  for (const std::string overflow : {"refuse", "drop_oldest"}) {
    Bus small{limit};
    Peer sender{small, 1};
    sender.hello(Role::transport, "sms");
    sender.send({user_message("m1"), user_message("m2")});
    EXPECT_EQ(words(sender.take()), Strings({"confirm 1"}));
    ASSERT_EQ(small.reload(limit + "overflow = '" + overflow + "'\n"), Strings());
    EXPECT_EQ(words(sender.take()), Strings({"confirm 2"})) << overflow;
  }
}

TEST_F(Reload, AShorterTtlHoldsForWhatWaitsAlready) {
  Bus timed{before + "[endpoints.survey]\nmessage_ttl_ms = 60000\n"};
  Peer sender{timed, 1};
  sender.hello(Role::transport, "sms");
  sender.send({user_message("m1")});
  timed.advance(500);
  ASSERT_EQ(timed.reload(before + "[endpoints.survey]\nmessage_ttl_ms = 1000\n"), Strings());
  timed.advance(499);
  EXPECT_EQ(timed.status("survey").queue.waiting.messages, 1U);
  timed.advance(1);
  EXPECT_EQ(timed.status("survey").queue.expired.messages, 1U);
}

TEST_F(Reload, UnderALongerTtlWhatComesBackExpiresAtItsOwnTimeBeforeTheYounger) {
  Bus timed{before + "[endpoints.survey]\nmessage_ttl_ms = 1000\n"};
  Peer sender{timed, 1};
  Peer worker{timed, 2};
  sender.hello(Role::transport, "sms");
  worker.hello(Role::application, "survey", 1);
  sender.send({user_message("m1")});
  timed.advance(1100);
  sender.send({user_message("m2")});
  ASSERT_EQ(timed.reload(before + "[endpoints.survey]\nmessage_ttl_ms = 3000\n"), Strings());
  worker.nack(1, true);
  EXPECT_EQ(worker.delivered_ids(), Strings({"m1", "m2"}));
  timed.advance(1899);
  EXPECT_EQ(timed.status("survey").queue.waiting.messages, 1U);
  timed.advance(1);
  EXPECT_EQ(timed.status("survey").queue.expired.messages, 1U);
}

TEST_F(Reload, AShorterAckTimeoutHoldsForWhatIsUnderWay) {
  Bus timed{before + "[endpoints.survey]\nack_timeout_ms = 60000\n"};
  Peer sender{timed, 1};
  Peer worker{timed, 2};
  sender.hello(Role::transport, "sms");
  worker.hello(Role::application, "survey");
  sender.send({user_message("m1")});
  timed.advance(500);
  ASSERT_EQ(timed.reload(before + "[endpoints.survey]\nack_timeout_ms = 1000\n"), Strings());
  timed.advance(499);
  EXPECT_EQ(timed.status("survey").queue.under_way.messages, 1U);
  timed.advance(1);
  EXPECT_EQ(timed.core().counters().ack_timeouts, 1U);
}

TEST_F(Reload, UsersKeepTheirGroups) {
  const auto grouping = [](const std::string& groups) {
    return "router_class = 'UserGroupingRouter'\ndispatcher_name = 'd'\ntransport_names = ['sms']\n"
           "exposed_names = ['survey', 'log']\ngroup_mappings = " +
           groups + "\n";
  };
  const auto from = [](const std::string& id, const std::string& address) {
    return message({{"message_type", "user_message"}, {"message_id", id}, {"from_addr", address}});
  };
  Bus groups{grouping("{a = 'survey', b = 'log'}")};
  Peer sender{groups, 1};
  Peer second{groups, 2};
  sender.hello(Role::transport, "sms");
  second.hello(Role::application, "log");
  sender.send({from("m1", "+1"), from("m2", "+2")});
  EXPECT_EQ(second.delivered_ids(), Strings({"m2"}));
  ASSERT_EQ(groups.reload(grouping("{a = 'survey', b = 'log', c = 'survey'}")), Strings());
  sender.send({from("m3", "+2"), from("m4", "+1")});
  EXPECT_EQ(second.delivered_ids(), Strings({"m3"}));
  EXPECT_EQ(groups.core().counters().state_evicted, 0U);
  ASSERT_EQ(groups.reload(simple("['sms']", "['survey', 'log']", "{sms = 'survey'}")), Strings());
  groups.advance(100);
  EXPECT_GE(groups.core().counters().state_evicted, 2U) << "losing users' groups is never silent";
}

TEST_F(Reload, EventsCarryTheEndpointThatWasRememberedBefore) {
  const auto table = [](const std::string& rows) {
    return "router_class = 'RoutingTableDispatcher'\nreceive_inbound_connectors = ['sms']\n"
           "receive_outbound_connectors = ['survey']\n[routing_table]\nsms.default = ['survey', 'default']\n"
           "[routing_table.survey]\n" +
           rows;
  };
  Bus tables{table("alpha = ['sms', 'default']\nbeta = ['sms', 'default']\n")};
  Peer transport{tables, 1};
  Peer application{tables, 2};
  transport.hello(Role::transport, "sms");
  application.hello(Role::application, "survey");
  std::string sent = user_message("o1");
  std::string metadata = "\x81";
  append_text(metadata, "endpoint_name");
  append_text(metadata, "beta");
  ASSERT_TRUE(rewrite(
      sent, {.operation = Edit::Operation::set, .path = {to_string(Field::routing_metadata)}, .value = metadata}));
  application.send({sent});
  ASSERT_EQ(tables.reload(table("first = ['sms', 'default']\nsecond = ['sms', 'default']\nbeta = ['sms', 'x']\n")),
            Strings());
  (void)application.take();
  transport.send({event("e1", "o1")});
  const Strings events = application.delivered();
  ASSERT_EQ(events.size(), 1U);
  MessageView view;
  ASSERT_EQ(view.scan(events[0]), Scan::ok);
  EXPECT_EQ(view.endpoint_name(), "beta");
}

const std::string chain = R"(
[[dispatcher]]
name = "outer"
router_class = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names = ["hub"]
routing_mappings = {sms = "hub"}
[[dispatcher]]
name = "inner"
router_class = "SimpleDispatchRouter"
transport_names = ["hub"]
exposed_names = ["survey"]
routing_mappings = {hub = "survey"}
)";

TEST_F(Reload, AChainCanBeTakenApartAndPutTogether) {
  Bus chained{chain};
  Peer transport{chained, 1};
  Peer application{chained, 2};
  transport.hello(Role::transport, "sms");
  application.hello(Role::application, "survey");
  transport.send({user_message("m1")});
  EXPECT_EQ(application.delivered_ids(), Strings({"m1"}));
  // The joint becomes an application like any other.
  ASSERT_EQ(chained.reload("[[dispatcher]]\nname = 'outer'\nrouter_class = 'SimpleDispatchRouter'\n"
                           "transport_names = ['sms']\nexposed_names = ['hub']\nrouting_mappings = {sms = 'hub'}\n"),
            Strings());
  Peer hub{chained, 3};
  EXPECT_TRUE(hub.hello(Role::application, "hub").at(0).is<Welcome>());
  transport.send({user_message("m2")});
  EXPECT_EQ(hub.delivered_ids(), Strings({"m2"}));
  application.send({reply("r1", "m1")});
  EXPECT_EQ(words(application.take()), Strings({"refuse unknown_endpoint", "confirm 1"})) << "its dispatcher is gone";
  ASSERT_EQ(chained.reload(chain), Strings());
  transport.send({user_message("m3")});
  EXPECT_EQ(application.delivered_ids(), Strings({"m3"}));
  application.send({reply("r3", "m3")});
  (void)application.take();
  EXPECT_EQ(words(transport.take()), Strings({"confirm 1", "confirm 2", "confirm 3", "deliver r3"}));
  application.send({reply("r1 again", "m1")});
  EXPECT_EQ(transport.delivered_ids(), Strings({"r1 again"})) << "remembered from before";
}

TEST_F(Reload, DeadLettersOfARemovedNameMoveOn) {
  const std::string own = simple("['sms']", "['survey']", "{sms = 'survey'}",
                                 "dead_letters = 'morgue'\n[broker]\nremoved_endpoint_ms = 0\n");
  Bus letters{own};
  Peer transport{letters, 1};
  Peer application{letters, 2};
  transport.hello(Role::transport, "sms");
  application.hello(Role::application, "survey");
  transport.send({user_message("m1")});
  application.nack(1, false, "no");
  EXPECT_EQ(letters.status("morgue").queue.waiting.messages, 1U);
  ASSERT_EQ(letters.reload(simple("['sms']", "['survey']", "{sms = 'survey'}", "[broker]\nremoved_endpoint_ms = 0\n")),
            Strings());
  letters.advance(0);
  EXPECT_EQ(letters.status("morgue").queue.waiting.messages, 0U);
  EXPECT_EQ(letters.status("dead_letters").queue.waiting.messages, 1U);
}

}  // namespace
}  // namespace signalbox::testing
