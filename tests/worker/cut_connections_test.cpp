// Connections that break in every way while messages pass, with the real broker. Each message says its number, and the
// tests count: sent once, taken once.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/broker/harness.hpp"
#include "tests/worker/tcp_proxy.hpp"
#include "worker/handler_threads.hpp"
#include "worker/worker.hpp"

namespace signalbox {
namespace {

using namespace std::chrono_literals;
using test::configuration_text;
using test::patience;
using test::RunningBroker;
using test::TcpProxy;

class CutConnections : public testing::Test {
 protected:
  void start(const std::string& broker_keys = {}) {
    proxy.reset();
    broker.reset();
    broker = std::make_unique<RunningBroker>(configuration_text({endpoint}, broker_keys));
    endpoint = broker->endpoint();
    proxy.emplace(endpoint);
  }
  WorkerOptions options(Role role, const std::string& name, bool through_proxy) {
    WorkerOptions result;
    result.role = role;
    result.name = name;
    result.endpoint = through_proxy ? proxy->endpoint() : endpoint;
    result.backoff_ms_min = 20;
    result.backoff_ms_max = 80;  // connections that do not last are made again after a pause, doubled each time
    return result;
  }
  // Works all of them in turn until `done`.
  bool work_until(const std::vector<Worker*>& workers, const std::function<bool()>& done) {
    const auto deadline = Worker::Clock::now() + 2 * patience;
    while (!done()) {
      if (Worker::Clock::now() >= deadline) return false;
      size_t work = 0;
      for (Worker* worker : workers) work += worker->do_work();
      if (work == 0) workers.front()->wait(1ms);
    }
    return true;
  }
  static std::string message(uint64_t number, std::string_view transport_name = {}) {
    Message message = Message::user_message();
    message.set_from_addr("+27831234567").set_content(std::to_string(number));
    if (!transport_name.empty()) message.set_transport_name(transport_name);
    return message.encoded();
  }
  static uint64_t number_of(const Message& message) { return std::stoull(std::string(message.content())); }

  // A transport sends `count` messages through the proxy, which cuts `cuts` times on the way; the application is
  // connected directly, and must get each exactly once and in order.
  void send_through_cuts(uint64_t count, uint64_t cuts, const std::function<void()>& cut) {
    Worker transport(options(Role::transport, "smpp_transport", true));
    Worker application(options(Role::application, "my_application", false));
    uint64_t arrived = 0;
    uint64_t out_of_order = 0;
    application.on_user_message([&](const Message& message) { out_of_order += number_of(message) != arrived++; });
    ASSERT_TRUE(work_until({&transport, &application},
                           [&] { return transport.registrations() == 1 && application.registrations() == 1; }));
    uint64_t sent = 0;
    uint64_t made = 0;
    ASSERT_TRUE(work_until({&transport, &application},
                           [&] {
                             while (sent < count && sent < (made + 1) * count / (cuts + 1) &&
                                    transport.try_send(message(sent)))
                               ++sent;
                             transport.flush();
                             if (made < cuts && sent == (made + 1) * count / (cuts + 1) &&
                                 transport.state() == Worker::State::registered && transport.registrations() > made) {
                               cut();  // with some on their way
                               ++made;
                             }
                             return made == cuts && sent == count && transport.unconfirmed() == 0 && arrived >= count;
                           }))
        << "sent " << sent << ", unconfirmed " << transport.unconfirmed() << ", arrived " << arrived
        << ", registrations " << transport.registrations() << ", " << transport.fault();
    EXPECT_EQ(arrived, count);
    EXPECT_EQ(out_of_order, 0u);
    EXPECT_GE(transport.registrations(), cuts + 1);
    transport.check_invariants();
    EXPECT_TRUE(transport.close(patience));
    EXPECT_TRUE(application.close(patience));
    EXPECT_EQ(arrived, count) << "and nothing behind";
  }

