// Workers against the broker itself, over real sockets, in one process.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/broker/harness.hpp"
#include "worker/worker.hpp"

namespace signalbox {
namespace {

using namespace std::chrono_literals;
using test::configuration_text;
using test::patience;
using test::RunningBroker;

// Works all of them in turn until `done`.
template <typename Done>
bool work_until(const std::vector<Worker*>& workers, Done done) {
  const auto deadline = Worker::Clock::now() + patience;
  while (!done()) {
    if (Worker::Clock::now() >= deadline) return false;
    size_t work = 0;
    for (Worker* worker : workers) work += worker->do_work();
    if (work == 0) workers.front()->wait(1ms);
  }
  return true;
}

class WorkerAndBroker : public testing::Test {
 protected:
  WorkerOptions options(Role role, const std::string& name) {
    WorkerOptions result;
    result.role = role;
    result.name = name;
    result.endpoint = endpoint;
    result.backoff_ms_min = 20;
    return result;
  }
  void start(const std::string& broker_keys = {}) {
    broker.reset();
    broker = std::make_unique<RunningBroker>(configuration_text({endpoint}, broker_keys));
    endpoint = broker->endpoint();
  }

  std::string endpoint = "tcp://127.0.0.1:*";
  std::unique_ptr<RunningBroker> broker;
};

TEST_F(WorkerAndBroker, AMessageItsReplyAndItsEvents) {
  start();
  Worker transport(options(Role::transport, "smpp_transport"));
  Worker application(options(Role::application, "my_application"));
  std::vector<std::string> told;
  application.on_message([&](const Delivery& delivery) {
    const Message message(delivery.bytes);
    if (message.is_user_message()) {
      told.push_back("application got " + std::string(message.content()) + " via " +
                     std::string(message.transport_name()));
      application.send(message.reply("re: " + std::string(message.content())));
    } else {
      told.push_back("application got " + std::string(message.event_type()));
    }
  });
  transport.on_message([&](const Delivery& delivery) {
    const Message message(delivery.bytes);
    told.push_back("transport got " + std::string(message.content()) + " for " + std::string(message.to_addr()));
    transport.send(message.ack("n1"));
    transport.send(message.delivery_report("delivered"));
  });
  ASSERT_TRUE(application.wait_registered(patience)) << application.fault();
  ASSERT_TRUE(transport.wait_registered(patience)) << transport.fault();
  Message hello = Message::user_message();
  hello.set_from_addr("+27831234567").set_to_addr("*120#").set_content("hello");
  ASSERT_TRUE(transport.send(hello));
  EXPECT_TRUE(work_until({&transport, &application}, [&] { return told.size() == 4; }));
  EXPECT_EQ(told, (std::vector<std::string>{"application got hello via smpp_transport",
                                            "transport got re: hello for +27831234567", "application got ack",
                                            "application got delivery_report"}));
  EXPECT_TRUE(transport.close(patience));
  EXPECT_TRUE(application.close(patience));
}

TEST_F(WorkerAndBroker, ThousandsArriveInOrder) {
  start("send_window = 500");
  constexpr uint64_t count = 20'000;
  Worker transport(options(Role::transport, "smpp_transport"));
  Worker application(options(Role::application, "my_application"));
  uint64_t arrived = 0;
  uint64_t out_of_order = 0;
  application.on_message([&](const Delivery& delivery) {
    out_of_order += Message(delivery.bytes).content() != std::to_string(arrived);
    ++arrived;
  });
  ASSERT_TRUE(application.wait_registered(patience));
  ASSERT_TRUE(transport.wait_registered(patience));
  uint64_t sent = 0;
  Message message = Message::user_message();
  EXPECT_TRUE(work_until({&transport, &application}, [&] {
    for (; sent < count; ++sent) {
      message.set_message_id(new_message_id()).set_content(std::to_string(sent));
      if (!transport.try_send(message)) break;
    }
    transport.flush();
    return arrived == count;
  }));
  EXPECT_EQ(out_of_order, 0u);
  EXPECT_TRUE(transport.wait_confirmed(patience));
}

TEST_F(WorkerAndBroker, ANameThatIsNoneIsAFault) {
  start();
  Worker nobody(options(Role::transport, "nobody"));
  EXPECT_FALSE(nobody.wait_registered(patience));
  EXPECT_EQ(nobody.state(), Worker::State::failed);
  EXPECT_EQ(nobody.fault().substr(0, 16), "unknown_endpoint");
}

TEST_F(WorkerAndBroker, ARefusalNamesItsMessage) {
  start();
  Worker application(options(Role::application, "my_application"));
  std::string refused;
  application.on_refused([&](const Refusal& refusal) {
    Message message;
    ASSERT_TRUE(message.decode(refusal.message));
    refused = std::string(refusal.code) + " " + std::string(message.content());
  });
  ASSERT_TRUE(application.wait_registered(patience));
  Message message = Message::user_message();
  message.set_transport_name("no_such_transport").set_content("hello");
  ASSERT_TRUE(application.send(message));
  EXPECT_TRUE(application.wait_confirmed(patience));
  EXPECT_EQ(refused, "unknown_endpoint hello");
}

TEST_F(WorkerAndBroker, ALeaverGivesBackWhatItHasNotHandled) {
  start();
  Worker transport(options(Role::transport, "smpp_transport"));
  ASSERT_TRUE(transport.wait_registered(patience));
  for (int i = 0; i < 3; ++i) {
    Message message = Message::user_message();
    message.set_content(std::to_string(i));
    ASSERT_TRUE(transport.send(message));
  }
  ASSERT_TRUE(transport.wait_confirmed(patience));
  {
    Worker first(options(Role::application, "my_application"));
    ASSERT_TRUE(first.receive(patience));
    const auto second = first.receive(patience);
    ASSERT_TRUE(second);
    first.stop();
    EXPECT_TRUE(first.close(patience));  // settles the one in hand
  }
  Worker next(options(Role::application, "my_application"));
  const auto rest = next.receive(patience);
  ASSERT_TRUE(rest);
  EXPECT_EQ(Message(rest->bytes).content(), "2");
  EXPECT_TRUE(rest->redelivered);
}

TEST_F(WorkerAndBroker, WhatWasUnconfirmedSurvivesTheBrokersRestart) {
  start("heartbeat_ms = 100");
  Worker transport(options(Role::transport, "smpp_transport"));
  Worker application(options(Role::application, "my_application"));
  std::set<std::string> arrived;
  application.on_message(
      [&](const Delivery& delivery) { arrived.insert(std::string(Message(delivery.bytes).content())); });
  ASSERT_TRUE(application.wait_registered(patience));
  ASSERT_TRUE(transport.wait_registered(patience));
  const auto say = [&](const std::string& content) {
    Message message = Message::user_message();
    message.set_content(content);
    return transport.try_send(message);
  };
  ASSERT_TRUE(say("before"));
  ASSERT_TRUE(work_until({&transport, &application}, [&] { return arrived.count("before") == 1; }));
  broker.reset();
  ASSERT_TRUE(say("while it is away"));
  start("heartbeat_ms = 100");
  EXPECT_TRUE(work_until({&transport, &application}, [&] { return arrived.count("while it is away") == 1; }));
  EXPECT_EQ(transport.registrations(), 2u);
  EXPECT_TRUE(transport.wait_confirmed(patience));
}

TEST_F(WorkerAndBroker, ADrainingBrokerIsLeftInPeace) {
  start();
  Worker transport(options(Role::transport, "smpp_transport"));
  Worker application(options(Role::application, "my_application"));
  ASSERT_TRUE(transport.wait_registered(patience));
  ASSERT_TRUE(application.wait_registered(patience));
  Message message = Message::user_message();
  message.set_content("last");
  ASSERT_TRUE(transport.send(message));
  ASSERT_TRUE(transport.wait_confirmed(patience));
  const auto delivery = application.receive(patience);  // so the queue is not empty
  ASSERT_TRUE(delivery);
  broker->request_stop();
  ASSERT_TRUE(work_until({&transport, &application}, [&] { return transport.draining() && application.draining(); }));
  ASSERT_TRUE(application.send(Message(delivery->bytes).reply("goodbye")));
  ASSERT_TRUE(application.wait_confirmed(patience)) << "an application may still send";
  const auto reply = transport.receive(patience);
  ASSERT_TRUE(reply);
  EXPECT_EQ(Message(reply->bytes).content(), "goodbye");
  EXPECT_FALSE(transport.receive(1ms));
  EXPECT_FALSE(application.receive(1ms));
  EXPECT_EQ(broker->join().messages(), 0u);
}

TEST_F(WorkerAndBroker, OverInprocInTheBrokersOwnContext) {
  zmq::context_t context;
  endpoint = "inproc://signalbox";
  broker = std::make_unique<RunningBroker>(configuration_text({endpoint}), static_cast<void*>(context.handle()));
  WorkerOptions with = options(Role::application, "my_application");
  with.zeromq_context = static_cast<void*>(context.handle());
  Worker worker(with);
  EXPECT_TRUE(worker.wait_registered(patience)) << worker.fault();
  EXPECT_TRUE(worker.close(patience));
  broker.reset();
}

}  // namespace
}  // namespace signalbox
