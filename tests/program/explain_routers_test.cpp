// `explain` and the twelve routers: for each a configuration, messages, and what is said of them.
#include <gtest/gtest.h>

#include <string>

#include "tests/program/explaining.hpp"

namespace signalbox::testing {
namespace {

TEST(Explain, SimpleDispatchRouter) {
  const std::string toml = R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["smpp_transport", "xmpp_transport"]
exposed_names   = ["survey", "archive"]
[routing_mappings]
smpp_transport = ["survey", "archive"]
[transport_mappings]
sms = "smpp_transport"
)";
  EXPECT_EQ(explained(toml, "smpp_transport", user()), R"(
dispatcher (SimpleDispatchRouter): inbound from smpp_transport
  broker: transport_name: absent -> "smpp_transport"
  router: routing_mappings."smpp_transport"
  -> survey
  -> archive
taken by survey, archive
)");
  EXPECT_EQ(explained(toml, "xmpp_transport", user()), R"(
dispatcher (SimpleDispatchRouter): inbound from xmpp_transport
  refused no_route: routing_mappings has no entry for transport_name "xmpp_transport"
refused no_route: routing_mappings has no entry for transport_name "xmpp_transport"
)");
  EXPECT_EQ(explained(toml, "survey", user(R"("in_reply_to":"77","transport_name":"sms")")), R"(
dispatcher (SimpleDispatchRouter): outbound from survey
  router: the message that this one replies to is not remembered
  router: transport_mappings."sms"
  -> smpp_transport
taken by smpp_transport
)");
  EXPECT_EQ(explained(toml, "survey", user(R"("in_reply_to":"77")"), {.remembered = {{"77", "xmpp_transport"}}}), R"(
dispatcher (SimpleDispatchRouter): outbound from survey
  memory: it refers to a message from xmpp_transport
  router: the reply goes where the original came from
  -> xmpp_transport
taken by xmpp_transport
)");
  EXPECT_EQ(explained(toml, "survey", user(R"("transport_name":"smp")")), R"(
dispatcher (SimpleDispatchRouter): outbound from survey
  refused unknown_endpoint: transport_name "smp" is neither in transport_mappings nor a transport of this dispatcher
refused unknown_endpoint: transport_name "smp" is neither in transport_mappings nor a transport of this dispatcher
)");
  EXPECT_EQ(explained(toml, "xmpp_transport", report, {.remembered = {{"9d20", "archive"}}}), R"(
dispatcher (SimpleDispatchRouter): event from xmpp_transport
  broker: transport_name: absent -> "xmpp_transport"
  memory: it refers to a message from archive
  router: the event follows the message that it is about
  -> archive
taken by archive
)");
  EXPECT_EQ(explained(toml, "xmpp_transport", user(R"("transport_name":"smpp_transport")")), R"(
dispatcher (SimpleDispatchRouter): inbound from xmpp_transport
  refused not_permitted: transport_name is 'smpp_transport', not the sender's own
refused not_permitted: transport_name is 'smpp_transport', not the sender's own
)");
}

TEST(Explain, TransportToTransportRouter) {
  const std::string toml = R"(
router_class    = "TransportToTransportRouter"
transport_names = ["sms", "ussd"]
exposed_names   = ["nobody"]
[routing_mappings]
sms = "ussd"
)";
  EXPECT_EQ(explained(toml, "sms", user()), R"(
dispatcher (TransportToTransportRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: routing_mappings."sms"
  -> ussd
taken by ussd
)");
  EXPECT_EQ(explained(toml, "nobody", user()), R"(
dispatcher (TransportToTransportRouter): outbound from nobody
  discarded: this router carries from transport to transport alone
discarded, and confirmed to its sender
)");
}

TEST(Explain, ToAddrRouter) {
  const std::string toml = R"(
router_class    = "ToAddrRouter"
transport_names = ["sms"]
exposed_names   = ["survey", "helpdesk", "archive"]
[toaddr_mappings]
survey   = "\\+1"
helpdesk = "\\+2"
archive  = ".*"
)";
  EXPECT_EQ(explained(toml, "sms", user(R"("to_addr":"+2555")")), R"(
dispatcher (ToAddrRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: pattern "\+1" does not match to_addr "+2555"
  router: pattern "\+2" matches to_addr "+2555"
  router: pattern ".*" matches to_addr "+2555"
  -> helpdesk
  -> archive
taken by helpdesk, archive
)");
  EXPECT_EQ(explained(toml, "sms", report), R"(
dispatcher (ToAddrRouter): event from sms
  router: the message that the event is about is not remembered
  refused no_route: the message that the event is about is not remembered
refused no_route: the message that the event is about is not remembered
)");
}

TEST(Explain, FromAddrMultiplexRouter) {
  const std::string toml = R"(
router_class    = "FromAddrMultiplexRouter"
transport_names = ["sms_a", "sms_b"]
exposed_names   = ["survey"]
[fromaddr_mappings]
"+1" = "sms_a"
"+2" = "sms_b"
)";
  EXPECT_EQ(explained(toml, "sms_a", user(R"("transport_name":"sms_a")")), R"(
dispatcher (FromAddrMultiplexRouter): inbound from sms_a
  router: all that comes in goes to the one exposed name
  -> survey
    router: transport_name: "sms_a" -> "survey"
taken by survey
)");
  EXPECT_EQ(explained(toml, "survey", user(R"("from_addr":"+2")")), R"(
dispatcher (FromAddrMultiplexRouter): outbound from survey
  router: fromaddr_mappings."+2"
  -> sms_b
    router: transport_name: absent -> "sms_b"
taken by sms_b
)");
}

