// Middleware on a real dispatcher in a real core: every message passes twice, and each copy by itself.
#include <gtest/gtest.h>

#include "tests/core/bus.hpp"
#include "tests/routers/middleware_harness.hpp"

namespace signalbox::testing {
namespace {

using Names = std::vector<std::string>;

// Writes into each message where it has been: helper_metadata.trace, "entering mw inbound sms".
class Tracer final : public Middleware {
 public:
  explicit Tracer(std::string_view name) : name_(name) {}
  void enters(const Passing& passing, Edits& edits) override { write("entering ", passing, edits); }
  void leaves(const Passing& passing, Edits& edits) override { write("leaving ", passing, edits); }

 private:
  void write(std::string_view pass, const Passing& passing, Edits& edits) {
    std::string text(pass);
    text.append(name_).append(" ");
    text.append(passing.direction == Direction::inbound    ? "inbound "
                : passing.direction == Direction::outbound ? "outbound "
                                                           : "event ");
    text.append(passing.connector_name);
    edits.edit({.operation = Edit::Operation::push, .path = {"helper_metadata", "trace"}, .value = edits.text(text)});
  }

  std::string name_;
};

RouterRegistry with_tracer() {
  RouterRegistry registry;
  registry.middleware().add({.name = "Tracer",
                             .make = [](MiddlewareSetup& setup) -> std::unique_ptr<Middleware> {
                               return std::make_unique<Tracer>(setup.name());
                             },
                             .options = {}});
  return registry;
}

constexpr std::string_view two_tracers =
    "middleware = [{one = 'Tracer'}, {two = {class = 'my.Tracer', consume_priority = -1, publish_priority = -1}}]\n";

Json trace_of(const std::string& message) {
  return Json::from_msgpack(message)["helper_metadata"]["trace"];
}

TEST(Passes, EachTargetsCopyHasItsOwn) {
  const RouterRegistry registry = with_tracer();
  Bus bus(std::string(two_tracers) +
              "router_class = 'SimpleDispatchRouter'\n"
              "transport_names = ['sms']\nexposed_names = ['app', 'log']\nrouting_mappings = {sms = ['app', 'log']}\n",
          {}, registry);
  Peer sms(bus, 1);
  Peer app(bus, 2);
  Peer log(bus, 3);
  sms.hello(Role::transport, "sms");
  app.hello(Role::application, "app");
  log.hello(Role::application, "log");

  sms.send({user_message("m")});
  const Json came = {"entering two inbound sms", "entering one inbound sms"};
  for (auto& [peer, name] : {std::pair(&app, "app"), std::pair(&log, "log")}) {
    const auto delivered = peer->delivered();
    ASSERT_EQ(delivered.size(), 1u);
    Json expected = came;
    expected.push_back(std::string("leaving two inbound ") + name);
    expected.push_back(std::string("leaving one inbound ") + name);
    EXPECT_EQ(trace_of(delivered[0]), expected);
    EXPECT_EQ(field(delivered[0], Field::transport_name), "sms");  // filled in before anything looks at it
  }

  app.send({reply("r", "m")});
  const auto out = sms.delivered();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(trace_of(out[0]), Json({"entering two outbound app", "entering one outbound app",
                                    "leaving two outbound sms", "leaving one outbound sms"}));

  sms.send({event("e", "r")});
  const auto events = app.delivered();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(trace_of(events[0]), Json({"entering two event sms", "entering one event sms", "leaving two event app",
                                       "leaving one event app"}));
}

// What middleware makes of a message is what the router sees.
TEST(Passes, TheRouterSeesWhatMiddlewareMade) {
  Bus bus(
      "middleware = [{mw = 'AddressTranslationMiddleware'}]\n"
      "router_class = 'ToAddrRouter'\n"
      "transport_names = ['sms', 'mail']\nexposed_names = ['app']\ntoaddr_mappings = {app = '.*'}\n"
      "mw = {outbound_map = {a = 'b', b = 'c'}}\n");
  Peer sms(bus, 1);
  Peer app(bus, 2);
  sms.hello(Role::transport, "sms");
  app.hello(Role::application, "app");
  app.send(
      {message({{"message_type", "user_message"}, {"message_id", "m"}, {"transport_name", "sms"}, {"to_addr", "a"}})});
  const auto out = sms.delivered();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(field(out[0], Field::to_addr), "c");  // a becomes b on entering, and b becomes c on leaving

  sms.send({message({{"message_type", "user_message"}, {"message_id", "n"}, {"from_addr", "c"}, {"to_addr", "x"}})});
  const auto in = app.delivered();
  ASSERT_EQ(in.size(), 1u);
  EXPECT_EQ(field(in[0], Field::from_addr), "a");
}

// The second pass adds nothing to what the first has set, and fan-out does not double it.
TEST(Passes, ASessionIsTimedOnceThroughBoth) {
  Bus bus(
      "middleware = [{mw = 'SessionLengthMiddleware'}]\n"
      "router_class = 'SimpleDispatchRouter'\n"
      "transport_names = ['ussd']\nexposed_names = ['app', 'log']\nrouting_mappings = {ussd = ['app', 'log']}\n");
  Peer ussd(bus, 1);
  Peer app(bus, 2);
  ussd.hello(Role::transport, "ussd");
  app.hello(Role::application, "app");
  const auto session = [](const std::string& id, const std::string& session_event) {
    return message(
        {{"message_type", "user_message"}, {"message_id", id}, {"from_addr", "u"}, {"session_event", session_event}});
  };
  const double begun = static_cast<double>(bus.now().wall_us) / 1e6;
  ussd.send({session("m1", "new")});
  const Json first = Json::from_msgpack(app.delivered().at(0));
  EXPECT_EQ(first["helper_metadata"], Json({{"session", {{"session_start", begun}}}}));

  bus.advance(20'500);
  app.send({message({{"message_type", "user_message"}, {"message_id", "r"}, {"in_reply_to", "m1"}, {"to_addr", "u"}})});
  const Json answer = Json::from_msgpack(ussd.delivered().at(0));
  EXPECT_EQ(answer["helper_metadata"], Json({{"session", {{"session_start", begun}}}}));

  bus.advance(1'000);
  ussd.send({session("m2", "close")});
  const Json last = Json::from_msgpack(app.delivered().at(0));
  EXPECT_EQ(last["helper_metadata"], Json({{"session", {{"session_start", begun}, {"session_end", begun + 21.5}}}}));
}

// A list of another type than a trace's is in the way: that change is left out, and the message goes.
TEST(Passes, WhatCannotBeDoneIsLeftOut) {
  const RouterRegistry registry = with_tracer();
  Bus bus(std::string(two_tracers) +
              "router_class = 'SimpleDispatchRouter'\n"
              "transport_names = ['sms']\nexposed_names = ['app']\nrouting_mappings = {sms = 'app'}\n",
          {}, registry);
  Peer sms(bus, 1);
  Peer app(bus, 2);
  sms.hello(Role::transport, "sms");
  app.hello(Role::application, "app");
  const auto packed = Json::to_msgpack(
      whole_message(Direction::inbound, {{"transport_name", "sms"}, {"helper_metadata", {{"trace", "taken"}}}}));
  sms.send({std::string(packed.begin(), packed.end())});
  EXPECT_EQ(app.delivered(), Names{std::string(packed.begin(), packed.end())});
}

}  // namespace
}  // namespace signalbox::testing
