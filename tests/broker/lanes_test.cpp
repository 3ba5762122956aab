// A broker whose endpoints are spread over lanes, each with its thread: the same promises, whatever the number of lanes
// and the way in which they wait.
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "broker/configuration_again.hpp"
#include "broker/waker.hpp"
#include "tests/broker/in_process.hpp"
#include "worker/worker.hpp"

namespace signalbox {
namespace {

using std::chrono::milliseconds;
using test::Clock;
using test::configuration_text;
using test::id_of;
using test::patience;
using test::Peer;
using test::user_message;

constexpr const char* any_port = "tcp://127.0.0.1:*";

// Room enough to remember every message of a test: one that is forgotten has no answer.
std::string with_lanes(uint32_t lanes, const std::string& idle = "sleep", const std::string& rest = {}) {
  std::string text =
      configuration_text({any_port}, "lanes = " + std::to_string(lanes) + "\nidle = \"" + idle + "\"", rest);
  const std::string small = "routing_memory_bytes = 1048576";
  return text.replace(text.find(small), small.size(), "routing_memory_bytes = 67108864");
}

// Works the worker until `done`; false: not within the patience.
bool work_until(Worker& worker, const std::function<bool()>& done) {
  const Clock::time_point deadline = Clock::now() + patience;
  while (!done()) {
    if (Clock::now() >= deadline) return false;
    if (worker.do_work() == 0) worker.wait(milliseconds(1));
  }
  return true;
}

// An application in a thread of its own that answers each message with a reply.
class AnsweringApplication {
 public:
  AnsweringApplication(const std::string& endpoint, const std::string& name)
      : worker_({.role = Role::application, .name = name, .endpoint = endpoint}) {
    worker_.on_message([this](const Delivery& delivery) {
      const std::string id = id_of(delivery.bytes);
      worker_.send(user_message("re " + id, "answer", {}, id));
      ++handled_;
    });
    worker_.on_refused([](const Refusal& refusal) { ADD_FAILURE() << "an answer is refused: " << refusal.text; });
    thread_ = std::thread([this] { worker_.run(); });
  }
  ~AnsweringApplication() { stop(); }
  AnsweringApplication(const AnsweringApplication&) = delete;
  AnsweringApplication& operator=(const AnsweringApplication&) = delete;

  void stop() {
    worker_.stop();
    if (thread_.joinable()) thread_.join();
  }
  uint64_t handled() const { return handled_; }

 private:
  Worker worker_;
  std::atomic<uint64_t> handled_ = 0;
  std::thread thread_;
};

// A transport, worked by whoever calls, that sends numbered messages and knows the answers in their order.
class AskingTransport {
 public:
  AskingTransport(const std::string& endpoint, const std::string& name)
      : worker_({.role = Role::transport, .name = name, .endpoint = endpoint}), name_(name) {
    worker_.on_message([this](const Delivery& delivery) {
      if (id_of(delivery.bytes) != "re " + name_ + std::to_string(answers_ + 1)) ++out_of_order_;
      ++answers_;
    });
    worker_.on_refused([](const Refusal& refusal) { ADD_FAILURE() << "a question is refused: " << refusal.text; });
  }
  // False: some were not answered in time.
  bool ask(uint64_t count) {
    const uint64_t upto = asked_ + count;
    while (asked_ < upto) {
      const std::string id = name_ + std::to_string(++asked_);
      if (!worker_.send(user_message(id, "question", name_), patience)) return false;
    }
    return work_until(worker_, [&] { return answers_ >= upto && worker_.unconfirmed() == 0; });
  }
  uint64_t out_of_order() const { return out_of_order_; }
  Worker& worker() { return worker_; }

