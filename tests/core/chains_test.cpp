// Dispatchers of one broker, chained by joints or apart: what the page on routers says of chains, over the real core.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/core/bus.hpp"

namespace signalbox::testing {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

// What a Witness saw: "inbound from hub, transport_name hub, which is hub, field sms".
Strings seen;  // NOLINT(cert-err58-cpp): makers of routers are plain functions

std::string words(Direction direction) {
  return direction == Direction::inbound ? "inbound" : direction == Direction::event ? "event" : "outbound";
}

// Tells what it is asked. Inbound and events go to its first application; outbound to its first transport or, with
// `turns_round`, back to its first application.
class Witness final : public Router {
 public:
  explicit Witness(RouterSetup& setup) : turns_round_(setup.find("turns_round") != nullptr) {
    transport_ = *setup.transport(setup.transports().at(0));
    application_ = *setup.application(setup.applications().at(0));
    for (const auto& name : setup.transports()) names_[*setup.transport(name)] = name;
    for (const auto& name : setup.applications()) names_[*setup.application(name)] = name;
  }
  void inbound(const Incoming& incoming, Decision& decision) override {
    note(incoming);
    decision.deliver(application_);
  }
  void event(const Incoming& incoming, Decision& decision) override {
    note(incoming);
    decision.deliver(application_);
  }
  void outbound(const Incoming& incoming, Decision& decision) override {
    note(incoming);
    decision.deliver(turns_round_ ? application_ : transport_);
  }
  std::vector<Route> routes() const override { return {}; }

 private:
  void note(const Incoming& incoming) {
    std::string text = words(incoming.direction) + " from " + names_[incoming.sender] + ", transport_name ";
    text.append(incoming.transport_name) += ", which is ";
    text.append(incoming.transport ? names_[*incoming.transport] : "none") += ", field ";
    text.append(incoming.message.text(Field::transport_name));
    if (incoming.followed) text.append(", follows ").append(names_[incoming.followed->source]);
    seen.push_back(text);
  }

  bool turns_round_;
  EndpointId transport_ = 0;
  EndpointId application_ = 0;
  std::map<EndpointId, std::string> names_;
};

RouterRegistry with_witness() {
  seen.clear();
  RouterRegistry registry;
  registry.add({.name = "Witness",
                .make = [](RouterSetup& setup) -> std::unique_ptr<Router> { return std::make_unique<Witness>(setup); },
                .keys = {"turns_round"},
                .list_names = nullptr});
  return registry;
}

std::string dispatcher(const std::string& name, const std::string& router, const std::string& transports,
                       const std::string& applications, const std::string& settings) {
  return "[[dispatcher]]\nname = '" + name + "'\nrouter_class = '" + router + "'\ntransport_names = [" + transports +
         "]\nexposed_names = [" + applications + "]\n" + settings + "\n";
}
std::string simple(const std::string& name, const std::string& transports, const std::string& applications,
                   const std::string& mappings, const std::string& settings = "") {
  return dispatcher(name, "SimpleDispatchRouter", transports, applications,
                    settings + "\nrouting_mappings = {" + mappings + "}");
}

// sms and xmpp - near - hub - middle - hall - far - app and other. `settings` are for near, middle and far.
std::string three(const std::array<std::string, 3>& settings = {}) {
  return simple("near", "'sms', 'xmpp'", "'hub'", "sms = 'hub', xmpp = 'hub'", settings[0]) +
         simple("middle", "'hub'", "'hall'", "hub = 'hall'", settings[1]) +
         simple("far", "'hall'", "'app', 'other'", "hall = 'app'", settings[2]);
}

Json decoded(const std::string& message) {
  return Json::from_msgpack(message);
}
std::string inbound_to(const std::string& id, const std::string& to_addr) {
  return message({{"message_type", "user_message"}, {"message_id", id}, {"to_addr", to_addr}});
}

// A worker at each name that is listed, with room for all.
class Ends {
 public:
  Ends(Bus& bus, const Strings& transports, const Strings& applications) {
    ConnectionId connection = 1;
    for (const auto& [names, role] : {std::pair(&transports, Role::transport), {&applications, Role::application}}) {
      for (const std::string& name : *names) {
        const auto [peer, is_new] = peers_.try_emplace(name, bus, connection++);
        EXPECT_TRUE(is_new && peer->second.hello(role, name).at(0).is<Welcome>()) << name;
      }
    }
  }
  Peer& operator[](const std::string& name) { return peers_.at(name); }

