// What a configuration changes against another, in words.
#include <gtest/gtest.h>

#include "broker/configuration_again.hpp"
#include "broker/configuration_changes.hpp"
#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

Lines changes_of(const std::string& before, const std::string& after) {
  const ConfigurationResult one = read(before);
  const ConfigurationResult other = read(after);
  EXPECT_EQ(as_lines(one.faults), Lines());
  EXPECT_EQ(as_lines(other.faults), Lines());
  if (one.configuration == nullptr || other.configuration == nullptr) return {};
  return changes(one.configuration->file, other.configuration->file);
}

TEST(Changes, OfNothing) {
  EXPECT_EQ(changes_of(sound, sound), Lines());
  EXPECT_EQ(changes_of(sound, "# a comment, and other quotes\n" + sound), Lines());
}

TEST(Changes, AddedRemovedAndChangedKeys) {
  EXPECT_EQ(changes_of(sound + "[endpoints.survey]\nmax_messages = 5\noverflow = 'refuse'\n",
                       sound + "[endpoints.survey]\nmax_messages = 6\nblock_ms = 10\n"),
            Lines({"- endpoints.survey.overflow = \"refuse\"", "~ endpoints.survey.max_messages: 5 -> 6",
                   "+ endpoints.survey.block_ms = 10"}));
}

TEST(Changes, TheOrderOfKeysMeansNothingAndThatOfListsDoes) {
  const std::string turned =
      "exposed_names = ['survey', 'log']\nrouting_mappings = {ussd = 'log', sms = 'survey'}\n"
      "transport_names = ['ussd', 'sms']\nrouter_class = 'SimpleDispatchRouter'\n";
  EXPECT_EQ(changes_of(sound, turned), Lines({"~ transport_names: [\"sms\", \"ussd\"] -> [\"ussd\", \"sms\"]"}));
}

TEST(Changes, DispatchersGoByTheirNames) {
  const std::string first =
      "[[dispatcher]]\nname = 'a'\nrouter_class = 'SimpleDispatchRouter'\ntransport_names = ['sms']\n"
      "exposed_names = ['survey']\nrouting_mappings = {sms = 'survey'}\n";
  const std::string second =
      "[[dispatcher]]\nname = 'b'\nrouter_class = 'SimpleDispatchRouter'\ntransport_names = ['ussd']\n"
      "exposed_names = ['log']\nrouting_mappings = {ussd = 'log'}\n";
  EXPECT_EQ(changes_of(first + second, second + first), Lines());
  EXPECT_EQ(changes_of(first + second, second + "reply_tracking = false\n" + first),
            Lines({"+ dispatcher[\"b\"].reply_tracking = false"}));
}

TEST(Changes, LongValuesAreCut) {
  std::string names = "['sms'";
  for (int i = 0; i < 200; ++i) names += ", 'name" + std::to_string(i) + "'";
  std::string many = sound;
  many.replace(many.find("['sms', 'ussd']"), 15, names + ", 'ussd']");
  const Lines lines = changes_of(sound, many);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_LT(lines[0].size(), 2 * changed_value_bytes_max);
}

// --- numbers ---------------------------------------------------------------------------------------------------------

TEST(KeptNumbers, OfWhatHasTheSameName) {
  const ConfigurationResult first = read(sound);
  const Running before = running(*first.configuration);
  const ConfigurationResult second = read_configuration(
      "router_class = 'SimpleDispatchRouter'\ntransport_names = ['mail', 'ussd']\nexposed_names = ['log']\n"
      "routing_mappings = {mail = 'log', ussd = 'log'}\n",
      RouterRegistry(), "", &before);
  ASSERT_NE(second.configuration, nullptr) << as_lines(second.faults).at(0);
  const Settings& settings = second.configuration->settings;
  Lines seen;
  for (const EndpointSettings& endpoint : settings.endpoints) {
    seen.push_back(endpoint.name + (endpoint.removed ? " removed" : ""));
  }
  EXPECT_EQ(seen, Lines({"sms removed", "ussd", "survey removed", "log", "dead_letters", "mail"}));
  EXPECT_EQ(settings.dispatchers.size(), 1U);
}

TEST(KeptNumbers, ARemovedEndpointKeepsItsOwnSettings) {
  const ConfigurationResult first = read(sound + "[endpoints.log]\nmax_messages = 7\n");
  const Running before = running(*first.configuration);
  const ConfigurationResult second = read_configuration(
      "router_class = 'SimpleDispatchRouter'\ntransport_names = ['sms']\nexposed_names = ['survey']\n"
      "routing_mappings = {sms = 'survey'}\n[endpoint_defaults]\nmax_messages = 9\n",
      RouterRegistry(), "", &before);
  ASSERT_NE(second.configuration, nullptr);
  EXPECT_EQ(second.configuration->settings.endpoints[3].max_messages, 7U);
  EXPECT_EQ(second.configuration->settings.endpoints[2].max_messages, 9U);
}

TEST(KeptNumbers, FixedValuesAreFaultsAtTheirPlace) {
  const ConfigurationResult first = read(sound + "[broker]\nheartbeat_ms = 4000\n");
  const Running before = running(*first.configuration);
  const ConfigurationResult second = read_configuration(
      sound + "[broker]\nmax_prefetch = 10\nendpoint = 'tcp://127.0.0.1:5571'\n", RouterRegistry(), "", &before);
  const Lines faults = as_lines(second.faults);
  ASSERT_EQ(faults.size(), 3U);
  EXPECT_EQ(faults[0].substr(0, 30), "5:1 heartbeat_ms is 4000 and c") << "missing now: at its section";
  EXPECT_EQ(faults[1].substr(0, 30), "6:16 max_prefetch is 65536 and");
  EXPECT_EQ(faults[2].substr(0, 30), "7:12 endpoints is tcp://127.0.");
}

TEST(KeptNumbers, AFixedValueThatIsAtFaultIsNotCompared) {
  const ConfigurationResult first = read(sound + "[broker]\nlanes = 2\nmax_message_bytes = 4000\n");
  const Running before = running(*first.configuration);
  const ConfigurationResult second =
      read_configuration(sound + "[broker]\nlanes = 65\nmax_message_bytes = 1\n", RouterRegistry(), "", &before);
  EXPECT_EQ(as_lines(second.faults), (Lines{"6:9 lanes must lie between 0 and 64, and is 65",
                                            "7:21 max_message_bytes must lie between 64 and 268435456, and is 1"}));
}

}  // namespace
}  // namespace signalbox::testing
