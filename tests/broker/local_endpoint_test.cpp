// In-process endpoints as peers of the core: registering, sending within the window, being delivered to, leaving.

#include "broker/local_endpoint.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/broker/in_process.hpp"

namespace signalbox {
namespace {

using State = LocalEndpoint::State;
using Reason = SendResult::Reason;
using test::Heard;
using test::local_configuration;
using test::LocalBus;
using test::note_in;
using test::user_message;

std::vector<std::string> ids_of(const std::vector<Heard>& heard) {
  std::vector<std::string> ids;
  for (const Heard& one : heard) ids.push_back(one.id);
  return ids;
}

TEST(LocalEndpointTest, RegistersAtOnceOrSaysWhyNot) {
  LocalBus bus;
  const auto transport = bus.transport();
  EXPECT_EQ(transport->state(), State::registered);
  EXPECT_EQ(transport->fault(), "");
  EXPECT_EQ(transport->limits().send_window, limits::send_window_messages);

  const auto nobody = bus.transport("smtp_transport");
  EXPECT_EQ(nobody->state(), State::failed);
  EXPECT_EQ(nobody->fault(), "unknown_endpoint: the configuration lists no transport 'smtp_transport'");
  EXPECT_EQ(nobody->send(user_message("1", "hello")).reason, Reason::ended);
  EXPECT_EQ(bus.application("smpp_transport")->state(), State::failed) << "the name exists in the other role";
  EXPECT_EQ(bus.broker.core().registrations(), 1u);
}

TEST(LocalEndpointTest, AMessageAndItsReply) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application();
  std::vector<Heard> replies;
  std::vector<Seq> confirmed;
  transport->on_message(note_in(replies));
  transport->on_confirmed([&](Seq upto) { confirmed.push_back(upto); });
  application->on_message([&](const Delivery& delivery) {
    EXPECT_EQ(delivery.bytes, user_message("question", "hello", "smpp_transport"));
    EXPECT_EQ(application->send(user_message("answer", "hi", {}, "question")).seq, 1u);
  });

  const SendResult sent = transport->send(user_message("question", "hello", "smpp_transport"));
  EXPECT_TRUE(sent);
  EXPECT_EQ(sent.seq, 1u);
  EXPECT_EQ(transport->unconfirmed(), 1u);
  EXPECT_TRUE(replies.empty()) << "no handler runs within a call of the host's";
  EXPECT_EQ(bus.broker.idle_ms(bus.now), 0u);
  bus.settle();

  EXPECT_EQ(replies, (std::vector<Heard>{{"answer", 1, false}}));
  EXPECT_EQ(confirmed, std::vector<Seq>{1});
  EXPECT_EQ(transport->unconfirmed(), 0u);
  EXPECT_EQ(application->confirmed(), 1u);
  EXPECT_EQ(bus.status("my_application").queue.settled.messages, 1u);
  EXPECT_EQ(bus.status("smpp_transport").queue.settled.messages, 1u);
  EXPECT_TRUE(bus.broker.drained());
}

TEST(LocalEndpointTest, NothingIsDeliveredBeforeThereIsAHandler) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application();
  transport->send(user_message("1", "hello"));
  bus.settle();
  EXPECT_EQ(bus.status("my_application").queue.waiting.messages, 1u);
  std::vector<Heard> heard;
  application->on_message(note_in(heard));
  bus.settle();
  EXPECT_EQ(ids_of(heard), std::vector<std::string>{"1"});
}

TEST(LocalEndpointTest, TheHandlerReadsTheBytesWhereTheyLieInTheQueue) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application();
  std::vector<const char*> begins;
  application->on_message([&](const Delivery& delivery) { begins.push_back(delivery.bytes.data()); });
  const std::string message = user_message("1", "hello", "smpp_transport");
  EXPECT_TRUE(transport->send(message + message + message, 3));
  EXPECT_EQ(transport->send(message).seq, 4u);
  bus.settle();
  ASSERT_EQ(begins.size(), 4u);
  for (size_t i = 1; i < begins.size(); ++i) EXPECT_EQ(begins[i], begins[0] + i * message.size());
}

TEST(LocalEndpointTest, AFullWindowIsSaidInsteadOfEndingTheRegistration) {
  LocalBus bus(local_configuration(table({{"send_window", 4}, {"send_window_bytes", 1000}})));
  const auto transport = bus.transport();
  const std::string message = user_message("1", "hello");
  EXPECT_EQ(transport->send(message + message + message, 3).seq, 1u);
  EXPECT_EQ(transport->send(message + message, 2).reason, Reason::window_full);
  EXPECT_EQ(transport->send(message).seq, 4u);
  EXPECT_EQ(transport->send(message).reason, Reason::window_full);
  bus.settle();
  EXPECT_EQ(transport->confirmed(), 4u);

  const std::string large = user_message("large", std::string(2000, 'x'));
  EXPECT_EQ(transport->send(large).seq, 5u) << "one message always fits";
  EXPECT_EQ(transport->send(message).reason, Reason::window_full);
  bus.settle();
  EXPECT_EQ(transport->send(message).seq, 6u);
  EXPECT_EQ(transport->send(large).reason, Reason::window_full);
  EXPECT_EQ(transport->state(), State::registered);
}

