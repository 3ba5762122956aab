// `signalbox check` with its three kinds of output, as a shell sees it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "broker/program/check_json.hpp"
#include "tests/program/process.hpp"

namespace signalbox {
namespace {

using Json = nlohmann::json;
using test::Process;

std::string file_with(const std::string& toml) {
  const std::string path = test::unique_path(".toml");
  std::ofstream(path) << toml;
  return path;
}

const std::string chained = R"(
[[dispatcher]]
name = "phone"
router_class = "SimpleDispatchRouter"
transport_names = ["sms", "relay"]
relays = ["relay"]
exposed_names = ["phones"]
worker_name = "w"
routing_mappings = {sms = "phones"}
middleware = [{first = "LoggingMiddleware"}, {second = "LoggingMiddleware"}]
[[dispatcher]]
name = "apps"
router_class = "TransportToTransportRouter"
transport_names = ["phones", "out"]
dead_letters = "lost"
reply_tracking = false
routing_mappings = {phones = "out", out = "phones"}
)";

TEST(CheckJson, ShowsTheRoutes) {
  const Json json = Json::parse(check_json("f", read_configuration(chained, RouterRegistry())));
  EXPECT_EQ(json["faults"], Json::array());
  ASSERT_EQ(json["warnings"].size(), 1u);
  EXPECT_EQ(json["warnings"][0]["line"], 8);
  EXPECT_EQ(json["joints"], (Json{{{"name", "phones"}, {"exposed_by", "phone"}, {"transport_of", "apps"}}}));
  ASSERT_EQ(json["dispatchers"].size(), 2u);
  const Json& phone = json["dispatchers"][0];
  EXPECT_EQ(phone["name"], "phone");
  EXPECT_EQ(phone["router_class"], "SimpleDispatchRouter");
  EXPECT_EQ(phone["reply_tracking"], true);
  EXPECT_EQ(phone["dead_letters"], "dead_letters");
  EXPECT_EQ(phone["transports"], (Json{{{"name", "sms"}, {"relay", false}, {"joins", nullptr}},
                                       {{"name", "relay"}, {"relay", true}, {"joins", nullptr}}}));
  EXPECT_EQ(phone["applications"], (Json{{{"name", "phones"}, {"relay", false}, {"joins", "apps"}}}));
  EXPECT_EQ(phone["middleware"], (Json{{"entering", {"first", "second"}}, {"leaving", {"second", "first"}}}));
  EXPECT_EQ(phone["routes"][0],
            (Json{{"what", "inbound"}, {"from", "sms"}, {"when", nullptr}, {"to", "phones"}, {"rewrite", nullptr}}));
  EXPECT_EQ(json["dispatchers"][1]["dead_letters"], "lost");
  EXPECT_EQ(json["dispatchers"][1]["routes"].size(), 4u);
}

TEST(CheckJson, ShowsTheFaults) {
  const Json json = Json::parse(
      check_json("the file", read_configuration("router_class = 'SimpleDispatchRouter'\ntransport_names = ['sms']\n"
                                                "exposed_names = ['app']\nrouting_mapping = {sms = 'app'}\n",
                                                RouterRegistry())));
  EXPECT_FALSE(json.contains("dispatchers"));
  ASSERT_EQ(json["faults"].size(), 2u);
  EXPECT_EQ(json["faults"][0], (Json{{"file", "the file"},
                                     {"line", 1},
                                     {"column", 1},
                                     {"message", "routing_mappings is missing"},
                                     {"nearest", nullptr}}));
  EXPECT_EQ(json["faults"][1]["line"], 4);
  EXPECT_EQ(json["faults"][1]["nearest"], "routing_mappings");
}

TEST(CheckCommand, PrintsJsonOnStdoutAlone) {
  Process good({SIGNALBOX_PROGRAM, "check", "--json", file_with(chained)}, test::null_device());
  EXPECT_EQ(good.exit_code(), 0);
  EXPECT_EQ(Json::parse(good.output())["dispatchers"].size(), 2u);
  EXPECT_EQ(good.errors(), "");
  Process bad({SIGNALBOX_PROGRAM, "check", "--json", file_with("nonsense = 1\n")}, test::null_device());
  EXPECT_EQ(bad.exit_code(), 2);
  EXPECT_EQ(Json::parse(bad.output())["faults"].size(), 2u) << bad.output();
  EXPECT_EQ(bad.errors(), "");
}

TEST(CheckCommand, PrintsADrawing) {
  Process good({SIGNALBOX_PROGRAM, "check", "--dot", file_with(chained)}, test::null_device());
  EXPECT_EQ(good.exit_code(), 0);
  EXPECT_EQ(good.output().substr(0, 8), "digraph ");
  Process bad({SIGNALBOX_PROGRAM, "check", "--dot", file_with("nonsense = 1\n")}, test::null_device());
  EXPECT_EQ(bad.exit_code(), 2);
  EXPECT_EQ(bad.output(), "");
  EXPECT_NE(bad.errors().find(".toml:1:1: error: "), std::string::npos);
  Process both({SIGNALBOX_PROGRAM, "check", "--dot", "--json", file_with(chained)}, test::null_device());
  EXPECT_EQ(both.exit_code(), 2);
}

TEST(CheckCommand, HasNoColoursInAPipe) {
  Process table({SIGNALBOX_PROGRAM, "check", file_with(chained)}, test::null_device());
  EXPECT_EQ(table.exit_code(), 0);
  EXPECT_EQ(table.output().find('\033'), std::string::npos);
  EXPECT_NE(table.output().find("\njoints\n"), std::string::npos);
}

}  // namespace
}  // namespace signalbox
