// The limits on who registers: at once, a second, and of one key. Time is the test's own.
#include "broker/core/rate_limit.hpp"
#include "tests/core/bus.hpp"

namespace signalbox::testing {
namespace {

const std::string gateway_key(32, 'g');
const std::string logic_key(32, 'l');

// --- the bucket ------------------------------------------------------------------------------------------------------

int takes(RateLimit& limit, int tries, uint64_t now_ms, uint64_t a_second, uint64_t at_once) {
  int taken = 0;
  for (int i = 0; i < tries; ++i) taken += limit.take(now_ms, a_second, at_once) ? 1 : 0;
  return taken;
}

TEST(RateLimit, GivesAsManyAtOnceAsItHoldsAndThenAtItsRate) {
  RateLimit limit;
  EXPECT_EQ(takes(limit, 100, 5000, 10, 25), 25);
  EXPECT_EQ(takes(limit, 100, 5099, 10, 25), 0);
  EXPECT_EQ(takes(limit, 100, 5100, 10, 25), 1);
  EXPECT_EQ(takes(limit, 100, 6100, 10, 25), 10);
  EXPECT_EQ(takes(limit, 100, 8599, 10, 25), 24);
  EXPECT_EQ(takes(limit, 100, 60'000, 10, 25), 25) << "it holds no more than that, however long it rested";
}

TEST(RateLimit, CountsEveryTokenOverALongTime) {
  RateLimit limit;
  int taken = takes(limit, 1, 0, 3, 1);
  for (uint64_t now_ms = 1; now_ms <= 60'000; ++now_ms) taken += takes(limit, 5, now_ms, 3, 1);
  EXPECT_GE(taken, 179);
  EXPECT_LE(taken, 181);
}

TEST(RateLimit, TakesARateAndASizeThatChange) {
  RateLimit limit;
  EXPECT_EQ(takes(limit, 10, 0, 1, 3), 3);
  EXPECT_EQ(takes(limit, 10, 0, 1000, 5), 0) << "what was taken comes back at the rate at which it was taken";
  EXPECT_EQ(takes(limit, 10, 3000, 1000, 5), 5);
  EXPECT_EQ(takes(limit, 10, 3000, 1'000'000, 1), 0);
}

// --- the broker's limits ---------------------------------------------------------------------------------------------

class Limits : public ::testing::Test {
 protected:
  std::string hello(ConnectionId from, std::string_view key = {}, const std::string& with_session = {}) {
    Hello frame;
    frame.role = Role::application;
    frame.name = "my_application";
    frame.session = with_session;
    std::string header;
    write(header, frame);
    bus_->take(from);
    bus_->put(from, header, {}, 1, key);
    for (const Received& got : bus_->take(from)) {
      if (got.is<Welcome>()) return "welcome";
      if (got.is<ErrorFrame>()) return std::string(got.as<ErrorFrame>().code);
    }
    return "nothing";
  }
  // How many of so many are let in, each on a connection of its own.
  int let_in(int tries, std::string_view key = {}) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += hello(next_++, key) == "welcome" ? 1 : 0;
    return count;
  }
  // So many sessions, one after the other, each left behind at once; how many were let in.
  int leave_behind(int sessions, std::string_view key, char name) {
    int count = 0;
    for (int i = 0; i < sessions; ++i, ++next_) {
      count += hello(next_, key, session(name, i)) == "welcome" ? 1 : 0;
      bus_->lose(next_);
    }
    return count;
  }
  static std::string session(char name, int number) {
    std::string id = name + std::to_string(number);
    id.resize(16, '.');
    return id;
  }
  // Whether it was there to resume.
  bool is_kept(std::string_view key, const std::string& session) {
    const uint64_t before = counters().resumed;
    EXPECT_EQ(hello(next_++, key, session), "welcome");
    return counters().resumed > before;
  }
  void lose_all() {
    for (ConnectionId id = 1; id < next_; ++id) bus_->lose(id);
    next_ += 1000;
  }
  void start(std::function<void(Settings&)> adjust) { bus_.emplace(seed_toml, std::move(adjust)); }
  const Counters& counters() { return bus_->core().counters(); }
  uint64_t errors() { return counters().errors[static_cast<size_t>(ErrorCode::too_many)]; }

  static std::vector<PeerSettings> peers(uint64_t of_gateway) {
    const std::vector<PeerRight> may_be = {{Role::application, "my_application"}};
    return {{"gateway", gateway_key, may_be, of_gateway}, {"logic", logic_key, may_be}};
  }

  std::optional<Bus> bus_;
  ConnectionId next_ = 1;
};

TEST_F(Limits, SoManyRegistrationsAtOnce) {
  start([](Settings& settings) { settings.max_registrations = 3; });
  EXPECT_EQ(let_in(5), 3);
  EXPECT_EQ(counters().too_many_at_once, 2u);
  EXPECT_EQ(errors(), 2u);
  bus_->lose(1);
  bus_->advance(10);
  EXPECT_EQ(let_in(5), 1);
  EXPECT_EQ(counters().too_many_at_once, 6u);
  EXPECT_EQ(counters().too_many_a_second, 0u);
}

TEST_F(Limits, SoManyRegistrationsASecond) {
  start([](Settings& settings) {
    settings.max_registrations = 20;
    settings.max_registrations_a_second = 10;
  });
  EXPECT_EQ(let_in(20), 20);
  lose_all();
  EXPECT_EQ(let_in(5), 0) << "all that may be registered may come at once, and then it goes by the second";
  EXPECT_EQ(counters().too_many_a_second, 5u);
  EXPECT_EQ(errors(), 5u);
  bus_->advance(1000);
  EXPECT_EQ(let_in(20), 10);
  lose_all();
  bus_->advance(2000);
  EXPECT_EQ(let_in(30), 20);
}

TEST_F(Limits, WhoeverRegistersAgainAndAgainOnOneConnectionMeetsItToo) {
  start([](Settings& settings) {
    settings.max_registrations = 2;
    settings.max_registrations_a_second = 1;
  });
  EXPECT_EQ(hello(1), "welcome");
  EXPECT_EQ(hello(1), "welcome");
  EXPECT_EQ(hello(1), "too_many");
  EXPECT_EQ(bus_->core().registrations(), 0u) << "an ERROR ends a registration, this one too";
  bus_->advance(1000);
  EXPECT_EQ(hello(1), "welcome");
}

TEST_F(Limits, OfASessionThatComesTooSoonNothingIsLost) {
  start([](Settings& settings) {
    settings.max_registrations = 1;
    settings.max_registrations_a_second = 1;
  });
  EXPECT_EQ(hello(1, {}, "sixteen secret b"), "welcome");
  EXPECT_EQ(hello(2, {}, "sixteen secret b"), "too_many");
  EXPECT_EQ(bus_->core().registrations(), 1u) << "it was not taken over";
  bus_->advance(1000);
  EXPECT_EQ(hello(2, {}, "sixteen secret b"), "welcome");
  EXPECT_EQ(counters().resumed, 1u);
}

TEST_F(Limits, TheHostsOwnPeersMayComeAsOftenAsTheyLike) {
  start([](Settings& settings) {
    settings.max_registrations = 10;
    settings.max_registrations_a_second = 1;
  });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(hello(1, own_process_key), "welcome");
}

TEST_F(Limits, AKeyHasARateOfItsOwn) {
  start([](Settings& settings) {
    settings.max_registrations = 100;
    settings.max_registrations_a_second = 10;
    settings.keys_required = true;
    settings.peers = peers(5);
  });
  for (int i = 0; i < 1000; ++i) hello(1, gateway_key);
  EXPECT_EQ(counters().too_many_a_second, 990u);
  EXPECT_EQ(let_in(50, logic_key), 50) << "what one key wastes is not missing to another";
  EXPECT_EQ(hello(1, gateway_key), "too_many");
  for (ConnectionId stranger = 5000; stranger < 5100; ++stranger) {
    EXPECT_EQ(hello(stranger, std::string(32, 'x')), "not_permitted");
  }
  bus_->advance(100);
  EXPECT_EQ(hello(1, gateway_key), "welcome");
}

TEST_F(Limits, SoManyRegistrationsOfOneKey) {
  start([](Settings& settings) {
    settings.max_registrations = 10;
    settings.max_registrations_a_second = 1'000'000;
    settings.keys_required = true;
    settings.peers = peers(4);
  });
  EXPECT_EQ(let_in(6, gateway_key), 4);
  EXPECT_EQ(counters().too_many_of_key, 2u);
  EXPECT_EQ(errors(), 2u);
  EXPECT_EQ(hello(4, gateway_key), "welcome") << "whom a HELLO replaces does not count";
  EXPECT_EQ(let_in(8, logic_key), 6) << "the broker's own limit holds for all of them together";
  EXPECT_EQ(counters().too_many_at_once, 2u);
  bus_->lose(1);
  bus_->lose(next_ - 3);
  bus_->advance(1);
  EXPECT_EQ(let_in(2, gateway_key), 1);
}

TEST_F(Limits, ALowerLimitOfAKeyEndsNobodyAndLetsNobodyIn) {
  start([](Settings& settings) {
    settings.keys_required = true;
    settings.peers = peers(4);
  });
  EXPECT_EQ(let_in(4, gateway_key), 4);
  bus_->core().peers_changed(peers(2), bus_->now());
  EXPECT_EQ(bus_->core().registrations(), 4u);
  bus_->lose(1);
  bus_->lose(2);
  bus_->advance(10'000);
  EXPECT_EQ(let_in(1, gateway_key), 0) << "two are left, and two is the limit";
  bus_->lose(3);
  EXPECT_EQ(let_in(2, gateway_key), 1);

  bus_->core().peers_changed({}, bus_->now());
  EXPECT_EQ(bus_->core().registrations(), 0u);
  bus_->core().peers_changed(peers(4), bus_->now());
  bus_->advance(10'000);
  EXPECT_EQ(let_in(6, gateway_key), 4) << "those whose key was taken away do not count";
}

TEST_F(Limits, SoManySessionsOfOneKey) {
  start([](Settings& settings) {
    settings.keys_required = true;
    settings.peers = peers(2);
  });
  EXPECT_EQ(leave_behind(1, logic_key, 'l'), 1);
  EXPECT_EQ(leave_behind(100, gateway_key, 'g'), 100);
  EXPECT_EQ(bus_->core().sessions(), 5u) << "twice its registrations, and the other's";
  EXPECT_EQ(counters().sessions_evicted, 96u);
  EXPECT_TRUE(is_kept(logic_key, session('l', 0))) << "it was lost before all of those";
  EXPECT_TRUE(is_kept(gateway_key, session('g', 96))) << "the longest lost of those that are left";

  // A reload counts them anew.
  std::vector<PeerSettings> next = peers(2);
  next[0].max_sessions = 3;
  bus_->core().peers_changed(next, bus_->now());
  EXPECT_EQ(leave_behind(1, gateway_key, 'h'), 0) << "one at a time goes, and four were kept";
  EXPECT_EQ(counters().too_many_of_key, 1u);
  EXPECT_EQ(leave_behind(1, gateway_key, 'i'), 1);
  EXPECT_FALSE(is_kept(gateway_key, session('g', 97)));
}

TEST_F(Limits, NoLiveSessionMakesRoomForANewcomer) {
  start([](Settings& settings) {
    settings.keys_required = true;
    settings.peers = peers(0);
    settings.peers[0].max_sessions = 2;
  });
  EXPECT_EQ(let_in(3, gateway_key), 2);
  EXPECT_EQ(counters().too_many_of_key, 1u);
  EXPECT_EQ(counters().sessions_evicted, 0u);
  EXPECT_EQ(let_in(3, logic_key), 3) << "another key's are its own";
}

TEST_F(Limits, WhoLeavesSessionsBehindMakesRoomForHisOwn) {
  start([](Settings& settings) {
    settings.max_sessions = 10;
    settings.keys_required = true;
    settings.peers = peers(0);
  });
  EXPECT_EQ(leave_behind(3, logic_key, 'l'), 3);
  EXPECT_EQ(leave_behind(100, gateway_key, 'g'), 100);
  EXPECT_EQ(bus_->core().sessions(), 10u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(is_kept(logic_key, session('l', i))) << i;
  EXPECT_EQ(counters().too_many_at_once, 0u);
}

TEST_F(Limits, HoldForAHundredThousandHellosWithoutAnythingThatGrows) {
  start([](Settings& settings) { settings.max_sessions = 100; });
  for (int i = 0; i < 100'000; ++i) {
    std::string session = "session " + std::to_string(10'000'000 + i);
    session.resize(16, '.');
    hello(1, {}, session);
    if (i % 100 == 0) bus_->advance(1);
  }
  EXPECT_LE(bus_->core().sessions(), 100u);
  EXPECT_GT(counters().too_many_a_second, 70'000u);
}

}  // namespace
}  // namespace signalbox::testing