TEST(LocalEndpointTest, AQueueThatIsFullHoldsItsSenderBack) {
  LocalBus bus(local_configuration(table({{"send_window", 4}}), table({{"max_messages", 4}})));
  const auto transport = bus.transport();
  Seq sent = 0;
  while (transport->send(user_message(std::to_string(sent), "hello"))) {
    ++sent;
    bus.settle();
  }
  EXPECT_EQ(transport->confirmed(), 4u) << "as many as the queue's limit allows";
  EXPECT_EQ(sent, 8u) << "and a window more";
  std::vector<Heard> heard;
  const auto application = bus.application();
  application->on_message(note_in(heard));
  bus.settle();
  EXPECT_EQ(heard.size(), sent);
  EXPECT_EQ(transport->confirmed(), sent);
}

TEST(LocalEndpointTest, WhatIsTooLargeNeverReachesTheCore) {
  LocalBus bus(local_configuration(table({{"max_message_bytes", 1000}, {"max_batch_bytes", 1000}})));
  const auto transport = bus.transport();
  EXPECT_EQ(transport->send({}).reason, Reason::too_large);
  EXPECT_EQ(transport->send(user_message("1", "x"), 0).reason, Reason::too_large);
  EXPECT_EQ(transport->send(user_message("1", std::string(1000, 'x'))).reason, Reason::too_large);
  EXPECT_EQ(transport->send(user_message("1", "x")).seq, 1u);
  EXPECT_EQ(bus.status("smpp_transport").sender.received.messages, 1u);
}

TEST(LocalEndpointTest, ARefusalComesInWordsBeforeItsConfirmation) {
  LocalBus bus;
  const auto transport = bus.transport();
  std::vector<std::string> told;
  transport->on_refused([&](const Refusal& refusal) {
    told.push_back(std::to_string(refusal.seq) + " " + std::string(refusal.code));
    EXPECT_NE(refusal.text.find("not the sender's own"), std::string::npos) << refusal.text;
  });
  transport->on_confirmed([&](Seq upto) { told.push_back("up to " + std::to_string(upto)); });
  transport->send(user_message("1", "mine"));
  transport->send(user_message("2", "another's", "xmpp_transport"));
  transport->send(user_message("3", "mine again"));
  bus.settle();
  EXPECT_EQ(told, (std::vector<std::string>{"2 not_permitted", "up to 3"}));
}

TEST(LocalEndpointTest, BytesThatBreakOffEndTheRegistrationAndNoOther) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto other = bus.transport("xmpp_transport");
  const std::string whole = user_message("1", "hello");
  EXPECT_EQ(transport->send(whole + whole.substr(0, 20), 2).reason, Reason::ended);
  EXPECT_EQ(transport->state(), State::failed);
  EXPECT_EQ(transport->fault().substr(0, 10), "malformed:");
  bus.settle();
  EXPECT_EQ(bus.status("my_application").queue.waiting.messages, 1u) << "what came whole before the break stands";
  EXPECT_TRUE(other->send(whole));
  const auto again = bus.transport();
  EXPECT_TRUE(again->send(whole));
}

TEST(LocalEndpointTest, ABatchThatWasAnnouncedAsOneMessageLosesNothing) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application();
  std::vector<Heard> heard;
  application->on_message(note_in(heard));
  EXPECT_EQ(transport->send(user_message("1", "a") + user_message("2", "b")).seq, 1u);
  EXPECT_EQ(transport->send(user_message("3", "c")).seq, 3u);
  bus.settle();
  EXPECT_EQ(ids_of(heard), (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(transport->unconfirmed(), 0u);
}

TEST(LocalEndpointTest, AFloodForOneKeepsNobodyElseWaiting) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto other_transport = bus.transport("xmpp_transport");
  const auto application = bus.application("my_application", 10'000);
  const auto other_application = bus.application("other_application");
  std::vector<Heard> flood;
  std::vector<Heard> others;
  application->on_message(note_in(flood));
  other_application->on_message(note_in(others));
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(transport->send(user_message(std::to_string(i), "flood")));
  ASSERT_TRUE(other_transport->send(user_message("1", "a single one")));
  bus.turn();
  EXPECT_EQ(others.size(), 1u);
  EXPECT_GE(flood.size(), 1u);
  EXPECT_LE(flood.size(), LocalPeers::turn_calls_max);
  bus.settle();
  EXPECT_EQ(flood.size(), 5000u);
}

TEST(LocalEndpointTest, PrefetchBoundsWhatIsDelivered) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application("my_application", 3);
  std::vector<Held> holding;
  application->on_message([&](const Delivery&) { holding.push_back(application->hold()); });
  for (int i = 0; i < 10; ++i) transport->send(user_message(std::to_string(i), "hello"));
  bus.settle();
  EXPECT_EQ(holding.size(), 3u);
  application->set_prefetch(5);
  bus.settle();
  EXPECT_EQ(holding.size(), 5u);
  application->set_prefetch(0);
  for (const Held& held : holding) EXPECT_TRUE(application->ack(held));
  bus.settle();
  EXPECT_EQ(holding.size(), 5u);
  application->set_prefetch(UINT64_MAX);
  bus.settle();
  EXPECT_EQ(holding.size(), 10u);
  EXPECT_EQ(application->state(), State::registered) << "more than max_prefetch is as much as is allowed";
}