  std::string endpoint = "tcp://127.0.0.1:*";
  std::unique_ptr<RunningBroker> broker;
  std::optional<TcpProxy> proxy;
};

TEST_F(CutConnections, OnBothSidesAndNothingIsLostOrEntersTwice) {
  start();
  send_through_cuts(20'000, 10, [&] { proxy->cut(); });
}

TEST_F(CutConnections, OnTheWorkersSideOnlyAndItTakesOverItsOwnRegistration) {
  start();
  send_through_cuts(20'000, 10, [&] { proxy->cut_workers_side(); });
}

TEST_F(CutConnections, WithoutAWordAndSilenceTells) {
  start("heartbeat_ms = 100");
  send_through_cuts(5'000, 3, [&] { proxy->freeze(); });
}

TEST_F(CutConnections, ABreakIsNoticedLongBeforeSilenceWouldTell) {
  start();  // silence tells after 15 s
  Worker application(options(Role::application, "my_application", true));
  ASSERT_TRUE(application.wait_registered(patience));
  const auto cut_at = Worker::Clock::now();
  proxy->cut();
  ASSERT_TRUE(work_until({&application}, [&] { return application.registrations() == 2; }));
  EXPECT_LT(Worker::Clock::now() - cut_at, 10s);
}

// The application answers each message and loses its connection again and again. What it acknowledged is answered; what
// it did not comes again. So there may be an answer too many, and none too few.
void answer_each(Worker& worker, std::map<uint64_t, uint64_t>& handled) {
  worker.on_user_message([&](const Message& message) {
    ++handled[std::stoull(std::string(message.content()))];
    worker.send(message.reply(message.content()));
  });
}

TEST_F(CutConnections, OfAnApplicationAndEachMessageIsAnswered) {
  start();
  constexpr uint64_t count = 20'000;
  constexpr uint64_t cuts = 8;
  Worker transport(options(Role::transport, "smpp_transport", false));
  Worker application(options(Role::application, "my_application", true));
  std::map<uint64_t, uint64_t> handled;
  std::map<uint64_t, uint64_t> answered;
  answer_each(application, handled);
  transport.on_user_message([&](const Message& message) { ++answered[number_of(message)]; });
  ASSERT_TRUE(work_until({&transport, &application},
                         [&] { return transport.registrations() == 1 && application.registrations() == 1; }));
  uint64_t sent = 0;
  uint64_t made = 0;
  ASSERT_TRUE(work_until({&transport, &application},
                         [&] {
                           while (sent < count && transport.try_send(message(sent))) ++sent;
                           if (made < cuts && handled.size() >= (made + 1) * count / (cuts + 2) &&
                               application.registrations() > made && application.state() == Worker::State::registered) {
                             made % 2 == 0 ? proxy->cut() : proxy->cut_workers_side();
                             ++made;
                           }
                           return made == cuts && answered.size() == count && transport.unconfirmed() == 0;
                         }))
      << "answered " << answered.size() << ", handled " << handled.size() << ", cuts " << made;
  EXPECT_EQ(handled.size(), count);
  for (const auto& [number, times] : answered) ASSERT_LE(times, handled.at(number)) << "an answer entered twice";
  EXPECT_GE(application.registrations(), cuts + 1);
  EXPECT_TRUE(application.close(patience));
  EXPECT_TRUE(transport.close(patience));
}

TEST_F(CutConnections, OfHandlersSideBySideAndEachMessageIsAnswered) {
  start();
  constexpr uint64_t count = 10'000;
  constexpr uint64_t cuts = 5;
  Worker transport(options(Role::transport, "smpp_transport", false));
  Worker application(options(Role::application, "my_application", true));
  HandlerThreads threads(application, 4, [](const Delivery& delivery, Outbox& outbox) {
    const Message message(delivery.bytes);
    outbox.send(message.reply(message.content()));
  });
  std::map<uint64_t, uint64_t> answered;
  transport.on_user_message([&](const Message& message) { ++answered[number_of(message)]; });
  ASSERT_TRUE(work_until({&transport, &application},
                         [&] { return transport.registrations() == 1 && application.registrations() == 1; }));
  uint64_t sent = 0;
  uint64_t made = 0;
  ASSERT_TRUE(work_until({&transport, &application},
                         [&] {
                           while (sent < count && transport.try_send(message(sent))) ++sent;
                           if (made < cuts && answered.size() >= (made + 1) * count / (cuts + 2) &&
                               application.registrations() > made && application.state() == Worker::State::registered) {
                             proxy->cut();
                             ++made;
                           }
                           return made == cuts && answered.size() == count && transport.unconfirmed() == 0;
                         }))
      << "answered " << answered.size() << ", cuts " << made;
  EXPECT_TRUE(threads.finish(patience));
  application.check_invariants();
  EXPECT_TRUE(application.close(patience));
  EXPECT_TRUE(transport.close(patience));
}

// Every third message names a transport that is not the sender's own. Its refusal is told once, with the message,
// whatever becomes of the connection that it was first told on.
TEST_F(CutConnections, AndRefusalsAreToldOnce) {
  start();
  constexpr uint64_t count = 9'000;
  constexpr uint64_t cuts = 6;
  Worker transport(options(Role::transport, "smpp_transport", true));
  Worker application(options(Role::application, "my_application", false));
  std::map<uint64_t, uint64_t> refused;
  std::map<uint64_t, uint64_t> arrived;
  transport.on_refused([&](const Refusal& refusal) {
    EXPECT_EQ(refusal.code, "not_permitted");
    Message message;
    ASSERT_TRUE(message.decode(refusal.message));
    ++refused[number_of(message)];
  });
  application.on_user_message([&](const Message& message) { ++arrived[number_of(message)]; });
  ASSERT_TRUE(work_until({&transport, &application},
                         [&] { return transport.registrations() == 1 && application.registrations() == 1; }));
  uint64_t sent = 0;
  uint64_t made = 0;
  ASSERT_TRUE(work_until(
      {&transport, &application},
      [&] {
        const uint64_t step = (made + 1) * count / (cuts + 1);
        while (sent < step && transport.try_send(message(sent, sent % 3 == 0 ? "xmpp_transport" : ""))) ++sent;
        transport.flush();
        if (made < cuts && sent == step && transport.registrations() > made &&
            transport.state() == Worker::State::registered) {
          made % 2 == 0 ? proxy->cut() : proxy->cut_workers_side();
          ++made;
        }
        return made == cuts && sent == count && transport.unconfirmed() == 0 && arrived.size() == count - count / 3;
      }))
      << "refused " << refused.size() << ", arrived " << arrived.size();
  EXPECT_EQ(refused.size(), count / 3);
  for (const auto& [number, times] : refused) ASSERT_TRUE(number % 3 == 0 && times == 1) << number;
  for (const auto& [number, times] : arrived) ASSERT_TRUE(number % 3 != 0 && times == 1) << number;
}

// The broker stops and starts again on the same address, with an empty memory. What it had confirmed and delivered does
// not come again; what it had not confirmed does, once.
TEST_F(CutConnections, ByABrokersRestartAndOnlyTheUnconfirmedComeAgain) {
  start();
  constexpr uint64_t count = 1000;
  Worker transport(options(Role::transport, "smpp_transport", false));
  Worker application(options(Role::application, "my_application", false));
  std::map<uint64_t, uint64_t> arrived;
  application.on_user_message([&](const Message& message) { ++arrived[number_of(message)]; });
  ASSERT_TRUE(work_until({&transport, &application},
                         [&] { return transport.registrations() == 1 && application.registrations() == 1; }));
  uint64_t sent = 0;
  for (uint64_t round = 1; round <= 3; ++round) {
    while (sent < round * 2 * count - count) ASSERT_TRUE(transport.try_send(message(sent++)));
    ASSERT_TRUE(work_until({&transport, &application}, [&] {
      return transport.unconfirmed() == 0 && arrived.size() == sent && application.held() == 0;
    }));
    broker.reset();  // drained: the application has handled all
    while (sent < round * 2 * count) ASSERT_TRUE(transport.try_send(message(sent++)));
    transport.flush();
    start();
    ASSERT_TRUE(work_until({&transport, &application},
                           [&] { return transport.registrations() > round && application.registrations() > round; }))
        << transport.fault() << ", " << application.fault();
  }
  ASSERT_TRUE(
      work_until({&transport, &application}, [&] { return transport.unconfirmed() == 0 && arrived.size() == sent; }));
  for (const auto& [number, times] : arrived) ASSERT_EQ(times, 1u) << number;
}

}  // namespace
}  // namespace signalbox
