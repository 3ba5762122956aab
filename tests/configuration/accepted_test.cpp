// What a sound file becomes.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

TEST(Accepted, TheSeedExample) {
  const ConfigurationResult result = read_configuration_file(SIGNALBOX_EXAMPLES "/seed.toml", RouterRegistry());
  ASSERT_NE(result.configuration, nullptr) << ::testing::PrintToString(as_lines(result.faults));
  EXPECT_EQ(as_lines(result.warnings), Lines{});
  const Configuration& configuration = *result.configuration;
  EXPECT_EQ(configuration.endpoints, Lines{"tcp://127.0.0.1:5570"});
  EXPECT_FALSE(configuration.insecure);

  const Settings& settings = configuration.settings;
  EXPECT_EQ(settings.product, "signalbox/" SIGNALBOX_VERSION);
  ASSERT_EQ(settings.endpoints.size(), 4u);
  EXPECT_EQ(settings.endpoints[0].name, "smpp_transport");
  EXPECT_EQ(settings.endpoints[0].role, Role::transport);
  EXPECT_EQ(settings.endpoints[1].name, "xmpp_transport");
  EXPECT_EQ(settings.endpoints[2].name, "my_application");
  EXPECT_EQ(settings.endpoints[2].role, Role::application);
  EXPECT_EQ(settings.endpoints[3].name, "dead_letters");
  ASSERT_EQ(settings.dispatchers.size(), 1u);
  EXPECT_EQ(settings.dispatchers[0].dead_letters, 3u);
  EXPECT_NE(settings.dispatchers[0].router, nullptr);
  EXPECT_TRUE(settings.dispatchers[0].reply_tracking);
  EXPECT_EQ(settings.hash_secret, (std::array<char, 192>{})) << "for the broker to fill in";
}