 private:
  Worker worker_;
  const std::string name_;
  uint64_t asked_ = 0;
  uint64_t answers_ = 0;
  uint64_t out_of_order_ = 0;
};

// --- there and back --------------------------------------------------------------------------------------------------

struct Kind {
  uint32_t lanes;
  const char* idle;
};

class BrokerWithLanes : public testing::TestWithParam<Kind> {};

TEST_P(BrokerWithLanes, CarriesMessagesThereAndBackInOrder) {
  // Threads that spin keep the workers from the processors of a small machine: enough to see that all arrives.
  const uint64_t messages = std::string_view(GetParam().idle) == "spin" ? 30 : 300;
  Broker broker(test::configuration(with_lanes(GetParam().lanes, GetParam().idle)));
  EXPECT_EQ(broker.core().count(), GetParam().lanes);
  broker.start();
  const std::string endpoint = broker.endpoints().at(0);
  AnsweringApplication first(endpoint, "my_application");
  AnsweringApplication second(endpoint, "other_application");
  bool all_answered = false;
  std::thread other([&] {
    AskingTransport xmpp(endpoint, "xmpp_transport");
    all_answered = xmpp.ask(messages) && xmpp.out_of_order() == 0 && xmpp.worker().close(patience);
  });
  AskingTransport smpp(endpoint, "smpp_transport");
  EXPECT_TRUE(smpp.ask(messages));
  EXPECT_EQ(smpp.out_of_order(), 0u);
  EXPECT_TRUE(smpp.worker().close(patience));
  other.join();
  EXPECT_TRUE(all_answered);
  // The applications are there while it drains: their last acknowledgements may be on their way.
  EXPECT_EQ(broker.stop().messages(), 0u);

  const Counters counters = broker.core().counters();
  EXPECT_EQ(counters.registrations, 4u);
  uint64_t settled = 0;
  for (EndpointId id = 0; id < broker.core().settings().endpoints.size(); ++id)
    settled += broker.core().status(id).queue.settled.messages;
  EXPECT_EQ(settled, 4 * messages);
  broker.core().check_invariants();
}

INSTANTIATE_TEST_SUITE_P(Each, BrokerWithLanes,
                         testing::Values(Kind{1, "sleep"}, Kind{2, "sleep"}, Kind{4, "sleep"}, Kind{1, "yield"},
                                         Kind{2, "yield"}, Kind{4, "yield"}, Kind{1, "spin"}, Kind{2, "spin"}),
                         [](const auto& kind) { return kind.param.idle + std::to_string(kind.param.lanes); });

// One message at a time: a wake-up that was missed would cost a tick each time, and many show.
TEST(LanesTest, SleepMissesNoWakeUp) {
  constexpr uint64_t round_trips = 300;
  Broker broker(test::configuration(with_lanes(2)));
  broker.start();
  AnsweringApplication application(broker.endpoints().at(0), "my_application");
  AskingTransport transport(broker.endpoints().at(0), "smpp_transport");
  ASSERT_TRUE(transport.ask(1));
  const Clock::time_point begin = Clock::now();
  for (uint64_t i = 0; i < round_trips; ++i) ASSERT_TRUE(transport.ask(1));
  // Each passes four threads twice; ticks come every 100 ms.
  EXPECT_LT(Clock::now() - begin, milliseconds(round_trips * Lanes::tick_interval_ms / 2));
}

TEST(LanesTest, WorkersComeAndGoWhileOthersTalk) {
  Broker broker(test::configuration(with_lanes(2)));
  broker.start();
  const std::string endpoint = broker.endpoints().at(0);
  AnsweringApplication application(endpoint, "my_application");
  std::atomic<bool> done = false;
  std::atomic<uint64_t> came = 0;
  std::thread crowd([&] {
    zmq::context_t context;
    while (!done) {
      // On one connection from name to name, and so from lane to lane.
      Peer peer(context, endpoint);
      for (const char* name : {"other_application", "my_application", "dead_letters"})
        came += peer.register_as(Role::application, name, 0) ? 1 : 0;
    }
  });
  AskingTransport transport(endpoint, "smpp_transport");
  while (came < 30 && transport.ask(500)) {
  }
  EXPECT_EQ(transport.out_of_order(), 0u);
  done = true;
  crowd.join();
  EXPECT_GE(came, 30u);
}

// --- another configuration, and the end ------------------------------------------------------------------------------

TEST(LanesTest, ReloadsUnderLoadLoseNothing) {
  Configuration configuration = test::configuration(with_lanes(2));
  Running now_running = running(configuration);
  Broker broker(std::move(configuration));
  broker.start();
  const std::string endpoint = broker.endpoints().at(0);
  AnsweringApplication application(endpoint, "my_application");

  std::atomic<bool> done = false;
  std::atomic<uint64_t> reloads = 0;
  std::thread operating([&] {
    for (uint64_t i = 0; !done; ++i) {
      const std::string limits = "[endpoints.my_application]\nmax_messages = " + std::to_string(10'000 + i % 50) + "\n";
      std::atomic<bool> loaded = false;
      const bool posted = broker.post([&] {
        ConfigurationResult next =
            read_configuration(with_lanes(2, "sleep", limits), RouterRegistry(), "", &now_running);
        if (next.configuration != nullptr) {
          now_running = running(*next.configuration);
          broker.reload(std::move(*next.configuration), read_clock());
          ++reloads;
        }
        loaded = true;
        loaded.notify_one();
      });
      if (posted) loaded.wait(false);
    }
  });
  AskingTransport transport(endpoint, "smpp_transport");
  while (reloads < 20 && transport.ask(500)) {
  }
  EXPECT_EQ(transport.out_of_order(), 0u);
  done = true;
  operating.join();
  EXPECT_GE(reloads, 20u);
  broker.stop(true);
  EXPECT_EQ(broker.core().counters().refusals[static_cast<size_t>(RefusalCode::queue_full)], 0u);
}

TEST(LanesTest, DrainingWaitsUntilAllIsHandled) {
  Broker broker(test::configuration(with_lanes(3)));
  broker.start();
  Worker transport({.role = Role::transport, .name = "smpp_transport", .endpoint = broker.endpoints().at(0)});
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(transport.send(user_message(std::to_string(i), "hi"), patience));
  ASSERT_TRUE(transport.wait_confirmed(patience));
  Worker application(
      {.role = Role::application, .name = "my_application", .endpoint = broker.endpoints().at(0), .prefetch = 20});
  std::atomic<uint64_t> handled = 0;
  application.on_message([&](const Delivery&) {
    ++handled;
    handled.notify_one();
  });
  std::thread late([&] { application.run_for(patience); });
  handled.wait(0);
  const Ending ending = broker.stop();
  application.stop();
  EXPECT_EQ(ending.messages(), 0u);
  EXPECT_FALSE(ending.at_once);
  EXPECT_EQ(handled, 500u);
  late.join();
}

TEST(LanesTest, StoppingAtOnceSaysWhatIsLeft) {
  Broker broker(test::configuration(with_lanes(2)));
  broker.start();
  Worker transport({.role = Role::transport, .name = "smpp_transport", .endpoint = broker.endpoints().at(0)});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(transport.send(user_message(std::to_string(i), "hi"), patience));
  ASSERT_TRUE(transport.wait_confirmed(patience));
  const Ending ending = broker.stop(true);
  EXPECT_TRUE(ending.at_once);
  EXPECT_EQ(ending.messages(), 100u);
}

TEST(LanesTest, ABrokerThatIsDestroyedUnderLoadEnds) {
  for (int round = 0; round < 5; ++round) {
    auto broker = std::make_unique<Broker>(test::configuration(with_lanes(2, round % 2 == 0 ? "sleep" : "yield")));
    broker->start();
    Worker transport({.role = Role::transport, .name = "smpp_transport", .endpoint = broker->endpoints().at(0)});
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(transport.send(user_message(std::to_string(i), "hi"), patience));
    transport.flush();
    broker = nullptr;
  }
}

// A HELLO has the lanes stand still until the turn ends; what a posted function throws ends the turn before that.
TEST(LanesTest, ABrokerEndsAlsoWhereItsLanesStandStill) {
  auto broker = std::make_unique<Broker>(test::configuration(with_lanes(2)));
  zmq::context_t context;
  Peer peer(context, broker->endpoints().at(0));
  ASSERT_TRUE(peer.send({test::encode(test::hello(Role::application, "my_application"))}));
  Time now = read_clock();
  const Clock::time_point deadline = Clock::now() + patience;
  uint64_t thrown = 0;
  while (broker->core().registrations() == 0 && Clock::now() < deadline) {
    broker->post([] { throw std::runtime_error("of the host's"); });
    now.monotonic_ms += 1;
    try {
      broker->do_work(now);
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
  EXPECT_EQ(broker->core().registrations(), 1u);
  EXPECT_GT(thrown, 0u);
  broker = nullptr;
}

// --- inside a program ------------------------------------------------------------------------------------------------

// A loop of the host's that sleeps at the broker's descriptor.
bool loop_until(Broker& broker, const std::function<bool()>& done) {
  const Clock::time_point deadline = Clock::now() + patience;
  while (!done()) {
    if (Clock::now() >= deadline) return false;
    const Time now = read_clock();
    broker.do_work(now);
    pollfd item{broker.fd(), POLLIN, 0};
    if (!done()) poll(&item, 1, static_cast<int>(broker.idle_ms(now)));
  }
  return true;
}

class InProcessWithLanes : public testing::TestWithParam<uint32_t> {};

TEST_P(InProcessWithLanes, LocalEndpointsTalkToEachOther) {
  constexpr uint64_t messages = 2000;
  Broker broker(test::local_configuration(table({{"lanes", GetParam()}})));
  LocalEndpoint application(broker, {.name = "my_application"});
  LocalEndpoint transport(broker, {.role = Role::transport, .name = "smpp_transport"});
  ASSERT_EQ(application.state(), LocalEndpoint::State::registered) << application.fault();
  ASSERT_EQ(transport.state(), LocalEndpoint::State::registered) << transport.fault();
  application.on_message([&](const Delivery& delivery) {
    const std::string id = id_of(delivery.bytes);
    EXPECT_TRUE(application.send(user_message("re " + id, "answer", {}, id)));
  });
  uint64_t answers = 0;
  uint64_t out_of_order = 0;
  transport.on_message([&](const Delivery& delivery) {
    if (id_of(delivery.bytes) != "re " + std::to_string(answers)) ++out_of_order;
    ++answers;
  });
  for (uint64_t i = 0; i < messages; ++i) ASSERT_TRUE(transport.send(user_message(std::to_string(i), "question")));
  EXPECT_TRUE(loop_until(broker, [&] { return answers == messages && transport.unconfirmed() == 0; }));
  EXPECT_EQ(out_of_order, 0u);
  EXPECT_TRUE(loop_until(broker, [&] { return broker.drained(); }));
  broker.core().check_invariants();
}

TEST_P(InProcessWithLanes, ALocalEndpointAndARemoteWorkerTalk) {
  Configuration configuration = test::local_configuration(table({{"lanes", GetParam()}}));
  configuration.endpoints = {any_port};
  Broker broker(std::move(configuration));
  AnsweringApplication application(broker.endpoints().at(0), "my_application");
  LocalEndpoint transport(broker, {.role = Role::transport, .name = "smpp_transport"});
  uint64_t answers = 0;
  transport.on_message([&](const Delivery&) { ++answers; });
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(transport.send(user_message(std::to_string(i), "question")));
  EXPECT_TRUE(loop_until(broker, [&] { return answers == 500; }));
  transport.close();
  EXPECT_EQ(transport.state(), LocalEndpoint::State::closed);
  application.stop();
}

INSTANTIATE_TEST_SUITE_P(Each, InProcessWithLanes, testing::Values(1U, 2U, 4U));

// --- Waker -----------------------------------------------------------------------------------------------------------

bool is_readable(int fd) {
  pollfd item{fd, POLLIN, 0};
  return poll(&item, 1, 0) == 1;
}

TEST(WakerTest, WritesToItsDescriptorOnlyForOneThatDozes) {
  Waker waker;
  waker.wake();
  EXPECT_FALSE(is_readable(waker.fd()));
  waker.doze();
  EXPECT_FALSE(is_readable(waker.fd()));
  waker.wake();
  waker.wake();
  EXPECT_TRUE(is_readable(waker.fd()));
  waker.wait(60'000);  // returns at once
  waker.rise();
  EXPECT_FALSE(is_readable(waker.fd()));
  waker.rise();
  waker.doze();
  waker.rise();
  EXPECT_FALSE(is_readable(waker.fd()));
}

// Two threads that only ever wake each other: the first wake-up that is missed lets both wait for ever.
TEST(WakerTest, MissesNoWakeUp) {
  constexpr uint64_t turns = 20'000;
  Waker wakers[2];
  std::atomic<uint64_t> turn = 0;
  uint64_t too_long[2] = {0, 0};
  const auto play = [&](uint64_t me) {
    while (turn < turns) {
      if (turn % 2 == me) {
        ++turn;
        wakers[1 - me].wake();
        continue;
      }
      wakers[me].doze();
      const Clock::time_point begin = Clock::now();
      if (turn < turns && turn % 2 != me) wakers[me].wait(static_cast<uint64_t>(patience.count()));
      if (Clock::now() - begin >= patience) ++too_long[me];
      wakers[me].rise();
    }
  };
  std::thread other([&] { play(1); });
  play(0);
  other.join();
  EXPECT_EQ(too_long[0] + too_long[1], 0u);
}

}  // namespace
}  // namespace signalbox
