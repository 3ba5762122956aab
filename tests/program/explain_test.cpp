// `explain` beyond the single router: chains, middleware, refusals, routers of one's own, JSON, and hostile values.
#include <gtest/gtest.h>

#include <string>

#include "broker/program/explain_json.hpp"
#include "tests/program/explaining.hpp"

namespace signalbox::testing {
namespace {

TEST(Explain, Chain) {
  const std::string toml = R"(
[[dispatcher]]
name            = "phone"
router_class    = "SimpleDispatchRouter"
transport_names = ["sms", "ussd"]
exposed_names   = ["phones", "archive"]
dead_letters    = "phone_letters"
[dispatcher.routing_mappings]
sms  = ["phones", "archive"]
ussd = "phones"
[[dispatcher]]
name            = "apps"
router_class    = "ContentKeywordRouter"
dispatcher_name = "apps"
transport_names = ["phones"]
exposed_names   = ["survey"]
rules           = [{app = "survey", keyword = "survey"}]
[dispatcher.transport_mappings]
"123" = "phones"
)";
  EXPECT_EQ(explained(toml, "sms", user(R"("content":"survey")")), R"(
phone (SimpleDispatchRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: routing_mappings."sms"
  -> phones, a joint
    apps (ContentKeywordRouter): inbound from phones
      router: the keyword is "survey"
      router: rule 1 (keyword is "survey") fits
      -> survey
  -> archive
taken by survey, archive
)");
  EXPECT_EQ(explained(toml, "sms", user(R"("content":"hello")")), R"(
phone (SimpleDispatchRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: routing_mappings."sms"
  -> phones, a joint
    apps (ContentKeywordRouter): inbound from phones
      router: the keyword is "hello"
      router: rule 1 (keyword is "survey") does not fit
      refused no_route: no rule fits keyword "hello", and there is no fallback_application
  -> archive
taken by archive
left out at phones (no_route): a dead letter for dead_letters
)");
  EXPECT_EQ(explained(toml, "ussd", user(R"("content":"hello")")), R"(
phone (SimpleDispatchRouter): inbound from ussd
  broker: transport_name: absent -> "ussd"
  router: routing_mappings."ussd"
  -> phones, a joint
    apps (ContentKeywordRouter): inbound from phones
      router: the keyword is "hello"
      router: rule 1 (keyword is "survey") does not fit
      refused no_route: no rule fits keyword "hello", and there is no fallback_application
refused no_route: no rule fits keyword "hello", and there is no fallback_application
)");
  EXPECT_EQ(explained(toml, "survey", user(R"("in_reply_to":"77")"), {.remembered = {{"77", "ussd"}}}), R"(
apps (ContentKeywordRouter): outbound from survey
  memory: it refers to a message from phones
  router: the reply goes where the original came from
  -> phones, a joint
    phone (SimpleDispatchRouter): outbound from phones
      memory: it refers to a message from ussd
      router: the reply goes where the original came from
      -> ussd
taken by ussd
)");
  EXPECT_EQ(explained(toml, "ussd", report, {.remembered = {{"9d20", "survey"}}}), R"(
phone (SimpleDispatchRouter): event from ussd
  broker: transport_name: absent -> "ussd"
  memory: it refers to a message from phones
  router: the event follows the message that it is about
  -> phones, a joint
    apps (ContentKeywordRouter): event from phones
      memory: it refers to a message from survey
      router: the event follows the message that it is about
      -> survey
taken by survey
)");
}

TEST(Explain, Middleware) {
  const std::string toml = R"~(
router_class    = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names   = ["survey"]
middleware = [
  {names  = "AddressTranslationMiddleware"},
  {tags   = "TaggingMiddleware"},
  {static = {class = "StaticProviderSettingMiddleware", consume_priority = -1}},
  {prefix = "AddressPrefixProviderSettingMiddleware"},
]
[routing_mappings]
sms = "survey"
[names]
outbound_map = {"555" = "+27831234567"}
[tags]
incoming = {addr_pattern = "1(.*)", tagpool_template = "pool", tagname_template = "tag\\1"}
outgoing = {tagname_pattern = "tag(.*)", msg_template = {from_addr = "1\\1", helper_metadata = {sms = {cost = 2}}}}
[static]
provider = "MTN"
[prefix]
provider_prefixes = {"+27" = "MTN"}
)~";
  EXPECT_EQ(explained(toml, "sms", user(R"("to_addr":"123","from_addr":"+27831234567")")), R"(
dispatcher (SimpleDispatchRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  middleware static: provider: absent -> "MTN"
  middleware names: from_addr: "+27831234567" -> "555"
  middleware tags: helper_metadata.tag.tag: absent -> ["pool","tag23"]
  middleware prefix: no change
  router: routing_mappings."sms"
  -> survey
    middleware prefix: no change
    middleware static: provider: stays "MTN"
    middleware tags: helper_metadata.tag.tag: stays ["pool","tag23"]
    middleware names: no change
taken by survey
)");
  EXPECT_EQ(
      explained(toml, "survey",
                user(R"("transport_name":"sms","to_addr":"555","helper_metadata":{"tag":{"tag":["pool","tag23"]}})")),
      R"(
dispatcher (SimpleDispatchRouter): outbound from survey
  middleware static: provider: absent -> "MTN"
  middleware names: to_addr: "555" -> "+27831234567"
  middleware tags: from_addr: absent -> "123"
  middleware tags: helper_metadata.sms.cost: absent -> 2
  middleware prefix: no change
  router: transport_name is a transport of this dispatcher
  -> sms
    middleware prefix: no change
    middleware static: provider: stays "MTN"
    middleware tags: from_addr: stays "123"
    middleware tags: helper_metadata.sms.cost: stays 2
    middleware names: no change
taken by sms
)");
}

TEST(Explain, Entrance) {
  const std::string toml = R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["smpp_transport", "xmpp_transport"]
exposed_names   = ["survey", "archive"]
[routing_mappings]
smpp_transport = ["survey", "archive"]
[transport_mappings]
sms = "smpp_transport"
)";
  EXPECT_EQ(explained(toml, "smpp_transport", R"({"message_type":"user_message"})"), R"(
refused malformed: message_id is missing
)");
  EXPECT_EQ(explained(toml, "survey", report), R"(
refused malformed: events come from transports alone
)");
  EXPECT_EQ(explained(toml, "dead_letters", user()), R"(
refused not_permitted: nothing is sent from dead letters
)");
}

TEST(Explain, WhatLoggingMiddlewareWouldWrite) {
  const std::string toml = R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names   = ["survey"]
middleware      = [{log = {class = "LoggingMiddleware"}}]
[routing_mappings]
sms = "survey"
[log]
log_level = "debug"
)";
  const Explanation told = explanation(toml, "sms", user(R"("transport_name":"sms")"));
  ASSERT_NE(told.first, nullptr);
  ASSERT_EQ(told.first->middleware.size(), 1U);
  EXPECT_EQ(told.first->middleware[0].log,
            std::vector<std::string>{"debug middleware=log dispatcher=dispatcher pass=entering direction=inbound "
                                     "connector=sms message_id=8c1f transport_name=sms"});
  EXPECT_NE(to_text(told, false).find("  middleware log: writes to the log: debug middleware=log"), std::string::npos);
}

TEST(Explain, AsJson) {
  const std::string toml = R"(
[[dispatcher]]
name            = "phone"
router_class    = "FromAddrMultiplexRouter"
transport_names = ["sms"]
exposed_names   = ["phones"]
middleware      = [{static = "StaticProviderSettingMiddleware"}]
[dispatcher.static]
provider = "MTN"
[dispatcher.fromaddr_mappings]
123 = "sms"
[[dispatcher]]
name            = "apps"
router_class    = "SimpleDispatchRouter"
transport_names = ["phones"]
exposed_names   = ["survey"]
[dispatcher.routing_mappings]
phones = "survey"
)";
  EXPECT_EQ(
      to_json(explanation(toml, "survey", user(R"("from_addr":"123","in_reply_to":"77")"), {{{"77", "sms"}}, {}})),
      R"({"from":"survey","outcome":"taken","taken_by":["sms"],"left_out":[],)"
      R"("dispatcher":{"name":"apps","router":"SimpleDispatchRouter","direction":"outbound","sender":"survey",)"
      R"("filled_in":[],"middleware":[],"remembered":"phones",)"
      R"("notes":["the reply goes where the original came from"],)"
      R"("targets":[{"name":"phones","joint":true,"changes":[],"middleware":[],)"
      R"("dispatcher":{"name":"phone","router":"FromAddrMultiplexRouter","direction":"outbound","sender":"phones",)"
      R"("filled_in":[],"middleware":[{"name":"static","changes":[{"path":["provider"],"after":"MTN"}]}],)"
      R"("remembered":"sms","notes":["fromaddr_mappings.\"123\""],)"
      R"("targets":[{"name":"sms","joint":false,"changes":[{"path":["transport_name"],"after":"sms"}],)"
      R"("middleware":[{"name":"static","changes":[{"path":["provider"],"before":"MTN","after":"MTN"}]}],)"
      R"("message":{"message_type":"user_message","message_id":"8c1f","from_addr":"123","in_reply_to":"77",)"
      R"("provider":"MTN","transport_name":"sms"}}]}}]}})"
      "\n");
  EXPECT_EQ(to_json(explanation(toml, "survey", "{}")),
            R"({"from":"survey","outcome":"refused","refused":{"code":"malformed","text":"message_type is missing"},)"
            R"("taken_by":[],"left_out":[]})"
            "\n");
}

