// Names bound to keys, frame by frame: who may register, resume and take over, and what a change of the peers ends.
#include "tests/core/bus.hpp"

namespace signalbox::testing {
namespace {

const std::string gateway_key(32, 'g');
const std::string logic_key(32, 'l');
const std::string twin_key(32, 't');
const std::string session = "sixteen secret b";

PeerSettings gateway() {
  return {"gateway", gateway_key, {{Role::transport, "smpp_transport"}}};
}
PeerSettings logic() {
  return {"logic", logic_key, {{Role::application, "my_application"}, {Role::application, "dead_letters"}}};
}
PeerSettings twin() {
  return {"twin", twin_key, {{Role::application, "my_application"}}};
}

class Permissions : public ::testing::Test {
 protected:
  // HELLO with a key; "welcome", or the code of the error.
  std::string hello(ConnectionId from, std::string_view key, Role role, const std::string& name,
                    const std::string& with_session = {}) {
    Hello frame;
    frame.role = role;
    frame.name = name;
    frame.session = with_session;
    std::string header;
    write(header, frame);
    bus_.take(from);
    bus_.put(from, header, {}, 1, key);
    return answer(from);
  }

  // What the peer has got since: the first WELCOME or ERROR; "nothing".
  std::string answer(ConnectionId of) {
    for (const Received& frame : bus_.take(of)) {
      if (frame.is<Welcome>()) return "welcome";
      if (frame.is<ErrorFrame>()) return std::string(frame.as<ErrorFrame>().code);
    }
    return "nothing";
  }

  void change(std::vector<PeerSettings> peers) {
    bus_.core().peers_changed(std::move(peers), bus_.now());
    bus_.core().check_invariants();
  }

  Bus bus_{seed_toml, [](Settings& settings) {
             settings.keys_required = true;
             settings.peers = {gateway(), logic(), twin()};
           }};
};

TEST_F(Permissions, AreByRoleAndName) {
  EXPECT_EQ(hello(1, gateway_key, Role::transport, "smpp_transport"), "welcome");
  EXPECT_EQ(hello(2, gateway_key, Role::transport, "xmpp_transport"), "not_permitted");
  EXPECT_EQ(hello(2, gateway_key, Role::application, "my_application"), "not_permitted");
  EXPECT_EQ(hello(3, logic_key, Role::application, "dead_letters"), "welcome");
  EXPECT_EQ(hello(4, twin_key, Role::application, "dead_letters"), "not_permitted");
  EXPECT_EQ(bus_.core().counters().errors[static_cast<size_t>(ErrorCode::not_permitted)], 3u);
}

TEST_F(Permissions, NoKeyAndAnUnknownOneMayNothing) {
  EXPECT_EQ(hello(1, "", Role::transport, "smpp_transport"), "not_permitted");
  EXPECT_EQ(hello(1, std::string(32, 'x'), Role::transport, "smpp_transport"), "not_permitted");
  EXPECT_EQ(hello(1, gateway_key.substr(1), Role::transport, "smpp_transport"), "not_permitted");
  EXPECT_EQ(hello(1, own_process_key, Role::transport, "smpp_transport"), "welcome");
  EXPECT_EQ(bus_.core().registrations(), 1u);
}

TEST_F(Permissions, ASessionIsItsKeysOwn) {
  ASSERT_EQ(hello(1, logic_key, Role::application, "my_application", session), "welcome");
  EXPECT_EQ(hello(2, twin_key, Role::application, "my_application", session), "not_permitted");
  EXPECT_EQ(hello(2, own_process_key, Role::application, "my_application", session), "not_permitted");
  EXPECT_EQ(answer(1), "nothing") << "its owner feels nothing";
  bus_.lose(1);
  EXPECT_EQ(hello(2, twin_key, Role::application, "my_application", session), "not_permitted");
  EXPECT_EQ(hello(3, logic_key, Role::application, "my_application", session), "welcome");
  EXPECT_EQ(bus_.core().counters().resumed, 1u);
}

TEST_F(Permissions, ARevokedKeysRegistrationsEnd) {
  ASSERT_EQ(hello(1, gateway_key, Role::transport, "smpp_transport"), "welcome");
  ASSERT_EQ(hello(2, logic_key, Role::application, "my_application", session), "welcome");
  ASSERT_EQ(hello(3, logic_key, Role::application, "dead_letters"), "welcome");
  ASSERT_EQ(hello(4, twin_key, Role::application, "my_application"), "welcome");
  ASSERT_EQ(hello(5, own_process_key, Role::transport, "xmpp_transport"), "welcome");
  change({gateway(), twin()});
  EXPECT_EQ(answer(1), "nothing");
  EXPECT_EQ(answer(2), "not_permitted");
  EXPECT_EQ(answer(3), "not_permitted");
  EXPECT_EQ(answer(4), "nothing");
  EXPECT_EQ(answer(5), "nothing") << "the host is no peer";
  EXPECT_EQ(bus_.core().registrations(), 3u);
  EXPECT_EQ(hello(2, logic_key, Role::application, "my_application", session), "not_permitted");

  change({gateway(), twin(), logic()});
  EXPECT_EQ(hello(2, logic_key, Role::application, "my_application", session), "welcome") << "its session was kept";
}

TEST_F(Permissions, ANarrowedKeyKeepsWhatItStillMayBe) {
  ASSERT_EQ(hello(2, logic_key, Role::application, "my_application"), "welcome");
  ASSERT_EQ(hello(3, logic_key, Role::application, "dead_letters"), "welcome");
  change({gateway(), {"logic", logic_key, {{Role::application, "my_application"}}}});
  EXPECT_EQ(answer(2), "nothing");
  EXPECT_EQ(answer(3), "not_permitted");
  change({});
  EXPECT_EQ(answer(2), "not_permitted");
  EXPECT_EQ(bus_.core().registrations(), 0u);
}

// What the revoked one had not settled goes to another instance, and is not held against any message.
TEST_F(Permissions, WhatARevokedPeerHeldGoesBack) {
  ASSERT_EQ(hello(1, gateway_key, Role::transport, "smpp_transport"), "welcome");
  ASSERT_EQ(hello(2, logic_key, Role::application, "my_application"), "welcome");
  std::string header;
  write(header, Send{1});
  bus_.put(1, header, user_message("m1"), 2, gateway_key);
  EXPECT_EQ(bus_.status("my_application").queue.under_way.messages, 1u);
  change({gateway(), twin()});
  EXPECT_EQ(bus_.status("my_application").queue.waiting.messages, 1u);
  ASSERT_EQ(hello(4, twin_key, Role::application, "my_application"), "welcome");
  EXPECT_EQ(bus_.status("my_application").queue.under_way.messages, 1u);
}

TEST(PermissionsWithoutKeys, EverybodyMayBeEverything) {
  Bus bus(seed_toml);
  Peer peer(bus, 1);
  EXPECT_TRUE(peer.hello(Role::application, "dead_letters").at(0).is<Welcome>());
  bus.core().peers_changed({}, bus.now());
  EXPECT_EQ(bus.core().registrations(), 1u);
}

}  // namespace
}  // namespace signalbox::testing
