// The way of a message through a dispatcher: middleware on entering, the router's changes, middleware on leaving. What
// the built-in pieces do is tested with them; here pieces do whatever a test wants, and so do routers.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/core/bus.hpp"

namespace signalbox::testing {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

// What pieces do in the test at hand. Makers of middleware and of routers are plain functions, so it is no member.
using Script = std::function<void(std::string_view piece, bool entering, const Passing& passing, Edits& edits)>;
Script script;                                                  // NOLINT(cert-err58-cpp)
std::function<void(const Incoming&, Decision&)> router_script;  // NOLINT(cert-err58-cpp)

class Scripted final : public Middleware {
 public:
  explicit Scripted(std::string name) : name_(std::move(name)) {}
  void enters(const Passing& passing, Edits& edits) override { script(name_, true, passing, edits); }
  void leaves(const Passing& passing, Edits& edits) override { script(name_, false, passing, edits); }

 private:
  std::string name_;
};

class ScriptedRouter final : public Router {
 public:
  void inbound(const Incoming& incoming, Decision& decision) override { router_script(incoming, decision); }
  void event(const Incoming& incoming, Decision& decision) override { router_script(incoming, decision); }
  void outbound(const Incoming& incoming, Decision& decision) override { router_script(incoming, decision); }
  std::vector<Route> routes() const override { return {}; }
};

RouterRegistry scripted() {
  RouterRegistry registry;
  registry.middleware().add({.name = "Scripted",
                             .make = [](MiddlewareSetup& setup) -> std::unique_ptr<Middleware> {
                               return std::make_unique<Scripted>(std::string(setup.name()));
                             },
                             .options = {}});
  registry.add({.name = "ScriptedRouter",
                .make = [](RouterSetup&) -> std::unique_ptr<Router> { return std::make_unique<ScriptedRouter>(); },
                .keys = {},
                .list_names = nullptr});
  return registry;
}

std::string simple(const std::string& name, const std::string& transports, const std::string& applications,
                   const std::string& mappings, const std::string& settings) {
  return "[[dispatcher]]\nname = '" + name + "'\nrouter_class = 'SimpleDispatchRouter'\ntransport_names = [" +
         transports + "]\nexposed_names = [" + applications + "]\nrouting_mappings = {" + mappings + "}\n" + settings +
         "\n";
}

const std::string one_piece = "middleware = [{one = 'Scripted'}]";
const std::string one_dispatcher = simple("only", "'sms'", "'app'", "sms = 'app'", one_piece);
const std::string fan_out = simple("only", "'sms'", "'app', 'log'", "sms = ['app', 'log']", one_piece);

Json decoded(const std::string& message) {
  return Json::from_msgpack(message);
}
std::string words(Direction direction) {
  return direction == Direction::inbound ? "inbound" : direction == Direction::event ? "event" : "outbound";
}
std::string content(const std::string& id, const std::string& text) {
  return message({{"message_type", "user_message"}, {"message_id", id}, {"content", text}});
}

// sms on connection 1, app on 2, log on 3 where there is one.
struct Workers {
  explicit Workers(Bus& bus) : sms(bus, 1), app(bus, 2), log(bus, 3) {
    EXPECT_TRUE(sms.hello(Role::transport, "sms").at(0).is<Welcome>());
    EXPECT_TRUE(app.hello(Role::application, "app").at(0).is<Welcome>());
  }
  Peer sms;
  Peer app;
  Peer log;
};

// The codes of the refusals a peer has been told since.
Strings refusals(Peer& peer) {
  Strings told;
  for (const Received& frame : peer.take()) {
    if (frame.is<Refuse>()) told.emplace_back(frame.as<Refuse>().code);
  }
  return told;
}

TEST(Routing, MiddlewareRunsOnBothEndsOfEachDispatcher) {
  Strings passes;
  script = [&](std::string_view piece, bool entering, const Passing& passing, Edits&) {
    passes.push_back(std::string(piece) + (entering ? " enters " : " leaves ") + words(passing.direction) + " " +
                     std::string(passing.connector_name));
    EXPECT_EQ(passing.message.text(Field::transport_name).empty(), passing.direction == Direction::outbound)
        << "what the sender leaves out is filled in before anybody looks";
  };
  const std::string two = "middleware = [{a = {class = 'Scripted', consume_priority = 1}}, {b = 'Scripted'}]";
  Bus bus(simple("near", "'sms'", "'hub'", "sms = 'hub'", two) +
              simple("far", "'hub'", "'app'", "hub = 'app'", "middleware = [{c = 'Scripted'}]"),
          {}, scripted());
  Workers workers(bus);
  workers.sms.send({user_message("m")});
  EXPECT_EQ(workers.app.delivered_ids(), (Strings{"m"}));
  EXPECT_EQ(passes, (Strings{"b enters inbound sms", "a enters inbound sms", "b leaves inbound hub",
                             "a leaves inbound hub", "c enters inbound hub", "c leaves inbound app"}));
  passes.clear();
  workers.app.send({reply("r", "m")});
  EXPECT_EQ(workers.sms.delivered_ids(), (Strings{"r"}));
  EXPECT_EQ(passes, (Strings{"c enters outbound app", "c leaves outbound hub", "b enters outbound hub",
                             "a enters outbound hub", "b leaves outbound sms", "a leaves outbound sms"}));
  passes.clear();
  workers.sms.send({event("e", "r")});
  EXPECT_EQ(workers.app.delivered().size(), 1u);
  EXPECT_EQ(passes, (Strings{"b enters event sms", "a enters event sms", "b leaves event hub", "a leaves event hub",
                             "c enters event hub", "c leaves event app"}));
}

// What is turned round enters as inbound and leaves as outbound.
TEST(Routing, MiddlewareKnowsWhereAMessageLeavesTo) {
  Strings passes;
  script = [&](std::string_view, bool entering, const Passing& passing, Edits&) {
    passes.push_back((entering ? "enters " : "leaves ") + words(passing.direction) + " " +
                     std::string(passing.connector_name));
  };
  Bus bus("router_class = 'TransportToTransportRouter'\ntransport_names = ['sms', 'xmpp']\nexposed_names = []\n" +
              one_piece + "\nrouting_mappings = {sms = 'xmpp'}\n",
          {}, scripted());
  Peer sms(bus, 1);
  sms.hello(Role::transport, "sms");
  sms.send({user_message("m")});
  EXPECT_EQ(passes, (Strings{"enters inbound sms", "leaves outbound xmpp"}));
}

TEST(Routing, EachPieceSeesWhatThoseBeforeItHaveMade) {
  script = [](std::string_view piece, bool entering, const Passing& passing, Edits& edits) {
    std::string text(passing.message.text(Field::content));
    text.append(entering ? " in" : " out").append(piece);
    edits.set(Field::content, edits.text(text));
  };
  const std::string two = "middleware = [{1 = 'Scripted'}, {2 = 'Scripted'}]";
  Bus bus(simple("near", "'sms'", "'hub'", "sms = 'hub'", two) + simple("far", "'hub'", "'app'", "hub = 'app'", two),
          {}, scripted());
  Workers workers(bus);
  workers.sms.send({content("m", "x"), content("n", std::string(300, 'y'))});
  const auto came = workers.app.delivered();
  ASSERT_EQ(came.size(), 2u);
  const std::string added = " in1 in2 out2 out1 in1 in2 out2 out1";
  EXPECT_EQ(decoded(came[0])["content"], "x" + added);
  EXPECT_EQ(decoded(came[1])["content"], std::string(300, 'y') + added);
}

// The new values are those that the message had when the piece looked, though the first change moves the bytes.
TEST(Routing, ValuesMayBePartOfTheMessageThatIsChanged) {
  script = [](std::string_view, bool, const Passing& passing, Edits& edits) {
    edits.set(Field::to_addr, passing.message.value(Field::content));
    edits.set(Field::content, passing.message.value(Field::from_addr));
    edits.set(Field::from_addr, passing.message.value(Field::to_addr));
  };
  Bus bus(one_dispatcher, {}, scripted());
  Workers workers(bus);
  const std::string long_text(400, 'c');
  workers.sms.send({message({{"message_type", "user_message"},
                             {"to_addr", "to"},
                             {"from_addr", "from"},
                             {"content", long_text},
                             {"message_id", "m"}})});
  const auto came = workers.app.delivered();
  ASSERT_EQ(came.size(), 1u);  // turned twice: on entering and on leaving
  const Json got = decoded(came[0]);
  EXPECT_EQ(got["to_addr"], "from");
  EXPECT_EQ(got["content"], "to");
  EXPECT_EQ(got["from_addr"], long_text);
}

// A router's values too, for several targets, with transport_name filled in underneath.
TEST(Routing, ARoutersValuesMayBePartOfTheMessage) {
  router_script = [](const Incoming& incoming, Decision& decision) {
    for (const EndpointId target : {1U, 2U}) {
      decision.deliver(target);
      decision.set(Field::to_addr, incoming.message.value(Field::content));
      decision.set(Field::content, incoming.message.value(Field::to_addr));
    }
  };
  Bus bus("router_class = 'ScriptedRouter'\ntransport_names = ['sms']\nexposed_names = ['app', 'log']\n", {},
          scripted());
  Workers workers(bus);
  workers.log.hello(Role::application, "log");
  ASSERT_EQ(bus.endpoint("app"), 1u);
  ASSERT_EQ(bus.endpoint("log"), 2u);
  const std::string long_text(400, 'c');
  workers.sms.send(
      {message({{"message_type", "user_message"}, {"message_id", "m"}, {"to_addr", "to"}, {"content", long_text}})});
  for (Peer* peer : {&workers.app, &workers.log}) {
    const auto came = peer->delivered();
    ASSERT_EQ(came.size(), 1u);
    EXPECT_EQ(decoded(came[0])["content"], "to");
    EXPECT_EQ(decoded(came[0])["to_addr"], long_text);
    EXPECT_EQ(decoded(came[0])["transport_name"], "sms");
  }
}

TEST(Routing, AChangeThatTheMessagesShapeDoesNotAllowIsLeftOut) {
  script = [](std::string_view, bool entering, const Passing&, Edits& edits) {
    if (!entering) return;
    edits.edit({.operation = Edit::Operation::set, .path = {"content", "below", "a text"}, .value = "\x01"});
    edits.set(Field::to_addr, edits.text("changed"));
  };
  Bus bus(one_dispatcher, {}, scripted());
  Workers workers(bus);
  workers.sms.send({content("m", "text")});
  const auto came = workers.app.delivered();
  ASSERT_EQ(came.size(), 1u);
  EXPECT_EQ(decoded(came[0])["content"], "text");
  EXPECT_EQ(decoded(came[0])["to_addr"], "changed");
}

TEST(Routing, EachTargetLeavesWithChangesOfItsOwn) {
  script = [](std::string_view, bool entering, const Passing& passing, Edits& edits) {
    EXPECT_EQ(passing.message.text(Field::content), "text") << "not what has been made of it for another target";
    if (!entering) edits.set(Field::content, edits.text(passing.connector_name));
  };
  Bus bus(fan_out, {}, scripted());
  Workers workers(bus);
  workers.log.hello(Role::application, "log");
  workers.sms.send({content("m", "text")});
  for (const auto& [peer, name] : {std::pair(&workers.app, "app"), std::pair(&workers.log, "log")}) {
    const auto came = peer->delivered();
    ASSERT_EQ(came.size(), 1u);
    EXPECT_EQ(decoded(came[0])["content"], name);
  }
}

// Ways to make something of a message that is no message, or none of its kind.
using Spoil = void (*)(Edits& edits);
constexpr std::array<Spoil, 4> spoilers = {
    [](Edits& edits) { edits.set(Field::message_id, "\x01"); },
    [](Edits& edits) { edits.set(Field::message_type, edits.text("event")); },  // without an event's fields
    [](Edits& edits) {
      edits.set(Field::message_type, edits.text("event"));
      edits.set(Field::event_id, edits.text("e"));
      edits.set(Field::event_type, edits.text("ack"));
      edits.set(Field::user_message_id, edits.text("u"));
    },
    [](Edits& edits) { edits.set(Field::helper_metadata, "\xc3"); },
};

TEST(Routing, WhatMiddlewareMakesNoMessageIsRefused) {
  for (const Spoil spoil : spoilers) {
    for (const bool on_entering : {true, false}) {
      script = [&](std::string_view, bool entering, const Passing& passing, Edits& edits) {
        if (entering == on_entering && passing.message.text(Field::message_id) == "bad") spoil(edits);
      };
      Bus bus(one_dispatcher, {}, scripted());
      Workers workers(bus);
      workers.sms.send({user_message("bad"), user_message("good")});
      EXPECT_EQ(refusals(workers.sms), (Strings{"internal"}));
      EXPECT_EQ(workers.app.delivered_ids(), (Strings{"good"}));
      EXPECT_EQ(bus.status("sms").sender.refused.messages, 1u);
    }
  }
}

TEST(Routing, WhatMiddlewareMakesNoMessageForOneTargetIsLeftOutThere) {
  for (const Spoil spoil : spoilers) {
    script = [&](std::string_view, bool entering, const Passing& passing, Edits& edits) {
      if (!entering && passing.connector_name == "app") spoil(edits);
    };
    Bus bus(fan_out, {}, scripted());
    Workers workers(bus);
    workers.log.hello(Role::application, "log");
    Peer reader(bus, 4);
    reader.hello(Role::application, "dead_letters");
    workers.sms.send({content("m", "text")});
    EXPECT_TRUE(refusals(workers.sms).empty());
    EXPECT_TRUE(workers.app.delivered().empty());
    EXPECT_EQ(workers.log.delivered_ids(), (Strings{"m"}));
    const auto letters = reader.delivered();
    ASSERT_EQ(letters.size(), 1u);
    const Json letter = decoded(letters[0]);
    EXPECT_EQ(letter["message_id"], "m") << "as it was before it was spoilt";
    EXPECT_EQ(letter["helper_metadata"]["dead_letter"]["endpoint"], "app");
    EXPECT_EQ(letter["helper_metadata"]["dead_letter"]["reason"], "internal");
  }
}

// A router's change may spoil a message too; behind a joint that is found out.
TEST(Routing, WhatARouterSpoilsGoesThroughNoJoint) {
  for (const Spoil spoil : spoilers) {
    Edits edits;
    spoil(edits);
    router_script = [&](const Incoming&, Decision& decision) {
      decision.deliver(1);
      for (const Edit& edit : edits.all()) decision.edit(edit);
    };
    Bus bus(
        "[[dispatcher]]\nname = 'near'\nrouter_class = 'ScriptedRouter'\ntransport_names = ['sms']\n"
        "exposed_names = ['hub']\n" +
            simple("far", "'hub'", "'app'", "hub = 'app'", ""),
        {}, scripted());
    Workers workers(bus);
    workers.sms.send({content("m", "text")});
    EXPECT_EQ(refusals(workers.sms), (Strings{"internal"}));
  }
}

TEST(Routing, TheRouterGoesByWhatMiddlewareHasMade) {
  script = [](std::string_view, bool entering, const Passing& passing, Edits& edits) {
    if (entering && passing.direction == Direction::outbound) edits.set(Field::transport_name, edits.text("sms"));
    if (entering && passing.direction == Direction::inbound) edits.set(Field::transport_name, edits.text("xmpp"));
  };
  Bus bus(simple("only", "'sms', 'xmpp'", "'app', 'other'", "sms = 'other', xmpp = 'app'", one_piece), {}, scripted());
  Workers workers(bus);
  workers.app.send({outbound("o", "nowhere")});
  EXPECT_EQ(workers.sms.delivered_ids(), (Strings{"o"}));
  workers.sms.send({user_message("m")});
  EXPECT_EQ(workers.app.delivered_ids(), (Strings{"m"}));
  workers.sms.send({outbound("n", "xmpp")});
  EXPECT_EQ(refusals(workers.sms), (Strings{"not_permitted"})) << "what the sender may write is judged before";
}

// Who replies has seen the id that middleware has given the message.
TEST(Routing, TheMemoryGoesByWhatMiddlewareHasMade) {
  script = [](std::string_view, bool entering, const Passing& passing, Edits& edits) {
    if (!entering || passing.direction != Direction::inbound) return;
    edits.set(Field::message_id, edits.text("new " + std::string(passing.message.text(Field::message_id))));
  };
  Bus bus(simple("near", "'sms', 'xmpp'", "'hub'", "sms = 'hub', xmpp = 'hub'", one_piece) +
              simple("far", "'hub'", "'app'", "hub = 'app'", one_piece),
          {}, scripted());
  Workers workers(bus);
  workers.sms.send({user_message("m")});
  EXPECT_EQ(workers.app.delivered_ids(), (Strings{"new new m"}));
  workers.app.send({reply("r", "new new m")});
  EXPECT_EQ(refusals(workers.app).size(), 1u) << "near has never heard of that name";
  workers.app.send({message(
      {{"message_type", "user_message"}, {"message_id", "s"}, {"in_reply_to", "new m"}, {"transport_name", "hub"}})});
  EXPECT_EQ(workers.sms.delivered_ids(), (Strings{"s"}));
}

TEST(Routing, WhatNoRuleTakesIsRefused) {
  router_script = [](const Incoming&, Decision&) {};
  Bus bus("router_class = 'ScriptedRouter'\ntransport_names = ['sms']\nexposed_names = ['app']\n", {}, scripted());
  Workers workers(bus);
  workers.sms.send({user_message("m"), event("e", "x")});
  EXPECT_EQ(refusals(workers.sms), (Strings{"no_route", "no_route"}));
}

// Refusing gives nothing back: the user has a group from the first message on, and the turn has moved.
TEST(Routing, AUserWhoseMessageIsRefusedForAFullQueueKeepsTheGroup) {
  Bus bus(
      "router_class = 'UserGroupingRouter'\ndispatcher_name = 'd'\ntransport_names = ['sms']\n"
      "exposed_names = ['a', 'b']\ngroup_mappings = {one = 'a', two = 'b'}\n"
      "[endpoints.a]\nmax_messages = 1\noverflow = 'refuse'\n");
  Peer sms(bus, 1);
  sms.hello(Role::transport, "sms");
  Peer b(bus, 3);
  b.hello(Role::application, "b");
  const auto from = [](const std::string& id, const std::string& user) {
    return message({{"message_type", "user_message"}, {"message_id", id}, {"from_addr", user}});
  };
  sms.send({from("fills", "ann")});
  sms.send({from("second", "bob")});
  sms.take();
  sms.send({from("refused", "cat")});
  EXPECT_EQ(refusals(sms), (Strings{"queue_full"}));
  Peer a(bus, 2);
  a.hello(Role::application, "a");
  a.ack(1);
  sms.send({from("new", "dan")});
  sms.send({from("again", "cat")});
  EXPECT_EQ(a.delivered_ids(), (Strings{"again"}));
  EXPECT_EQ(b.delivered_ids(), (Strings{"second", "new"}));
}

TEST(Routing, MoreTargetsThanAMessageMayHaveAreRefused) {
  router_script = [](const Incoming&, Decision& decision) {
    for (size_t i = 0; i <= limits::targets_max; ++i) decision.deliver(1);
  };
  Bus bus("router_class = 'ScriptedRouter'\ntransport_names = ['sms']\nexposed_names = ['app']\n", {}, scripted());
  Workers workers(bus);
  workers.sms.send({user_message("m")});
  EXPECT_EQ(refusals(workers.sms), (Strings{"internal"}));
  EXPECT_TRUE(workers.app.delivered().empty());
}

// Discarded by one and refused by another is discarded, and the refused copy is kept.
TEST(Routing, DiscardedAndLeftOut) {
  Bus bus(
      "[[dispatcher]]\nname = 'far'\nrouter_class = 'ScriptedRouter'\ntransport_names = ['left', 'right']\n"
      "exposed_names = ['app']\n" +
          simple("near", "'sms'", "'left', 'right'", "sms = ['left', 'right']", ""),
      {}, scripted());
  const EndpointId left = bus.endpoint("left");
  router_script = [&](const Incoming& incoming, Decision& decision) {
    incoming.sender == left ? decision.discard("unwanted") : decision.refuse(RefusalCode::no_route, "nobody");
  };
  Workers workers(bus);
  workers.sms.send({user_message("m")});
  EXPECT_TRUE(refusals(workers.sms).empty());
  EXPECT_EQ(bus.status("sms").sender.discarded.messages, 1u);
  EXPECT_EQ(bus.status("sms").sender.not_taken.messages, 1u);
  EXPECT_EQ(bus.status("dead_letters").queue.taken.messages, 1u);
}

}  // namespace
}  // namespace signalbox::testing
