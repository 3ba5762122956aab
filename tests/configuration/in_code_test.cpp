// A configuration built in code: the same checks as a file's, and faults that name the setting.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "broker/check.hpp"
#include "broker/setting_builder.hpp"
#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

Setting sound_table() {
  return table({{"router_class", "SimpleDispatchRouter"},
                {"transport_names", list({"sms", "ussd"})},
                {"exposed_names", list({"survey", "log"})},
                {"routing_mappings", table({{"sms", "survey"}, {"ussd", "log"}})}});
}

Lines texts_of(const Setting& tree) {
  Lines lines;
  for (const Fault& fault : read_configuration(tree, RouterRegistry()).faults) {
    EXPECT_EQ(fault.where.line, 0u);
    lines.push_back(fault.text);
  }
  return lines;
}

TEST(ConfigurationInCodeTest, IsTheSameAsTheFileOfTheSameContent) {
  Setting tree = sound_table();
  set(tree, "broker", table({{"endpoints", list({"tcp://127.0.0.1:5571"})}, {"drain_ms", 20}, {"insecure", true}}));
  set(tree, "endpoints", table({{"log", table({{"overflow", "refuse"}, {"max_messages", 7}})}}));
  const ConfigurationResult in_code = read_configuration(tree, RouterRegistry());
  const ConfigurationResult from_file =
      read(sound +
           "[broker]\nendpoints = ['tcp://127.0.0.1:5571']\ndrain_ms = 20\ninsecure = true\n"
           "[endpoints.log]\noverflow = 'refuse'\nmax_messages = 7\n");
  ASSERT_TRUE(in_code.configuration);
  ASSERT_TRUE(from_file.configuration);
  EXPECT_EQ(routes_table(*in_code.configuration), routes_table(*from_file.configuration));
  EXPECT_EQ(in_code.configuration->endpoints, from_file.configuration->endpoints);
  EXPECT_EQ(in_code.configuration->settings.drain_ms, 20u);
  EXPECT_TRUE(in_code.configuration->insecure);
  const std::vector<EndpointSettings>& a = in_code.configuration->settings.endpoints;
  const std::vector<EndpointSettings>& b = from_file.configuration->settings.endpoints;
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    EXPECT_EQ(a[i].overflow, b[i].overflow);
    EXPECT_EQ(a[i].max_messages, b[i].max_messages);
  }
}

TEST(ConfigurationInCodeTest, FaultsNameTheSettingInTheOrderOfTheTree) {
  Setting tree = table({{"router_class", "SimpleDispatchRouter"},
                        {"transport_names", list({"sms", 7})},
                        {"exposed_names", list({"survey"})},
                        {"routing_mappings", table({{"sms", "survy"}})},
                        {"broker", table({{"drain_ms", -1}, {"heartbeet_ms", 1000}})}});
  const Lines faults = texts_of(tree);
  ASSERT_EQ(faults.size(), 4u);
  EXPECT_EQ(faults[0], "transport_names[1]: this must be a name, not an integer");
  EXPECT_EQ(faults[1].find("routing_mappings.sms: \"survy\""), 0u) << faults[1];
  EXPECT_NE(faults[1].find("did you mean \"survey\"?"), std::string::npos) << faults[1];
  EXPECT_EQ(faults[2], "broker.drain_ms: drain_ms must lie between 0 and 86400000, and is -1");
  EXPECT_EQ(faults[3], "broker.heartbeet_ms: unknown key \"heartbeet_ms\" in [broker]; did you mean \"heartbeat_ms\"?");
}

TEST(ConfigurationInCodeTest, SeveralDispatchersAreAListOfTables) {
  Setting second = table({{"router_class", "SimpleDispatchRouter"},
                          {"transport_names", list({"xmpp"})},
                          {"exposed_names", list({"chat"})},
                          {"routing_mappings", table({{"xmpp", "chat"}, {"smtp", "chat"}})}});
  const Setting tree = table({{"dispatcher", list({sound_table(), second})}});
  const Lines faults = texts_of(tree);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].find("dispatcher[1].routing_mappings.smtp: \"smtp\" is "), 0u) << faults[0];
}

TEST(ConfigurationInCodeTest, WhatIsMissingIsSaidOfTheWhole) {
  EXPECT_EQ(texts_of(table()), Lines{"router_class is missing"});
  EXPECT_EQ(texts_of(list({})), Lines{"the whole must be a table"});
}

TEST(ConfigurationInCodeTest, AKeyGivenTwiceIsAFault) {
  Setting tree = sound_table();
  tree.items[3] = table({{"sms", "survey"}, {"ussd", "log"}, {"sms", "log"}});
  tree.items[3].key = "routing_mappings";
  EXPECT_EQ(texts_of(tree), Lines{"routing_mappings.sms: this key is given twice"});
}

TEST(ConfigurationInCodeTest, SetAddsAndExchanges) {
  Setting tree = table({{"a", 1}});
  set(tree, "b", list_of({"x", "y"}));
  set(tree, "a", "text");
  ASSERT_EQ(tree.items.size(), 2u);
  EXPECT_EQ(tree.find("a")->text, "text");
  EXPECT_EQ(tree.find("b")->items.at(1).text, "y");
}

TEST(ConfigurationInCodeTest, ValuesKeepTheirTypes) {
  const Setting tree = list({"text", std::string("text"), true, 1, uint64_t{1} << 63, 0.5, table({{"a", 1}})});
  std::vector<Setting::Type> types;
  for (const Setting& item : tree.items) types.push_back(item.type);
  using Type = Setting::Type;
  EXPECT_EQ(types, (std::vector<Type>{Type::text, Type::text, Type::boolean, Type::integer, Type::integer, Type::real,
                                      Type::table}));
  EXPECT_EQ(tree.items[4].integer, INT64_MAX) << "as large as it can be, so that no limit takes it for a small one";
}

TEST(ConfigurationInCodeTest, AcceptedGivesItOrThrowsEveryFault) {
  EXPECT_EQ(accepted(read_configuration(sound_table(), RouterRegistry())).settings.endpoints.front().name, "sms");
  try {
    (void)accepted(read_configuration(table({{"router_class", 1}, {"rooter", 2}}), RouterRegistry()));
    FAIL() << "a configuration with faults was accepted";
  } catch (const ConfigurationError& error) {
    EXPECT_EQ(std::string(error.what()),
              "configuration: error: router_class: router_class must be a router's name, not an integer\n"
              "configuration: error: rooter: unknown key \"rooter\"");
  }
  try {
    (void)accepted(read("router_class = 1"), "my.toml");
    FAIL() << "a configuration with faults was accepted";
  } catch (const ConfigurationError& error) {
    EXPECT_EQ(std::string(error.what()), "my.toml:1:16: error: router_class must be a router's name, not an integer");
  }
}

}  // namespace
}  // namespace signalbox::testing
