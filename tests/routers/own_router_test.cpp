// The router of docs/writing-a-router.md: this file's build takes the code out of the page, so what is printed there is
// what runs here.
#include <gtest/gtest.h>

#include "tests/routers/router_harness.hpp"

signalbox::RouterClass no_echo_router();  // from the page

namespace signalbox::testing {
namespace {

RouterRegistry with_own_router() {
  RouterRegistry registry;
  registry.add(no_echo_router());
  return registry;
}

constexpr std::string_view configuration = R"(
router_class    = "NoEchoRouter"
transport_names = ["sms", "ussd"]
exposed_names   = ["survey"]
quiet_seconds   = 10
)";

Sample inbound(std::string from_addr, std::string content, uint64_t monotonic_ms) {
  Sample sample;
  sample.from = "sms";
  sample.fields["from_addr"] = std::move(from_addr);
  sample.fields["content"] = std::move(content);
  sample.now.monotonic_ms = monotonic_ms;
  return sample;
}

TEST(OwnRouter, DiscardsWhatWasSaidJustNow) {
  RouterHarness harness(configuration, with_own_router());
  EXPECT_EQ(harness.decide(inbound("+1", "hello", 1000)), "survey*");
  EXPECT_EQ(harness.decide(inbound("+1", "hello", 10'999)), "discarded: the same text again within quiet_seconds");
  EXPECT_EQ(harness.decide(inbound("+2", "hello", 10'999)), "survey*") << "another user";
  EXPECT_EQ(harness.decide(inbound("+1", "bye", 10'999)), "survey*") << "another text";
  EXPECT_EQ(harness.decide(inbound("+2", "hello", 20'999)), "survey*") << "the time is over";
}

TEST(OwnRouter, RoutesOutboundAndEvents) {
  RouterHarness harness(configuration, with_own_router());
  Sample sample;
  sample.direction = Direction::outbound;
  sample.from = "survey";
  EXPECT_EQ(harness.decide(sample), "refused unknown_endpoint: transport_name names no transport");
  sample.transport_name = "ussd";
  EXPECT_EQ(harness.decide(sample), "ussd");
  sample.followed = "sms";
  EXPECT_EQ(harness.decide(sample), "sms");
  sample = Sample();
  sample.direction = Direction::event;
  sample.from = "sms";
  EXPECT_EQ(harness.decide(sample), "survey");
  EXPECT_FALSE(harness.router().routes().empty());
}

std::string first_fault(std::string_view toml) {
  const ConfigurationResult result = read_configuration(toml, with_own_router());
  return result.faults.empty() ? "" : to_line("f", result.faults.front());
}

TEST(OwnRouter, ReportsItsFaultsAtTheirPlaces) {
  const std::string head = "router_class = 'NoEchoRouter'\ntransport_names = ['t']\n";
  EXPECT_EQ(first_fault(head + "exposed_names = ['a', 'b']\nquiet_seconds = 1"),
            "f:3:17: error: NoEchoRouter serves exactly one application");
  EXPECT_EQ(first_fault(head + "exposed_names = ['a']"), "f:1:1: error: quiet_seconds is missing");
  EXPECT_EQ(first_fault(head + "exposed_names = ['a']\nquiet_seconds = 'x'"),
            "f:4:17: error: quiet_seconds must be a number of seconds from 1 to 3600");
  EXPECT_EQ(first_fault(head + "exposed_names = ['a']\nquiet_seconds = 1\nquiet_second = 2"),
            "f:5:1: error: unknown key \"quiet_second\"; did you mean \"quiet_seconds\"?");
}

}  // namespace
}  // namespace signalbox::testing