 private:
  std::map<std::string, Peer> peers_;
};

// The refusals a peer has been told since, "code: text".
Strings refusals(Peer& peer) {
  Strings told;
  for (const Received& frame : peer.take()) {
    if (!frame.is<Refuse>()) continue;
    const auto refuse = frame.as<Refuse>();
    told.push_back(std::string(refuse.code) + ": " + std::string(refuse.text));
  }
  return told;
}

// --- joints ----------------------------------------------------------------------------------------------------------

TEST(Chains, NobodyRegistersAJoint) {
  Bus bus(three());
  ConnectionId connection = 1;
  for (const Role role : {Role::transport, Role::application}) {
    for (const char* name : {"hub", "hall"}) {
      const auto answer = Peer(bus, connection++).hello(role, name);
      ASSERT_TRUE(answer.at(0).is<ErrorFrame>()) << name;
      EXPECT_EQ(answer.at(0).as<ErrorFrame>().code, to_string(ErrorCode::unknown_endpoint));
    }
  }
  EXPECT_EQ(bus.core().registrations(), 0u);
}

TEST(Chains, AMessageItsReplyAndItsEventGoThroughThreeDispatchers) {
  Bus bus(three());
  Ends ends(bus, {"sms", "xmpp"}, {"app", "other"});
  ends["xmpp"].send({user_message("m")});
  const auto came = ends["app"].delivered();
  ASSERT_EQ(came.size(), 1u);
  EXPECT_EQ(field(came[0], Field::transport_name), "xmpp") << "the first dispatcher fills in, the others leave it";

  ends["app"].send({reply("r", "m")});
  EXPECT_EQ(ends["xmpp"].delivered(), (Strings{reply("r", "m")})) << "to where it came from, not a byte changed";
  EXPECT_TRUE(ends["sms"].delivered().empty());

  ends["other"].send({outbound("o", "sms")});
  EXPECT_EQ(ends["sms"].delivered_ids(), (Strings{"o"}));
  ends["sms"].send({event("e1", "o"), event("e2", "never seen")});
  const auto to_other = ends["other"].delivered();
  ASSERT_EQ(to_other.size(), 1u) << "who sent the message hears of it";
  EXPECT_EQ(decoded(to_other[0])["event_id"], "e1");
  const auto to_app = ends["app"].delivered();
  ASSERT_EQ(to_app.size(), 1u) << "and of the unknown whom the routers name";
  EXPECT_EQ(decoded(to_app[0])["event_id"], "e2");
}

TEST(Chains, EachDispatcherTracksOrNotByItself) {
  const std::string off = "reply_tracking = false";
  for (int without = 0; without < 3; ++without) {
    std::array<std::string, 3> settings;
    settings.at(static_cast<size_t>(without)) = off;
    Bus bus(three(settings));
    Ends ends(bus, {"sms", "xmpp"}, {"app", "other"});
    ends["xmpp"].send({user_message("m")});
    EXPECT_EQ(ends["app"].delivered_ids(), (Strings{"m"}));
    ends["app"].send({reply("lost", "m")});
    EXPECT_EQ(refusals(ends["app"]).size(), 1u) << "the one that remembers nothing has no transport_name to go by";
    ends["app"].send({message({{"message_type", "user_message"},
                               {"message_id", "r"},
                               {"in_reply_to", "m"},
                               {"transport_name", without == 0 ? "xmpp" : "sms"}})});
    // Whoever remembers goes by the memory; near has the last word, and only it can tell xmpp from sms.
    EXPECT_EQ(ends["xmpp"].delivered_ids(), (Strings{"r"})) << without;
    ends["other"].send({outbound("o", "sms")});
    EXPECT_EQ(ends["sms"].delivered_ids(), (Strings{"o"}));
    ends["sms"].send({event("e", "o")});
    EXPECT_EQ(ends[without == 2 ? "app" : "other"].delivered().size(), 1u) << without;
  }
}

TEST(Chains, BehindAJointTheSenderIsTheJoint) {
  const RouterRegistry registry = with_witness();
  Bus bus(simple("near", "'sms'", "'hub'", "sms = 'hub', far_away = 'hub', hall = 'hub'", "relays = ['sms']") +
              dispatcher("middle", "Witness", "'hub', 'side'", "'hall'", "") +
              dispatcher("far", "Witness", "'hall'", "'app'", ""),
          {}, registry);
  Ends ends(bus, {"sms", "side"}, {"app"});
  ends["sms"].send({outbound("m", "far_away"), outbound("n", "hall"), event("e", "x")});
  EXPECT_EQ(seen, (Strings{"inbound from hub, transport_name hub, which is hub, field far_away",
                           "inbound from hall, transport_name hall, which is hall, field far_away",
                           "inbound from hub, transport_name hub, which is hub, field hall",
                           "inbound from hall, transport_name hall, which is hall, field hall",
                           "event from hub, transport_name hub, which is hub, field sms",
                           "event from hall, transport_name hall, which is hall, field sms"}));
  seen.clear();
  ends["app"].send({reply("r", "m"), outbound("o", "sms"), outbound("p", "hub"), outbound("q", "nowhere")});
  EXPECT_EQ(seen, (Strings{"outbound from app, transport_name , which is none, field , follows hall",
                           "outbound from hall, transport_name , which is none, field , follows hub",
                           "outbound from app, transport_name sms, which is hall, field sms",
                           "outbound from hall, transport_name sms, which is hub, field sms",
                           "outbound from app, transport_name hub, which is hall, field hub",
                           "outbound from hall, transport_name hub, which is hub, field hub",
                           "outbound from app, transport_name nowhere, which is none, field nowhere",
                           "outbound from hall, transport_name nowhere, which is none, field nowhere"}));
}

// Where the first dispatcher does not fill in transport_name, no other does.
TEST(Chains, BehindAJointTheFieldIsNotFilledIn) {
  Bus bus(
      "[[dispatcher]]\nname = 'near'\nrouter_class = 'RoutingTableDispatcher'\n"
      "receive_inbound_connectors = ['sms']\nreceive_outbound_connectors = ['hub']\n"
      "[dispatcher.routing_table]\nsms.default = ['hub', 'default']\nhub.default = ['sms', 'default']\n" +
      simple("far", "'hub'", "'app'", "hub = 'app'"));
  Ends ends(bus, {"sms"}, {"app"});
  ends["sms"].send({user_message("m")});
  const auto came = ends["app"].delivered();
  ASSERT_EQ(came.size(), 1u);
  EXPECT_FALSE(decoded(came[0]).contains("transport_name"));
}

// A name of a transport further down is an address for what goes out, and no transport of this dispatcher for what
// comes in.
TEST(Chains, ARelayCannotSpeakForATransportFurtherDown) {
  Bus bus(simple("near", "'deep'", "'hub'", "deep = 'hub'") +
          simple("far", "'hub', 'relay'", "'app', 'other'", "hub = 'app', relay = 'other'", "relays = ['relay']"));
  Ends ends(bus, {"deep", "relay"}, {"app", "other"});
  ends["relay"].send({outbound("m", "deep"), outbound("n", "hub"), outbound("o", "relay")});
  EXPECT_EQ(refusals(ends["relay"]).size(), 1u);
  EXPECT_EQ(ends["app"].delivered_ids(), (Strings{"n"}));
  EXPECT_EQ(ends["other"].delivered_ids(), (Strings{"o"}));
}

TEST(Chains, OfTwoJointsTheFirstInTheConfigurationLeadsThere) {
  for (const char* first : {"left", "right"}) {
    const RouterRegistry registry = with_witness();
    const std::string joints = first == std::string("left") ? "'left', 'right'" : "'right', 'left'";
    Bus bus(simple("far", "'mid'", "'app'", "mid = 'app'") +
                simple("middle", joints, "'mid'", "left = 'mid', right = 'mid'") +
                dispatcher("near", "Witness", "'sms'", "'left', 'right'", ""),
            {}, registry);
    Ends ends(bus, {"sms"}, {"app"});
    ends["app"].send({outbound("o", "sms")});
    EXPECT_EQ(ends["sms"].delivered_ids(), (Strings{"o"}));
    EXPECT_EQ(seen, (Strings{"outbound from " + std::string(first) + ", transport_name sms, which is sms, field sms"}));
  }
}

// A dozen layers, two joints between each two: what can be named is worked out once for each dispatcher, and a message
// that is not fanned out takes one way.
TEST(Chains, ManyWaysCostNoMoreThanOne) {
  constexpr int layers = 40;
  std::string toml = simple("d0", "'sms'", "'l0', 'r0'", "sms = 'l0'");
  for (int i = 1; i < layers; ++i) {
    const std::string in = std::to_string(i - 1);
    const std::string out = std::to_string(i);
    const bool last = i == layers - 1;
    toml += simple(
        "d" + out, "'l" + in + "', 'r" + in + "'", last ? "'app'" : "'l" + out + "', 'r" + out + "'",
        "l" + in + " = '" + (last ? "app" : "r" + out) + "', r" + in + " = '" + (last ? "app" : "l" + out) + "'");
  }
  Bus bus(toml);
  Ends ends(bus, {"sms"}, {"app"});
  ends["sms"].send({user_message("m")});
  EXPECT_EQ(ends["app"].delivered_ids(), (Strings{"m"}));
  ends["app"].send({outbound("o", "sms"), reply("r", "m")});
  EXPECT_EQ(ends["sms"].delivered_ids(), (Strings{"o", "r"}));
}

TEST(Chains, TwoJointsAreNotTwoSendersOfAnId) {
  Bus bus(simple("near", "'sms', 'xmpp'", "'left', 'right'", "sms = ['left', 'right'], xmpp = 'left'") +
          simple("far", "'left', 'right'", "'app', 'other'", "left = 'app', right = 'other'"));
  Ends ends(bus, {"sms", "xmpp"}, {"app", "other"});
  ends["sms"].send({user_message("m")});
  EXPECT_EQ(ends["app"].delivered_ids(), (Strings{"m"}));
  EXPECT_EQ(ends["other"].delivered_ids(), (Strings{"m"}));
  EXPECT_EQ(bus.core().counters().ambiguous_ids, 0u);
  ends["app"].send({reply("r", "m")});
  ends["other"].send({reply("s", "m")});
  EXPECT_EQ(ends["sms"].delivered_ids(), (Strings{"r", "s"}));
  ends["sms"].send({event("e", "s")});
  EXPECT_EQ(ends["other"].delivered().size(), 1u);
}

TEST(Chains, AnAmbiguousIdIsFollowedNowhereAndCountedOnce) {
  Bus bus(three());
  Ends ends(bus, {"sms", "xmpp"}, {"app", "other"});
  ends["xmpp"].send({user_message("m")});
  ends["sms"].send({user_message("m")});
  EXPECT_EQ(ends["app"].delivered_ids(), (Strings{"m", "m"}));
  EXPECT_EQ(bus.core().counters().ambiguous_ids, 1u) << "three dispatchers have met it";
  ends["app"].send({reply("r", "m")});
  EXPECT_EQ(refusals(ends["app"]).size(), 1u);
  EXPECT_TRUE(ends["sms"].delivered().empty());
  EXPECT_TRUE(ends["xmpp"].delivered().empty());

  // The same of what two applications have sent: its event goes by the rule.
  ends["app"].send({outbound("o", "sms")});
  ends["other"].send({outbound("o", "sms")});
  ends["sms"].send({event("e", "o")});
  EXPECT_EQ(ends["app"].delivered().size(), 1u);
  EXPECT_TRUE(ends["other"].delivered().empty());
}

TEST(Chains, AJointIsAlwaysLiveToWhomBalances) {
  Bus bus(simple("near", "'sms'", "'hub'", "sms = 'hub'") +
          dispatcher("far", "LoadBalancingRouter", "'hub', 'direct'", "'app'",
                     "reply_affinity = false\nrewrite_transport_names = false"));
  Peer app(bus, 1);
  app.hello(Role::application, "app");
  app.send({outbound("1", "sms"), outbound("2", "sms"), outbound("3", "sms")});
  EXPECT_EQ(bus.status("sms").queue.waiting.messages, 3u) << "nobody serves direct";
  Peer direct(bus, 2);
  direct.hello(Role::transport, "direct");
  app.send({outbound("4", "sms"), outbound("5", "sms"), outbound("6", "sms")});
  EXPECT_EQ(direct.delivered_ids().size() + bus.status("sms").queue.waiting.messages, 6u);
  EXPECT_GE(bus.status("sms").queue.waiting.messages, 4u);
  EXPECT_GE(bus.status("direct").queue.taken.messages, 1u) << "in turn, now that somebody is there";
}

TEST(Chains, BalancersStandBehindOneAnother) {
  Bus bus(dispatcher("near", "LoadBalancingRouter", "'sms1', 'sms2'", "'hub'", "") +
          dispatcher("far", "LoadBalancingRouter", "'hub', 'direct'", "'app'", "reply_tracking = false"));
  Ends ends(bus, {"sms1", "sms2", "direct"}, {"app"});
  ends["sms2"].send({user_message("m")});
  const auto came = ends["app"].delivered();
  ASSERT_EQ(came.size(), 1u);
  Json answer = decoded(came[0]);
  EXPECT_EQ(answer["helper_metadata"]["load_balancer"]["transport_names"], Json({"sms2", "hub"}));
  answer["in_reply_to"] = "m";
  answer["message_id"] = "r";
  const std::vector<uint8_t> bytes = Json::to_msgpack(answer);
  ends["app"].send({std::string(bytes.begin(), bytes.end())});
  const auto went = ends["sms2"].delivered();
  ASSERT_EQ(went.size(), 1u);
  EXPECT_EQ(decoded(went[0])["helper_metadata"]["load_balancer"]["transport_names"], Json::array());
  EXPECT_EQ(decoded(went[0])["transport_name"], "sms2");
}

// --- turning round ---------------------------------------------------------------------------------------------------

TEST(Chains, TransportToTransportAcrossAJointComesThroughTheFirstDispatcherTwice) {
  Bus bus(
      dispatcher("near", "RedirectRouter", "'sms', 'xmpp'", "'one', 'two'",
                 "redirect_inbound = {sms = 'one', xmpp = 'two'}\nredirect_outbound = {one = 'xmpp', two = 'sms'}") +
      dispatcher("far", "TransportToTransportRouter", "'one', 'two'", "",
                 "routing_mappings = {one = 'two', two = 'one'}"));
  Ends ends(bus, {"sms", "xmpp"}, {});
  ends["sms"].send({user_message("m")});
  const auto out = ends["xmpp"].delivered();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(field(out[0], Field::transport_name), "one");
  EXPECT_TRUE(refusals(ends["sms"]).empty());
  ends["xmpp"].send({user_message("n"), event("e", "m")});
  EXPECT_EQ(ends["sms"].delivered_ids(), (Strings{"n"}));
  EXPECT_EQ(bus.status("xmpp").sender.discarded.messages, 1u) << "nobody there asks for events";
  EXPECT_EQ(bus.core().counters().ambiguous_ids, 0u);
}

TEST(Chains, WhatIsTurnedRoundWithoutEndIsRefused) {
  const RouterRegistry registry = with_witness();
  Bus bus(dispatcher("near", "Witness", "'sms'", "'hub'", "turns_round = true") +
              dispatcher("far", "TransportToTransportRouter", "'hub'", "", "routing_mappings = {hub = 'hub'}"),
          {}, registry);
  Ends ends(bus, {"sms"}, {});
  ends["sms"].send({user_message("m")});
  const Strings told = refusals(ends["sms"]);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].substr(0, 10), "internal: ");
  EXPECT_EQ(seen.size(), 2u);
}

