// [broker]: every key, its range, and what this version does not have.
#include <gtest/gtest.h>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

// A file whose line 6 is `line`, in [broker].
std::string with(const std::string& line) {
  return sound + "[broker]\n" + line + '\n';
}

TEST(BrokerSection, SetsEveryNumber) {
  const ConfigurationResult result =
      read(with("heartbeat_ms = 200\nmax_message_bytes = 1000\nmax_batch_bytes = 2000\nsend_window = "
                "3\nsend_window_bytes = 4000\n"
                "max_prefetch = 5\nmax_registrations = 6\n"
                "max_registrations_a_second = 66\nmax_log_lines_a_second = 67\n"
                "max_sessions = 7\nmax_unsettled_bytes = 8000\n"
                "routing_memory_bytes = 1_048_576\nsession_ttl = 9\ndrain_ms = 10\nmax_users = 11"));
  ASSERT_NE(result.configuration, nullptr) << ::testing::PrintToString(as_lines(result.faults));
  const Settings& settings = result.configuration->settings;
  EXPECT_EQ(settings.heartbeat_ms, 200u);
  EXPECT_EQ(settings.max_message_bytes, 1000u);
  EXPECT_EQ(settings.max_batch_bytes, 2000u);
  EXPECT_EQ(settings.send_window, 3u);
  EXPECT_EQ(settings.send_window_bytes, 4000u);
  EXPECT_EQ(settings.max_prefetch, 5u);
  EXPECT_EQ(settings.max_registrations, 6u);
  EXPECT_EQ(settings.max_registrations_a_second, 66u);
  EXPECT_EQ(settings.max_log_lines_a_second, 67u);
  EXPECT_EQ(settings.max_sessions, 7u);
  EXPECT_EQ(settings.max_unsettled_bytes, 8000u);
  EXPECT_EQ(settings.routing_memory_bytes, 1'048'576u);
  EXPECT_EQ(settings.session_ttl_s, 9u);
  EXPECT_EQ(settings.drain_ms, 10u);
}