const std::string seed = R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names   = ["survey"]
[routing_mappings]
sms = "survey"
)";

// Sends all that comes to the endpoint `to`.
class OneWay final : public Router {
 public:
  explicit OneWay(RouterSetup& setup) {
    const std::string& name = setup.require("to")->text;
    to_ = setup.transport(name).value_or(setup.application(name).value_or(0));
  }
  void inbound(const Incoming&, Decision& decision) override { decision.deliver(to_); }
  void event(const Incoming&, Decision& decision) override { decision.deliver(to_); }
  void outbound(const Incoming&, Decision& decision) override { decision.deliver(to_); }
  std::vector<Route> routes() const override { return {}; }

 private:
  EndpointId to_ = 0;
};

TEST(Explain, RoutersOfOnesOwnThatTurnMessagesRound) {
  RouterRegistry registry;
  registry.add({.name = "OneWay",
                .make = [](RouterSetup& setup) -> std::unique_ptr<Router> { return std::make_unique<OneWay>(setup); },
                .keys = {"to"}});
  const std::string toml = R"(
[[dispatcher]]
name            = "left"
router_class    = "OneWay"
transport_names = ["sms", "joint"]
exposed_names   = ["survey"]
to              = "joint"
[[dispatcher]]
name            = "right"
router_class    = "OneWay"
transport_names = ["ussd"]
exposed_names   = ["joint"]
to              = "joint"
)";
  EXPECT_EQ("\n" + to_text(explanation(toml, "sms", user(), {}, registry), false), R"(
left (OneWay): inbound from sms
  broker: transport_name: absent -> "sms"
  -> joint, a joint
    right (OneWay): outbound from joint
      -> joint, a joint
        left (OneWay): inbound from joint
          -> joint, a joint
            right (OneWay): outbound from joint
              -> joint, a joint
                left (OneWay): inbound from joint
                  refused internal: the message goes back and forth between dispatchers without end
refused internal: the message goes back and forth between dispatchers without end
)");
  EXPECT_EQ("\n" + to_text(explanation(toml, "sms", report, {}, registry), false), R"(
left (OneWay): event from sms
  broker: transport_name: absent -> "sms"
  -> joint, a joint
    refused malformed: events do not go towards transports
refused malformed: events do not go towards transports
)");
}

