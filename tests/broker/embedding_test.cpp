// A broker inside a program: on a thread of its own, in a loop of the host's, with functions posted to it, with routers
// of the host's, and with workers on either side of the process's edge.

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/broker/in_process.hpp"

namespace signalbox {
namespace {

using test::ack;
using test::Clock;
using test::encode;
using test::Heard;
using test::local_configuration;
using test::LocalBus;
using test::note_in;
using test::patience;
using test::Peer;
using test::user_message;

// Something that another thread waits for.
class Event {
 public:
  void happen() {
    const std::lock_guard lock(mutex_);
    happened_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return happened_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool happened_ = false;
};

Configuration configuration_at(std::vector<std::string> endpoints) {
  Configuration configuration = local_configuration();
  configuration.endpoints = std::move(endpoints);
  return configuration;
}

bool is_readable(int fd) {
  pollfd item{fd, POLLIN, 0};
  return poll(&item, 1, 0) == 1;
}

// --- a thread of its own ---------------------------------------------------------------------------------------------

TEST(EmbeddingTest, OnAThreadOfItsOwnItRoutesAndEndsInOrder) {
  Broker broker(local_configuration());
  LocalEndpoint transport(broker, {.role = Role::transport, .name = "smpp_transport"});
  LocalEndpoint application(broker, {.role = Role::application, .name = "my_application"});
  Event answered;
  application.on_message([&](const Delivery& delivery) {
    application.send(user_message("answer", "hi", {}, test::id_of(delivery.bytes)));
  });
  transport.on_message([&](const Delivery&) { answered.happen(); });
  broker.start();
  EXPECT_TRUE(broker.post([&] { EXPECT_TRUE(transport.send(user_message("question", "hello"))); }));
  EXPECT_TRUE(answered.wait());

  const Ending ending = broker.stop();
  EXPECT_FALSE(ending.at_once);
  EXPECT_EQ(ending.messages(), 0u);
  EXPECT_FALSE(broker.post([] {}));
  EXPECT_EQ(transport.state(), LocalEndpoint::State::closed);
  EXPECT_EQ(broker.stop().messages(), 0u) << "a second time says the same";
}

TEST(EmbeddingTest, StopDrainsAndStopAtOnceDoesNot) {
  for (const bool at_once : {false, true}) {
    Broker broker(local_configuration(table({{"drain_ms", 50}})));
    LocalEndpoint transport(broker, {.role = Role::transport, .name = "smpp_transport"});
    EXPECT_TRUE(transport.send(user_message("1", "to nobody")));
    broker.start();
    const Ending ending = broker.stop(at_once);
    EXPECT_EQ(ending.at_once, at_once);
    EXPECT_EQ(ending.messages(), 1u);
    ASSERT_EQ(ending.left.size(), 1u);
    EXPECT_EQ(ending.left[0].endpoint, "my_application");
  }
}

TEST(EmbeddingTest, ItsDestructorEndsItsThread) {
  std::atomic<bool> called = false;
  Event begun;
  {
    Broker broker(local_configuration());
    broker.start();
    EXPECT_TRUE(broker.post([&] {
      called = true;
      begun.happen();
    }));
    EXPECT_TRUE(begun.wait());
  }
  EXPECT_TRUE(called);
}

TEST(EmbeddingTest, AnEndpointDestroyedOnAnotherThreadIsLetGoFirst) {
  Broker broker(local_configuration());
  auto transport =
      std::make_unique<LocalEndpoint>(broker, LocalEndpointOptions{.role = Role::transport, .name = "smpp_transport"});
  Event called;
  std::unique_ptr<LocalEndpoint> application;
  const auto calls = std::make_shared<std::atomic<int>>(0);
  broker.start();
  EXPECT_TRUE(broker.post([&] {
    application = std::make_unique<LocalEndpoint>(broker, LocalEndpointOptions{.name = "my_application"});
    application->on_message([&called, calls](const Delivery&) {
      ++*calls;
      called.happen();
    });
    transport->send(user_message("1", "hello"));
  }));
  EXPECT_TRUE(called.wait());
  application.reset();
  EXPECT_EQ(calls.use_count(), 1) << "nothing of it is left to be called";
  transport.reset();
  EXPECT_EQ(broker.stop().messages(), 0u);
}

TEST(EmbeddingDeathTest, AnEndpointUsedOnAnotherThreadIsAMistakeThatShows) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Broker broker(local_configuration());
        LocalEndpoint transport(broker, {.role = Role::transport, .name = "smpp_transport"});
        broker.start();
        transport.send(user_message("1", "hello"));
      },
      "belongs to the thread that works the broker");
}

