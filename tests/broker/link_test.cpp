// The link alone, over real sockets: what it hands to a core, what it answers by itself, and what send() says when.

#include "broker/link.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/broker/harness.hpp"

namespace signalbox {
namespace {

using test::Clock;
using test::encode;
using test::patience;
using test::Peer;

constexpr uint64_t now_ms = 1'000'000;

// What the link handed over, with bytes of its own.
struct Taken {
  ConnectionId from = 0;
  std::string header;
  std::string body;
  size_t parts = 0;
};

class LinkTest : public testing::Test {
 protected:
  explicit LinkTest(uint64_t max_batch_bytes = limits::max_batch_bytes) : link_(settings(max_batch_bytes)) {}
  ~LinkTest() override { link_.close(0); }

  static LinkSettings settings(uint64_t max_batch_bytes) {
    return {{"tcp://127.0.0.1:*", "ipc://" + test::unique_path(".ipc")}, max_batch_bytes};
  }

  const std::string& endpoint() const { return link_.endpoints()[0]; }

  // The next frame for a core; empty when the deadline has passed.
  std::optional<Taken> take(Clock::time_point deadline = Clock::now() + patience, uint64_t at_ms = now_ms) {
    for (;;) {
      Received received;
      const Receipt receipt = link_.receive(received, at_ms);
      if (receipt == Receipt::frame)
        return Taken{received.from, std::string(received.header), std::string(received.body), received.parts};
      if (receipt == Receipt::ignored) continue;
      if (Clock::now() >= deadline) return {};
      link_.wait(10, -1);
    }
  }

  // Reads until `count` frames from claimed routing ids have been ignored.
  void take_foreign(uint64_t count, uint64_t at_ms) {
    const auto deadline = Clock::now() + patience;
    while (link_.counters().foreign_frames < count && Clock::now() < deadline) {
      Received received;
      const Receipt receipt = link_.receive(received, at_ms);
      ASSERT_NE(receipt, Receipt::frame);
      if (receipt == Receipt::nothing) link_.wait(10, -1);
    }
    ASSERT_EQ(link_.counters().foreign_frames, count);
  }

  // A run of `size` bytes that begins with `number`.
  signalbox::Run run(size_t size, uint32_t number = 0) {
    Block* block = pool_.take(size);
    std::memset(block->data(), 'x', size);
    std::memcpy(block->data(), &number, std::min(size, sizeof number));
    signalbox::Run result(block, {block->data(), size});
    signalbox::Run::drop(block);  // the run's own reference is left
    return result;
  }

