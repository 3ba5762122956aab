// `signalbox explain` as a shell runs it: where the message comes from, what is wrong with arguments, and exit codes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/program/process.hpp"

namespace signalbox::test {
namespace {

const std::string seed = R"(router_class    = "SimpleDispatchRouter"
transport_names = ["smpp_transport"]
exposed_names   = ["my_application"]
[routing_mappings]
smpp_transport = "my_application"
)";

const std::string chain = R"([[dispatcher]]
name            = "phone"
router_class    = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names   = ["phones"]
reply_tracking  = false
[dispatcher.routing_mappings]
sms = "phones"
[[dispatcher]]
name            = "apps"
router_class    = "SimpleDispatchRouter"
transport_names = ["phones"]
exposed_names   = ["survey"]
[dispatcher.routing_mappings]
phones = "survey"
)";

struct Ended {
  int exit_code = 0;
  std::string output;
  std::string errors;
};

Ended explain(std::vector<std::string> arguments, const Input& input = null_device(),
              const std::string& configuration = seed) {
  const std::string file = file_of(configuration).path;
  arguments.insert(arguments.begin(), {SIGNALBOX_PROGRAM, "explain", file});
  Process process(arguments, input);
  Ended ended;
  ended.exit_code = process.exit_code();
  ended.output = process.output();
  ended.errors = process.errors();
  if (const size_t at = ended.errors.find(file); at != std::string::npos) ended.errors.replace(at, file.size(), "FILE");
  return ended;
}

const std::string taken = R"(dispatcher (SimpleDispatchRouter): inbound from smpp_transport
  broker: transport_name: null -> "smpp_transport"
  router: routing_mappings."smpp_transport"
  -> my_application
taken by my_application
)";

TEST(ExplainCommand, TakesTheMessageFromWhereItIs) {
  const std::string message = "{\"content\": \"hi\"}\n";
  for (const std::vector<std::string>& place : {std::vector<std::string>{file_of(message).path}, {message}}) {
    std::vector<std::string> arguments = {"--from", "smpp_transport"};
    arguments.insert(arguments.end(), place.begin(), place.end());
    const Ended ended = explain(arguments);
    EXPECT_EQ(ended.output, taken);
    EXPECT_EQ(ended.errors, "");
    EXPECT_EQ(ended.exit_code, 0);
  }
  for (const std::vector<std::string>& place : {std::vector<std::string>{"-"}, {}}) {
    std::vector<std::string> arguments = {"--from", "smpp_transport"};
    arguments.insert(arguments.end(), place.begin(), place.end());
    const Ended ended = explain(arguments, file_of(message));
    EXPECT_EQ(ended.output, taken);
    EXPECT_EQ(ended.errors, "");
    EXPECT_EQ(ended.exit_code, 0);
  }
}

TEST(ExplainCommand, WithoutAMessageTakesTheSmallestAndSaysSo) {
  const Ended ended = explain({"--from", "smpp_transport"});
  EXPECT_EQ(ended.output, taken);
  EXPECT_EQ(ended.errors, "no message was given: explaining one that has no more than an id\n");
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(explain({"--from", "smpp_transport", "-"}).errors, "message: there is none in the input\n");
}

TEST(ExplainCommand, ARefusalIsExitCode1) {
  const Ended ended = explain({"--from", "my_application", "{}"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(
      ended.output.ends_with("\nrefused unknown_endpoint: the message has no transport_name, and is no reply to a "
                             "message that is remembered\n"))
      << ended.output;
  // --raw fills in nothing.
  EXPECT_EQ(explain({"--from", "smpp_transport", "--raw", "{}"}).output,
            "refused malformed: message_type is missing\n");
}

TEST(ExplainCommand, RemembersWhatItIsTold) {
  // An id may hold the sign that ends it.
  const Ended ended = explain({"--from", "my_application", "--remember", "a=b==smpp_transport", "--remember",
                               "c=smpp_transport", R"({"in_reply_to": "a=b="})", "--json"});
  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  EXPECT_NE(ended.output.find(R"("taken_by":["smpp_transport"])"), std::string::npos) << ended.output;
}

TEST(ExplainCommand, SaysWhatIsWrongWithTheArguments) {
  const auto complaint = [](std::vector<std::string> arguments, const std::string& configuration = seed) {
    const Ended ended = explain(std::move(arguments), null_device(), configuration);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_EQ(ended.output, "");
    return ended.errors;
  };
  const std::string from = "smpp_transport";
  EXPECT_EQ(complaint({"--from", "my_aplication", "{}"}),
            "--from: there is no endpoint \"my_aplication\"; did you mean \"my_application\"?\n");
  EXPECT_EQ(complaint({"--from", "\x1b[2J\xff", "{}"}), "--from: there is no endpoint \"\\x1b[2J\\xff\"\n");
  EXPECT_EQ(complaint({"--from", "phones", "{}"}, chain),
            "--from: \"phones\" joins two dispatchers; no worker has that name\n");
  EXPECT_EQ(complaint({"--from", from, "--live", "nobody", "{}"}), "--live: there is no endpoint \"nobody\"\n");
  for (const std::string wrong : {"77", "=smpp_transport", ""}) {
    EXPECT_EQ(complaint({"--from", from, "--remember=" + wrong, "{}"}),
              "--remember: ID=NAME is wanted, the id of a message and the endpoint that sent it\n");
  }
  EXPECT_EQ(complaint({"{}"}), "--from is required\nRun with --help for more information.\n");
  EXPECT_EQ(complaint({"--from", from, "/nowhere.json"}), "/nowhere.json: cannot be read: No such file or directory\n");
  EXPECT_EQ(complaint({"--from", from, "/"}), "/: cannot be read: Is a directory\n");
  EXPECT_EQ(complaint({"--from", from, "{}"}, "router_clas = 1\n").substr(0, 11), "FILE:1:1: e");
}

TEST(ExplainCommand, SaysWhatIsWrongWithTheJson) {
  const auto complaint = [](const std::string& json) {
    const Ended ended = explain({"--from", "smpp_transport", "-"}, file_of(json));
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_EQ(ended.output, "");
    return ended.errors;
  };
  EXPECT_EQ(complaint("[]"), "message: a JSON object is wanted\n");
  EXPECT_EQ(complaint("7"), "message: a JSON object is wanted\n");
  EXPECT_EQ(complaint("{\"a\": 1, \"a\": 2}"), "message: the key 'a' stands twice\n");
  EXPECT_EQ(complaint("{\"a\": 1} {\"b\": 2}").substr(0, 17), "message: byte 10:");
  EXPECT_EQ(complaint("{\"a\": \"\xff\"}").substr(0, 15), "message: byte 8");
  EXPECT_EQ(complaint("{\"a\": " + std::string(100'000, '[')).substr(0, 22), "message: more than 98 ");
  EXPECT_EQ(complaint("{\"a\": " + std::string(40, '[') + std::string(40, ']') + "}").substr(0, 11), "message: a[");
  EXPECT_EQ(complaint("{\"a\": \"" + std::string(10 << 20, 'x') + "\"}"), "message: longer than 10485760 bytes\n");
}

TEST(ExplainCommand, WarnsWhereNothingIsRemembered) {
  const Ended ended =
      explain({"--from", "survey", "--remember", "77=sms", R"({"in_reply_to": "77"})"}, null_device(), chain);
  EXPECT_EQ(ended.errors, "--remember: dispatcher \"phone\" has reply_tracking = false, and remembers nothing\n");
  EXPECT_EQ(ended.exit_code, 1);
}

}  // namespace
}  // namespace signalbox::test