// --- posting ---------------------------------------------------------------------------------------------------------

TEST(PostingTest, FromManyThreadsEachInItsOrder) {
  constexpr int threads = 4;
  constexpr int functions = 2000;
  Broker broker(local_configuration());
  broker.start();
  std::vector<std::vector<int>> seen(threads);
  std::thread::id ran_on;
  std::vector<std::thread> posters;
  for (int t = 0; t < threads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < functions; ++i) {
        while (!broker.post([&seen, &ran_on, t, i] {
          seen[static_cast<size_t>(t)].push_back(i);
          ran_on = std::this_thread::get_id();
        })) {
          std::this_thread::yield();
        }
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  broker.stop();
  EXPECT_NE(ran_on, std::this_thread::get_id());
  for (const std::vector<int>& one : seen) {
    ASSERT_EQ(one.size(), static_cast<size_t>(functions));
    EXPECT_TRUE(std::is_sorted(one.begin(), one.end()));
  }
}

TEST(PostingTest, SoManyAndNoMoreWaitForTheirTurn) {
  LocalBus bus;
  size_t called = 0;
  for (size_t i = 0; i < PostedFunctions::functions_max; ++i) ASSERT_TRUE(bus.broker.post([&] { ++called; }));
  EXPECT_FALSE(bus.broker.post([&] { ++called; }));
  bus.turn();
  EXPECT_EQ(called, PostedFunctions::turn_functions_max) << "a turn is bounded";
  EXPECT_TRUE(bus.broker.post([&] { ++called; }));
  bus.settle();
  EXPECT_EQ(called, PostedFunctions::functions_max + 1);
}

TEST(PostingTest, WhatAFunctionThrowsPassesThroughTheTurnAndKeepsTheOthers) {
  LocalBus bus;
  int called = 0;
  EXPECT_TRUE(bus.broker.post([] { throw std::runtime_error("enough"); }));
  EXPECT_TRUE(bus.broker.post([&] { ++called; }));
  EXPECT_THROW(bus.turn(), std::runtime_error);
  EXPECT_EQ(called, 0);
  bus.settle();
  EXPECT_EQ(called, 1);
}

TEST(PostingTest, AFunctionMayPostAndAnEndedBrokerDropsWhatItHas) {
  LocalBus bus;
  const auto owned = std::make_shared<int>(0);
  EXPECT_TRUE(bus.broker.post([&bus, owned] { EXPECT_TRUE(bus.broker.post([owned] { ++*owned; })); }));
  bus.settle();
  EXPECT_EQ(*owned, 1);
  EXPECT_TRUE(bus.broker.post([owned] { ++*owned; }));
  bus.broker.close();
  EXPECT_EQ(*owned, 1);
  EXPECT_EQ(owned.use_count(), 1);
  EXPECT_FALSE(bus.broker.post([] {}));
}

// --- a loop of the host's --------------------------------------------------------------------------------------------

TEST(HostsLoopTest, WithoutAnEndpointNothingIsBoundAndPostingWakes) {
  LocalBus bus;
  EXPECT_TRUE(bus.broker.endpoints().empty());
  bus.settle();
  EXPECT_GT(bus.broker.idle_ms(bus.now), 0u);
  EXPECT_LE(bus.broker.idle_ms(bus.now), Broker::tick_interval_ms);
  ASSERT_GE(bus.broker.fd(), 0);
  EXPECT_FALSE(is_readable(bus.broker.fd()));
  std::thread([&] { EXPECT_TRUE(bus.broker.post([] {})); }).join();
  EXPECT_TRUE(is_readable(bus.broker.fd()));
  EXPECT_EQ(bus.broker.idle_ms(bus.now), 0u);
  bus.settle();
  EXPECT_FALSE(is_readable(bus.broker.fd()));
}

TEST(HostsLoopTest, ATurnWithinATurnIsAMistakeThatShows) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  LocalBus bus;
  EXPECT_TRUE(bus.broker.post([&] { bus.turn(); }));
  EXPECT_DEATH(bus.turn(), "a turn must not be begun within another");
}

