// What an ill-meaning or unlucky worker can do to the core: each of these was a fault once.
//
// Costs are compared at two sizes, in processor time of this thread, so that a busy machine does not matter; what is
// asked for leaves room for noise and none for a square.
#include <malloc.h>

#include <ctime>

#include "tests/core/bus.hpp"

namespace signalbox::testing {
namespace {

using Strings = std::vector<std::string>;

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

uint64_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// A core without the invariants being checked at each step, and with the sends counted.
class Bare final : public Output {
 public:
  explicit Bare(const std::string& toml, std::function<void(Settings&)> adjust = {}) {
    RouterRegistry registry;
    ConfigurationResult result = read_configuration(toml, registry);
    for (const Fault& fault : result.faults) ADD_FAILURE() << to_line("test.toml", fault);
    Settings settings = std::move(result.configuration->settings);
    settings.routing_memory_bytes = limits::mebibyte;
    if (adjust) adjust(settings);
    core = std::make_unique<Core>(std::move(settings), *this);
  }

  void hello(ConnectionId from, Role role, const std::string& name, uint64_t prefetch, const std::string& id = "") {
    Hello frame;
    frame.role = role;
    frame.name = name;
    frame.prefetch = prefetch;
    frame.session = id;
    write(header, frame);
    core->frame(from, {}, header, {}, 1, now);
  }
  void send(ConnectionId from, Seq first_seq, const std::string& body) {
    write(header, Send{first_seq});
    core->frame(from, {}, header, body, 2, now);
  }
  void nack(ConnectionId from, Seq seq) {
    write(header, Nack{seq, {}, true});
    core->frame(from, {}, header, {}, 1, now);
  }
  void flush() { core->flush(now); }
  void advance(uint64_t ms) {
    now.monotonic_ms += ms;
    core->tick(now);
  }
  // Of user messages with numbers for ids, from a transport on connection 1 that is registered.
  void fill(size_t count) {
    std::string body;
    for (size_t i = 0; i < count; ++i) {
      body += user_message(std::to_string(sent + i));
      if (i % 1000 == 999 || i + 1 == count) {
        send(1, first, body);
        first = sent + i + 2;
        body.clear();
        flush();
      }
    }
    sent += count;
  }

  Result send(ConnectionId to, Bytes head, Run body) override {
    ++sends;
    if (blocked.contains(to)) return Result::blocked;
    const auto frame = parse_broker_frame(head).value();
    if (const auto* deliver = std::get_if<Deliver>(&frame)) {
      Seq seq = deliver->first_seq;
      for (Bytes rest = body.bytes(); !rest.empty(); ++seq) rest.remove_prefix(map_bytes(rest).value());
      last_delivered[to] = seq - 1;
    }
    return Result::sent;
  }

