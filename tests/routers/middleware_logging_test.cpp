#include <gtest/gtest.h>

#include "tests/routers/middleware_harness.hpp"

namespace signalbox::testing {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view logging = "middleware = [{mw = 'LoggingMiddleware'}]";

TEST(LoggingMiddleware, WritesOneLineAMessageAndPass) {
  MiddlewareHarness harness(logging, "");
  const Json inbound = whole_message(Direction::inbound, {{"transport_name", "sms"},
                                                          {"from_addr", "+41"},
                                                          {"to_addr", nullptr},
                                                          {"session_event", "new"},
                                                          {"content", "hello there"}});
  EXPECT_EQ(harness.pass(Pass::entering, Direction::inbound, "sms", inbound), inbound);
  EXPECT_EQ(harness.pass(Pass::leaving, Direction::inbound, "app", inbound), inbound);
  const std::string rest = " message_id=m transport_name=sms from_addr=+41 session_event=new content=hello there";
  EXPECT_EQ(harness.lines(),
            (Words{"info middleware=mw dispatcher=dispatcher pass=entering direction=inbound connector=sms" + rest,
                   "info middleware=mw dispatcher=dispatcher pass=leaving direction=inbound connector=app" + rest}));
}

TEST(LoggingMiddleware, WritesOfOutboundAndOfEvents) {
  MiddlewareHarness harness(logging, "");
  harness.pass(Pass::entering, Direction::outbound, "app",
               whole_message(Direction::outbound, {{"in_reply_to", "m0"}, {"to_addr", "+41"}, {"provider", "p"}}));
  harness.pass(Pass::leaving, Direction::event, "app",
               whole_message(Direction::event, {{"nack_reason", "no"}, {"content", "not an event's"}}));
  EXPECT_EQ(
      harness.lines(),
      (Words{"info middleware=mw dispatcher=dispatcher pass=entering direction=outbound connector=app message_id=m"
             " in_reply_to=m0 to_addr=+41 provider=p",
             "info middleware=mw dispatcher=dispatcher pass=leaving direction=event connector=app event_id=e"
             " event_type=ack user_message_id=m nack_reason=no"}));
}

TEST(LoggingMiddleware, HasTheLevelThatItIsGiven) {
  for (const std::string level : {"debug", "info", "warning", "error", "critical"}) {
    MiddlewareHarness harness(logging, "mw = {log_level = '" + level + "', failure_log_level = 'error'}");
    harness.pass(Pass::entering, Direction::inbound, "sms", whole_message(Direction::inbound, Json::object()));
    ASSERT_EQ(harness.lines().size(), 1u);
    EXPECT_TRUE(harness.lines()[0].starts_with(level + " middleware=mw ")) << harness.lines()[0];
  }
}

// Nothing that a peer writes begins a line of its own, or moves a cursor.
TEST(LoggingMiddleware, EscapesAndCuts) {
  MiddlewareHarness harness(logging, "");
  harness.pass(Pass::entering, Direction::inbound, "sms",
               whole_message(Direction::inbound, {{"content", "a\nb\x1b[2J\xc2\x9bz"}, {"provider", Json::array()}}));
  ASSERT_EQ(harness.lines().size(), 1u);
  EXPECT_TRUE(harness.lines()[0].ends_with(" connector=sms message_id=m content=a\\x0ab\\x1b[2J\\xc2\\x9bz"))
      << harness.lines()[0];
  harness.pass(Pass::entering, Direction::inbound, "sms",
               whole_message(Direction::inbound, {{"content", std::string(70'000, 'x')}}));
  EXPECT_TRUE(harness.lines()[1].ends_with(" content=" + std::string(255, 'x'))) << harness.lines()[1].size();
}

}  // namespace
}  // namespace signalbox::testing
