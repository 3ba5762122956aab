// The same scenario twice: once with workers over a socket, once with in-process endpoints. They are the same to the
// core, so the books must say the same to the last byte.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/broker/in_process.hpp"
#include "worker/worker.hpp"

namespace signalbox {
namespace {

using test::Clock;
using test::local_configuration;
using test::LocalBus;
using test::patience;
using test::user_message;

constexpr int messages = 500;
const std::vector<std::string> names = {"smpp_transport", "xmpp_transport", "my_application", "other_application",
                                        "dead_letters"};

Configuration scenario_configuration() {
  return local_configuration(table({{"send_window", 64}}),
                             table({{"redeliver_ms", 1}, {"max_deliveries", 2}, {"max_messages", 200}}));
}

int number_of(Bytes message) {
  return std::stoi(test::id_of(message));
}

// What the transport sends: some of it under another's name, which is refused.
std::string question(int number) {
  return user_message(std::to_string(number), "hello", number % 10 == 3 ? "xmpp_transport" : "smpp_transport");
}

struct HeldMessage {
  Held held;
  int number = 0;
};

// What the application makes of it, with either kind of endpoint: answers, failures that heal, failures that do not,
// rejections, and answers that nobody can be given.
template <typename Endpoint>
void handle(Endpoint& application, const Delivery& delivery, std::vector<HeldMessage>& holding) {
  const int number = number_of(delivery.bytes);
  if (number % 7 == 0) throw Reject("no sevens");
  if (number % 11 == 0 && !delivery.redelivered) throw std::runtime_error("not at once");
  if (number % 13 == 0) throw std::runtime_error("never");
  EXPECT_TRUE(application.send(user_message("answer " + std::to_string(number), "hi",
                                            number % 17 == 0 ? "no_such_transport" : "",
                                            number % 17 == 0 ? "" : std::to_string(number))));
  if (number % 5 == 0) holding.push_back({application.hold(), number});
}

template <typename Endpoint>
void settle_held(Endpoint& application, std::vector<HeldMessage>& holding) {
  while (!holding.empty()) {
    const HeldMessage last = holding.back();  // the latest first
    holding.pop_back();
    if (last.number % 3 == 0) {
      EXPECT_TRUE(application.nack(last.held, "held and given up", false));
    } else {
      EXPECT_TRUE(application.ack(last.held));
    }
  }
}

struct Told {
  std::map<std::string, int> refusals;  // by code
  int answers = 0;

  friend bool operator==(const Told&, const Told&) = default;
};

struct Outcome {
  std::map<std::string, EndpointStatus> books;
  Told transport;
  Told application;
};

Outcome in_process() {
  Outcome outcome;
  LocalBus bus(scenario_configuration());
  const auto transport = bus.transport();
  const auto application = bus.application("my_application", 16);
  std::vector<HeldMessage> holding;
  transport->on_message([&](const Delivery&) { ++outcome.transport.answers; });
  transport->on_refused([&](const Refusal& refusal) { ++outcome.transport.refusals[std::string(refusal.code)]; });
  application->on_refused([&](const Refusal& refusal) { ++outcome.application.refusals[std::string(refusal.code)]; });
  application->on_message([&](const Delivery& delivery) { handle(*application, delivery, holding); });
  for (int sent = 0; sent < messages || !bus.broker.drained();) {
    while (sent < messages && transport->send(question(sent))) ++sent;
    bus.pass(100);
    settle_held(*application, holding);
  }
  bus.settle();
  for (const std::string& name : names) outcome.books[name] = bus.status(name);
  return outcome;
}

Outcome over_sockets() {
  Outcome outcome;
  zmq::context_t context;
  Configuration configuration = scenario_configuration();
  configuration.endpoints = {"inproc://bus"};
  Broker broker(std::move(configuration), context.handle());
  broker.start();
  WorkerOptions options;
  options.endpoint = "inproc://bus";
  options.zeromq_context = context.handle();
  options.role = Role::transport;
  options.name = "smpp_transport";
  Worker transport(options);
  options.role = Role::application;
  options.name = "my_application";
  options.prefetch = 16;
  Worker application(options);
  std::vector<HeldMessage> holding;
  transport.on_message([&](const Delivery&) { ++outcome.transport.answers; });
  transport.on_refused([&](const Refusal& refusal) { ++outcome.transport.refusals[std::string(refusal.code)]; });
  application.on_refused([&](const Refusal& refusal) { ++outcome.application.refusals[std::string(refusal.code)]; });
  application.on_message([&](const Delivery& delivery) { handle(application, delivery, holding); });

  const auto deadline = Clock::now() + patience;
  std::atomic<bool> drained = false;
  std::atomic<bool> asked = false;
  int sent = 0;
  while (Clock::now() < deadline && !(sent == messages && drained)) {
    while (sent < messages && transport.try_send(question(sent))) ++sent;
    transport.do_work();
    application.do_work();
    settle_held(application, holding);
    const bool all_confirmed = transport.unconfirmed() == 0 && application.unconfirmed() == 0;
    if (sent == messages && all_confirmed && !asked.exchange(true)) {
      EXPECT_TRUE(broker.post([&] {
        drained = broker.drained();
        asked = false;
      }));
    }
    transport.wait(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(drained) << "the scenario did not come to its end";
  broker.stop(true);
  for (const std::string& name : names) {
    const std::vector<EndpointSettings>& endpoints = broker.core().settings().endpoints;
    for (EndpointId id = 0; id < endpoints.size(); ++id)
      if (endpoints[id].name == name) outcome.books[name] = broker.core().status(id);
  }
  return outcome;
}

TEST(LocalTwinTest, TheBooksSayTheSameAsOverASocket) {
  const Outcome local = in_process();
  const Outcome remote = over_sockets();
  EXPECT_EQ(local.transport, remote.transport);
  EXPECT_EQ(local.application, remote.application);
  EXPECT_EQ(local.transport.refusals.at("not_permitted"), messages / 10);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const EndpointStatus& a = local.books.at(name);
    const EndpointStatus& b = remote.books.at(name);
    EXPECT_EQ(a.sender.received, b.sender.received);
    EXPECT_EQ(a.sender.routed, b.sender.routed);
    EXPECT_EQ(a.sender.refused, b.sender.refused);
    EXPECT_EQ(a.sender.copies, b.sender.copies);
    EXPECT_EQ(a.queue.taken, b.queue.taken);
    EXPECT_EQ(a.queue.settled, b.queue.settled);
    EXPECT_EQ(a.queue.dead, b.queue.dead);
    EXPECT_EQ(a.queue.waiting, b.queue.waiting);
  }
  EXPECT_GT(local.books.at("my_application").queue.dead.messages, 0u);
}

}  // namespace
}  // namespace signalbox
