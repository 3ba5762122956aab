// examples/console_transport.cpp, with pipes for a person, and `signalbox worker` on the other side.
#include <gtest/gtest.h>

#include "tests/program/process.hpp"

namespace signalbox {
namespace {

using test::file_of;
using test::lines_of;
using test::null_device;
using test::Process;
using test::ServingProgram;

constexpr const char* configuration =
    "router_class = \"SimpleDispatchRouter\"\n"
    "transport_names = [\"smpp_transport\"]\n"
    "exposed_names = [\"my_application\"]\n"
    "[routing_mappings]\n"
    "smpp_transport = \"my_application\"\n"
    "[broker]\n"
    "routing_memory_bytes = 1048576\n"
    "endpoint = \"tcp://127.0.0.1:*\"\n";

class ConsoleTransport : public testing::Test {
 protected:
  std::vector<std::string> console(const std::string& timeout) {
    return {SIGNALBOX_CONSOLE_TRANSPORT,
            "--endpoint",
            broker_.endpoint(),
            "--name",
            "smpp_transport",
            "--user",
            "alice",
            "--timeout",
            timeout};
  }
  std::vector<std::string> application(const std::vector<std::string>& options) {
    std::vector<std::string> words = {SIGNALBOX_PROGRAM,  "worker",        "--endpoint",
                                      broker_.endpoint(), "--application", "my_application"};
    words.insert(words.end(), options.begin(), options.end());
    return words;
  }
  static bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

  ServingProgram broker_{SIGNALBOX_PROGRAM, configuration};
};

TEST_F(ConsoleTransport, AConversation) {
  Process echo(application({"--echo"}), null_device());
  Process person(console("60"));
  person.type("hello\n");
  EXPECT_TRUE(person.prints("got      hello\n")) << person.errors();
  person.type("how are you?\n");
  EXPECT_TRUE(person.prints("got      how are you?\n"));
  person.type("bye, without an end of the line");
  person.end_input();
  EXPECT_EQ(person.exit_code(), 0) << person.errors();
  EXPECT_EQ(lines_of(person.output()).size(), 3u) << person.output();

  // Three messages, an ack and a delivery report for each of the three replies, and the end of the session.
  ASSERT_TRUE(echo.prints("\"session_event\":\"close\""));
  echo.signal(SIGTERM);
  EXPECT_EQ(echo.exit_code(), 0) << echo.errors();
  EXPECT_EQ(echo.errors(), "sent 3, confirmed 3, refused 0, received 10\n");
  std::string events;
  std::string reports;
  for (const std::string& line : lines_of(echo.output())) {
    if (has(line, "\"message_type\":\"event\"")) {
      reports += has(line, "\"delivery_status\":\"delivered\"") ? "d" : has(line, "\"event_type\":\"ack\"") ? "a" : "?";
    } else {
      EXPECT_TRUE(has(line, "\"from_addr\":\"alice\"")) << line;
      events += has(line, "\"session_event\":\"new\"") ? "n" : has(line, "\"session_event\":\"resume\"") ? "r" : "c";
    }
  }
  EXPECT_EQ(events, "nrrc");
  EXPECT_EQ(reports, "adadad");
}

TEST_F(ConsoleTransport, AReplyMayCloseTheSession) {
  Process person(console("60"));
  Process program(application({}));
  person.type("hello\n");
  ASSERT_TRUE(program.prints("\"session_event\":\"new\""));
  const std::string& line = program.output();
  const std::string key = "\"message_id\":\"";
  const std::string id = line.substr(line.find(key) + key.size(), 32);
  program.type("{\"content\":\"goodbye\",\"in_reply_to\":\"" + id + "\",\"session_event\":\"close\"}\n");
  EXPECT_TRUE(person.prints("got      goodbye (and the session is closed)\n")) << person.errors();
  person.end_input();
  EXPECT_EQ(person.exit_code(), 0) << person.errors();
}

TEST_F(ConsoleTransport, WithoutAReplyItIsOne) {
  Process person(console("4"), file_of("anybody there?\n"));
  EXPECT_EQ(person.exit_code(), 1);
  EXPECT_TRUE(has(person.errors(), "without a reply: 1")) << person.errors();
}

TEST_F(ConsoleTransport, ASignalEndsItInOrder) {
  Process person(console("60"));
  Process program(application({}), null_device());
  person.type("hello\n");
  ASSERT_TRUE(program.prints("hello"));
  person.signal(SIGTERM);
  EXPECT_EQ(person.exit_code(), 1) << "the reply is missing";
  ASSERT_TRUE(program.prints("\"session_event\":\"close\""));
}

}  // namespace
}  // namespace signalbox
