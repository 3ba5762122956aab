// Neighbours of a batch enter their queue as one. Nobody may be able to tell: every batch here goes to two cores, to
// the one as it is, to the other message by message within one turn, and all that either of them says and counts must
// be the same, frame by frame. What it must be stands beside it.
#include <algorithm>
#include <random>

#include "broker/core/queue.hpp"
#include "tests/core/lanes_bus.hpp"

namespace signalbox::testing {
namespace {

constexpr ConnectionId sms = 1;

// Where messages go stands in them, by a letter for each copy: an endpoint as it is, or in capitals with a change. No
// letter: no route.
std::map<char, EndpointId> targets_by_letter;  // NOLINT(cert-err58-cpp)

class ByLetters final : public Router {
 public:
  void inbound(const Incoming& incoming, Decision& decision) override {
    follow(incoming.message.text(Field::to_addr), decision);
  }
  void event(const Incoming& incoming, Decision& decision) override {
    follow(incoming.message.text(Field::user_message_id), decision);
  }
  void outbound(const Incoming&, Decision&) override {}
  std::vector<Route> routes() const override { return {}; }

 private:
  static void follow(Bytes address, Decision& decision) {
    for (const char letter : address) {
      const bool is_changed = letter >= 'A' && letter <= 'Z';
      const auto target = targets_by_letter.find(is_changed ? static_cast<char>(letter - 'A' + 'a') : letter);
      if (target == targets_by_letter.end()) continue;
      decision.deliver(target->second);
      if (is_changed) {
        decision.edit({.operation = Edit::Operation::set, .path = {"changed"}, .value = decision.text("yes")});
      }
    }
  }
};

RouterRegistry by_letters() {
  RouterRegistry registry;
  registry.add({.name = "ByLetters",
                .make = [](RouterSetup&) -> std::unique_ptr<Router> { return std::make_unique<ByLetters>(); },
                .keys = {},
                .list_names = nullptr});
  return registry;
}

// From sms, with the transport's name in it: it goes on as it is.
std::string to(const std::string& address, const std::string& id, size_t content_bytes = 0) {
  return message({{"message_type", "user_message"},
                  {"message_id", id},
                  {"to_addr", address},
                  {"transport_name", "sms"},
                  {"content", std::string(content_bytes, 'c')}});
}
// The broker fills the name in, so that what goes on is another piece of memory.
std::string without_name(const std::string& address, const std::string& id) {
  return message({{"message_type", "user_message"}, {"message_id", id}, {"to_addr", address}});
}
std::string event_to(const std::string& address, const std::string& id) {
  return message({{"message_type", "event"},
                  {"event_id", id},
                  {"event_type", "ack"},
                  {"user_message_id", address},
                  {"transport_name", "sms"}});
}
// The bounds of one are there to be seen, and yet it is none.
std::string malformed() {
  return message({{"message_type", "user_message"}, {"message_id", ""}});
}

std::vector<uint64_t> books(const EndpointStatus& status) {
  std::vector<uint64_t> all;
  const SenderLedger& s = status.sender;
  for (const Count& count : {s.received, s.routed, s.refused, s.discarded, s.copies, s.not_taken}) {
    all.insert(all.end(), {count.messages, count.bytes});
  }
  const QueueLedger& q = status.queue;
  for (const Count& count : {q.taken, q.settled, q.under_way, q.waiting, q.dropped, q.expired, q.dead}) {
    all.insert(all.end(), {count.messages, count.bytes});
  }
  return all;
}

using Refusals = std::vector<Seq>;

// What a peer was told, by kind of frame.
struct Told {
  Ids ids;  // of what it was delivered, events by their event_id
  std::vector<std::string> messages;
  Refusals refused;
  Seq confirmed = 0;
  Seq delivered = 0;  // the last number
  std::string error;
};

class BatchAppending : public ::testing::Test {
 protected:
  void start(std::function<void(EndpointSettings&)> adjust = {}, const std::string& rest = "") {
    const std::string toml =
        "[[dispatcher]]\nname = 'near'\nrouter_class = 'ByLetters'\ntransport_names = ['sms']\n"
        "exposed_names = ['app', 'log', 'hub']\ndead_letters = 'near_dead'\n"
        "[[dispatcher]]\nname = 'beyond'\nrouter_class = 'SimpleDispatchRouter'\ntransport_names = ['hub']\n"
        "exposed_names = ['far']\nrouting_mappings = {hub = 'far'}\n" +
        rest;
    const auto adjust_all = [adjust](Settings& settings) {
      settings.max_message_bytes = 512 * limits::kibibyte;
      for (EndpointSettings& endpoint : settings.endpoints) {
        if (adjust) adjust(endpoint);
      }
    };
    together_.emplace(toml, adjust_all, by_letters());
    apart_.emplace(toml, adjust_all, by_letters());
    targets_by_letter.clear();
    const std::vector<EndpointSettings>& endpoints = together_->core().settings().endpoints;
    for (EndpointId id = 0; id < endpoints.size(); ++id) {
      const std::string& name = endpoints[id].name;
      if (name == "app") targets_by_letter['a'] = id;
      if (name == "log") targets_by_letter['l'] = id;
      // Of the two sides of the joint, the one that the first dispatcher knows.
      if (name == "hub" && endpoints[id].role == Role::application) targets_by_letter['h'] = id;
    }
    ASSERT_EQ(targets_by_letter.size(), 3U);
    hello(sms, Role::transport, "sms");
    next_ = 1;
  }