TEST(Explain, UserGroupingRouter) {
  const std::string toml = R"(
router_class    = "UserGroupingRouter"
dispatcher_name = "grouping"
transport_names = ["sms"]
exposed_names   = ["new_survey", "old_survey"]
[group_mappings]
b = "new_survey"
a = "old_survey"
)";
  EXPECT_EQ(explained(toml, "sms", user(R"("from_addr":"+2783")")), R"(
dispatcher (UserGroupingRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: user "+2783" is new, and gets group "a", the next in turn
  -> old_survey
taken by old_survey
)");
  EXPECT_EQ(explained(toml, "sms", user()), R"(
dispatcher (UserGroupingRouter): inbound from sms
  refused no_route: the message has no from_addr, and so no user to find a group for
refused no_route: the message has no from_addr, and so no user to find a group for
)");
}

TEST(Explain, ContentKeywordRouter) {
  const std::string toml = R"(
router_class         = "ContentKeywordRouter"
dispatcher_name      = "keywords"
transport_names      = ["sms"]
exposed_names        = ["survey", "quiz", "helpdesk"]
fallback_application = "helpdesk"
rules = [{app = "survey", keyword = "survey", to_addr = "123"}, {app = "quiz", keyword = "SURVEY", prefix = "+27"}]
[transport_mappings]
"123" = "sms"
)";
  EXPECT_EQ(explained(toml, "sms", user(R"("content":"Survey please","from_addr":"+2783")")), R"(
dispatcher (ContentKeywordRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: the keyword is "survey"
  router: rule 1 (keyword is "survey", to_addr is "123") does not fit
  router: rule 2 (keyword is "survey", from_addr starts with "+27") fits
  -> quiz
taken by quiz
)");
  EXPECT_EQ(explained(toml, "sms", user(R"("content":"hello")")), R"(
dispatcher (ContentKeywordRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: the keyword is "hello"
  router: rule 1 (keyword is "survey", to_addr is "123") does not fit
  router: rule 2 (keyword is "survey", from_addr starts with "+27") does not fit
  router: fallback_application takes what no rule fits
  -> helpdesk
taken by helpdesk
)");
  EXPECT_EQ(explained(toml, "survey", user(R"("from_addr":"123")")), R"(
dispatcher (ContentKeywordRouter): outbound from survey
  router: transport_mappings."123"
  -> sms
taken by sms
)");
}

TEST(Explain, RedirectRouter) {
  const std::string toml = R"(
router_class    = "RedirectRouter"
transport_names = ["sms", "ussd"]
exposed_names   = ["survey"]
[redirect_inbound]
sms = "survey"
[redirect_outbound]
survey = "ussd"
)";
  EXPECT_EQ(explained(toml, "sms", user()), R"(
dispatcher (RedirectRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: redirect_inbound."sms"
  -> survey
    router: transport_name: "sms" -> "survey"
taken by survey
)");
  EXPECT_EQ(explained(toml, "survey", user(R"("transport_name":"survey")")), R"(
dispatcher (RedirectRouter): outbound from survey
  router: redirect_outbound."survey"
  -> ussd
taken by ussd
)");
  EXPECT_EQ(explained(toml, "ussd", user()), R"(
dispatcher (RedirectRouter): inbound from ussd
  refused no_route: redirect_inbound has no entry for transport_name "ussd"
refused no_route: redirect_inbound has no entry for transport_name "ussd"
)");
}

TEST(Explain, RedirectOutboundRouter) {
  const std::string toml = R"(
router_class    = "RedirectOutboundRouter"
transport_names = ["sms", "ussd"]
exposed_names   = ["survey"]
[redirect_outbound]
survey = "ussd"
)";
  EXPECT_EQ(explained(toml, "survey", user(R"("transport_name":"survey")")), R"(
dispatcher (RedirectOutboundRouter): outbound from survey
  router: redirect_outbound."survey"
  -> ussd
taken by ussd
)");
}