// --- refused, left out, discarded ------------------------------------------------------------------------------------

const std::string far_refuses = dispatcher("far", "ToAddrRouter", "'hub'", "'app'", "toaddr_mappings = {app = '[+]1'}");

TEST(Chains, ARefusalBehindJointsIsToldToTheSender) {
  Bus bus(simple("near", "'sms'", "'hub'", "sms = 'hub'") + far_refuses);
  Ends ends(bus, {"sms"}, {"app"});
  ends["sms"].send({inbound_to("good", "+1"), inbound_to("bad", "+2")});
  const Strings told = refusals(ends["sms"]);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].substr(0, 10), "no_route: ");
  EXPECT_EQ(ends["app"].delivered_ids(), (Strings{"good"}));
  EXPECT_EQ(bus.status("sms").sender.refused.messages, 1u);
  EXPECT_EQ(bus.status("sms").sender.routed.messages, 1u);
  EXPECT_EQ(bus.status("dead_letters").queue.taken.messages, 0u);
}

TEST(Chains, WhatNobodyBehindTookIsNotRemembered) {
  Bus bus(simple("near", "'sms', 'xmpp'", "'hub'", "sms = 'hub', xmpp = 'hub'") + far_refuses);
  Ends ends(bus, {"sms", "xmpp"}, {"app"});
  ends["xmpp"].send({inbound_to("m", "+2")});
  ends["sms"].send({inbound_to("m", "+1")});
  EXPECT_EQ(bus.core().counters().ambiguous_ids, 0u);
  ends["app"].send({reply("r", "m")});
  EXPECT_EQ(ends["sms"].delivered_ids(), (Strings{"r"}));
}

