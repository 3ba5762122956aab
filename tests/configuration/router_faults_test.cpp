// SimpleDispatchRouter's own conditions on its configuration.
#include <gtest/gtest.h>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

// The lists in lines 1 to 3; what is given begins in line 4.
std::string simple(const std::string& more) {
  return "router_class = 'SimpleDispatchRouter'\ntransport_names = ['sms', 'ussd']\nexposed_names = ['survey', "
         "'log']\n" +
         more;
}

TEST(SimpleDispatchRouter, TargetsAreApplicationsInTheList) {
  EXPECT_EQ(
      faults_of(simple("[routing_mappings]\nsms = 'surveys'\nussd = ['log', 'ussd', '', 'nobody', 1]\n")),
      (Lines{"5:7 \"surveys\" is not in exposed_names; did you mean \"survey\"?",
             "6:16 \"ussd\" is a transport; an application is needed here", "6:24 a name must not be empty",
             "6:28 \"nobody\" is not in exposed_names", "6:38 an application's name is needed here, not an integer"}));
}

TEST(SimpleDispatchRouter, ListsOfTargetsAreNotEmpty) {
  EXPECT_EQ(faults_of(simple("[routing_mappings]\nsms = []\nussd = {}\n")),
            (Lines{"5:7 the list of applications for \"sms\" is empty",
                   "6:8 an application's name, or a list of them, is needed here, not a table"}));
}

TEST(SimpleDispatchRouter, AListHasABound) {
  std::string many = "'log'";
  for (int i = 1; i < 256; ++i) many += ", 'log'";
  EXPECT_EQ(faults_of(simple("routing_mappings = {sms = [" + many + "]}")), Lines{});
  EXPECT_EQ(faults_of(simple("routing_mappings = {sms = [" + many + ", 'log']}")),
            Lines{"4:27 a message can go to at most 256 applications, and here are 257"});
}

TEST(SimpleDispatchRouter, SourcesAreTransportsInTheList) {
  EXPECT_EQ(faults_of(simple("[routing_mappings]\nsns = 'log'\nlog = 'log'\n\"\" = 'log'\n")),
            (Lines{"5:1 \"sns\" is not in transport_names; did you mean \"sms\"?",
                   "6:1 \"log\" is an application; a transport is needed here", "7:1 a name must not be empty"}));
}

TEST(SimpleDispatchRouter, SourcesAreAnythingWhereThereAreRelays) {
  EXPECT_EQ(faults_of(simple("relays = ['sms']\nrouting_mappings = {sns = 'log'}\n")), Lines{});
  EXPECT_EQ(faults_of(simple("relays = ['sms']\nrouting_mappings = {log = 'log', '' = 'log'}\n")),
            (Lines{"5:21 \"log\" is an application; a transport is needed here", "5:34 a name must not be empty"}));
  EXPECT_EQ(faults_of(simple("relays = []\nrouting_mappings = {sns = 'log'}\n")),
            Lines{"5:21 \"sns\" is not in transport_names; did you mean \"sms\"?"});
}

TEST(SimpleDispatchRouter, HasOneKeyWithTwoNames) {
  EXPECT_EQ(faults_of(simple("route_mappings = {sms = 'log'}\n")), Lines{});
  EXPECT_EQ(faults_of(simple("route_mappings = {sms = 'log'}\nrouting_mappings = {sms = 'log'}\n")),
            Lines{"5:1 routing_mappings and route_mappings are one key; give one of them"});
  EXPECT_EQ(faults_of(simple("[routing_mappings]\nsms = 'log'\n[route_mappings]\nsms = 'log'\n")),
            Lines{"6:2 routing_mappings and route_mappings are one key; give one of them"});
  EXPECT_EQ(faults_of(simple("")), Lines{"1:1 routing_mappings is missing"});
  EXPECT_EQ(faults_of(simple("route_mappings = 'log'\n")),
            Lines{"4:18 routing_mappings must be a table of names, not a string"});
}

TEST(SimpleDispatchRouter, TransportMappingsNameTransports) {
  EXPECT_EQ(faults_of(simple("routing_mappings = {sms = 'log'}\n[transport_mappings]\nany = 'sms'\nsms = 'usd'\n"
                             "b = 'log'\nc = ''\nd = ['sms']\n\"\" = 'sms'\n")),
            (Lines{"7:7 \"usd\" is not in transport_names; did you mean \"ussd\"?",
                   "8:5 \"log\" is an application; a transport is needed here", "9:5 a name must not be empty",
                   "10:5 a transport's name is needed here, not an array", "11:1 a name must not be empty"}));
  EXPECT_EQ(faults_of(simple("routing_mappings = {sms = 'log'}\ntransport_mappings = []\n")),
            Lines{"5:22 transport_mappings must be a table of names, not an array"});
}

TEST(SimpleDispatchRouter, DoesNotBlameTheMappingsForAListThatIsMissing) {
  EXPECT_EQ(faults_of("router_class = 'SimpleDispatchRouter'\ntransport_nmes = ['sms']\nexposed_names = ['log']\n"
                      "routing_mappings = {sms = 'log'}\n"),
            (Lines{"1:1 transport_names is missing",
                   "2:1 unknown key \"transport_nmes\"; did you mean \"transport_names\"?"}));
}