TEST(Explain, LoadBalancingRouter) {
  const std::string toml = R"(
router_class    = "LoadBalancingRouter"
transport_names = ["sms_a", "sms_b"]
exposed_names   = ["survey"]
)";
  EXPECT_EQ(explained(toml, "sms_b", user(R"("helper_metadata":{})")), R"(
dispatcher (LoadBalancingRouter): inbound from sms_b
  broker: transport_name: absent -> "sms_b"
  router: all that comes in goes to the one exposed name
  -> survey
    router: transport_name: "sms_b" -> "survey"
    router: helper_metadata.load_balancer.transport_names: absent -> ["sms_b"]
taken by survey
)");
  EXPECT_EQ(explained(toml, "survey", user()), R"(
dispatcher (LoadBalancingRouter): outbound from survey
  router: the next transport in turn
  -> sms_a
    router: transport_name: absent -> "sms_a"
taken by sms_a
)");
  EXPECT_EQ(explained(toml, "survey", user(), {.alive = {{"sms_b"}}}), R"(
dispatcher (LoadBalancingRouter): outbound from survey
  router: the next transport in turn that has a live worker; those before it have none
  -> sms_b
    router: transport_name: absent -> "sms_b"
taken by sms_b
)");
  EXPECT_EQ(
      explained(toml, "survey",
                user(R"("in_reply_to":"77","helper_metadata":{"load_balancer":{"transport_names":["x","sms_b"]}})")),
      R"(
dispatcher (LoadBalancingRouter): outbound from survey
  router: the last name of load_balancer.transport_names
  -> sms_b
    router: transport_name: absent -> "sms_b"
    router: helper_metadata.load_balancer.transport_names: ["x","sms_b"] -> ["x"]
taken by sms_b
)");
  EXPECT_EQ(explained(toml, "sms_a", user(R"("helper_metadata":{"load_balancer":"none"})")), R"(
dispatcher (LoadBalancingRouter): inbound from sms_a
  broker: transport_name: absent -> "sms_a"
  router: all that comes in goes to the one exposed name
  -> survey
    router: transport_name: "sms_a" -> "survey"
    router: helper_metadata.load_balancer.transport_names: not changed: the message has another type there
taken by survey
)");
}

TEST(Explain, RoutingTableDispatcher) {
  const std::string toml = R"(
router_class                 = "RoutingTableDispatcher"
receive_inbound_connectors  = ["sms"]
receive_outbound_connectors = ["survey"]
[routing_table.sms]
default = ["survey", "questions"]
[routing_table.survey]
questions = ["sms", "default"]
)";
  EXPECT_EQ(explained(toml, "sms", user(R"("transport_name":"anything")")), R"(
dispatcher (RoutingTableDispatcher): inbound from sms
  router: routing_table has a row for the sender's endpoint "default"
  -> survey
    router: routing_metadata.endpoint_name: absent -> "questions"
taken by survey
)");
  EXPECT_EQ(explained(toml, "survey", user(R"("routing_metadata":{"endpoint_name":"questions"})")), R"(
dispatcher (RoutingTableDispatcher): outbound from survey
  router: routing_table has a row for the sender's endpoint "questions"
  -> sms
    router: routing_metadata.endpoint_name: "questions" -> "default"
taken by sms
)");
  EXPECT_EQ(explained(toml, "survey", user()), R"(
dispatcher (RoutingTableDispatcher): outbound from survey
  refused no_route: routing_table has no row for the sender's endpoint "default"
refused no_route: routing_table has no row for the sender's endpoint "default"
)");
}

TEST(Explain, ToAddressRouter) {
  const std::string toml = R"(
router_class        = "ToAddressRouter"
transport_names     = ["sms"]
to_address_mappings = [{name = "survey", pattern = "1.*"}, {name = "quiz", pattern = "2.*"}]
default_app         = "helpdesk"
)";
  EXPECT_EQ(explained(toml, "sms", user(R"("to_addr":"21")")), R"(
dispatcher (ToAddressRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: pattern "1.*" does not match "21"
  router: pattern "2.*" matches "21"
  -> quiz
taken by quiz
)");
  EXPECT_EQ(explained(toml, "sms", user(R"("to_addr":"31")")), R"(
dispatcher (ToAddressRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: pattern "1.*" does not match "31"
  router: pattern "2.*" does not match "31"
  router: default_app takes what no pattern matches
  -> helpdesk
taken by helpdesk
)");
  EXPECT_EQ(explained(toml, "survey", user(R"("transport_name":"sms")")), R"(
dispatcher (ToAddressRouter): outbound from survey
  router: transport_name is a transport of this dispatcher
  -> sms
taken by sms
)");
}

TEST(Explain, FromAddressRouter) {
  const std::string toml = R"(
router_class = "FromAddressRouter"
channel      = "sms"
[[destinations]]
id = "survey"
config = {regular_expression = "1$"}
[[destinations]]
id = "helpdesk"
config = {regular_expression = "2$", default = true}
)";
  EXPECT_EQ(explained(toml, "sms", user(R"("to_addr":"21")")), R"(
dispatcher (FromAddressRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: expression "1$" is found in "21"
  router: expression "2$" is not found in "21"
  -> survey
taken by survey
)");
  EXPECT_EQ(explained(toml, "sms", user(R"("to_addr":"3")")), R"(
dispatcher (FromAddressRouter): inbound from sms
  broker: transport_name: absent -> "sms"
  router: expression "1$" is not found in "3"
  router: expression "2$" is not found in "3"
  router: destinations marked default take what no expression finds
  -> helpdesk
taken by helpdesk
)");
  EXPECT_EQ(explained(toml, "survey", user()), R"(
dispatcher (FromAddressRouter): outbound from survey
  router: everything outbound goes to the channel
  -> sms
taken by sms
)");
}

}  // namespace
}  // namespace signalbox::testing