TEST(Accepted, DefaultsAreThoseOfTheDocumentation) {
  const ConfigurationResult result = read(sound);
  ASSERT_NE(result.configuration, nullptr);
  const Settings& settings = result.configuration->settings;
  EXPECT_EQ(settings.heartbeat_ms, 5000u);
  EXPECT_EQ(settings.max_message_bytes, 1u << 20);
  EXPECT_EQ(settings.max_batch_bytes, 4u << 20);
  EXPECT_EQ(settings.send_window, 16384u);
  EXPECT_EQ(settings.send_window_bytes, 16u << 20);
  EXPECT_EQ(settings.max_prefetch, 65536u);
  EXPECT_EQ(settings.max_registrations, 20'000u);
  EXPECT_EQ(settings.max_sessions, 40'000u);
  EXPECT_EQ(settings.max_unsettled_bytes, 16u << 20);
  EXPECT_EQ(settings.routing_memory_bytes, 256u << 20);
  EXPECT_EQ(settings.session_ttl_s, 300u);
  EXPECT_EQ(settings.drain_ms, 30'000u);
  EXPECT_EQ(settings.dispatchers[0].expire_routing_memory_s, 604'800u);
  const EndpointSettings& endpoint = settings.endpoints[0];
  EXPECT_EQ(endpoint.max_bytes, 256u << 20);
  EXPECT_EQ(endpoint.max_messages, 1'000'000u);
  EXPECT_EQ(endpoint.overflow, Overflow::block);
  EXPECT_EQ(endpoint.block_ms, 30'000u);
  EXPECT_EQ(endpoint.max_deliveries, 5u);
  EXPECT_EQ(endpoint.redeliver_ms, 1000u);
  EXPECT_FALSE(endpoint.relay);
  EXPECT_FALSE(endpoint.dead_letters);
}

TEST(Accepted, DeadLettersAreAnEndpointThatDropsItsOldest) {
  const ConfigurationResult result = read(sound + "[endpoint_defaults]\noverflow = 'refuse'\n");
  ASSERT_NE(result.configuration, nullptr);
  const EndpointSettings& letters = result.configuration->settings.endpoints.back();
  EXPECT_EQ(letters.name, "dead_letters");
  EXPECT_EQ(letters.role, Role::application);
  EXPECT_TRUE(letters.dead_letters);
  EXPECT_EQ(letters.overflow, Overflow::drop_oldest);
  EXPECT_EQ(result.configuration->settings.endpoints[0].overflow, Overflow::refuse);
}

TEST(Accepted, ADispatcherOfItsOwnMaking) {
  const ConfigurationResult result = read(sound +
                                          "name = 'gateway'\nreply_tracking = false\nrelays = ['ussd']\n"
                                          "dead_letters = 'lost'\nmiddleware = []\n");
  ASSERT_NE(result.configuration, nullptr) << ::testing::PrintToString(as_lines(result.faults));
  const Settings& settings = result.configuration->settings;
  EXPECT_EQ(settings.dispatchers[0].name, "gateway");
  EXPECT_FALSE(settings.dispatchers[0].reply_tracking);
  EXPECT_FALSE(settings.endpoints[0].relay);
  EXPECT_TRUE(settings.endpoints[1].relay);
  ASSERT_EQ(settings.endpoints.size(), 6u);
  EXPECT_EQ(settings.endpoints[4].name, "dead_letters") << "every broker has it";
  EXPECT_EQ(settings.endpoints[5].name, "lost");
  EXPECT_TRUE(settings.endpoints[5].dead_letters);
  EXPECT_EQ(settings.dispatchers[0].dead_letters, 5u);
}

TEST(Accepted, ExpiryAsNumberAndAsNumericString) {
  for (const char* line : {"expire_routing_memory = 60", "expire_routing_memory = '60'"}) {
    const ConfigurationResult result = read(sound + line);
    ASSERT_NE(result.configuration, nullptr) << line;
    EXPECT_EQ(result.configuration->settings.dispatchers[0].expire_routing_memory_s, 60u) << line;
  }
  const ConfigurationResult never = read(sound + "expire_routing_memory = 0");
  ASSERT_NE(never.configuration, nullptr);
  EXPECT_EQ(never.configuration->settings.dispatchers[0].expire_routing_memory_s, 0u);
}

TEST(Accepted, SeveralDispatchersEachWithItsOwn) {
  const ConfigurationResult result = read(R"(
[broker]
endpoints = ["tcp://127.0.0.1:5570", "ipc:///tmp/signalbox", "inproc://here"]
[[dispatcher]]
router_class = "SimpleDispatchRouter"
transport_names = ["z", "a"]
exposed_names = ["y"]
dead_letters = "lost"
[dispatcher.routing_mappings]
z = "y"
a = "y"
[[dispatcher]]
name = "second"
router_class = "SimpleDispatchRouter"
transport_names = ["t"]
exposed_names = ["b"]
[dispatcher.route_mappings]
t = ["b", "b"]
)");
  ASSERT_NE(result.configuration, nullptr) << ::testing::PrintToString(as_lines(result.faults));
  const Settings& settings = result.configuration->settings;
  Lines names;
  for (const EndpointSettings& endpoint : settings.endpoints) {
    names.push_back(endpoint.name + '@' + std::to_string(endpoint.dispatcher));
  }
  EXPECT_EQ(names, (Lines{"z@0", "a@0", "y@0", "t@1", "b@1", "dead_letters@0", "lost@0"}));
  ASSERT_EQ(settings.dispatchers.size(), 2u);
  EXPECT_EQ(settings.dispatchers[0].name, "dispatcher1");
  EXPECT_EQ(settings.dispatchers[1].name, "second");
  EXPECT_EQ(settings.dispatchers[0].dead_letters, 6u);
  EXPECT_EQ(settings.dispatchers[1].dead_letters, 5u);
  EXPECT_EQ(result.configuration->endpoints, (Lines{"tcp://127.0.0.1:5570", "ipc:///tmp/signalbox", "inproc://here"}));
}

TEST(Accepted, AModulePathBeforeTheLastDotOfRouterClass) {
  EXPECT_EQ(
      faults_of("router_class = 'vumi.dispatchers.base.SimpleDispatchRouter'\n" + sound.substr(sound.find('\n') + 1)),
      Lines{});
}

TEST(Accepted, WhatVumiAloneReadsWithAWarning) {
  EXPECT_EQ(
      warnings_of(sound + "worker_name = 'x'\ndispatcher_name = 'x'\namqp_prefetch_count = 1\nworker_concurrency = 1\n"
                          "message_cache_class = 'x'\n[redis_manager]\nkey_prefix = 'x'\n"),
      (Lines{"5:1 worker_name means something to vumi alone and is not read here",
             "6:1 dispatcher_name means something to vumi alone and is not read here",
             "7:1 amqp_prefetch_count means something to vumi alone and is not read here",
             "8:1 worker_concurrency means something to vumi alone and is not read here",
             "9:1 message_cache_class means something to vumi alone and is not read here",
             "10:2 redis_manager means something to vumi alone and is not read here"}));
  EXPECT_EQ(faults_of(sound + "worker_name = 'x'\n"), Lines{});
  const ConfigurationResult result = read(sound + "worker_name = 'x'\n");
  EXPECT_EQ(as_lines(result.configuration->warnings), as_lines(result.warnings));
}

TEST(Accepted, WhatIsOffAndNotBuiltYet) {
  EXPECT_EQ(faults_of("peer = []\nmiddleware = []\n" + sound +
                      "[broker]\nlanes = 0\nidle = 'sleep'\nplugins = []\nmax_users = 1000\n"
                      "[endpoint_defaults]\nmessage_ttl_ms = 0\nack_timeout_ms = 0\n"),
            Lines{});
}

TEST(Files, OneThatCannotBeReadIsAFault) {
  const RouterRegistry registry;
  const std::string nowhere = ::testing::TempDir() + "signalbox-no-such-file.toml";
  EXPECT_EQ(as_lines(read_configuration_file(nowhere, registry).faults), Lines{"1:1 the file cannot be read"});
  EXPECT_EQ(as_lines(read_configuration_file(::testing::TempDir(), registry).faults),
            Lines{"1:1 the file cannot be read"});
}

TEST(Files, AFaultAsALine) {
  EXPECT_EQ(to_line("seed.toml", {{3, 19}, "wrong"}), "seed.toml:3:19: error: wrong");
  EXPECT_EQ(to_line("seed.toml", {{3, 19}, "odd"}, true), "seed.toml:3:19: warning: odd");
}

}  // namespace
}  // namespace signalbox::testing