TEST(LocalEndpointTest, WhoPausesIsCalledNoMoreUntilItResumes) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application();
  std::vector<Heard> heard;
  application->on_message([&](const Delivery& delivery) {
    note_in(heard)(delivery);
    if (heard.size() == 2) application->pause();
  });
  for (int i = 0; i < 5; ++i) transport->send(user_message(std::to_string(i), "hello"));
  bus.settle();
  EXPECT_EQ(heard.size(), 2u);
  EXPECT_EQ(bus.status("my_application").queue.under_way.messages, 3u);
  transport->send(user_message("5", "hello"));
  bus.settle();
  EXPECT_EQ(bus.status("my_application").queue.waiting.messages, 1u);
  application->resume();
  bus.settle();
  EXPECT_EQ(heard.size(), 6u);
  EXPECT_TRUE(bus.broker.drained());
}

TEST(LocalEndpointTest, TwoUnderOneNameShareItsWorkAndInheritFromEachOther) {
  LocalBus bus;
  const auto transport = bus.transport();
  auto first = bus.application();
  const auto second = bus.application();
  std::vector<Held> holding;
  std::vector<Heard> heard;
  first->on_message([&](const Delivery&) { holding.push_back(first->hold()); });
  for (int i = 0; i < 4; ++i) transport->send(user_message(std::to_string(i), "hello"));
  bus.settle();
  ASSERT_EQ(holding.size(), 4u);
  second->on_message(note_in(heard));
  transport->send(user_message("4", "hello"));
  bus.settle();
  EXPECT_EQ(ids_of(heard), std::vector<std::string>{"4"}) << "to the one with more room";

  first->ack(holding[1]);
  first.reset();  // and the ACK leaves before the BYE
  bus.settle();
  EXPECT_EQ(heard, (std::vector<Heard>{{"4", 1, false}, {"0", 2, true}, {"2", 3, true}, {"3", 4, true}}));
  EXPECT_EQ(bus.broker.core().counters().connections_lost, 0u) << "leaving is not held against a message";
}

TEST(LocalEndpointTest, AHandlerMayDestroyItsOwnEndpoint) {
  LocalBus bus;
  const auto transport = bus.transport();
  auto application = bus.application();
  std::string bytes;
  application->on_message([&](const Delivery& delivery) {
    application.reset();
    bytes = delivery.bytes;  // still there
  });
  const std::string message = user_message("1", "hello", "smpp_transport");
  for (int i = 0; i < 3; ++i) transport->send(message);
  bus.settle();
  EXPECT_EQ(bytes, message);
  EXPECT_EQ(bus.status("my_application").queue.waiting.messages, 3u) << "it settled nothing";

  std::vector<Heard> heard;
  const auto heir = bus.application();
  heir->on_message(note_in(heard));
  bus.settle();
  EXPECT_EQ(heard, (std::vector<Heard>{{"1", 1, true}, {"1", 2, true}, {"1", 3, true}}));
}

TEST(LocalEndpointTest, AHandlerMayDestroyAnotherEndpointAndMakeANewOne) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto other_transport = bus.transport("xmpp_transport");
  const auto application = bus.application();
  auto other = bus.application("other_application");
  std::vector<Heard> heard;
  other->on_message(note_in(heard));
  application->on_message([&](const Delivery&) {
    other.reset();
    other = bus.application("other_application");
    other->on_message(note_in(heard));
  });
  transport->send(user_message("1", "hello"));
  other_transport->send(user_message("2", "hello"));
  bus.settle();
  EXPECT_EQ(heard, (std::vector<Heard>{{"2", 1, true}}));
}

