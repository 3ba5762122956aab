// The whole broker over real sockets, as a worker in any language sees it.

#include "broker/broker.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <unordered_set>

#include "tests/broker/harness.hpp"

namespace signalbox {
namespace {

using test::ack;
using test::Clock;
using test::configuration_text;
using test::encode;
using test::patience;
using test::Peer;
using test::RunningBroker;
using test::user_message;

constexpr const char* any_port = "tcp://127.0.0.1:*";

// SEND -> DELIVER -> ACK -> CONFIRM, and the reply back, between a transport and an application that are registered.
void round_trip(Peer& transport, Peer& application, Seq number, Seq reply_number) {
  const std::string id = "message " + std::to_string(number);
  ASSERT_TRUE(transport.send({encode(Send{number}), user_message(id, "hello")}));
  const auto delivered = application.receive_a<Deliver>();
  ASSERT_TRUE(delivered);
  EXPECT_NE(delivered->body.find(id), std::string::npos);
  const auto confirmed = transport.receive_a<Confirm>();
  ASSERT_TRUE(confirmed);
  EXPECT_EQ(confirmed->as<Confirm>()->upto, number);

  application.send({encode(Send{reply_number}), user_message("reply to " + id, "hi", {}, id)});
  application.send({ack(delivered->as<Deliver>()->first_seq)});
  const auto reply = transport.receive_a<Deliver>();
  ASSERT_TRUE(reply);
  EXPECT_NE(reply->body.find("reply to " + id), std::string::npos);
  EXPECT_EQ(application.receive_a<Confirm>()->as<Confirm>()->upto, reply_number);
  transport.send({ack(reply->as<Deliver>()->first_seq)});
}

TEST(BrokerTest, WelcomeSaysWhatHolds) {
  RunningBroker broker(configuration_text({any_port}, "heartbeat_ms = 1234"));
  zmq::context_t context;
  Peer peer(context, broker.endpoint());
  ASSERT_TRUE(peer.send({encode(test::hello(Role::transport, "smpp_transport"))}));
  const auto got = peer.receive_a<Welcome>();
  ASSERT_TRUE(got);
  const auto welcome = got->as<Welcome>();
  EXPECT_EQ(welcome->version, 1u);
  EXPECT_EQ(welcome->limits.heartbeat_ms, 1234u);
  EXPECT_EQ(welcome->limits.broker, "signalbox/" + std::string(version()));
}

TEST(BrokerTest, AMessageAndItsReplyOverEveryTransport) {
  zmq::context_t context;
  RunningBroker broker(configuration_text({any_port, "ipc://" + test::unique_path(".ipc"), "inproc://signalbox"}),
                       context.handle());
  // The application over one, the transport over the next.
  for (size_t i = 0; i < 3; ++i) {
    SCOPED_TRACE(broker.endpoint(i));
    Peer application(context, broker.endpoint(i));
    ASSERT_TRUE(application.register_as(Role::application, "my_application"));
    Peer transport(context, broker.endpoint((i + 1) % 3));
    ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
    round_trip(transport, application, 1, 1);
    round_trip(transport, application, 2, 2);
    application.send({encode(Bye{})});
    ASSERT_TRUE(application.receive_a<Bye>());
    transport.send({encode(Bye{})});
    ASSERT_TRUE(transport.receive_a<Bye>());
  }
}

TEST(BrokerTest, LargeBodiesGoOutByReference) {
  RunningBroker broker(configuration_text({any_port}));
  zmq::context_t context;
  Peer application(context, broker.endpoint());
  ASSERT_TRUE(application.register_as(Role::application, "my_application"));
  Peer transport(context, broker.endpoint());
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  const std::string content(300'000, 'c');
  for (Seq number = 1; number <= 20; ++number) {
    ASSERT_TRUE(transport.send({encode(Send{number}), user_message("large " + std::to_string(number), content)}));
    const auto delivered = application.receive_a<Deliver>();
    ASSERT_TRUE(delivered);
    EXPECT_NE(delivered->body.find(content), std::string::npos);
    application.send({ack(number)});
  }
}

TEST(BrokerTest, AClaimedRoutingIdIsNotPermitted) {
  RunningBroker broker(configuration_text({any_port}));
  zmq::context_t context;
  Peer foreign(context, broker.endpoint(), "my_application");
  foreign.send({encode(test::hello(Role::application, "my_application"))});
  EXPECT_EQ(foreign.receive()->error(), "not_permitted");
}

TEST(BrokerTest, ABodyOverTheLimitIsAnsweredAndOneFarOverItEndsTheConnection) {
  zmq::context_t context;
  RunningBroker broker(
      configuration_text({any_port, "inproc://signalbox"}, "max_batch_bytes = 4096\nmax_message_bytes = 4096"),
      context.handle());
  Peer bystander(context, broker.endpoint());
  ASSERT_TRUE(bystander.register_as(Role::application, "my_application"));

  Peer over(context, broker.endpoint());
  ASSERT_TRUE(over.register_as(Role::transport, "smpp_transport"));
  over.send({encode(Send{1}), user_message("1", std::string(5000, 'x'))});
  EXPECT_EQ(over.receive_a<ErrorFrame>()->error(), "too_large");

  // Cut off: the connection that libzmq makes next is a new one, which nobody knows.
  ASSERT_TRUE(over.register_as(Role::transport, "smpp_transport"));
  over.send({encode(Send{1}), user_message("1", std::string(4096 + limits::oversize_grace_bytes, 'x'))});
  const auto deadline = Clock::now() + patience;
  std::string error;
  while (error.empty() && Clock::now() < deadline) {
    over.send({encode(Ping{})});
    if (const auto got = over.receive_a<ErrorFrame>(Clock::now() + std::chrono::milliseconds(50))) error = got->error();
  }
  EXPECT_EQ(error, "not_registered");

  Peer near(context, broker.endpoint(1));
  ASSERT_TRUE(near.register_as(Role::transport, "smpp_transport"));
  near.send({encode(Send{1}), user_message("1", std::string(200'000, 'x'))});
  EXPECT_EQ(near.receive_a<ErrorFrame>()->error(), "too_large") << "over inproc at any size";

  bystander.send({encode(Ping{})});
  EXPECT_TRUE(bystander.receive_a<Pong>());
}

TEST(BrokerTest, AMessageOfManyPartsIsMalformed) {
  RunningBroker broker(configuration_text({any_port}));
  zmq::context_t context;
  Peer bystander(context, broker.endpoint());
  ASSERT_TRUE(bystander.register_as(Role::application, "my_application"));
  Peer peer(context, broker.endpoint());
  ASSERT_TRUE(peer.register_as(Role::transport, "smpp_transport"));
  std::vector<std::string> parts(50'000, "x");
  parts[0] = encode(Send{1});
  parts[1] = user_message("1", "hello");
  peer.send(parts);
  EXPECT_EQ(peer.receive_a<ErrorFrame>()->error(), "malformed");
  ASSERT_TRUE(peer.register_as(Role::transport, "smpp_transport"));
  round_trip(peer, bystander, 1, 1);
}

TEST(BrokerTest, APeerThatDoesNotReadHoldsUpNobodyAndLosesNothing) {
  RunningBroker broker(configuration_text({any_port}));
  zmq::context_t context;
  const auto narrow = [](zmq::socket_t& socket) {
    socket.set(zmq::sockopt::rcvhwm, 1);
    socket.set(zmq::sockopt::rcvbuf, 4096);
  };
  constexpr Seq count = 3500;
  Peer slow(context, broker.endpoint(), {}, narrow);
  ASSERT_TRUE(slow.register_as(Role::application, "my_application", count));
  Peer other(context, broker.endpoint());
  ASSERT_TRUE(other.register_as(Role::application, "other_application"));
  Peer transport(context, broker.endpoint());
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  Peer other_transport(context, broker.endpoint());
  ASSERT_TRUE(other_transport.register_as(Role::transport, "xmpp_transport"));

  // One at a time, so that each is a frame of its own, until the high-water mark is passed.
  const std::string content(4000, 'c');
  for (Seq number = 1; number <= count; ++number) {
    ASSERT_TRUE(transport.send({encode(Send{number}), user_message(std::to_string(number), content)}));
    ASSERT_TRUE(transport.receive_a<Confirm>());
  }
  for (Seq number = 1; number <= 10; ++number) round_trip(other_transport, other, number, number);

  Seq next = 1;
  while (next <= count) {
    const auto got = slow.receive_a<Deliver>();
    ASSERT_TRUE(got) << "after " << next - 1;
    ASSERT_EQ(got->as<Deliver>()->first_seq, next);
    ASSERT_FALSE(got->as<Deliver>()->redelivered);
    for (size_t offset = 0; offset < got->body.size(); ++next) {
      const auto map = msgpack::unpack(got->body.data(), got->body.size(), offset);
      ASSERT_EQ(map.get().via.map.ptr[1].val.as<std::string>(), std::to_string(next));
    }
  }
  slow.send({ack(count)});
  broker.request_stop();
  EXPECT_EQ(broker.join().messages(), 0u);
  EXPECT_GT(broker.broker().link_counters().blocked, 0u) << "the high-water mark was never reached";
}

TEST(BrokerTest, DrainingSaysGoodbyeAndLeavesNothingThatCanBeWorkedOff) {
  RunningBroker broker(configuration_text({any_port}));
  zmq::context_t context;
  Peer application(context, broker.endpoint());
  ASSERT_TRUE(application.register_as(Role::application, "my_application", 1));
  Peer transport(context, broker.endpoint());
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  transport.send({encode(Send{1}), user_message("1", "a") + user_message("2", "b") + user_message("3", "c")});
  ASSERT_TRUE(transport.receive_a<Confirm>());

  broker.request_stop();
  const auto goodbye = transport.receive_a<Bye>();
  ASSERT_TRUE(goodbye);
  EXPECT_EQ(goodbye->as<Bye>()->reason, "draining");
  for (Seq number = 1; number <= 3; ++number) {
    const auto got = application.receive_a<Deliver>();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->as<Deliver>()->first_seq, number);
    application.send({ack(number)});
  }
  const Ending& ending = broker.join();
  EXPECT_FALSE(ending.at_once);
  EXPECT_EQ(ending.messages(), 0u);
  EXPECT_TRUE(ending.left.empty());
}

TEST(BrokerTest, WhatIsLeftAfterDrainingIsReportedByEndpoint) {
  RunningBroker broker(configuration_text({any_port}, "drain_ms = 50"));
  zmq::context_t context;
  Peer transport(context, broker.endpoint());
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  transport.send({encode(Send{1}), user_message("1", "a") + user_message("2", "b")});
  ASSERT_TRUE(transport.receive_a<Confirm>());
  broker.request_stop();
  const Ending& ending = broker.join();
  EXPECT_FALSE(ending.at_once);
  EXPECT_EQ(ending.messages(), 2u);
  ASSERT_EQ(ending.left.size(), 1u);
  EXPECT_EQ(ending.left[0].endpoint, "my_application");
  EXPECT_EQ(ending.left[0].messages, 2u);
}

TEST(BrokerTest, ASecondRequestStopsAtOnce) {
  RunningBroker broker(configuration_text({any_port}));
  zmq::context_t context;
  Peer transport(context, broker.endpoint());
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  transport.send({encode(Send{1}), user_message("1", "a")});
  ASSERT_TRUE(transport.receive_a<Confirm>());
  broker.request_stop();
  ASSERT_TRUE(transport.receive_a<Bye>());
  broker.request_stop();
  EXPECT_TRUE(broker.join().at_once);
  EXPECT_EQ(broker.join().messages(), 1u);
}

// --- a worker that dies ----------------------------------------------------------------------------------------------

// A worker in a process of its own, which does nothing but register, take what comes, and say so.
class DoomedWorker {
 public:
  // Before there is any thread: a forked child keeps only the one that forked.
  DoomedWorker() {
    if (pipe(commands_) != 0 || pipe(events_) != 0) throw std::runtime_error("no pipes");
    child_ = fork();
    if (child_ == 0) live();
  }
  ~DoomedWorker() {
    kill();
    for (const int fd : {commands_[0], commands_[1], events_[0], events_[1]}) close(fd);
  }
  void start(const std::string& endpoint) {
    const std::string line = endpoint + "\n";
    ASSERT_EQ(::write(commands_[1], line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }
  // 'w': welcome, 'd': a delivery.
  char wait_event() {
    char event = 0;
    return read(events_[0], &event, 1) == 1 ? event : 0;
  }
  void kill() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = -1;
  }

 private:
  [[noreturn]] void live() {
    std::string endpoint;
    for (char c = 0; read(commands_[0], &c, 1) == 1 && c != '\n';) endpoint += c;
    zmq::context_t context;
    Peer peer(context, endpoint);
    peer.send({encode(test::hello(Role::application, "my_application"))});
    while (const auto got = peer.receive()) {
      const char event = got->as<Welcome>() ? 'w' : got->as<Deliver>() ? 'd' : 'o';
      if (event != 'o' && ::write(events_[1], &event, 1) != 1) break;
    }
    _exit(1);
  }

  int commands_[2] = {-1, -1};
  int events_[2] = {-1, -1};
  pid_t child_ = -1;
};

TEST(BrokerTest, AWorkersDeathIsNoticedWithinAHeartbeat) {
  constexpr std::chrono::milliseconds heartbeat{300};
  DoomedWorker worker;
  RunningBroker broker(configuration_text({any_port}, "heartbeat_ms = 300"));
  worker.start(broker.endpoint());
  ASSERT_EQ(worker.wait_event(), 'w');
  zmq::context_t context;
  Peer transport(context, broker.endpoint());
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  transport.send({encode(Send{1}), user_message("1", "take care of this")});
  ASSERT_EQ(worker.wait_event(), 'd');
  Peer heir(context, broker.endpoint());
  ASSERT_TRUE(heir.register_as(Role::application, "my_application"));

  const auto death = Clock::now();
  worker.kill();
  const auto got = heir.receive_a<Deliver>();
  const auto noticed = Clock::now();
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->as<Deliver>()->redelivered);
  EXPECT_LE(noticed - death, heartbeat + std::chrono::milliseconds(500));
}

}  // namespace
}  // namespace signalbox