  // To both, and what is answered must be the same.
  void put(ConnectionId from, const std::string& header) {
    together_->put(from, header);
    apart_->put(from, header);
  }
  void hello(ConnectionId from, Role role, const std::string& name, uint64_t prefetch = 10'000) {
    Hello frame;
    frame.role = role;
    frame.name = name;
    frame.prefetch = prefetch;
    write(header_, frame);
    put(from, header_);
  }
  void ack(ConnectionId from, Seq upto) {
    write_ack(header_, upto);
    put(from, header_);
  }
  void advance(uint64_t ms) {
    together_->advance(ms);
    apart_->advance(ms);
  }
  // Behind the last message stands `broken`, which is none. `first`: 0 goes on counting.
  void send(const std::vector<std::string>& messages, const std::string& broken = "", Seq first = 0) {
    if (first == 0) first = next_;
    next_ = first + messages.size();
    std::string body;
    for (size_t i = 0; i < messages.size(); ++i) {
      body += messages[i];
      write(header_, Send{first + i});
      apart_->core().frame(sms, {}, header_, messages[i] + (i + 1 == messages.size() ? broken : ""), 2, apart_->now());
    }
    write(header_, Send{first});
    together_->core().frame(sms, {}, header_, body + broken, 2, together_->now());
    flush();
  }
  void flush() {
    together_->flush();
    apart_->flush();
    expect_same_books();
  }
  void expect_same_books() {
    for (EndpointId id = 0; id < together_->core().settings().endpoints.size(); ++id) {
      ASSERT_EQ(books(together_->core().status(id)), books(apart_->core().status(id)))
          << together_->core().settings().endpoints[id].name;
    }
  }
  Told told(ConnectionId peer) {
    const std::vector<Received> frames = together_->take(peer);
    const std::vector<Received> others = apart_->take(peer);
    Told told;
    EXPECT_EQ(frames.size(), others.size());
    for (size_t i = 0; i < std::min(frames.size(), others.size()); ++i) {
      EXPECT_EQ(frames[i].header, others[i].header) << "frame " << i;
      EXPECT_EQ(frames[i].messages, others[i].messages) << "frame " << i;
    }
    for (const Received& frame : frames) {
      if (frame.is<Refuse>()) told.refused.push_back(frame.as<Refuse>().seq);
      if (frame.is<Confirm>()) told.confirmed = frame.as<Confirm>().upto;
      if (frame.is<ErrorFrame>()) told.error = std::string(frame.as<ErrorFrame>().code);
      if (frame.is<Deliver>()) told.delivered = frame.as<Deliver>().first_seq + frame.messages.size() - 1;
      for (const std::string& m : frame.messages) {
        MessageView view;
        EXPECT_EQ(view.scan(m), Scan::ok) << view.fault();
        const bool is_event = view.kind() == MessageKind::event;
        told.ids.emplace_back(view.text(is_event ? Field::event_id : Field::message_id));
        told.messages.push_back(m);
      }
    }
    return told;
  }
  // All that waits for an application, in the order in which a worker gets it.
  Told read(const std::string& application) {
    hello(++reader_, Role::application, application);
    return told(reader_);
  }
  QueueLedger queue(const std::string& name) const { return together_->status(name).queue; }

