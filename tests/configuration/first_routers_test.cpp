// The conditions that the routers by name and by address put on their configuration, each with its place.
#include <gtest/gtest.h>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

// The lists in lines 1 to 3; what is given begins in line 4.
std::string with_lists(const std::string& router_class, const std::string& more,
                       const std::string& exposed_names = "['survey', 'log']") {
  return "router_class = '" + router_class + "'\ntransport_names = ['sms', 'ussd']\nexposed_names = " + exposed_names +
         "\n" + more;
}

// --- TransportToTransportRouter --------------------------------------------------------------------------------------

std::string across(const std::string& more) {
  return with_lists("TransportToTransportRouter", more);
}

TEST(TransportToTransportRouter, TargetsAreTransports) {
  EXPECT_EQ(faults_of(across("[routing_mappings]\nsms = 'usd'\nussd = ['sms', 'log', '', 1]\n")),
            (Lines{"5:7 \"usd\" is not in transport_names; did you mean \"ussd\"?",
                   "6:16 \"log\" is an application; a transport is needed here", "6:23 a name must not be empty",
                   "6:27 a transport's name is needed here, not an integer"}));
  EXPECT_EQ(faults_of(across("routing_mappings = {sms = []}\n")),
            Lines{"4:27 the list of transports for \"sms\" is empty"});
}

TEST(TransportToTransportRouter, SourcesAreTransports) {
  EXPECT_EQ(faults_of(across("[routing_mappings]\nsns = 'sms'\nlog = 'sms'\n")),
            (Lines{"5:1 \"sns\" is not in transport_names; did you mean \"sms\"?",
                   "6:1 \"log\" is an application; a transport is needed here"}));
  EXPECT_EQ(faults_of(across("relays = ['sms']\nrouting_mappings = {far_off = 'sms'}\n")), Lines{});
}

TEST(TransportToTransportRouter, NeedsItsTableAndNoApplications) {
  EXPECT_EQ(faults_of(across("")), Lines{"1:1 routing_mappings is missing"});
  EXPECT_EQ(faults_of(with_lists("TransportToTransportRouter", "routing_mappings = {sms = 'sms'}\n", "[]")), Lines{});
  EXPECT_EQ(faults_of(across("routing_mappings = {sms = 'sms'}\nroute_mappings = {sms = 'sms'}\n")),
            Lines{"5:1 routing_mappings and route_mappings are one key; give one of them"});
}

// --- ToAddrRouter ----------------------------------------------------------------------------------------------------

std::string by_address(const std::string& more) {
  return with_lists("ToAddrRouter", more);
}

TEST(ToAddrRouter, KeysAreApplications) {
  EXPECT_EQ(faults_of(by_address("[toaddr_mappings]\nsurvy = '8'\nsms = '8'\n\"\" = '8'\n")),
            (Lines{"5:1 \"survy\" is not in exposed_names; did you mean \"survey\"?",
                   "6:1 \"sms\" is a transport; an application is needed here", "7:1 a name must not be empty"}));
}

TEST(ToAddrRouter, PatternsCompile) {
  EXPECT_EQ(faults_of(by_address("[toaddr_mappings]\nsurvey = '8('\nlog = '(?=8)'\n")),
            (Lines{"5:10 the regular expression \"8(\" does not compile: missing ): 8(",
                   "6:7 the regular expression \"(?=8)\" does not compile: invalid perl operator: (?="}));
  EXPECT_EQ(faults_of(by_address("toaddr_mappings = {survey = 8, log = ['8']}\n")),
            (Lines{"4:29 a regular expression is needed here, not an integer",
                   "4:38 a regular expression is needed here, not an array"}));
}

TEST(ToAddrRouter, NeedsItsTable) {
  EXPECT_EQ(faults_of(by_address("")), Lines{"1:1 toaddr_mappings is missing"});
  EXPECT_EQ(faults_of(by_address("toaddr_mappings = '8'\n")),
            Lines{"4:19 toaddr_mappings must be a table of names, not a string"});
  EXPECT_EQ(faults_of(by_address("toaddr_mappings = {log = '8'}\ntransport_mappings = {x = 'log'}\n")),
            Lines{"5:27 \"log\" is an application; a transport is needed here"});
}

// --- FromAddrMultiplexRouter -----------------------------------------------------------------------------------------

std::string multiplex(const std::string& more, const std::string& exposed_names = "['muxed']") {
  return with_lists("FromAddrMultiplexRouter", more, exposed_names);
}

TEST(FromAddrMultiplexRouter, HasExactlyOneApplication) {
  EXPECT_EQ(faults_of(multiplex("fromaddr_mappings = {'+1' = 'sms'}\n")), Lines{});
  EXPECT_EQ(faults_of(multiplex("fromaddr_mappings = {'+1' = 'sms'}\n", "[]")),
            Lines{"3:17 this router serves exactly one application, and exposed_names has 0"});
  EXPECT_EQ(faults_of(multiplex("fromaddr_mappings = {'+1' = 'sms'}\n", "['a', 'b']")),
            Lines{"3:17 this router serves exactly one application, and exposed_names has 2"});
}