TEST(Explain, AnIdThatTwoHaveUsedIsNotFollowed) {
  const std::string toml = seed + "ussd = \"survey\"\n";
  std::string two = toml;
  two.replace(two.find("[\"sms\"]"), 7, "[\"sms\", \"ussd\"]");
  EXPECT_EQ(explanation(two, "survey", user(R"("in_reply_to":"77")"), {{{"77", "sms"}, {"77", "ussd"}}, {}}).outcome,
            Routing::Verdict::Outcome::refused);
  EXPECT_EQ(explanation(two, "survey", user(R"("in_reply_to":"77")"), {{{"77", "sms"}, {"77", "sms"}}, {}}).taken_by,
            std::vector<std::string>{"sms"});
}

TEST(Explain, AnAmbiguousIdIsCalledSo) {
  std::string two = seed;
  two.replace(two.find("[\"sms\"]"), 7, "[\"sms\", \"ussd\"]");
  two += "ussd = \"survey\"\n";
  const std::string message = user(R"("in_reply_to":"77","transport_name":"sms")");
  EXPECT_EQ("\n" + to_text(explanation(two, "survey", message, {{{"77", "sms"}, {"77", "ussd"}}, {}}), false), R"(
dispatcher (SimpleDispatchRouter): outbound from survey
  memory: two senders have used the id that it refers to, so it follows neither
  router: the message that this one replies to is not remembered
  router: transport_name is a transport of this dispatcher
  -> sms
taken by sms
)");
}