  std::optional<Bus> together_;
  std::optional<Bus> apart_;
  Seq next_ = 1;
  ConnectionId reader_ = 100;
  std::string header_;
};

// Of one endpoint: limits that are below what a configuration may ask for, too.
std::function<void(EndpointSettings&)> limited(const std::string& name, Overflow overflow, uint64_t max_messages,
                                               uint64_t max_bytes = limits::queue_bytes) {
  return [=](EndpointSettings& endpoint) {
    if (endpoint.name != name) return;
    endpoint.overflow = overflow;
    endpoint.max_messages = max_messages;
    endpoint.max_bytes = max_bytes;
  };
}

TEST_F(BatchAppending, GapsRepeatsAndChangesKeepTheirPlaces) {
  start();
  const std::vector<std::string> sent = {
      to("a", "1"), to("a", "2"),  to("al", "3"),           to("l", "4"),   to("a", "5"),  to("aa", "6"), to("aa", "7"),
      to("A", "8"), to("a", "9"),  to("aA", "10"),          to("Aa", "11"), to("a", "12"), to("-", "13"), to("a", "14"),
      malformed(),  to("a", "15"), without_name("a", "16"), to("la", "17")};
  send(sent);
  const Told app = read("app");
  EXPECT_EQ(app.ids, (Ids{"1", "2", "3", "5", "6", "6", "7", "7", "8", "9", "10", "10", "11", "11", "12", "14", "15",
                          "16", "17"}));
  EXPECT_EQ(app.messages.at(0), sent[0]);
  EXPECT_EQ(app.messages.at(9), sent[8]);
  EXPECT_EQ(app.messages.at(10), sent[9]);
  EXPECT_NE(app.messages.at(11), sent[9]);
  EXPECT_NE(app.messages.at(12), sent[10]);
  EXPECT_EQ(app.messages.at(13), sent[10]);
  EXPECT_EQ(field(app.messages.at(17), Field::transport_name), "sms");
  EXPECT_EQ(read("log").ids, (Ids{"3", "4", "17"}));
  const Told sender = told(sms);
  EXPECT_EQ(sender.refused, (Refusals{13, 15}));
  EXPECT_EQ(sender.confirmed, 18U);
  EXPECT_EQ(together_->status("sms").sender.copies.messages, 22U);
}

TEST_F(BatchAppending, BothKindsKeepTheirOrderAndTheirBounds) {
  start(limited("app", Overflow::drop_oldest, 4));
  send({to("a", "u1"), event_to("a", "e1"), event_to("a", "e2"), to("a", "u2"), to("a", "u3"), event_to("a", "e3")});
  EXPECT_EQ(queue("app").dropped.messages, 2U) << "u1 and e1, the oldest of both kinds";
  EXPECT_EQ(read("app").ids, (Ids{"u2", "u3", "e2", "e3"}));
}

TEST_F(BatchAppending, UnchangedCopiesPassJointsAsTheyAre) {
  start();
  send({to("h", "1"), to("h", "2"), to("ha", "3"), to("hh", "4"), to("H", "5"), to("h", "6"), event_to("h", "7")});
  const Told far = read("far");
  EXPECT_EQ(far.ids, (Ids{"1", "2", "3", "4", "4", "5", "6", "7"}));
  EXPECT_EQ(far.messages.at(6), to("h", "6"));
  EXPECT_EQ(read("app").ids, (Ids{"3"}));
}

TEST_F(BatchAppending, RefusesFromTheVeryMessageThatIsTooMany) {
  start(limited("app", Overflow::refuse, 7));
  std::vector<std::string> batch;
  for (size_t i = 1; i <= 10; ++i) batch.push_back(to("a", id(i)));
  send(batch);
  EXPECT_EQ(told(sms).refused, (Refusals{8, 9, 10}));
  EXPECT_EQ(queue("app").taken.messages, 7U);
  hello(2, Role::application, "app");
  EXPECT_EQ(told(2).ids, ids(1, 7));
  ack(2, 4);
  send(batch);
  EXPECT_EQ(told(sms).refused, (Refusals{15, 16, 17, 18, 19, 20}));
  EXPECT_EQ(told(2).ids, ids(1, 4));
}

TEST_F(BatchAppending, RefusesFromTheVeryByteThatIsTooMany) {
  const uint64_t bytes = to("a", "m1", 100).size();
  const std::vector<std::string> batch = {to("a", "m1", 100), to("a", "m2", 100), to("a", "m3", 100),
                                          to("a", "m4", 100), to("a", "m5", 10)};
  start(limited("app", Overflow::refuse, 1000, 4 * bytes));
  send(batch);
  EXPECT_EQ(told(sms).refused, (Refusals{5}));
  EXPECT_EQ(queue("app").waiting, (Count{4, 4 * bytes}));

  start(limited("app", Overflow::refuse, 1000, 4 * bytes - 1));
  send(batch);
  EXPECT_EQ(told(sms).refused, (Refusals{4})) << "what is smaller fits behind it";
  EXPECT_EQ(read("app").ids, (Ids{"m1", "m2", "m3", "m5"}));

  start(limited("app", Overflow::refuse, 1000, 10));
  send(batch);
  EXPECT_EQ(told(sms).refused, (Refusals{2, 3, 4, 5})) << "one always fits";
}

TEST_F(BatchAppending, HoldsTheSenderFromTheVeryMessageThatIsOverTheLimit) {
  start(limited("app", Overflow::block, 4));
  std::vector<std::string> batch;
  for (size_t i = 1; i <= 10; ++i) batch.push_back(to("a", id(i)));
  send(batch);
  Told sender = told(sms);
  EXPECT_EQ(sender.confirmed, 4U);
  EXPECT_EQ(sender.refused, (Refusals{9, 10})) << "twice the limit";
  hello(2, Role::application, "app");
  EXPECT_EQ(told(2).ids, ids(1, 8));
  ack(2, 3);
  EXPECT_EQ(told(sms).confirmed, 0U) << "five are there";
  ack(2, 4);
  EXPECT_EQ(told(sms).confirmed, 10U);

  // Over its limit for block_ms on end, it refuses as well.
  send({to("l", "x"), to("a", "y"), to("a", "z")});
  EXPECT_EQ(told(sms).confirmed, 11U);
  advance(limits::block_ms + 1000);
  EXPECT_EQ(told(sms).confirmed, 13U);
  send({to("la", "13"), to("l", "14"), to("a", "15")});
  sender = told(sms);
  EXPECT_EQ(sender.refused, (Refusals{16}));
  EXPECT_EQ(read("log").ids, (Ids{"x", "13", "14"}));
}

TEST_F(BatchAppending, MakesRoomMessageByMessageWhereTheOldestGoes) {
  start(limited("app", Overflow::drop_oldest, 3));
  std::vector<std::string> batch;
  for (size_t i = 1; i <= 8; ++i) batch.push_back(to("a", id(i)));
  send(batch);
  EXPECT_EQ(queue("app").taken.messages, 8U);
  EXPECT_EQ(queue("app").dropped.messages, 5U);
  hello(2, Role::application, "app", 2);
  EXPECT_EQ(told(2).ids, ids(6, 7));
  send(batch);
  EXPECT_EQ(queue("app").dropped.messages, 13U) << "what is under way stays";
  ack(2, 2);
  EXPECT_EQ(told(2).ids, ids(8, 8));
}

TEST_F(BatchAppending, WhatOneOfSeveralCannotTakeIsADeadLetterInItsTurn) {
  for (const uint64_t letters_max : {uint64_t{1000}, uint64_t{2}}) {
    start([&](EndpointSettings& endpoint) {
      limited("log", Overflow::refuse, 2)(endpoint);
      if (endpoint.name == "near_dead") endpoint.max_messages = letters_max;
    });
    send({to("a", "1"), to("al", "2"), to("al", "3"), to("al", "4"), to("la", "5"), to("l", "6"), to("laL", "7"),
          to("a", "8")});
    EXPECT_EQ(read("app").ids, (Ids{"1", "2", "3", "4", "5", "7", "8"}));
    EXPECT_EQ(read("log").ids, (Ids{"2", "3"}));
    EXPECT_EQ(read("near_dead").ids, letters_max == 2 ? (Ids{"7", "7"}) : (Ids{"4", "5", "7", "7"}));
    EXPECT_EQ(told(sms).refused, Refusals{6});
    EXPECT_EQ(together_->status("sms").sender.not_taken.messages, 4U);
  }
}

TEST_F(BatchAppending, SegmentsEndInMidBatch) {
  start();
  std::vector<std::string> batch;
  for (size_t i = 1; i <= 3 * segment_messages_max; ++i) batch.push_back(to("a", id(i)));
  const size_t large_at = segment_messages_max + 100;
  batch[large_at] = to("a", "large", limits::segment_bytes_max + 1000);
  batch[large_at + 1] = to("a", "exact");
  batch[large_at + 2] = to("a", "too large", 600 * limits::kibibyte);
  send(batch);
  EXPECT_EQ(told(sms).refused, (Refusals{large_at + 3}));
  batch.erase(batch.begin() + static_cast<ptrdiff_t>(large_at) + 2);
  EXPECT_TRUE(read("app").messages == batch);
  // Together they are several of the largest segments.
  batch.clear();
  for (size_t i = 0; i < 1500; ++i) batch.push_back(to("a", id(i), 500 + i % 7));
  send(batch);
  EXPECT_TRUE(told(reader_).messages == batch);
}

TEST_F(BatchAppending, TimesAreTheBatchsOwn) {
  start([](EndpointSettings& endpoint) {
    if (endpoint.name == "app") endpoint.message_ttl_ms = 100;
  });
  std::vector<std::string> batch;
  for (size_t i = 1; i <= 1000; ++i) batch.push_back(to("a", id(i)));
  send(batch);
  advance(60);
  send({to("a", "n1"), to("a", "n2")});
  advance(39);
  EXPECT_EQ(queue("app").expired.messages, 0U);
  advance(1);
  EXPECT_EQ(queue("app").expired.messages, 1000U);
  EXPECT_EQ(read("app").ids, (Ids{"n1", "n2"}));
}

TEST_F(BatchAppending, WhatComesWholeBeforeABreakIsTaken) {
  start();
  send({to("a", "1"), to("a", "2"), to("l", "3"), to("a", "4")}, "\xc1");
  const Told sender = told(sms);
  EXPECT_EQ(sender.confirmed, 4U);
  EXPECT_EQ(sender.error, "malformed");
  EXPECT_EQ(read("app").ids, (Ids{"1", "2", "4"}));
  EXPECT_EQ(read("log").ids, (Ids{"3"}));
}

TEST_F(BatchAppending, NumbersThatCameBeforeArePassedOver) {
  start();
  send({to("a", "1"), to("a", "2"), to("a", "3")});
  send({to("a", "2"), to("a", "3"), to("a", "4"), to("a", "5"), to("l", "6"), to("a", "7")}, "", 2);
  EXPECT_EQ(read("app").ids, (Ids{"1", "2", "3", "4", "5", "7"}));
  EXPECT_EQ(told(sms).confirmed, 7U);
}

class AnyBatches : public BatchAppending {
 protected:
  uint64_t below(uint64_t limit) { return random_() % limit; }