// The host sleeps in poll() on the broker's descriptor, a remote worker in another thread goes on only once it has been
// answered: a wake-up that was missed would cost a tick each time, and many show.
TEST(HostsLoopTest, PollingTheDescriptorMissesNoMessage) {
  constexpr Seq round_trips = 300;
  Broker broker(configuration_at({"tcp://127.0.0.1:*"}));
  LocalEndpoint application(broker, {.name = "my_application"});
  application.on_message([&](const Delivery& delivery) {
    application.send(user_message("answer to " + test::id_of(delivery.bytes), "hi", {}, test::id_of(delivery.bytes)));
  });

  std::atomic<bool> done = false;
  bool all_answered = true;
  std::thread remote([&] {
    zmq::context_t context;
    Peer peer(context, broker.endpoints().at(0));
    all_answered = peer.register_as(Role::transport, "smpp_transport");
    for (Seq number = 1; number <= round_trips && all_answered; ++number) {
      peer.send({encode(Send{number}), user_message(std::to_string(number), "hello")});
      const auto got = peer.receive_a<Deliver>();
      all_answered = got && got->as<Deliver>()->first_seq == number;
      peer.send({ack(number)});
    }
    done = true;
  });
  size_t idle_to_the_end = 0;  // sleeps that only the timer ended, though a message was to come
  const auto deadline = Clock::now() + patience;
  while (!done && Clock::now() < deadline) {
    while (broker.do_work(read_clock()) > 0) continue;
    const uint64_t idle_ms = broker.idle_ms(read_clock());
    pollfd item{broker.fd(), POLLIN, 0};
    idle_to_the_end += poll(&item, 1, static_cast<int>(idle_ms)) == 0 && idle_ms >= 50;
  }
  remote.join();
  EXPECT_TRUE(all_answered);
  EXPECT_LT(idle_to_the_end, round_trips / 4) << "it was not woken";
}

// --- either side of the process's edge -------------------------------------------------------------------------------

class EitherSideTest : public testing::TestWithParam<bool> {};

TEST_P(EitherSideTest, ALocalAndARemoteWorkerTalkToEachOther) {
  const bool transport_is_local = GetParam();
  zmq::context_t context;
  Broker broker(configuration_at({"inproc://bus"}), context.handle());
  LocalEndpoint local(broker, {.role = transport_is_local ? Role::transport : Role::application,
                               .name = transport_is_local ? "smpp_transport" : "my_application"});
  std::vector<Heard> heard;
  Event both;
  local.on_message([&](const Delivery& delivery) {
    note_in(heard)(delivery);
    if (heard.size() == 2) both.happen();
  });
  broker.start();
  Peer remote(context, "inproc://bus");
  ASSERT_TRUE(remote.register_as(transport_is_local ? Role::application : Role::transport,
                                 transport_is_local ? "my_application" : "smpp_transport"));

  remote.send({encode(Send{1}), user_message("1", "a", "smpp_transport") + user_message("2", "b", "smpp_transport")});
  EXPECT_TRUE(both.wait());
  EXPECT_EQ(remote.receive_a<Confirm>()->as<Confirm>()->upto, 2u);
  EXPECT_TRUE(broker.post([&] { EXPECT_TRUE(local.send(user_message("3", "c", "smpp_transport"))); }));
  const auto got = remote.receive_a<Deliver>();
  ASSERT_TRUE(got);
  EXPECT_EQ(test::id_of(got->body), "3");
  remote.send({ack(1)});
  EXPECT_EQ(broker.stop().messages(), 0u);
  EXPECT_EQ(heard, (std::vector<Heard>{{"1", 1, false}, {"2", 2, false}}));
}

INSTANTIATE_TEST_SUITE_P(Sides, EitherSideTest, testing::Bool(), [](const auto& side) {
  return side.param ? std::string("TheTransportIsLocal") : std::string("TheApplicationIsLocal");
});