TEST(Explain, ATransportFurtherDownIsCalledSo) {
  for (const std::string& far : {std::string(R"(router_class = "SimpleDispatchRouter"
exposed_names = ["quiz"]
routing_mappings = {joint = "quiz"}
)"),
                                 std::string(R"(router_class = "ToAddressRouter"
to_address_mappings = [{name = "quiz", pattern = ""}]
)")}) {
    const std::string toml = R"(
[[dispatcher]]
name            = "near"
router_class    = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names   = ["joint"]
routing_mappings = {sms = "joint"}
[[dispatcher]]
name            = "far"
transport_names = ["joint"]
)" + far;
    const std::string words = to_text(explanation(toml, "quiz", user(R"("transport_name":"sms")")), false);
    EXPECT_NE(
        words.find("router: transport_name is a transport of a dispatcher further down, to which this joint leads\n"
                   "  -> joint, a joint\n"),
        std::string::npos)
        << words;
    EXPECT_NE(words.find("      router: transport_name is a transport of this dispatcher\n      -> sms\n"),
              std::string::npos)
        << words;
  }
}

TEST(Explain, OneMessageOverTheLimit) {
  const std::string large(2'000'000, 'x');
  EXPECT_EQ(explained(seed, "sms", user(R"("content":")" + large + '"')),
            "\nrefused too_large: the message is over max_message_bytes\n");
}

// No byte of a message reaches the screen but as text, and a long value is cut.
TEST(Explain, HostileValuesAreShownHarmless) {
  const std::string toml = R"(
router_class    = "RedirectRouter"
transport_names = ["sms"]
exposed_names   = ["survey"]
relays          = ["sms"]
[redirect_inbound]
sms = "survey"
"\u009b2J\u001b" = "survey"
)";
  EXPECT_EQ(explained(toml, "sms", user(R"("transport_name":"\u009b2J\u001b")")), R"(
dispatcher (RedirectRouter): inbound from sms
  router: redirect_inbound."\xc2\x9b2J\x1b"
  -> survey
    router: transport_name: "\u009b2J\u001b" -> "survey"
taken by survey
)");
  const std::string many(1000, 'y');
  const std::string text = explained(toml, "sms", user(R"("transport_name":")" + many + '"'));
  EXPECT_LT(text.size(), 1000U) << text;
  EXPECT_NE(text.find("refused no_route"), std::string::npos) << text;
  const std::string two_bytes = R"("transport_name":{"$str":"/v8="})";  // not UTF-8
  EXPECT_NE(explained(toml, "sms", user(two_bytes)).find("refused malformed: "), std::string::npos);
}

TEST(Explain, LongValuesAreCutBetweenCharacters) {
  std::string umlauts;
  for (int i = 0; i < 200; ++i) umlauts += "ü";
  const std::string toml = seed + "[static]\nprovider = \"" + umlauts + "\"\n";
  const std::string text =
      explained("middleware = [{static = \"StaticProviderSettingMiddleware\"}]\n" + toml, "sms", user());
  const size_t cut = text.find("ü…\n");
  ASSERT_NE(cut, std::string::npos) << text;
  EXPECT_EQ(text.substr(0, cut + 2).size() - text.find("-> \"ü") - 3, value_bytes_max - 1);
}

TEST(Explain, ColoursOnlyColour) {
  const Explanation told = explanation(seed, "sms", user());
  std::string coloured = to_text(told, true);
  EXPECT_NE(coloured, to_text(told, false));
  for (size_t at; (at = coloured.find('\x1b')) != std::string::npos;)
    coloured.erase(at, coloured.find('m', at) + 1 - at);
  EXPECT_EQ(coloured, to_text(told, false));
}

}  // namespace
}  // namespace signalbox::testing
