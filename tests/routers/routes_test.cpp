// The rows that `check` prints for the routers that go by names and addresses: each says what the router does, in the
// order in which it does it.
#include <gtest/gtest.h>

#include "tests/routers/twins.hpp"

namespace signalbox::testing {
namespace {

Names routes_of(const std::string& router_class, const std::string& more,
                const std::string& exposed_names = "'a', 'b'") {
  std::string toml = "router_class = '";
  toml.append(router_class).append("'\ntransport_names = ['s', 't']\nexposed_names = [").append(exposed_names);
  return RouterHarness(toml.append("]\n").append(more)).routes();
}

TEST(Routes, OfTransportToTransportRouter) {
  EXPECT_EQ(routes_of("TransportToTransportRouter", "routing_mappings = {s = ['t', 's']}\n"),
            (Names{"inbound | s |  | t | ", "inbound | s |  | s | ", "inbound | t |  | refused: no_route | ",
                   "event | any |  | discarded | ", "outbound | any |  | discarded | "}));
}

TEST(Routes, OfToAddrRouter) {
  EXPECT_EQ(routes_of("ToAddrRouter", "toaddr_mappings = {b = '8', a = '.'}\ntransport_mappings = {x = 't'}\n"),
            (Names{"inbound | any | to_addr matches \"8\" | b | ", "inbound | any | to_addr matches \".\" | a | ",
                   "inbound | any | otherwise | refused: no_route | ",
                   "event | any | its message is remembered | who sent that message | ",
                   "event | any | its message is not remembered | refused: no_route | ",
                   "reply | any | the original is remembered | where the original came from | ",
                   "outbound | any | transport_name is \"x\" | t | ",
                   "outbound | any | transport_name is a transport | that transport | ",
                   "outbound | any | otherwise | refused: unknown_endpoint | "}));
  EXPECT_EQ(routes_of("ToAddrRouter", "reply_tracking = false\ntoaddr_mappings = {b = '8'}\n"),
            (Names{"inbound | any | to_addr matches \"8\" | b | ", "inbound | any | otherwise | refused: no_route | ",
                   "event | any |  | refused: no_route | ",
                   "outbound | any | transport_name is a transport | that transport | ",
                   "outbound | any | otherwise | refused: unknown_endpoint | "}));
}

TEST(Routes, OfFromAddrMultiplexRouter) {
  EXPECT_EQ(routes_of("FromAddrMultiplexRouter", "fromaddr_mappings = {'+2' = 't', '+1' = 's'}\n", "'a'"),
            (Names{"inbound | any |  | a | transport_name = \"a\"", "event | any |  | a | transport_name = \"a\"",
                   "outbound | any | from_addr is \"+2\" | t | transport_name = \"t\"",
                   "outbound | any | from_addr is \"+1\" | s | transport_name = \"s\"",
                   "outbound | any | otherwise | refused: no_route | "}));
}

TEST(Routes, OfRedirectRouter) {
  EXPECT_EQ(routes_of("RedirectRouter", "redirect_inbound = {s = 'a'}\nredirect_outbound = {b = 't'}\n"),
            (Names{"inbound | s |  | a | transport_name = \"a\"", "inbound | any | otherwise | refused: no_route | ",
                   "event | any | its message is remembered | who sent that message | transport_name = who sent it",
                   "event | s | its message is not remembered | a | transport_name = \"a\"",
                   "event | any | otherwise | refused: no_route | ", "outbound | any | transport_name is \"b\" | t | ",
                   "outbound | any | otherwise | refused: no_route | "}));
  EXPECT_EQ(
      routes_of("RedirectOutboundRouter", "reply_tracking = false\nredirect_outbound = {b = 't'}\n"),
      (Names{"inbound | any | otherwise | refused: no_route | ", "event | any | otherwise | refused: no_route | ",
             "outbound | any | transport_name is \"b\" | t | ", "outbound | any | otherwise | refused: no_route | "}));
}

TEST(Routes, OfLoadBalancingRouter) {
  const std::string list = "helper_metadata.load_balancer.transport_names";
  EXPECT_EQ(routes_of("LoadBalancingRouter", "", "'a'"),
            (Names{"inbound | any |  | a | transport_name pushed on " + list + ", transport_name = \"a\"",
                   "event | any |  | a | transport_name = \"a\"",
                   "reply | any | " + list + " ends in a transport | that transport | transport_name = the one chosen",
                   "reply | any | otherwise, and the original is remembered | where the original came from | "
                   "transport_name = the one chosen",
                   "outbound | any | otherwise | the next transport in turn | transport_name = the one chosen"}));
  EXPECT_EQ(
      routes_of("LoadBalancingRouter", "reply_affinity = false\nrewrite_transport_names = false\n", "'a'"),
      (Names{"inbound | any |  | a | ", "event | any |  | a | ", "outbound | any |  | the next transport in turn | "}));
}

TEST(Routes, OfRoutingTableDispatcher) {
  const std::string lists =
      "router_class = 'RoutingTableDispatcher'\nreceive_inbound_connectors = ['s']\n"
      "receive_outbound_connectors = ['a']\n";
  const std::string table = "routing_table = {a = {default = ['s', 'x']}, s = {vip = ['a', 'y']}}\n";
  EXPECT_EQ(RouterHarness(lists + table).routes(),
            (Names{"outbound | a | endpoint is \"default\" | s | endpoint = \"x\"",
                   "inbound | s | endpoint is \"vip\" | a | endpoint = \"y\"",
                   "event | s | endpoint is \"vip\", its message is not remembered | a | endpoint = \"y\"",
                   "event | any | its message is remembered | who sent that message | "
                   "endpoint = the one that it was sent on"}));
  EXPECT_EQ(RouterHarness(lists + "reply_tracking = false\n" + table).routes(),
            (Names{"outbound | a | endpoint is \"default\" | s | endpoint = \"x\"",
                   "inbound | s | endpoint is \"vip\" | a | endpoint = \"y\"",
                   "event | s | endpoint is \"vip\" | a | endpoint = \"y\""}));
}

}  // namespace
}  // namespace signalbox::testing
