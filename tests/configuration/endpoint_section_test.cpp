// [endpoint_defaults] and [endpoints.NAME].
#include <gtest/gtest.h>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

TEST(EndpointSection, DefaultsHoldForAllAndANameForItself) {
  const ConfigurationResult result = read(
      sound +
      "[endpoint_defaults]\nmax_bytes = 2_000_000\nmax_messages = 20\noverflow = 'refuse'\nblock_ms = 30\n"
      "max_deliveries = 4\nredeliver_ms = 50\n"
      "[endpoints.ussd]\nmax_messages = 7\noverflow = 'drop_oldest'\n[endpoints.dead_letters]\nmax_messages = 3\n");
  ASSERT_NE(result.configuration, nullptr) << ::testing::PrintToString(as_lines(result.faults));
  const auto& endpoints = result.configuration->settings.endpoints;
  const EndpointSettings& sms = endpoints[0];
  EXPECT_EQ(sms.max_bytes, 2'000'000u);
  EXPECT_EQ(sms.max_messages, 20u);
  EXPECT_EQ(sms.overflow, Overflow::refuse);
  EXPECT_EQ(sms.block_ms, 30u);
  EXPECT_EQ(sms.max_deliveries, 4u);
  EXPECT_EQ(sms.redeliver_ms, 50u);
  const EndpointSettings& ussd = endpoints[1];
  EXPECT_EQ(ussd.max_bytes, 2'000'000u) << "what the name leaves out is the default";
  EXPECT_EQ(ussd.max_messages, 7u);
  EXPECT_EQ(ussd.overflow, Overflow::drop_oldest);
  EXPECT_EQ(endpoints[4].max_messages, 3u);
}

TEST(EndpointSection, MaxBytesMustHoldAMessage) {
  EXPECT_EQ(faults_of(sound + "[endpoint_defaults]\nmax_bytes = 1_048_575\n"),
            Lines{"6:13 max_bytes (1048575) must not be below max_message_bytes (1048576)"});
  EXPECT_EQ(faults_of(sound + "[endpoints.sms]\nmax_bytes = 999\n[broker]\nmax_message_bytes = 1000\n"),
            Lines{"6:13 max_bytes (999) must not be below max_message_bytes (1000)"});
  EXPECT_EQ(faults_of(sound + "[endpoints.sms]\nmax_bytes = 1000\n[broker]\nmax_message_bytes = 1000\n"), Lines{});
}

TEST(EndpointSection, NamesMustBeEndpoints) {
  EXPECT_EQ(faults_of(sound + "[endpoints.usd]\nmax_messages = 7\n"),
            Lines{"5:12 \"usd\" is no endpoint of this file; did you mean \"ussd\"?"});
  EXPECT_EQ(faults_of(sound + "[endpoints.\"\"]\n"), Lines{"5:12 \"\" is no endpoint of this file"});
  EXPECT_EQ(faults_of(sound + "[endpoints]\nsms = 7\n"), Lines{"6:7 sms must be a table, not an integer"});
  EXPECT_EQ(faults_of("endpoints = ['tcp://127.0.0.1:1']\n" + sound),
            Lines{"1:13 endpoints must be a table of endpoints' names, not an array"});
  EXPECT_EQ(faults_of(sound + "dead_letters = 'lost'\n[endpoints.lost]\nmax_messages = 7\n"), Lines{});
}

TEST(EndpointSection, KeysAndRanges) {
  EXPECT_EQ(faults_of(sound + "[endpoints.sms]\nmax_message = 7\nblock_ms = -1\nmax_deliveries = 0\n"
                              "redeliver_ms = 60_001\nmax_messages = 0\n"),
            (Lines{"6:1 unknown key \"max_message\" in [endpoints.sms]; did you mean \"max_messages\"?",
                   "7:12 block_ms must lie between 0 and 86400000, and is -1",
                   "8:18 max_deliveries must lie between 1 and 255, and is 0",
                   "9:16 redeliver_ms must lie between 1 and 60000, and is 60001",
                   "10:16 max_messages must lie between 1 and 4000000000, and is 0"}));
  EXPECT_EQ(faults_of(sound + "[endpoint_defaults]\nblock = 7\n"),
            Lines{"6:1 unknown key \"block\" in [endpoint_defaults]"});
}

TEST(EndpointSection, Overflow) {
  EXPECT_EQ(faults_of(sound + "[endpoint_defaults]\noverflow = 'drop-oldest'\n"),
            Lines{"6:12 overflow must be \"block\", \"refuse\" or \"drop_oldest\", not \"drop-oldest\"; did you mean "
                  "\"drop_oldest\"?"});
  EXPECT_EQ(faults_of(sound + "[endpoint_defaults]\noverflow = true\n"),
            Lines{"6:12 overflow must be \"block\", \"refuse\" or \"drop_oldest\", not a boolean"});
  EXPECT_EQ(faults_of(sound + "[endpoints.dead_letters]\noverflow = 'block'\n"),
            Lines{"6:12 dead letters always make room by dropping the oldest"});
  EXPECT_EQ(faults_of(sound + "[endpoints.dead_letters]\noverflow = 'drop_oldest'\n"), Lines{});
}

TEST(EndpointSection, TimesInTheQueueAndUnderWay) {
  const std::string times = "message_ttl_ms = 5\nack_timeout_ms = 6\nexpired = 'dead_letter'\n";
  const ConfigurationResult result =
      read(sound + "[endpoint_defaults]\n" + times + "[endpoints.sms]\nexpired = 'drop'\n");
  ASSERT_NE(result.configuration, nullptr);
  for (const EndpointSettings& endpoint : result.configuration->settings.endpoints) {
    // The defaults are not for dead letters, which wait for a reader.
    EXPECT_EQ(endpoint.message_ttl_ms, endpoint.dead_letters ? 0U : 5U) << endpoint.name;
    EXPECT_EQ(endpoint.ack_timeout_ms, endpoint.dead_letters ? 0U : 6U) << endpoint.name;
    const bool dropped = endpoint.dead_letters || endpoint.name == "sms";
    EXPECT_EQ(endpoint.expired, dropped ? Expired::drop : Expired::dead_letter) << endpoint.name;
  }
  EXPECT_EQ(faults_of(sound + "[endpoints.sms]\nmessage_ttl_ms = 2592000001\nack_timeout_ms = 86400001\n").size(), 2U);
  EXPECT_EQ(faults_of(sound + "[endpoints.sms]\nexpired = 'dead_letters'\n"),
            Lines{"6:11 expired must be \"drop\" or \"dead_letter\", not \"dead_letters\"; did you mean "
                  "\"dead_letter\"?"});
  EXPECT_EQ(faults_of(sound + "[endpoints.sms]\nexpired = 1\n"),
            Lines{"6:11 expired must be \"drop\" or \"dead_letter\", not an integer"});
  EXPECT_EQ(faults_of(sound + "[endpoints.dead_letters]\nexpired = 'dead_letter'\n"),
            Lines{"6:11 dead letters that expire are dropped"});
  EXPECT_EQ(faults_of(sound + "[endpoints.dead_letters]\n" + "message_ttl_ms = 5\nexpired = 'drop'\n"), Lines{});
}

}  // namespace
}  // namespace signalbox::testing