// Two joints, and nobody behind either.
TEST(Chains, OfSeveralRefusalsTheFirstIsTold) {
  for (const bool full_first : {false, true}) {
    const std::string order = full_first ? "'spoke', 'hub'" : "'hub', 'spoke'";
    Bus bus(simple("near", "'sms'", "'hub', 'spoke'", "sms = [" + order + "]") + far_refuses +
            simple("beside", "'spoke'", "'full'", "spoke = 'full'") +
            "[endpoints.full]\nmax_messages = 1\noverflow = 'refuse'\n");
    Ends ends(bus, {"sms"}, {});
    ends["sms"].send({inbound_to("fills", "+1")});
    ends["sms"].take();
    ends["sms"].send({inbound_to("m", "+2")});
    const Strings told = refusals(ends["sms"]);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].substr(0, told[0].find(':')), full_first ? "queue_full" : "no_route");
    EXPECT_EQ(bus.status("dead_letters").queue.taken.messages, 0u) << "a refused message leaves nothing behind";
    EXPECT_EQ(bus.status("sms").sender.not_taken.messages, 0u);
  }
}

// The note that a dead letter carries.
Json note_of(const std::string& letter) {
  return decoded(letter)["helper_metadata"]["dead_letter"];
}

TEST(Chains, ACopyLeftOutIsADeadLetterWhereItStopped) {
  Bus bus(simple("near", "'sms'", "'log', 'hub'", "sms = ['log', 'hub']", "dead_letters = 'near_dead'") +
          simple("middle", "'hub'", "'hall', 'spoke'", "hub = ['hall', 'spoke']", "dead_letters = 'middle_dead'") +
          dispatcher("far", "ToAddrRouter", "'hall'", "'app'",
                     "dead_letters = 'far_dead'\ntoaddr_mappings = {app = '[+]1'}") +
          simple("beside", "'spoke'", "'full'", "spoke = 'full'", "dead_letters = 'beside_dead'") +
          "[endpoints.full]\nmax_messages = 1\noverflow = 'refuse'\n");
  Ends ends(bus, {"sms"}, {"log", "app", "far_dead", "beside_dead"});
  ends["sms"].send({inbound_to("1", "+1"), inbound_to("2", "+2")});
  EXPECT_TRUE(refusals(ends["sms"]).empty()) << "log has taken both";
  EXPECT_EQ(ends["log"].delivered_ids(), (Strings{"1", "2"}));
  EXPECT_EQ(ends["app"].delivered_ids(), (Strings{"1"}));

  const auto far = ends["far_dead"].delivered();
  ASSERT_EQ(far.size(), 1u);
  EXPECT_EQ(id_of(far[0]), "2");
  EXPECT_EQ(note_of(far[0])["endpoint"], "hall");
  EXPECT_EQ(note_of(far[0])["reason"], "no_route");
  EXPECT_EQ(field(far[0], Field::transport_name), "sms");
  const auto beside = ends["beside_dead"].delivered();
  ASSERT_EQ(beside.size(), 1u);
  EXPECT_EQ(id_of(beside[0]), "2");
  EXPECT_EQ(note_of(beside[0])["endpoint"], "full");
  EXPECT_EQ(note_of(beside[0])["reason"], "queue_full");
  EXPECT_EQ(bus.status("near_dead").queue.taken.messages + bus.status("middle_dead").queue.taken.messages, 0u);
  EXPECT_EQ(bus.status("sms").sender.not_taken.messages, 2u);
  EXPECT_EQ(bus.status("sms").sender.copies.messages, 4u);
  EXPECT_EQ(bus.status("sms").sender.routed.messages, 2u);
}