TEST(LocalEndpointTest, ACallbackMayDestroyItsOwnEndpoint) {
  LocalBus bus;
  auto transport = bus.transport();
  int calls = 0;
  transport->on_refused([&](const Refusal&) {
    ++calls;
    transport.reset();
  });
  transport->on_confirmed([&](Seq) { ++calls; });
  transport->send(user_message("1", "another's", "xmpp_transport"));
  transport->send(user_message("2", "another's", "xmpp_transport"));
  bus.settle();
  EXPECT_EQ(calls, 1) << "no callback after it was destroyed";
  EXPECT_EQ(bus.broker.core().registrations(), 0u);
}

TEST(LocalEndpointTest, WhatACallbackThrowsPassesThroughTheTurnAndLosesNothing) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application();
  std::vector<Heard> heard;
  application->on_message(note_in(heard));
  transport->on_confirmed([](Seq) { throw std::runtime_error("enough"); });
  transport->on_message(note_in(heard));
  transport->send(user_message("1", "hello"));
  application->send(user_message("2", "hi", "smpp_transport"));
  EXPECT_THROW(bus.settle(), std::runtime_error);
  bus.settle();
  EXPECT_EQ(heard.size(), 2u);
  EXPECT_TRUE(bus.broker.drained());
}

TEST(LocalEndpointTest, AnEndpointMayOutliveTheBroker) {
  std::unique_ptr<LocalEndpoint> transport;
  std::unique_ptr<LocalEndpoint> application;
  {
    LocalBus bus;
    transport = bus.transport();
    application = bus.application();
    application->on_message([&](const Delivery&) { application->pause(); });
    for (int i = 0; i < 3; ++i) transport->send(user_message(std::to_string(i), "hello"));
    bus.settle();
  }
  EXPECT_EQ(transport->state(), State::closed);
  EXPECT_EQ(transport->send(user_message("1", "hello")).reason, Reason::ended);
  application->resume();
  application->close();
}

TEST(LocalEndpointTest, DrainingTakesNothingFromTransportsAndLetsApplicationsFinish) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application();
  std::vector<Heard> replies;
  std::vector<Held> holding;
  transport->on_message(note_in(replies));
  application->on_message([&](const Delivery&) { holding.push_back(application->hold()); });
  transport->send(user_message("1", "hello"));
  bus.settle();
  bus.broker.drain(bus.now);
  EXPECT_TRUE(transport->draining());
  EXPECT_EQ(transport->send(user_message("2", "hello")).reason, Reason::ended);
  EXPECT_EQ(bus.transport()->state(), State::failed);
  EXPECT_EQ(bus.transport()->fault(), "draining");
  bus.settle();
  EXPECT_FALSE(bus.broker.drained());

  EXPECT_TRUE(application->send(user_message("answer", "hi", {}, "1")));
  application->ack(holding.at(0));
  bus.settle();
  EXPECT_EQ(replies.size(), 1u);
  EXPECT_TRUE(bus.broker.drained());
  const Ending ending = bus.broker.close();
  EXPECT_EQ(ending.messages(), 0u);
  EXPECT_EQ(application->state(), State::closed);
}

TEST(LocalEndpointTest, CountsAgainstTheBoundOnRegistrations) {
  LocalBus bus(local_configuration(table({{"max_registrations", 2}})));
  const auto transport = bus.transport();
  auto application = bus.application();
  EXPECT_EQ(bus.transport("xmpp_transport")->fault().substr(0, 9), "too_many:");
  application.reset();
  EXPECT_EQ(bus.transport("xmpp_transport")->state(), State::registered);
  EXPECT_EQ(bus.broker.core().sessions(), 1u) << "who leaves leaves no session behind";
}

TEST(LocalEndpointTest, DeadLettersAreReadLikeAnyOther) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application();
  const auto undertaker = bus.application("dead_letters");
  std::vector<Heard> dead;
  undertaker->on_message(note_in(dead));
  application->on_message([](const Delivery&) { throw Reject("not for me"); });
  transport->send(user_message("1", "hello"));
  bus.settle();
  EXPECT_EQ(ids_of(dead), std::vector<std::string>{"1"});
  std::vector<std::string> codes;
  undertaker->on_refused([&](const Refusal& refusal) { codes.emplace_back(refusal.code); });
  undertaker->send(user_message("2", "from the grave", "smpp_transport"));
  bus.settle();
  EXPECT_EQ(codes, std::vector<std::string>{"not_permitted"});
}

TEST(LocalEndpointTest, NeedsNoAnswerToTheBrokersProbes) {
  LocalBus bus;
  const auto transport = bus.transport();
  const auto application = bus.application();
  std::vector<Heard> heard;
  application->on_message(note_in(heard));
  for (int i = 0; i < 100; ++i) bus.pass(1000);
  const auto newcomer = bus.application();
  transport->send(user_message("1", "hello"));
  bus.settle();
  EXPECT_EQ(heard.size(), 1u);
  EXPECT_EQ(bus.broker.core().registrations(), 3u);
}

}  // namespace
}  // namespace signalbox