// Each number at both ends of its range, and one beyond; as docs/configuration.md has them.
TEST(BrokerSection, HoldsEveryNumberToItsRange) {
  struct Range {
    const char* key;
    int64_t least;
    int64_t most;
  };
  const Range ranges[] = {{"heartbeat_ms", 10, 3'600'000},
                          {"send_window", 1, 1'048'576},
                          {"send_window_bytes", 1, 68'719'476'736},
                          {"max_prefetch", 1, 116'501},
                          {"max_registrations", 1, 1'000'000},
                          {"max_sessions", 1, 10'000'000},
                          {"max_unsettled_bytes", 1, 68'719'476'736},
                          {"routing_memory_bytes", 65'536, 274'877'906'944},
                          {"session_ttl", 0, 2'592'000},
                          {"drain_ms", 0, 86'400'000},
                          {"max_users", 1, 1'000'000'000}};
  for (const Range& range : ranges) {
    const std::string key(range.key);
    const auto line = [&](int64_t value) { return with(std::string(key).append(" = ").append(std::to_string(value))); };
    const auto fault = [&](int64_t value) {
      return Lines{"6:" + std::to_string(key.size() + 4) + ' ' + key + " must lie between " +
                   std::to_string(range.least) + " and " + std::to_string(range.most) + ", and is " +
                   std::to_string(value)};
    };
    EXPECT_EQ(faults_of(line(range.least)), Lines{});
    EXPECT_EQ(faults_of(line(range.most)), Lines{});
    EXPECT_EQ(faults_of(line(range.least - 1)), fault(range.least - 1));
    EXPECT_EQ(faults_of(line(range.most + 1)), fault(range.most + 1));
  }
}

TEST(BrokerSection, ABatchMustHoldAnyMessage) {
  EXPECT_EQ(faults_of(with("max_message_bytes = 1000\nmax_batch_bytes = 1000")), Lines{});
  EXPECT_EQ(faults_of(with("max_message_bytes = 1000\nmax_batch_bytes = 999")),
            Lines{"7:19 max_batch_bytes (999) must not be below max_message_bytes (1000): a batch must hold any one "
                  "message"});
  EXPECT_EQ(faults_of(with("max_message_bytes = 8_388_608")),
            Lines{"6:21 max_batch_bytes (4194304) must not be below max_message_bytes (8388608): a batch must hold any "
                  "one message"});
  EXPECT_EQ(faults_of(with("max_message_bytes = 63")),
            Lines{"6:21 max_message_bytes must lie between 64 and 268435456, and is 63"});
  EXPECT_EQ(faults_of(with("max_batch_bytes = 1_073_741_825")),
            Lines{"6:19 max_batch_bytes must lie between 64 and 1073741824, and is 1073741825"});
}

TEST(BrokerSection, WantsTheRightTypes) {
  EXPECT_EQ(faults_of(with("heartbeat_ms = '200'")), Lines{"6:16 heartbeat_ms must be an integer, not a string"});
  EXPECT_EQ(faults_of(with("heartbeat_ms = 1.5")), Lines{"6:16 heartbeat_ms must be an integer, not a float"});
  EXPECT_EQ(faults_of(with("insecure = 1")), Lines{"6:12 insecure must be true or false, not an integer"});
  EXPECT_EQ(faults_of(with("endpoints = 'tcp://127.0.0.1:1'")),
            Lines{"6:13 endpoints must be an array of strings, not a string"});
  EXPECT_EQ(faults_of(with("endpoints = [5570]")),
            Lines{"6:14 this must be a string such as \"tcp://127.0.0.1:5570\", not an integer"});
  EXPECT_EQ(faults_of("broker = 1\n" + sound), Lines{"1:10 broker must be a table, not an integer"});
}

TEST(BrokerSection, NamesTheNearestKey) {
  EXPECT_EQ(faults_of(with("heartbeat = 200\nnothing_like_it = 1")),
            (Lines{"6:1 unknown key \"heartbeat\" in [broker]; did you mean \"heartbeat_ms\"?",
                   "7:1 unknown key \"nothing_like_it\" in [broker]"}));
}

TEST(BrokerSection, TakesOneEndpointOrSeveral) {
  EXPECT_EQ(read(with("endpoint = 'tcp://localhost:7000'")).configuration->endpoints, Lines{"tcp://127.0.0.1:7000"});
  EXPECT_EQ(faults_of(with("endpoint = 'ipc://a'\nendpoints = ['ipc://b']")),
            Lines{"7:1 endpoint and endpoints are one setting; give one of them"});
  EXPECT_EQ(faults_of(with("endpoints = ['ipc://b']\nendpoint = 'ipc://a'")),
            Lines{"7:1 endpoint and endpoints are one setting; give one of them"});
  EXPECT_EQ(faults_of(with("endpoints = []")), Lines{"6:13 the list of endpoints is empty"});
  EXPECT_EQ(faults_of(with("endpoints = ['ipc://b', 'ipc://b']")), Lines{"6:25 endpoint \"ipc://b\" is listed twice"});
  EXPECT_EQ(faults_of(with("endpoint = 'udp://127.0.0.1:1'")),
            Lines{"6:12 endpoint \"udp://127.0.0.1:1\": it must begin with tcp://, ipc:// or inproc://"});
}

TEST(BrokerSection, BindsBeyondLoopbackOnlyWhereThatIsAllowed) {
  const std::string fault =
      " can be reached from other machines, and without keys nothing is encrypted: give the broker a secret_key_file "
      "and its workers [[peer]] tables, bind to 127.0.0.1, or allow it with insecure = true in [broker]";
  EXPECT_EQ(faults_of(with("endpoint = 'tcp://*:5570'")), Lines{"6:12 endpoint \"tcp://*:5570\"" + fault});
  EXPECT_EQ(faults_of(with("endpoints = ['ipc://a', 'tcp://eth0:1']\ninsecure = false")),
            Lines{"6:25 endpoint \"tcp://eth0:1\"" + fault});
  EXPECT_EQ(faults_of(with("endpoint = 'tcp://*:5570'\ninsecure = 'yes'")),
            Lines{"7:12 insecure must be true or false, not a string"});
  const ConfigurationResult allowed = read(with("endpoint = 'tcp://*:5570'\ninsecure = true"));
  ASSERT_NE(allowed.configuration, nullptr);
  EXPECT_TRUE(allowed.configuration->insecure);
  EXPECT_EQ(allowed.configuration->endpoints, Lines{"tcp://*:5570"});
}

TEST(BrokerSection, HasLanes) {
  EXPECT_EQ(faults_of(with("lanes = 2\nlane_cpus = [1, 0]\nidle = 'spin'")), Lines{});
  EXPECT_EQ(faults_of(with("lanes = -1")), Lines{"6:9 lanes must lie between 0 and 64, and is -1"});
  EXPECT_EQ(faults_of(with("lanes = 65")), Lines{"6:9 lanes must lie between 0 and 64, and is 65"});
  EXPECT_EQ(faults_of(with("lanes = 2\nlane_cpus = [1]")),
            Lines{"7:13 lane_cpus must name one processor for each lane: there are 2 lanes, and 1 is named"});
  EXPECT_EQ(faults_of(with("lanes = 1\nlane_cpus = [1024]")),
            Lines{"7:14 a processor in lane_cpus must lie between 0 and 1023, and is 1024"});
  EXPECT_EQ(faults_of(with("idle = 'slep'")),
            Lines{"6:8 idle must be \"sleep\", \"yield\" or \"spin\", not \"slep\"; did you mean \"sleep\"?"});
}

TEST(BrokerSection, SaysNothingThatOnlyFollowsFromAFault) {
  EXPECT_EQ(faults_of(with("lanes = 65\nlane_cpus = [0, 1]")), Lines{"6:9 lanes must lie between 0 and 64, and is 65"});
  EXPECT_EQ(faults_of(with("lanes = 'two'\nlane_cpus = [0, 1]")).size(), 1u);
  EXPECT_EQ(faults_of(with("lanes = 65\nlane_cpus = [0, 1024]")),
            (Lines{"6:9 lanes must lie between 0 and 64, and is 65",
                   "7:17 a processor in lane_cpus must lie between 0 and 1023, and is 1024"}))
      << "what is at fault by itself is told";
  EXPECT_EQ(faults_of(with("lane_cpus = [0]")),
            Lines{"6:13 lane_cpus must name one processor for each lane: there are 0 lanes, and 1 is named"});
  EXPECT_EQ(faults_of(with("max_batch_bytes = 'large'\nmax_message_bytes = 8_388_608")).size(), 1u);
  EXPECT_EQ(faults_of(with("max_batch_bytes = 65536\nmax_message_bytes = -1")).size(), 1u);
  EXPECT_EQ(faults_of(with("max_message_bytes = -1\n[endpoint_defaults]\nmax_bytes = 65536")).size(), 1u);
}

TEST(BrokerSection, MakesEachLaneItsOwnRouters) {
  const ConfigurationResult result = read(with("lanes = 3\nidle = 'yield'"));
  ASSERT_NE(result.configuration, nullptr);
  const Configuration& configuration = *result.configuration;
  EXPECT_EQ(configuration.settings.lanes, 3u);
  EXPECT_EQ(configuration.idle, Idle::yield);
  ASSERT_EQ(configuration.further_lanes.size(), 2u);
  for (const Settings& further : configuration.further_lanes) {
    ASSERT_EQ(further.dispatchers.size(), configuration.settings.dispatchers.size());
    EXPECT_NE(further.dispatchers[0].router, configuration.settings.dispatchers[0].router);
    ASSERT_EQ(further.endpoints.size(), configuration.settings.endpoints.size());
    for (size_t i = 0; i < further.endpoints.size(); ++i) {
      EXPECT_EQ(further.endpoints[i].name, configuration.settings.endpoints[i].name);
    }
  }
  EXPECT_EQ(configuration.lane_of.size(), configuration.settings.endpoints.size());
}

}  // namespace
}  // namespace signalbox::testing