  std::string any_message() {
    const std::string name = std::to_string(++named_);
    const std::vector<std::string> seldom = {"",   "-", "al", "la", "aa", "A",  "Aa", "aA",
                                             "lL", "l", "ll", "L",  "h",  "hh", "Ha", "alh"};
    if (below(25) == 0) return malformed();
    if (below(4) == 0) address_ = below(2) == 0 ? "a" : seldom[below(seldom.size())];
    if (below(8) == 0) return event_to(address_, name);
    if (below(15) == 0) return without_name(address_, name);
    const size_t content_bytes = below(60) == 0 ? below(300'000) : below(400);
    return to(address_, name, content_bytes);
  }
  void any_settings(EndpointSettings& endpoint) {
    endpoint.overflow = endpoint.dead_letters ? Overflow::drop_oldest : static_cast<Overflow>(below(3));
    if (below(3) != 0) endpoint.max_messages = 1 + below(60);
    if (below(3) == 0) endpoint.max_bytes = 1000 + below(30'000);
    if (below(4) == 0) endpoint.message_ttl_ms = 1 + below(200);
  }
  void read_some(ConnectionId reader, const std::string& name) {
    if (below(10) == 0) hello(reader, Role::application, name, 1 + below(40));
    const Told got = told(reader);
    if (got.delivered != 0 && below(3) != 0) ack(reader, got.delivered - below(std::min<Seq>(got.delivered, 3)));
    if (got.delivered != 0 && below(6) == 0) {
      write(header_, Nack{got.delivered, "any", below(2) == 0});
      put(reader, header_);
    }
  }

  std::mt19937_64 random_;
  uint64_t named_ = 0;
  std::string address_ = "a";
};

TEST_F(AnyBatches, AreAsTheirMessagesOneByOne) {
  Count taken;
  Count copies;
  uint64_t refused = 0;
  uint64_t dropped = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    start([&](EndpointSettings& endpoint) {
      random_.seed(seed * 256 + static_cast<uint64_t>(endpoint.name.front()));  // the same for both cores
      any_settings(endpoint);
    });
    for (int round = 0; round < 25; ++round) {
      std::vector<std::string> batch(1 + below(below(4) == 0 ? 200 : 20));
      std::ranges::generate(batch, [this] { return any_message(); });
      send(batch);
      refused += told(sms).refused.size();
      ConnectionId reader = 2;
      for (const char* const name : {"app", "log", "far", "near_dead"}) read_some(reader++, name);
      if (below(3) == 0) advance(below(120));
      expect_same_books();
      ASSERT_FALSE(HasFailure()) << "seed " << seed << " round " << round;
    }
    for (const char* const name : {"app", "log", "far", "near_dead"}) {
      taken += queue(name).taken;
      dropped += queue(name).dropped.messages;
    }
    copies += together_->status("sms").sender.copies;
  }
  EXPECT_GT(copies.messages, 20'000U);
  EXPECT_GT(taken.messages, copies.messages) << "some were dead letters";
  EXPECT_GT(refused, 1000U);
  EXPECT_GT(dropped, 1000U);
}

// What other lanes have admitted to the queue counts while a batch waits to be appended to it.
TEST(BatchAppendingAcrossLanes, WhatIsOnItsWayTakesRoomFromABatch) {
  for (const std::string overflow : {"refuse", "block"}) {
    LanesBus bus(R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["t_even", "t_odd"]
exposed_names   = ["a_even"]
routing_mappings = {t_even = "a_even", t_odd = "a_even"}
[endpoints.a_even]
max_messages = 80
overflow = ")" + overflow +
                 "\"\n");
    LanesPeer here(bus, 1);
    LanesPeer there(bus, 2);
    LanesPeer application(bus, 3);
    ASSERT_EQ(here.hello(Role::transport, "t_even"), "welcome");
    ASSERT_EQ(there.hello(Role::transport, "t_odd"), "welcome");
    ASSERT_EQ(application.hello(Role::application, "a_even"), "welcome");
    ASSERT_EQ(bus.lane_of("a_even"), bus.lane_of("t_even"));
    ASSERT_NE(bus.lane_of("a_even"), bus.lane_of("t_odd"));
    // More parcels than a lane takes in one turn.
    for (size_t i = 1; i <= 70; ++i) {
      there.send({user_message(id(i))});
      bus.step(bus.lane_of("t_odd"));
    }
    std::vector<std::string> batch;
    for (size_t i = 1; i <= 120; ++i) batch.push_back(outbound("h" + std::to_string(i), "t_even"));
    here.send(batch);
    bus.step(bus.lane_of("t_even"));
    const size_t taken = overflow == "refuse" ? 10 : 90;
    EXPECT_EQ(bus.status("t_even").sender.copies.messages, taken);
    bus.settle();
    EXPECT_EQ(bus.status("a_even").queue.taken.messages, 70 + taken);
    Ids all = ids(1, 64);
    for (size_t i = 1; i <= taken; ++i) all.push_back("h" + std::to_string(i));
    for (size_t i = 65; i <= 70; ++i) all.push_back(id(i));
    EXPECT_EQ(application.ids(), all);
    Codes refused;
    EXPECT_EQ(here.confirmed(&refused), overflow == "refuse" ? 120U : 16U);
    EXPECT_EQ(refused.size(), batch.size() - taken);
  }
}

}  // namespace
}  // namespace signalbox::testing