TEST(Chains, WhatIsDiscardedBehindAJointIsConfirmedAndCounted) {
  Bus bus(dispatcher("near", "TransportToTransportRouter", "'sms', 'xmpp'", "'hub'",
                     "routing_mappings = {sms = 'xmpp', xmpp = 'sms'}") +
          simple("far", "'hub'", "'app'", "hub = 'app'"));
  Ends ends(bus, {"sms", "xmpp"}, {"app"});
  ends["app"].send({outbound("o", "hub"), outbound("p", "sms")});
  const auto told = ends["app"].take();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].as<Confirm>().upto, 2u);
  EXPECT_EQ(bus.status("app").sender.discarded.messages, 2u);
  EXPECT_EQ(bus.status("app").sender.routed.messages, 0u);
}

TEST(Chains, AFullQueueBehindAJointHoldsTheSendersConfirmation) {
  Bus bus(three() + "[endpoints.app]\nmax_messages = 2\nblock_ms = 5000\n");
  Ends ends(bus, {"sms", "xmpp"}, {});
  ends["sms"].send({user_message("1"), user_message("2"), user_message("3")});
  ASSERT_EQ(bus.status("app").queue.waiting.messages, 3u);
  auto told = ends["sms"].take();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].as<Confirm>().upto, 2u) << "the third is over the limit";
  Peer app(bus, 20);
  app.hello(Role::application, "app");
  app.ack(1);
  told = ends["sms"].take();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].as<Confirm>().upto, 3u);
}