TEST(FromAddrMultiplexRouter, TargetsAreTransports) {
  EXPECT_EQ(faults_of(multiplex("[fromaddr_mappings]\n'+1' = 'sns'\n'+2' = 'muxed'\n'+3' = ['sms']\n'+4' = ''\n")),
            (Lines{"5:8 \"sns\" is not in transport_names; did you mean \"sms\"?",
                   "6:8 \"muxed\" is an application; a transport is needed here",
                   "7:8 a transport's name is needed here, not an array", "8:8 a name must not be empty"}));
  EXPECT_EQ(faults_of(multiplex("")), Lines{"1:1 fromaddr_mappings is missing"});
  EXPECT_EQ(faults_of(multiplex("fromaddr_mappings = ['sms']\n")),
            Lines{"4:21 fromaddr_mappings must be a table of names, not an array"});
}

// --- RedirectRouter --------------------------------------------------------------------------------------------------

std::string redirect(const std::string& more) {
  return with_lists("RedirectRouter", more);
}

TEST(RedirectRouter, InboundGoesFromTransportsToApplications) {
  EXPECT_EQ(faults_of(redirect("[redirect_inbound]\nsms = 'surveys'\nussd = 'sms'\nlog = 'log'\nusd = 'log'\n")),
            (Lines{"5:7 \"surveys\" is not in exposed_names; did you mean \"survey\"?",
                   "6:8 \"sms\" is a transport; an application is needed here",
                   "7:1 \"log\" is an application; a transport is needed here",
                   "8:1 \"usd\" is not in transport_names; did you mean \"ussd\"?"}));
  EXPECT_EQ(faults_of(redirect("redirect_inbound = {sms = ['log']}\n")),
            Lines{"4:27 an application's name is needed here, not an array"});
  EXPECT_EQ(faults_of(redirect("relays = ['sms']\nredirect_inbound = {far_off = 'log'}\n")), Lines{});
}

TEST(RedirectRouter, OutboundGoesFromApplicationsToTransports) {
  EXPECT_EQ(faults_of(redirect("[redirect_outbound]\nsurvey = 'log'\nlog = 'sns'\nsms = 'sms'\nlag = 'sms'\n\"\" = "
                               "'sms'\n")),
            (Lines{"5:10 \"log\" is an application; a transport is needed here",
                   "6:7 \"sns\" is not in transport_names; did you mean \"sms\"?",
                   "7:1 \"sms\" is a transport; an application is needed here",
                   "8:1 \"lag\" is not in exposed_names; did you mean \"log\"?", "9:1 a name must not be empty"}));
  EXPECT_EQ(faults_of(redirect("redirect_outbound = 'sms'\n")),
            Lines{"4:21 redirect_outbound must be a table of names, not a string"});
}

TEST(RedirectRouter, WithRelaysAMessageMayCarryAnyName) {
  EXPECT_EQ(faults_of(redirect("relays = ['ussd']\nredirect_outbound = {far_off = 'sms'}\n")), Lines{});
}

TEST(RedirectRouter, HasAtLeastOneTable) {
  EXPECT_EQ(faults_of(redirect("")),
            Lines{"1:1 neither redirect_inbound nor redirect_outbound: everything would be refused"});
}

TEST(RedirectOutboundRouter, IsTheSameAndDeprecated) {
  const std::string tables = "redirect_outbound = {log = 'sms'}\nredirect_inbound = {sms = 'log', ussd = 'log'}\n";
  EXPECT_EQ(faults_of(with_lists("RedirectOutboundRouter", tables)), Lines{});
  EXPECT_EQ(warnings_of(with_lists("RedirectOutboundRouter", tables)),
            Lines{"1:16 RedirectOutboundRouter is deprecated: RedirectRouter does the same"});
  EXPECT_EQ(warnings_of(redirect(tables)), Lines{});
  EXPECT_EQ(faults_of(with_lists("RedirectOutboundRouter", "redirect_outbound = {log = 'sns'}\n")),
            Lines{"4:28 \"sns\" is not in transport_names; did you mean \"sms\"?"});
}

// --- LoadBalancingRouter ---------------------------------------------------------------------------------------------

std::string balance(const std::string& more, const std::string& exposed_names = "['muxed']") {
  return with_lists("LoadBalancingRouter", more, exposed_names);
}

TEST(LoadBalancingRouter, HasOneApplicationAndATransport) {
  EXPECT_EQ(faults_of(balance("")), Lines{});
  EXPECT_EQ(faults_of(balance("", "['a', 'b', 'c']")),
            Lines{"3:17 this router serves exactly one application, and exposed_names has 3"});
  EXPECT_EQ(faults_of(balance("", "[]")),
            Lines{"3:17 this router serves exactly one application, and exposed_names has 0"});
  EXPECT_EQ(faults_of("router_class = 'LoadBalancingRouter'\ntransport_names = []\nexposed_names = ['muxed']\n"),
            Lines{"2:19 transport_names is empty: a dispatcher needs a transport"});
}