  SegmentPool pool_;  // before the link: its runs end with the link's context
  zmq::context_t context_;
  Link link_;
};

TEST_F(LinkTest, ListensAtEveryEndpointAndSaysWhere) {
  ASSERT_EQ(link_.endpoints().size(), 2u);
  EXPECT_EQ(link_.endpoints()[0].rfind("tcp://127.0.0.1:", 0), 0u);
  EXPECT_EQ(link_.endpoints()[0].find('*'), std::string::npos);
  Peer tcp(context_, link_.endpoints()[0]);
  Peer ipc(context_, link_.endpoints()[1]);
  tcp.send({"one"});
  const auto first = take();
  ipc.send({"two", "body"});
  const auto second = take();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->header, "one");
  EXPECT_EQ(first->parts, 1u);
  EXPECT_EQ(second->header, "two");
  EXPECT_EQ(second->body, "body");
  EXPECT_EQ(second->parts, 2u);
  EXPECT_NE(first->from, second->from);
}

TEST_F(LinkTest, AnswersGoToTheConnectionTheyAreFor) {
  Peer peer(context_, endpoint());
  Peer other(context_, endpoint());
  peer.send({"peer"});
  const auto taken = take();
  other.send({"other"});
  const auto other_taken = take();
  ASSERT_TRUE(taken && other_taken);
  EXPECT_EQ(link_.send(other_taken->from, "for other", {}), Output::Result::sent);
  EXPECT_EQ(link_.send(taken->from, "for peer", run(70'000, 7)), Output::Result::sent);
  EXPECT_EQ(other.receive()->header, "for other");
  const auto got = peer.receive();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->header, "for peer");
  ASSERT_EQ(got->body.size(), 70'000u);
  EXPECT_EQ(got->body[0], 7);
}

TEST_F(LinkTest, BodiesOfAllSizesArriveAndTheirBlocksComeBack) {
  Peer peer(context_, endpoint());
  peer.send({"here"});
  const auto taken = take();
  ASSERT_TRUE(taken);
  for (const size_t size : {1u, 8u, 33u, 1023u, 1024u, 1025u, 8192u, 65'536u, 1'000'000u}) {
    ASSERT_EQ(link_.send(taken->from, "body", run(size)), Output::Result::sent);
    const auto got = peer.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->body.size(), size);
    EXPECT_EQ(got->body.back(), size <= 4 ? 0 : 'x');
  }
  // Every block is back once the link is closed: the pool's destructor asserts it.
}

TEST_F(LinkTest, AnEmptyPartIsAPart) {
  Peer peer(context_, endpoint());
  peer.send({""});
  peer.send({"", ""});
  const auto first = take();
  const auto second = take();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->parts, 1u);
  EXPECT_EQ(second->parts, 2u);
}

TEST_F(LinkTest, AMessageOfManyPartsIsHandedOverOnceAndReadToItsEnd) {
  Peer peer(context_, endpoint());
  Peer other(context_, endpoint());
  std::vector<std::string> parts(10'000, "p");
  parts[0] = "header";
  parts[1] = "body";
  peer.send(parts);
  peer.send({"after"});
  const auto first = take();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->header, "header");
  EXPECT_EQ(first->body, "body");
  EXPECT_GT(first->parts, 2u);
  // What is said in the middle of it reaches the others.
  EXPECT_EQ(link_.send(first->from, "answer", {}), Output::Result::sent);
  EXPECT_EQ(peer.receive()->header, "answer");
  const auto second = take();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->header, "after");
  EXPECT_EQ(second->from, first->from);
  EXPECT_EQ(link_.counters().surplus_parts, parts.size() - 2);
  other.send({"unharmed"});
  EXPECT_EQ(take()->header, "unharmed");
}

TEST_F(LinkTest, AClaimedRoutingIdIsToldOnceASecondAndReachesNoCore) {
  Peer foreign(context_, endpoint(), "i am my_application");
  const std::string greeting = encode(test::hello(Role::application, "my_application"));
  foreign.send({"not a header"});
  foreign.send({encode(Ping{})});
  foreign.send({greeting});
  foreign.send({greeting});
  take_foreign(4, now_ms);
  EXPECT_EQ(foreign.receive()->error(), "not_permitted");
  EXPECT_EQ(link_.counters().foreign_answers, 1u) << "one HELLO of two, in one second";
  foreign.send({greeting});
  take_foreign(5, now_ms + 2000);
  EXPECT_EQ(foreign.receive()->error(), "not_permitted");
  EXPECT_EQ(link_.counters().foreign_answers, 2u);
  // An id of five bytes is foreign all the same where it does not begin with a zero.
  Peer five(context_, endpoint(), "12345");
  five.send({greeting});
  take_foreign(6, now_ms + 2000);
  EXPECT_EQ(five.receive()->error(), "not_permitted");
}

TEST_F(LinkTest, AConnectionThatIsGoneIsToldToTheSender) {
  ConnectionId connection = 0;
  {
    Peer peer(context_, endpoint());
    peer.send({"here"});
    connection = take()->from;
  }
  const auto deadline = Clock::now() + patience;
  Output::Result result = Output::Result::sent;
  while (result != Output::Result::gone && Clock::now() < deadline) {
    link_.wait(10, -1);
    result = link_.send(connection, "anyone?", {});
  }
  EXPECT_EQ(result, Output::Result::gone);
  EXPECT_EQ(link_.send(connection + 1, "nobody", {}), Output::Result::gone);
}

TEST_F(LinkTest, APeerThatDoesNotReadBlocksItselfAloneAndLosesNothing) {
  const auto narrow = [](zmq::socket_t& socket) {
    socket.set(zmq::sockopt::rcvhwm, 1);
    socket.set(zmq::sockopt::rcvbuf, 4096);
  };
  Peer slow(context_, endpoint(), {}, narrow);
  Peer quick(context_, endpoint());
  slow.send({"slow"});
  const ConnectionId slow_id = take()->from;
  quick.send({"quick"});
  const ConnectionId quick_id = take()->from;

  uint32_t sent = 0;
  Output::Result result = Output::Result::sent;
  const auto full_deadline = Clock::now() + patience;
  while (Clock::now() < full_deadline) {
    result = link_.send(slow_id, "bulk", run(8192, sent));
    if (result != Output::Result::sent) break;
    ++sent;
  }
  ASSERT_EQ(result, Output::Result::blocked) << "after " << sent;
  EXPECT_TRUE(link_.take_blocked());
  EXPECT_FALSE(link_.take_blocked());
  EXPECT_GT(link_.counters().blocked, 0u);

  // The other is not held up.
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(link_.send(quick_id, "quick", {}), Output::Result::sent);
    ASSERT_EQ(quick.receive()->header, "quick");
  }

  // Everything that was taken arrives in order, and then there is room again.
  for (uint32_t i = 0; i < sent; ++i) {
    const auto got = slow.receive();
    ASSERT_TRUE(got) << i;
    uint32_t number = 0;
    std::memcpy(&number, got->body.data(), sizeof number);
    ASSERT_EQ(number, i);
  }
  const auto room_deadline = Clock::now() + patience;
  do {
    link_.wait(1, -1);
    result = link_.send(slow_id, "again", {});
  } while (result == Output::Result::blocked && Clock::now() < room_deadline);
  EXPECT_EQ(result, Output::Result::sent);
  EXPECT_EQ(slow.receive()->header, "again");
}

TEST_F(LinkTest, WaitReturnsWhenTheOtherDescriptorIsReadable) {
  StopSignal stop;
  EXPECT_FALSE(link_.wait(0, stop.fd()));
  stop.request();
  EXPECT_TRUE(link_.wait(60'000, stop.fd()));
  stop.clear();
  EXPECT_FALSE(link_.wait(0, stop.fd()));
  EXPECT_EQ(stop.requests(), 1u);
}

TEST_F(LinkTest, WhatWasSentLeavesBeforeTheEnd) {
  Peer peer(context_, endpoint());
  peer.send({"here"});
  const ConnectionId connection = take()->from;
  for (int i = 0; i < 100; ++i) ASSERT_EQ(link_.send(connection, "last", run(10'000)), Output::Result::sent);
  link_.close(5000);
  EXPECT_EQ(link_.send(connection, "late", {}), Output::Result::gone);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(peer.receive()) << i;
}

class SmallBatchLinkTest : public LinkTest {
 protected:
  SmallBatchLinkTest() : LinkTest(1000) {}
};

TEST_F(SmallBatchLinkTest, AFrameOverTheGraceEndsItsConnectionWithoutAWord) {
  const auto no_reconnect = [](zmq::socket_t& socket) { socket.set(zmq::sockopt::reconnect_ivl, -1); };
  Peer peer(context_, endpoint(), {}, no_reconnect);
  Peer other(context_, endpoint());
  peer.send({"fits", std::string(1000 + limits::oversize_grace_bytes, 'x')});
  const auto taken = take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->body.size(), 1000 + limits::oversize_grace_bytes);
  peer.send({"over", std::string(1001 + limits::oversize_grace_bytes, 'x')});
  const auto deadline = Clock::now() + patience;
  while (link_.send(taken->from, "still there?", {}) != Output::Result::gone && Clock::now() < deadline)
    link_.wait(10, -1);
  EXPECT_EQ(link_.send(taken->from, "still there?", {}), Output::Result::gone);
  other.send({"unharmed"});
  EXPECT_EQ(take()->header, "unharmed");
}

// --- starting up -----------------------------------------------------------------------------------------------------

std::string fault_of(const std::vector<std::string>& endpoints) {
  try {
    Link link({endpoints, limits::max_batch_bytes});
  } catch (const LinkError& error) {
    return error.what();
  }
  return {};
}

TEST(LinkStartTest, AnAddressInUseIsNamed) {
  const std::string path = "ipc://" + test::unique_path(".ipc");
  Link link(
      {{"tcp://127.0.0.1:*", path, "ipc://@signalbox_test_" + std::to_string(getpid())}, limits::max_batch_bytes});
  for (const std::string& endpoint : link.endpoints()) {
    const std::string fault = fault_of({"tcp://127.0.0.1:*", endpoint});
    EXPECT_NE(fault.find("cannot listen at " + endpoint), std::string::npos) << fault;
    EXPECT_NE(fault.find("address in use"), std::string::npos) << fault;
  }
  // The living one still has its endpoint.
  zmq::context_t context;
  Peer peer(context, path);
  peer.send({"there"});
  Received received;
  const auto deadline = Clock::now() + patience;
  while (link.receive(received, now_ms) != Receipt::frame && Clock::now() < deadline) link.wait(10, -1);
  EXPECT_EQ(received.header, "there");
}

TEST(LinkStartTest, AFileLeftBehindByADeadBrokerIsNoObstacle) {
  const std::string endpoint = "ipc://" + test::unique_path(".ipc");
  const std::string path = endpoint.substr(6);
  std::fclose(std::fopen(path.c_str(), "w"));
  EXPECT_EQ(fault_of({endpoint}), "");
}

TEST(LinkStartTest, OtherFaultsSayWhatToDo) {
  EXPECT_NE(fault_of({""}), "");
  EXPECT_NE(fault_of({"nonsense"}).find("not an endpoint"), std::string::npos);
  EXPECT_NE(fault_of({"carrier://pigeon"}).find("no such transport"), std::string::npos);
  EXPECT_NE(fault_of({"tcp://203.0.113.1:*"}).find("no interface"), std::string::npos);
  EXPECT_NE(fault_of({"ipc:///no/such/folder/x"}), "");
}

TEST(LinkStartTest, WithoutAnEndpointThereIsNoSocket) {
  Link link({{}, limits::max_batch_bytes});
  EXPECT_TRUE(link.endpoints().empty());
  EXPECT_EQ(link.fd(), -1);
  EXPECT_FALSE(link.has_input());
  Received received;
  EXPECT_EQ(link.receive(received, 0), Receipt::nothing);
  EXPECT_EQ(link.send(1, encode(Ping{}), signalbox::Run()), Output::Result::gone);
  StopSignal stop;
  EXPECT_FALSE(link.wait(0, stop.fd()));
  stop.request();
  EXPECT_TRUE(link.wait(60'000, stop.fd()));
  link.close(0);
}

TEST(LinkStartTest, ASharedContextGivesInproc) {
  zmq::context_t context;
  Link link({{"inproc://bus"}, limits::max_batch_bytes}, context.handle());
  Peer peer(context, "inproc://bus");
  // libzmq does not look at sizes here, so the core has to.
  peer.send({"big", std::string(limits::max_batch_bytes + 2 * limits::oversize_grace_bytes, 'x')});
  Received received;
  ASSERT_EQ(link.receive(received, now_ms), Receipt::frame);
  EXPECT_EQ(received.body.size(), limits::max_batch_bytes + 2 * limits::oversize_grace_bytes);
  {
    SegmentPool pool;
    Block* block = pool.take(5000);
    std::memset(block->data(), 'y', 5000);
    ASSERT_EQ(link.send(received.from, "body", signalbox::Run(block, {block->data(), 5000})), Output::Result::sent);
    signalbox::Run::drop(block);
    // The peer may hold what it got for as long as it likes: a copy pins no block, or the pool would assert here.
  }
  EXPECT_EQ(peer.receive()->body, std::string(5000, 'y'));
}

TEST(LinkStartTest, Ipv6Loopback) {
  zmq::context_t context;
  std::unique_ptr<Link> link;
  try {
    link = std::make_unique<Link>(LinkSettings{{"tcp://[::1]:*", "tcp://127.0.0.1:*"}, limits::max_batch_bytes});
  } catch (const LinkError& error) {
    // A host, or a container, may well have no IPv6 at all, and then there is nothing to listen on.
    GTEST_SKIP() << "no IPv6 here: " << error.what();
  }
  Peer peer(context, link->endpoints()[0]);
  peer.send({"six"});
  Received received;
  const auto deadline = Clock::now() + patience;
  while (link->receive(received, now_ms) != Receipt::frame && Clock::now() < deadline) link->wait(10, -1);
  EXPECT_EQ(received.header, "six");
}

}  // namespace
}  // namespace signalbox