TEST(Chains, AfterBlockMsAFullQueueBehindAJointRefuses) {
  Bus bus(three() + "[endpoints.app]\nmax_messages = 1\nblock_ms = 500\n");
  Ends ends(bus, {"sms", "xmpp"}, {});
  ends["sms"].send({user_message("1"), user_message("2")});
  bus.advance(500);
  ends["sms"].take();
  ends["sms"].send({user_message("3")});
  EXPECT_EQ(refusals(ends["sms"]), (Strings{"queue_full: the queue of 'app' is full"}));
}

TEST(Chains, MaxMessageBytesIsJudgedOnEnteringAlone) {
  const std::string fits = message({{"message_type", "user_message"}, {"message_id", "m"}, {"transport_name", "s"}});
  Bus bus(dispatcher("near", "RedirectRouter", "'s'", "'a_longer_name'", "redirect_inbound = {s = 'a_longer_name'}") +
              dispatcher("far", "RedirectRouter", "'a_longer_name'", "'a_much_longer_name'",
                         "redirect_inbound = {a_longer_name = 'a_much_longer_name'}"),
          [&](Settings& settings) { settings.max_message_bytes = fits.size(); });
  Ends ends(bus, {"s"}, {"a_much_longer_name"});
  ends["s"].send({fits, message({{"message_type", "user_message"}, {"message_id", "mm"}, {"transport_name", "s"}})});
  EXPECT_EQ(refusals(ends["s"]).at(0).substr(0, 10), "too_large:");
  const auto came = ends["a_much_longer_name"].delivered();
  ASSERT_EQ(came.size(), 1u);
  EXPECT_GT(came[0].size(), fits.size());
  EXPECT_EQ(field(came[0], Field::transport_name), "a_much_longer_name");
}