TEST(LoadBalancingRouter, ReadsFlags) {
  EXPECT_EQ(faults_of(balance("reply_affinity = false\nrewrite_transport_names = true\n")), Lines{});
  EXPECT_EQ(faults_of(balance("reply_affinity = 'no'\nrewrite_transport_names = 1\n")),
            (Lines{"4:18 reply_affinity must be true or false, not a string",
                   "5:27 rewrite_transport_names must be true or false, not an integer"}));
  EXPECT_EQ(faults_of(balance("rewrite_transport_name = 0\n")),
            Lines{"4:26 rewrite_transport_name must be true or false, not an integer"});
  EXPECT_EQ(faults_of(balance("rewrite_transport_names = true\nrewrite_transport_name = true\n")),
            Lines{"5:1 rewrite_transport_names and rewrite_transport_name are one key; give one of them"});
  EXPECT_EQ(faults_of(balance("rewrite_transport_name = true\nrewrite_transport_names = true\n")),
            Lines{"5:1 rewrite_transport_names and rewrite_transport_name are one key; give one of them"});
}

// --- RoutingTableDispatcher ------------------------------------------------------------------------------------------

std::string by_table(const std::string& more) {
  return "router_class = 'RoutingTableDispatcher'\nreceive_inbound_connectors = ['sms', 'ussd']\n"
         "receive_outbound_connectors = ['survey', 'log']\n" +
         more;
}

TEST(RoutingTableDispatcher, SourcesAreConnectors) {
  EXPECT_EQ(faults_of(by_table("[routing_table]\nsns.default = ['log', 'x']\n\"\".default = ['log', 'x']\nlog = 'sms'\n"
                               "sms = ['log', 'x']\n")),
            (Lines{"5:1 \"sns\" is no connector of this dispatcher; did you mean \"sms\"?",
                   "6:1 a name must not be empty", "7:7 a table of endpoints is needed here, not a string",
                   "8:7 a table of endpoints is needed here, not an array"}));
}

TEST(RoutingTableDispatcher, TargetsAreInTheOtherDirection) {
  EXPECT_EQ(faults_of(by_table("[routing_table.sms]\ndefault = ['ussd', 'x']\na = ['lag', 'x']\nb = ['', 'x']\nc = "
                               "[1, 'x']\n[routing_table.log]\ndefault = ['survey', 'x']\nd = ['sns', 'x']\n")),
            (Lines{"5:12 \"ussd\" is a transport; an application is needed here",
                   "6:6 \"lag\" is no application of this dispatcher; did you mean \"log\"?",
                   "7:6 a name must not be empty", "8:6 an application's name is needed here, not an integer",
                   "10:12 \"survey\" is an application; a transport is needed here",
                   "11:6 \"sns\" is no transport of this dispatcher; did you mean \"sms\"?"}));
}

TEST(RoutingTableDispatcher, ARowNamesAConnectorAndAnEndpoint) {
  EXPECT_EQ(
      faults_of(by_table("[routing_table.sms]\na = 'log'\nb = ['log']\nc = ['log', 'x', 'y']\nd = []\n"
                         "e = ['log', '']\nf = ['log', 1]\n\"\" = ['log', 'x']\n")),
      (Lines{"5:5 a row's target is [connector, endpoint], two strings",
             "6:5 a row's target is [connector, endpoint], two strings",
             "7:5 a row's target is [connector, endpoint], two strings",
             "8:5 a row's target is [connector, endpoint], two strings", "9:13 an endpoint's name must not be empty",
             "10:13 an endpoint's name must be a string, not an integer",
             "11:1 an endpoint's name must not be empty"}));
}

TEST(RoutingTableDispatcher, NeedsItsListsAndItsTable) {
  EXPECT_EQ(faults_of(by_table("")), Lines{"1:1 routing_table is missing"});
  EXPECT_EQ(faults_of(by_table("routing_table = []\n")),
            Lines{"4:17 routing_table must be a table of names, not an array"});
  EXPECT_EQ(faults_of("router_class = 'RoutingTableDispatcher'\nrouting_table = {}\n"),
            (Lines{"1:1 receive_inbound_connectors is missing", "1:1 receive_outbound_connectors is missing"}));
  EXPECT_EQ(faults_of("router_class = 'RoutingTableDispatcher'\nreceive_inbound_connectors = ['a', 'b', 'a']\n"
                      "receive_outbound_connectors = ['b', '', 1]\nrouting_table = {}\n")
                .size(),
            4u);
}

// --- keys of other routers -------------------------------------------------------------------------------------------

TEST(FirstRouters, SayWhoseAStrayKeyIs) {
  EXPECT_EQ(faults_of(balance("toaddr_mappings = {}\n")),
            Lines{"4:1 toaddr_mappings is a key of ToAddrRouter; LoadBalancingRouter does not read it"});
  EXPECT_EQ(faults_of(balance("reply_afinity = true\n")),
            Lines{"4:1 unknown key \"reply_afinity\"; did you mean \"reply_affinity\"?"});
}

}  // namespace
}  // namespace signalbox::testing