  std::unique_ptr<Core> core;
  Time now{1'000'000, 1'300'000'000'000'000};
  uint64_t sends = 0;
  std::set<ConnectionId> blocked;
  std::map<ConnectionId, Seq> last_delivered;
  std::string header;
  size_t sent = 0;
  Seq first = 1;
};

// --- memory ----------------------------------------------------------------------------------------------------------

TEST(Review, ABatchOfMoreMapsThanAWindowTakesLittleMemory) {
  Bare bus(seed_toml);
  bus.hello(1, Role::transport, "smpp_transport", 0);
  bus.flush();
  const uint64_t before = heap_bytes();
  bus.send(1, 1, std::string(256 * 1024, '\x80'));  // a sixteenth of what is allowed
  bus.flush();
  EXPECT_LT(heap_bytes() - before, 16 * limits::mebibyte) << "for a body of 256 KiB";
}

TEST(Review, RefusalsThatAreKeptCostNoMoreThanAFewTimesWhatWasSent) {
  Bare bus(seed_toml);
  constexpr size_t sessions = 20;
  const std::string body(16384, '\x80');
  bus.hello(1, Role::transport, "smpp_transport", 0, "0123456789abcde.");
  bus.send(1, 1, body);
  bus.flush();
  const uint64_t before = heap_bytes();
  for (size_t i = 0; i < sessions; ++i) {
    std::string id = "0123456789abcdef";
    id[0] = static_cast<char>('a' + i);
    bus.hello(1, Role::transport, "smpp_transport", 0, id);
    bus.send(1, 1, body);
    bus.flush();
    bus.send(1, 0, body);  // malformed: the session is kept
    bus.flush();
  }
  EXPECT_LT(heap_bytes() - before, sessions * body.size() * 16);
}

TEST(Review, OneConnectionCannotUseUpAllSessions) {
  Bus bus(seed_toml, [](Settings& settings) { settings.max_sessions = 50; });
  Peer stranger(bus, 1);
  for (int i = 0; i < 100; ++i) {
    std::string id = "0123456789abcdef";
    id[0] = static_cast<char>(i);
    stranger.hello(Role::transport, "smpp_transport", 0, id);
    stranger.ack(99);  // malformed
  }
  Peer app(bus, 2);
  EXPECT_TRUE(app.hello(Role::application, "my_application").at(0).is<Welcome>());
}

TEST(Review, AStragglerPinsLittleMoreThanItself) {
  Bare bus(seed_toml);
  bus.hello(1, Role::transport, "smpp_transport", 0);
  bus.hello(2, Role::application, "my_application", 65'536);
  bus.flush();
  constexpr Seq every = 1000;
  size_t stragglers = 0;
  const auto a_thousand = [&] {
    const Seq first = bus.last_delivered[2] + 1;
    bus.fill(every);
    std::vector<Seq> settled;
    for (Seq seq = first + 1; seq < first + every; ++seq) settled.push_back(seq);
    write_ack(bus.header, 0, settled.data(), settled.size());
    const std::string ack = bus.header;
    bus.core->frame(2, {}, ack, {}, 1, bus.now);
    bus.flush();
    ++stragglers;
  };
  for (int i = 0; i < 50; ++i) a_thousand();
  const uint64_t before = heap_bytes();
  const size_t stragglers_before = stragglers;
  for (int i = 0; i < 300; ++i) a_thousand();
  EXPECT_EQ(bus.core->status(0).queue.under_way.messages + bus.core->status(1).queue.under_way.messages +
                bus.core->status(2).queue.under_way.messages,
            stragglers);
  EXPECT_LT((heap_bytes() - before) / (stragglers - stragglers_before), 12 * limits::kibibyte)
      << "bytes for each message of some 50 bytes that is not settled";
}

// --- cost ------------------------------------------------------------------------------------------------------------

TEST(Review, APeerThatReadsNothingAndGoesOnTalkingIsTriedOnceAMillisecond) {
  Bare bus(seed_toml);
  bus.hello(1, Role::transport, "smpp_transport", 0);
  bus.flush();
  bus.blocked.insert(1);
  write(bus.header, Ping{});
  const std::string ping = bus.header;
  for (int i = 0; i < 1000; ++i) bus.core->frame(1, {}, ping, {}, 1, bus.now);
  for (int turn = 0; turn < 3; ++turn) {
    bus.sends = 0;
    bus.now.monotonic_ms += 1;
    bus.flush();
    EXPECT_LE(bus.sends, 2U) << "each one fails";
  }
}

// All are NACKed, are due again, and are NACKed again one by one as they come.
double seconds_of_a_second_round_of_nacks(size_t messages) {
  Bare bus(seed_toml);
  bus.hello(1, Role::transport, "smpp_transport", 0);
  bus.hello(2, Role::application, "my_application", 1000);
  bus.flush();
  bus.fill(messages);
  Seq seq = 1;
  const auto nack_round = [&] {
    for (size_t i = 0; i < messages; ++i) {
      bus.nack(2, seq++);
      if (i % 100 == 99) bus.flush();
    }
    bus.flush();
  };
  nack_round();
  bus.advance(1000);
  const double before = cpu_seconds();
  nack_round();
  return cpu_seconds() - before;
}

TEST(Review, NacksCostTheSameHoweverManyAreNotDueYet) {
  const double few = seconds_of_a_second_round_of_nacks(4000);
  const double many = seconds_of_a_second_round_of_nacks(32'000);
  EXPECT_LT(many / few, 24) << few << " s for 4000, " << many << " s for 32000";
}

// A worker has lost its connection twice with so many messages; what does one message more cost now?
double seconds_a_message_behind_suspects(size_t suspects) {
  Bare bus(seed_toml);
  bus.hello(1, Role::transport, "smpp_transport", 0);
  bus.fill(suspects);
  for (ConnectionId doomed = 10; doomed < 12; ++doomed) {
    bus.hello(doomed, Role::application, "my_application", 65'536);
    bus.flush();
    bus.core->connection_gone(doomed, bus.now);
  }
  bus.hello(2, Role::application, "my_application", 65'536);
  bus.flush();
  constexpr int messages = 300;
  const double before = cpu_seconds();
  for (int i = 0; i < messages; ++i) bus.fill(1);
  return (cpu_seconds() - before) / messages;
}

TEST(Review, AMessageCostsTheSameHoweverManySuspectsWait) {
  const double few = seconds_a_message_behind_suspects(1000);
  const double many = seconds_a_message_behind_suspects(60'000);
  EXPECT_LT(many / few, 10) << few * 1e6 << " us behind 1000, " << many * 1e6 << " us behind 60000";
}

// One instance NACKs, the other is there and takes nothing.
double seconds_a_message_behind_nacked_ones(size_t nacked) {
  Bare bus(seed_toml);
  bus.hello(1, Role::transport, "smpp_transport", 0);
  bus.hello(2, Role::application, "my_application", 1);
  bus.flush();
  bus.fill(1);
  bus.hello(3, Role::application, "my_application", 65'536);
  bus.fill(nacked);
  for (Seq seq = 1; seq <= nacked; ++seq) bus.nack(3, seq);
  bus.advance(1000);
  constexpr int messages = 300;
  const double before = cpu_seconds();
  for (int i = 0; i < messages; ++i) bus.fill(1);
  return (cpu_seconds() - before) / messages;
}

TEST(Review, AMessageCostsTheSameHoweverManyAreMeantForAnotherInstance) {
  const double few = seconds_a_message_behind_nacked_ones(1000);
  const double many = seconds_a_message_behind_nacked_ones(60'000);
  EXPECT_LT(many / few, 10) << few * 1e6 << " us behind 1000, " << many * 1e6 << " us behind 60000";
}

double seconds_a_hello_among(size_t instances) {
  Bare bus(seed_toml);
  for (ConnectionId id = 0; id < instances; ++id) bus.hello(100 + id, Role::application, "my_application", 10);
  bus.flush();
  constexpr int hellos = 300;
  const double before = cpu_seconds();
  for (int i = 0; i < hellos; ++i) {
    bus.hello(1, Role::application, "my_application", 10);
    bus.flush();
  }
  return (cpu_seconds() - before) / hellos;
}

TEST(Review, AHelloCostsTheSameHoweverManyInstancesThereAre) {
  const double few = seconds_a_hello_among(500);
  const double many = seconds_a_hello_among(19'000);
  EXPECT_LT(many / few, 10) << few * 1e6 << " us among 500, " << many * 1e6 << " us among 19000";
}

double seconds_a_message_among(size_t instances) {
  Bare bus(seed_toml);
  bus.hello(1, Role::transport, "smpp_transport", 0);
  for (ConnectionId id = 0; id < instances; ++id) bus.hello(100 + id, Role::application, "my_application", 10);
  bus.flush();
  constexpr int messages = 1000;
  const double before = cpu_seconds();
  for (int i = 0; i < messages; ++i) bus.fill(1);
  return (cpu_seconds() - before) / messages;
}

TEST(Review, AMessageCostsTheSameHoweverManyInstancesThereAre) {
  const double few = seconds_a_message_among(500);
  const double many = seconds_a_message_among(19'000);
  EXPECT_LT(many / few, 10) << few * 1e6 << " us among 500, " << many * 1e6 << " us among 19000";
}

// --- deliveries ------------------------------------------------------------------------------------------------------

TEST(Review, AMessageThatFailsAsOftenAsCanBeSaidDies) {
  Bus bus(seed_toml + "[endpoints.my_application]\nmax_deliveries = 255\n");
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  Peer app(bus, 2);
  app.hello(Role::application, "my_application");
  smpp.send({user_message("bad")});
  for (Seq seq = 1; seq <= 255; ++seq) {
    ASSERT_EQ(app.delivered_ids().size(), 1U) << seq;
    app.nack(seq, true);
    bus.advance(60'000);
  }
  EXPECT_EQ(bus.status("my_application").queue.dead.messages, 1U);
}

// Makes "suspect" wait with two suspicions.
void make_suspect(Bus& bus, Peer& smpp) {
  smpp.hello(Role::transport, "smpp_transport");
  smpp.send({user_message("suspect")});
  for (ConnectionId doomed = 10; doomed < 12; ++doomed) {
    Peer(bus, doomed).hello(Role::application, "my_application");
    bus.lose(doomed);
  }
}

// Sends a message, settles one, and so on: whoever gets them is never idle of itself. Gives how many rounds it took
// until the suspect went there.
int rounds_until_the_suspect_comes(Peer& smpp, Peer& busy, int rounds) {
  Seq settled = 0;
  for (int i = 0; i < rounds; ++i) {
    smpp.send({user_message(std::to_string(i))});
    busy.ack(++settled);
    for (const std::string& id : busy.delivered_ids())
      if (id == "suspect") return i;
  }
  return rounds;
}

TEST(Review, ASuspectThatOneInstanceNackedComesToTheOtherInTheEnd) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  make_suspect(bus, smpp);
  Peer nacks(bus, 2);
  nacks.hello(Role::application, "my_application", 1);
  bus.flush();
  nacks.nack(1, true);
  Peer busy(bus, 3);
  busy.hello(Role::application, "my_application", 3);
  smpp.send({user_message("x"), user_message("y")});
  ASSERT_EQ(busy.delivered_ids(), (Strings{"x", "y"}));
  bus.advance(1000);
  nacks.take();
  EXPECT_LT(rounds_until_the_suspect_comes(smpp, busy, 50), 10);
  EXPECT_FALSE(nacks.delivered_ids().empty()) << "it is idle, and messages wait";
}

TEST(Review, ASuspectDoesNotWaitForAnInstanceThatReadsNothing) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  make_suspect(bus, smpp);
  Peer leaves(bus, 2);
  leaves.hello(Role::application, "my_application", 1);
  Peer busy(bus, 3);
  busy.hello(Role::application, "my_application", 3);
  smpp.send({user_message("x"), user_message("y")});
  ASSERT_EQ(busy.delivered_ids(), (Strings{"x", "y"}));
  Peer stuck(bus, 4);
  stuck.hello(Role::application, "my_application", 0);
  bus.block(4);
  stuck.flow(10);
  leaves.bye();
  EXPECT_LT(rounds_until_the_suspect_comes(smpp, busy, 50), 10);
}

TEST(Review, AFloodOfEventsDoesNotHoldUpALargeMessageByItsBytes) {
  Bus bus(seed_toml, [](Settings& settings) { settings.max_unsettled_bytes = 4000; });
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  Peer app(bus, 2);
  app.hello(Role::application, "my_application", 1000);
  auto one_event = [n = 0]() mutable { return event(std::to_string(n++), "m"); };
  for (int i = 0; i < 60; ++i) smpp.send({one_event()});

  const std::string large =
      message({{"message_type", "user_message"}, {"message_id", "large"}, {"content", std::string(1000, 'x')}});
  smpp.send({large});
  app.take();
  Seq settled = 0;
  bool came = false;
  int round = 0;
  for (; round < 300 && !came; ++round) {
    smpp.send({one_event()});
    app.ack(++settled);
    for (const std::string& m : app.delivered()) came |= m.size() > 1000;
  }
  EXPECT_TRUE(came) << "after " << round << " events";
}

TEST(Review, ARefusalWithAVeryHighNumberIsToldAgainToWhoResumes) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport", 1000, "0123456789abcdef");
  smpp.send({"\x80"}, UINT64_MAX - 10'000);
  ASSERT_TRUE(smpp.take().at(0).is<Refuse>());
  bus.lose(1);
  Peer again(bus, 2);
  const auto frames = again.hello(Role::transport, "smpp_transport", 1000, "0123456789abcdef");
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_TRUE(frames[1].is<Refuse>());
}

// A PONG tells who resumes that no more REFUSEs of its old registration are to come.
TEST(Review, RefusalsAreToldAgainBeforeThePongOfTheSameTurn) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport", 1000, "0123456789abcdef");
  smpp.send({"\x80"});
  bus.lose(1);
  std::string hello;
  Hello frame;
  frame.role = Role::transport;
  frame.name = "smpp_transport";
  frame.session = "0123456789abcdef";
  write(hello, frame);
  std::string ping;
  write(ping, Ping{});
  bus.core().frame(2, {}, hello, {}, 1, bus.now());
  bus.core().frame(2, {}, ping, {}, 1, bus.now());
  bus.flush();
  const auto frames = bus.take(2);
  ASSERT_EQ(frames.size(), 3U);
  EXPECT_TRUE(frames[0].is<Welcome>());
  EXPECT_TRUE(frames[1].is<Refuse>());
  EXPECT_TRUE(frames[2].is<Pong>());
}

TEST(Review, RefusalsThatFoundNoRoomAreToldBeforeThePongThatFoundNone) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport");
  bus.block(1);
  smpp.send({"\x80", "\x80"});
  std::string ping;
  write(ping, Ping{});
  bus.put(1, ping);
  bus.block(1, false);
  bus.advance(2);
  bus.flush();
  const auto frames = smpp.take();
  ASSERT_EQ(frames.size(), 4U);
  EXPECT_TRUE(frames[0].is<Refuse>());
  EXPECT_TRUE(frames[1].is<Refuse>());
  EXPECT_TRUE(frames[2].is<Pong>());
  EXPECT_TRUE(frames[3].is<Confirm>());
}

// --- the wire --------------------------------------------------------------------------------------------------------

TEST(Review, AStrangersFrameOfAnUnknownTypeIsIgnored) {
  Bus bus(seed_toml);
  bus.put(1, std::string("\x92\xcd\x01\x02\x01", 5));  // type 258, which ends in the byte of a SEND
  EXPECT_TRUE(bus.take(1).empty());
}

TEST(Review, WhoHasSaidByeAndIsLostBeforeTheAnswerIsForgotten) {
  Bus bus(seed_toml);
  Peer smpp(bus, 1);
  smpp.hello(Role::transport, "smpp_transport", 1000, "0123456789abcdef");
  bus.block(1);
  smpp.send({user_message("1")});
  smpp.bye();
  bus.lose(1);
  EXPECT_EQ(bus.core().sessions(), 0U);
}

}  // namespace
}  // namespace signalbox::testing