TEST(SimpleDispatchRouter, WarnsOfATransportThatNobodyHears) {
  EXPECT_EQ(warnings_of(simple("routing_mappings = {sms = 'log'}\n")),
            Lines{"2:27 routing_mappings has no entry for \"ussd\": what comes from there will be refused, no_route"});
  EXPECT_EQ(warnings_of(simple("relays = ['ussd']\nrouting_mappings = {sms = 'log'}\n")), Lines{});
}

TEST(RoutersWithListsOfTheirOwn, SayThatTheUsualOnesAreNotRead) {
  EXPECT_EQ(
      faults_of("router_class = 'FromAddressRouter'\nchannel = 'sms'\ntransport_names = ['nonsense']\n"
                "exposed_names = []\ndestinations = [{id = 'a', config = {regular_expression = 'x'}}]\n"),
      (Lines{"3:1 FromAddressRouter does not read transport_names: its endpoints are listed under keys of its own",
             "4:1 FromAddressRouter does not read exposed_names: its endpoints are listed under keys of its own"}));
  EXPECT_EQ(faults_of("router_class = 'ToAddressRouter'\ntransport_names = ['sms']\nexposed_names = ['a']\n"
                      "to_address_mappings = [{name = 'a', pattern = '1'}]\n"),
            Lines{"3:1 ToAddressRouter does not read exposed_names: its endpoints are listed under keys of its own"});
  EXPECT_EQ(
      faults_of("router_class = 'RoutingTableDispatcher'\nreceive_inbound_connectors = ['sms']\n"
                "receive_outbound_connectors = ['a']\ntransport_names = ['sms']\n"
                "routing_table = {sms = {default = ['a', 'default']}}\n"),
      Lines{"4:1 RoutingTableDispatcher does not read transport_names: its endpoints are listed under keys of its "
            "own"});
}

// --- more than a message may have of targets, where that is certain --------------------------------------------------

std::string keyword_rules(size_t count, const std::string& more = "") {
  std::string toml =
      "router_class = 'ContentKeywordRouter'\ndispatcher_name = 'd'\ntransport_names = ['sms']\n"
      "exposed_names = ['log']\ntransport_mappings = {}\nrules = [\n";
  for (size_t i = 0; i < count; ++i) toml += "{app = 'log', keyword = 'Go'},\n";
  return toml + more + "]\n";
}

TEST(ContentKeywordRouter, RulesForOneMessageHaveABound) {
  const std::string fault = " a message can go to at most 256 applications, and 257 rules fit one with keyword \"go\"";
  EXPECT_EQ(faults_of(keyword_rules(256)), Lines{});
  EXPECT_EQ(faults_of(keyword_rules(257)), Lines{"263:1" + fault});
  EXPECT_EQ(faults_of(keyword_rules(256, "{app = 'log', keyword = 'go', to_addr = '8', prefix = '+27'},\n")),
            Lines{"263:1" + fault});
  EXPECT_EQ(faults_of(keyword_rules(256, "{app = 'log', keyword = 'stay'},\n")), Lines{});
}

std::string pattern_per_application(size_t count, const std::string& pattern) {
  std::string names;
  std::string mappings;
  for (size_t i = 0; i < count; ++i) {
    const std::string name = "'a" + std::to_string(i) + "'";
    names += name + ", ";
    mappings += name + " = '" + pattern + (pattern == "x" ? std::to_string(i) : "") + "', ";
  }
  mappings.resize(mappings.size() - 2);
  return "router_class = 'ToAddrRouter'\ntransport_names = ['sms']\nexposed_names = [" + names +
         "]\ntoaddr_mappings = {" + mappings + "}\n";
}

TEST(ToAddrRouter, PatternsForOneAddressHaveABound) {
  const Lines fault = {
      "4:19 a message can go to at most 256 applications, and 257 of these expressions match the same address"};
  EXPECT_EQ(faults_of(pattern_per_application(256, ".*")), Lines{});
  EXPECT_EQ(faults_of(pattern_per_application(257, ".*")), fault);
  EXPECT_EQ(faults_of(pattern_per_application(257, "[+]27")), fault);
  EXPECT_EQ(faults_of(pattern_per_application(257, "x")), Lines{}) << "different ones may be as many as you like";
}

TEST(FromAddressRouter, ExpressionsForOneAddressHaveABound) {
  std::string destinations;
  for (int i = 0; i < 257; ++i) {
    destinations += "{id = 'a" + std::to_string(i) + "', config = {regular_expression = '8?'}}, ";
  }
  EXPECT_EQ(
      faults_of("router_class = 'FromAddressRouter'\nchannel = 'sms'\ndestinations = [" + destinations + "]\n"),
      Lines{"3:16 a message can go to at most 256 applications, and 257 of these expressions match the same address"});
}

}  // namespace
}  // namespace signalbox::testing