// A remote worker that never stops sending does not keep a local endpoint from its turn.
TEST(EitherSideTest, AFloodFromOutsideLeavesTheInsideItsTurn) {
  zmq::context_t context;
  Broker broker(configuration_at({"inproc://bus"}), context.handle());
  LocalEndpoint transport(broker, {.role = Role::transport, .name = "xmpp_transport"});
  LocalEndpoint application(broker, {.name = "other_application"});
  std::atomic<bool> stop = false;
  Event through;
  int rounds = 0;
  application.on_message([&](const Delivery&) {
    if (++rounds == 200) return through.happen();
    transport.send(user_message(std::to_string(rounds), "round"));
  });
  broker.start();
  std::thread flood([&] {
    Peer peer(context, "inproc://bus");
    peer.register_as(Role::transport, "smpp_transport");
    for (Seq number = 1; !stop; ++number) {
      peer.send({encode(Send{number}), user_message(std::to_string(number), "flood")});
      if (number % 1000 == 0) {
        while (!stop) {
          const auto got = peer.receive_a<Confirm>(Clock::now() + std::chrono::milliseconds(100));
          if (got && got->as<Confirm>()->upto == number) break;
        }
      }
    }
  });
  EXPECT_TRUE(broker.post([&] { transport.send(user_message("first", "round")); }));
  EXPECT_TRUE(through.wait());
  stop = true;
  flood.join();
  broker.stop(true);
}

// --- a router of the host's ------------------------------------------------------------------------------------------

// Everybody to the application that is named after the first word.
class FirstWordRouter final : public Router {
 public:
  explicit FirstWordRouter(RouterSetup& setup) {
    for (const std::string& name : setup.applications()) applications_.emplace_back(name, *setup.application(name));
  }
  void inbound(const Incoming& incoming, Decision& decision) override {
    const std::string_view content = incoming.message.text(Field::content);
    for (const auto& [name, endpoint] : applications_)
      if (content.substr(0, content.find(' ')) == name) return decision.deliver(endpoint);
    decision.refuse(RefusalCode::no_route, "the first word names no application");
  }
  void event(const Incoming& incoming, Decision& decision) override {
    if (incoming.followed) decision.deliver(incoming.followed->source);
  }
  void outbound(const Incoming& incoming, Decision& decision) override {
    if (incoming.followed) decision.deliver(incoming.followed->source);
  }
  std::vector<Route> routes() const override { return {}; }

 private:
  std::vector<std::pair<std::string, EndpointId>> applications_;
};

TEST(EmbeddingTest, ARouterOfTheHostsOwnByName) {
  RouterRegistry registry;
  registry.add(
      {.name = "FirstWordRouter",
       .make = [](RouterSetup& setup) -> std::unique_ptr<Router> { return std::make_unique<FirstWordRouter>(setup); },
       .keys = {},
       .list_names = nullptr});
  Configuration configuration =
      accepted(read_configuration(table({{"router_class", "FirstWordRouter"},
                                         {"transport_names", list({"sms"})},
                                         {"exposed_names", list({"weather", "news"})},
                                         {"broker", table({{"routing_memory_bytes", 65536}})}}),
                                  registry));
  configuration.endpoints.clear();
  LocalBus bus(std::move(configuration));
  const auto sms = bus.transport("sms");
  const auto weather = bus.application("weather");
  const auto news = bus.application("news");
  std::vector<Heard> at_sms;
  std::vector<Heard> at_news;
  std::vector<std::string> refused;
  sms->on_message(note_in(at_sms));
  sms->on_refused([&](const Refusal& refusal) { refused.emplace_back(refusal.text); });
  weather->on_message([&](const Delivery&) { weather->send(user_message("sunny", "sunny", {}, "1")); });
  news->on_message(note_in(at_news));
  sms->send(user_message("1", "weather tomorrow"));
  sms->send(user_message("2", "news"));
  sms->send(user_message("3", "jokes"));
  bus.settle();
  EXPECT_EQ(at_sms, (std::vector<Heard>{{"sunny", 1, false}}));
  EXPECT_EQ(at_news, (std::vector<Heard>{{"2", 1, false}}));
  EXPECT_EQ(refused, std::vector<std::string>{"the first word names no application"});
}

}  // namespace
}  // namespace signalbox
