#include "broker/check.hpp"

#include <gtest/gtest.h>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

TEST(RoutesTable, ShowsTheSeedExample) {
  const ConfigurationResult result = read_configuration_file(SIGNALBOX_EXAMPLES "/seed.toml", RouterRegistry());
  ASSERT_NE(result.configuration, nullptr);
  EXPECT_EQ(routes_table(*result.configuration),
            R"(dispatcher: dead letters go to dead_letters
  what      from            when                           to
  inbound   smpp_transport                                 my_application
  inbound   xmpp_transport                                 my_application
  event     any             its message is remembered      who sent that message
  event     smpp_transport  its message is not remembered  my_application
  event     xmpp_transport  its message is not remembered  my_application
  reply     any             the original is remembered     where the original came from
  outbound  any             transport_name is a transport  that transport
  outbound  any             otherwise                      refused: unknown_endpoint
)");
}

TEST(RoutesTable, ShowsEveryDispatcherAndCountsCharacters) {
  const ConfigurationResult result = read(R"(
[[dispatcher]]
name = "erste"
router_class = "SimpleDispatchRouter"
transport_names = ["größe", "t", "still"]
exposed_names = ["a", "b"]
relays = ["t"]
reply_tracking = false
routing_mappings = {"größe" = ["b", "a"], fern = "a"}
transport_mappings = {x = "t"}
[[dispatcher]]
name = "second"
router_class = "SimpleDispatchRouter"
transport_names = ["u"]
exposed_names = ["c"]
dead_letters = "lost"
routing_mappings = {u = "c"}
)");
  ASSERT_NE(result.configuration, nullptr) << ::testing::PrintToString(as_lines(result.faults));
  EXPECT_EQ(routes_table(*result.configuration),
            R"(erste: dead letters go to dead_letters, replies and events do not follow their messages
  what      from   when                           to
  inbound   größe                                 b
  inbound   größe                                 a
  inbound   fern   carried by a relay             a
  inbound   t                                     refused: no_route
  inbound   still                                 refused: no_route
  event     größe                                 b
  event     größe                                 a
  event     fern   carried by a relay             a
  event     t                                     refused: no_route
  event     still                                 refused: no_route
  outbound  any    transport_name is "x"          t
  outbound  any    transport_name is a transport  that transport
  outbound  any    otherwise                      refused: unknown_endpoint

second: dead letters go to lost
  what      from  when                           to
  inbound   u                                    c
  event     any   its message is remembered      who sent that message
  event     u     its message is not remembered  c
  reply     any   the original is remembered     where the original came from
  outbound  any   transport_name is a transport  that transport
  outbound  any   otherwise                      refused: unknown_endpoint
)");
}

const std::string chained = R"(
[[dispatcher]]
name = "phone"
router_class = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names = ["phones"]
routing_mappings = {sms = "phones"}
middleware = [{first = "LoggingMiddleware"}, {second = "LoggingMiddleware"}]
[[dispatcher]]
name = "apps"
router_class = "RedirectRouter"
transport_names = ["phones"]
exposed_names = ["app"]
redirect_inbound = {phones = "app"}
reply_tracking = false
)";

TEST(RoutesTable, ShowsMiddlewareAndJoints) {
  const ConfigurationResult result = read(chained);
  ASSERT_NE(result.configuration, nullptr) << ::testing::PrintToString(as_lines(result.faults));
  EXPECT_EQ(routes_table(*result.configuration),
            R"(phone: dead letters go to dead_letters
  middleware: first, second on entering, second, first on leaving
  what      from  when                           to
  inbound   sms                                  phones
  event     any   its message is remembered      who sent that message
  event     sms   its message is not remembered  phones
  reply     any   the original is remembered     where the original came from
  outbound  any   transport_name is a transport  that transport
  outbound  any   otherwise                      refused: unknown_endpoint

apps: dead letters go to dead_letters, replies and events do not follow their messages
  what      from    when       to                 rewrite
  inbound   phones             app                transport_name = "app"
  inbound   any     otherwise  refused: no_route
  event     phones             app                transport_name = "app"
  event     any     otherwise  refused: no_route
  outbound  any     otherwise  refused: no_route

joints
  name    exposed by  transport of
  phones  phone       apps
)");
}

TEST(RoutesTable, OnATerminalHasTheSameTextInColours) {
  const ConfigurationResult result = read(chained);
  ASSERT_NE(result.configuration, nullptr);
  std::string coloured = routes_table(*result.configuration, Colours::terminal);
  EXPECT_NE(coloured.find("\033[1mphone\033[0m: dead letters"), std::string::npos);
  EXPECT_NE(coloured.find("\033[31m  inbound   any     otherwise  refused: no_route\033[0m\n"), std::string::npos);
  for (const std::string_view colour : {"\033[0m", "\033[1m", "\033[2m", "\033[31m"}) {
    for (size_t at = 0; (at = coloured.find(colour)) != std::string::npos;) coloured.erase(at, colour.size());
  }
  EXPECT_EQ(coloured, routes_table(*result.configuration));
}

}  // namespace
}  // namespace signalbox::testing