// --- apart -----------------------------------------------------------------------------------------------------------

TEST(Apart, DispatchersOfOneBrokerShareNothing) {
  Bus bus(simple("first", "'sms'", "'app'", "sms = 'app'", "dead_letters = 'first_dead'") +
          simple("second", "'xmpp'", "'other'", "xmpp = 'other'"));
  Ends ends(bus, {"sms", "xmpp"}, {"app", "other", "first_dead", "dead_letters"});
  ends["sms"].send({user_message("m")});
  ends["xmpp"].send({user_message("m")});
  EXPECT_EQ(bus.core().counters().ambiguous_ids, 0u) << "an id is its dispatcher's";
  EXPECT_EQ(ends["app"].delivered_ids(), (Strings{"m"}));
  EXPECT_EQ(ends["other"].delivered_ids(), (Strings{"m"}));
  ends["app"].send({reply("r", "m")});
  ends["other"].send({reply("r", "m")});
  EXPECT_EQ(ends["sms"].delivered_ids(), (Strings{"r"}));
  EXPECT_EQ(ends["xmpp"].delivered_ids(), (Strings{"r"}));
  ends["sms"].send({event("e", "r")});
  EXPECT_EQ(ends["app"].delivered().size(), 1u);
  EXPECT_TRUE(ends["other"].delivered().empty());

  ends["app"].send({outbound("o", "xmpp")});
  EXPECT_EQ(refusals(ends["app"]).at(0).substr(0, 17), "unknown_endpoint:") << "no transport of this dispatcher";

  ends["app"].nack(1, false, "no");
  ends["other"].nack(1, false, "no");
  const auto first = ends["first_dead"].delivered();
  const auto second = ends["dead_letters"].delivered();
  ASSERT_TRUE(first.size() == 1 && second.size() == 1);
  EXPECT_EQ(note_of(first[0])["endpoint"], "app");
  EXPECT_EQ(note_of(second[0])["endpoint"], "other");
}

}  // namespace
}  // namespace signalbox::testing
