// RoutingTableDispatcher beside a naive twin: small tables with all small messages, and what it remembers of the
// endpoint that a message was sent on.
#include <gtest/gtest.h>

#include "tests/routers/twins.hpp"

namespace signalbox::testing {
namespace {

struct Twin {
  using Row = std::pair<std::string, std::string>;  // connector, endpoint
  std::map<std::string, std::map<std::string, Row>> table;

  static std::string endpoint_of(const Json& message) {
    const Json metadata = message.value("routing_metadata", Json());
    if (!metadata.is_object() || !metadata.contains("endpoint_name")) return "default";
    return metadata["endpoint_name"].is_null() ? "default" : metadata["endpoint_name"].get<std::string>();
  }

  Fate decide(const Sample& sample) const {
    Json message = sent(sample);
    const std::string endpoint = endpoint_of(message);
    if (!table.contains(sample.from) || !table.at(sample.from).contains(endpoint)) return {"refused no_route"};
    const Row& row = table.at(sample.from).at(endpoint);
    if (!message.contains("routing_metadata") || message["routing_metadata"].is_null()) {
      message["routing_metadata"] = Json::object();
    }
    message["routing_metadata"]["endpoint_name"] = row.second;
    return {row.first, message};
  }

  std::string configuration() const {
    std::string toml =
        "router_class = 'RoutingTableDispatcher'\nreceive_inbound_connectors = ['s', 't']\n"
        "receive_outbound_connectors = ['a', 'b']\n[routing_table]\n";
    for (const auto& [connector, rows] : table) {
      for (const auto& [endpoint, row] : rows) {
        toml += connector + "." + endpoint + " = ['" + row.first + "', '" + row.second + "']\n";
      }
    }
    return toml;
  }
};

const std::vector<Json> metadata = {Json::object(),
                                    {{"routing_metadata", nullptr}},
                                    {{"routing_metadata", Json::object()}},
                                    {{"routing_metadata", {{"endpoint_name", nullptr}, {"other", 1}}}},
                                    {{"routing_metadata", {{"endpoint_name", "default"}}}},
                                    {{"routing_metadata", {{"endpoint_name", "vip"}, {"other", {1}}}}},
                                    {{"routing_metadata", {{"endpoint_name", "Vip"}}}}};

void compare_all_messages(const Twin& twin) {
  RouterHarness harness(twin.configuration());
  for_each_message({"s", "t"}, {"a", "b"}, {"s", "t", "a", "x"}, metadata, [&](const Sample& sample) {
    // A remembered message changes nothing but an event's way, which has a test of its own.
    if (::testing::Test::HasFatalFailure()) return;
    if (sample.direction == Direction::event && !sample.followed.empty()) return;
    const Fate wanted = twin.decide(sample);
    const Fate got = ask(harness, sample);
    ASSERT_EQ(got.goes, wanted.goes) << twin.configuration() << described(sample);
    ASSERT_EQ(got.arrives, wanted.arrives) << twin.configuration() << described(sample);
  });
}

// Four rows at most, each missing or leading to one of two connectors on one of two endpoints.
TEST(RoutingTableDispatcher, AgreesWithItsTwinOnAllSmallTables) {
  const auto options = [](const char* first, const char* second) {
    return Names{"", std::string(first) + "/default", std::string(first) + "/vip", std::string(second) + "/vip"};
  };
  const auto set = [](Twin& twin, const std::string& connector, const std::string& endpoint, const std::string& row) {
    if (row.empty()) return;
    const size_t slash = row.find('/');
    twin.table[connector][endpoint] = {row.substr(0, slash), row.substr(slash + 1)};
  };
  size_t tables = 0;
  for (const std::string& s_default : options("a", "b")) {
    for (const std::string& s_vip : options("b", "a")) {
      for (const std::string& a_default : options("s", "t")) {
        for (const std::string& b_vip : options("t", "s")) {
          Twin twin;
          set(twin, "s", "default", s_default);
          set(twin, "s", "vip", s_vip);
          set(twin, "a", "default", a_default);
          set(twin, "b", "vip", b_vip);
          compare_all_messages(twin);
          ASSERT_FALSE(HasFatalFailure());
          ++tables;
        }
      }
    }
  }
  EXPECT_EQ(tables, 256u);
}

TEST(RoutingTableDispatcher, AnEventCarriesTheEndpointThatItsMessageWasSentOn) {
  RouterHarness harness(
      "router_class = 'RoutingTableDispatcher'\nreceive_inbound_connectors = ['s']\n"
      "receive_outbound_connectors = ['a', 'b']\n[routing_table]\n"
      "s.default = ['a', 'in']\na.default = ['s', 'x']\na.vip = ['s', 'y']\nb.vip = ['s', 'z']\nb.low = ['s', 'y']\n");
  const std::vector<std::pair<std::string, std::string>> sends = {
      {"a", "default"}, {"a", "vip"}, {"b", "vip"}, {"b", "low"}};
  for (const auto& [application, endpoint] : sends) {
    Sample outbound;
    outbound.direction = Direction::outbound;
    outbound.from = application;
    outbound.fields["routing_metadata"]["endpoint_name"] = endpoint;
    ASSERT_EQ(ask(harness, outbound).goes, "s");
    Sample event;
    event.direction = Direction::event;
    event.from = "s";
    event.fields["routing_metadata"] = {{"endpoint_name", "of the transport"}, {"other", 1}};
    event.followed = application;
    event.tag = harness.decision().tag();
    const Fate fate = ask(harness, event);
    EXPECT_EQ(fate.goes, application);
    EXPECT_EQ(fate.arrives["routing_metadata"], (Json{{"endpoint_name", endpoint}, {"other", 1}}));
  }
}

TEST(RoutingTableDispatcher, HasNothingToDoWithTransportNames) {
  RouterHarness harness(Twin{{{"s", {{"default", {"a", "default"}}}}}}.configuration());
  EXPECT_FALSE(harness.router().uses_transport_name());
}

}  // namespace
}  // namespace signalbox::testing
