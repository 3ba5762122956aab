// `signalbox worker` as a shell user meets it: pipes, exit codes, signals and words, beside a broker of its own
// process.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "broker/program/input_lines.hpp"
#include "tests/program/process.hpp"

namespace signalbox {
namespace {

using test::Clock;
using test::file_of;
using test::Input;
using test::lines_of;
using test::null_device;
using test::Process;
using test::ServingProgram;
using namespace std::chrono_literals;

using Words = std::vector<std::string>;

std::string configuration(const std::string& rest = {}) {
  return "router_class = \"SimpleDispatchRouter\"\n"
         "transport_names = [\"smpp_transport\", \"xmpp_transport\"]\n"
         "exposed_names = [\"my_application\"]\n"
         "[routing_mappings]\n"
         "smpp_transport = \"my_application\"\n"
         "xmpp_transport = \"my_application\"\n"
         "[broker]\n"
         "routing_memory_bytes = 1048576\n"
         "endpoint = \"tcp://127.0.0.1:*\"\n" +
         rest;
}

Words worker(const std::string& endpoint, Words rest) {
  Words words = {SIGNALBOX_PROGRAM, "worker", "--endpoint", endpoint};
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}

std::string numbered(int first, int last) {
  std::string lines;
  for (int i = first; i <= last; ++i) lines += "{\"content\":\"number " + std::to_string(i) + "\"}\n";
  return lines;
}

// The texts of the field `content`, in order.
Words contents(const std::string& output) {
  Words all;
  const std::string key = "\"content\":\"";
  for (const std::string& line : lines_of(output)) {
    const size_t begin = line.find(key) + key.size();
    all.push_back(line.substr(begin, line.find('"', begin) - begin));
  }
  return all;
}

Words numbers(int first, int last) {
  Words all;
  for (int i = first; i <= last; ++i) all.push_back("number " + std::to_string(i));
  return all;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class WorkerCommand : public testing::Test {
 protected:
  Words transport(Words rest) {
    rest.insert(rest.begin(), {"--transport", "smpp_transport"});
    return worker(broker_.endpoint(), rest);
  }
  Words application(Words rest) {
    rest.insert(rest.begin(), {"--application", "my_application"});
    return worker(broker_.endpoint(), rest);
  }
  void send(const std::string& lines) {
    Process process(transport({"--prefetch", "0"}), file_of(lines));
    EXPECT_EQ(process.exit_code(), 0) << process.errors();
  }

  ServingProgram broker_{SIGNALBOX_PROGRAM, configuration()};
};

TEST(WorkerCommandLine, HelpTeaches) {
  Process all({SIGNALBOX_PROGRAM, "--help"}, null_device());
  EXPECT_EQ(all.exit_code(), 0);
  EXPECT_TRUE(has(all.output(), "signalbox worker --application my_application --echo")) << all.output();
  Process help({SIGNALBOX_PROGRAM, "worker", "--help"}, null_device());
  EXPECT_EQ(help.exit_code(), 0);
  for (const char* words : {"seq 1000 | jq", "{\"from_addr\": \"+27831234567\", \"content\": \"hello\"}", "$bin",
                            "--count", "--prefetch", "SIGNALBOX_ENDPOINT", "Exit codes"})
    EXPECT_TRUE(has(help.output(), words)) << words << "\n" << help.output();
}

TEST(WorkerCommandLine, WrongArgumentsAreTwo) {
  const std::vector<Words> wrong = {{},
                                    {"--transport"},
                                    {"--transport", "a", "--application", "b"},
                                    {"--transport", "a", "--nonsense"},
                                    {"--transport", "a", "--count", "0"},
                                    {"--transport", "a", "--count", "many"},
                                    {"--transport", "a", "--rate", "0"},
                                    {"--transport", "a", "--rate", "-1"},
                                    {"--transport", "a", "--prefetch", "65537"},
                                    {"--transport", "a", "--timeout", "soon"},
                                    {"--transport", "a", "--for", "0"},
                                    {"--transport", "a", "--quiet", "--verbose"},
                                    {"--transport", "a", "surplus"},
                                    {"--transport", "a/b"},
                                    {"--transport", "a", "--endpoint", "nowhere"}};
  for (const Words& words : wrong) {
    Words all = {SIGNALBOX_PROGRAM, "worker"};
    all.insert(all.end(), words.begin(), words.end());
    Process process(all, null_device());
    EXPECT_EQ(process.exit_code(), 2) << testing::PrintToString(words) << process.errors();
    EXPECT_NE(process.errors(), "") << testing::PrintToString(words);
    EXPECT_EQ(process.output(), "");
  }
}

TEST_F(WorkerCommand, LinesBecomeMessagesAndMessagesBecomeLines) {
  Process receiver(application({"--count", "3"}), null_device());
  Process sender(transport({}), file_of(numbered(1, 2) + "\n  \r\n{\"content\":\"number 3\"}"));
  EXPECT_EQ(sender.exit_code(), 0);
  EXPECT_EQ(sender.errors(), "sent 3, confirmed 3, refused 0, received 0\n");
  EXPECT_EQ(receiver.exit_code(), 0);
  EXPECT_EQ(receiver.errors(), "sent 0, confirmed 0, refused 0, received 3\n");
  EXPECT_EQ(contents(receiver.output()), numbers(1, 3));
  for (const std::string& line : lines_of(receiver.output()))
    EXPECT_TRUE(has(line, "\"transport_name\":\"smpp_transport\"")) << line;
}

TEST_F(WorkerCommand, TheEndpointMayStandInTheEnvironment) {
  Process process({"/usr/bin/env", "SIGNALBOX_ENDPOINT=" + broker_.endpoint(), SIGNALBOX_PROGRAM, "worker",
                   "--transport", "smpp_transport"},
                  file_of(numbered(1, 1)));
  EXPECT_EQ(process.exit_code(), 0) << process.errors();
}

TEST_F(WorkerCommand, ALineLeavesAsSoonAsItIsTypedAndTheEndOfTheInputEndsIt) {
  Process receiver(application({}));
  Process sender(transport({"--verbose"}));
  ASSERT_TRUE(sender.says("registered as transport smpp_transport at " + broker_.endpoint() + "\n"));
  for (int i = 1; i <= 3; ++i) {
    sender.type(numbered(i, i));
    EXPECT_TRUE(receiver.prints("\"number " + std::to_string(i) + "\"")) << i;
    EXPECT_TRUE(sender.says("confirmed " + std::to_string(i) + ".." + std::to_string(i) + "\n")) << sender.errors();
  }
  sender.end_input();
  EXPECT_EQ(sender.exit_code(), 0);
  receiver.end_input();
  EXPECT_EQ(receiver.exit_code(), 0);
  EXPECT_EQ(contents(receiver.output()), numbers(1, 3));
}

TEST_F(WorkerCommand, EchoRepliesWithTheContentAsItCame) {
  Process echo(application({"--echo"}), null_device());
  Process sender(
      transport({"--count", "3"}),
      file_of("{\"message_id\":\"m1\",\"from_addr\":\"+1\",\"to_addr\":\"*1#\",\"content\":\"caf\xc3\xa9\"}\n"
              "{\"message_id\":\"m2\",\"content\":null}\n"
              "{\"message_id\":\"m3\",\"content\":\"bye\",\"session_event\":\"close\"}\n"
              "{\"message_id\":\"m4\",\"content\":\"\"}\n"));
  EXPECT_EQ(sender.exit_code(), 0) << sender.errors();
  const Words replies = lines_of(sender.output());
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_TRUE(has(replies[0], "\"in_reply_to\":\"m1\"")) << replies[0];
  EXPECT_TRUE(has(replies[0], "\"to_addr\":\"+1\",\"from_addr\":\"*1#\"")) << replies[0];
  EXPECT_TRUE(has(replies[0], "\"content\":\"caf\xc3\xa9\"")) << replies[0];
  EXPECT_TRUE(has(replies[1], "\"in_reply_to\":\"m2\"") && has(replies[1], "\"content\":null")) << replies[1];
  EXPECT_TRUE(has(replies[2], "\"in_reply_to\":\"m4\"") && has(replies[2], "\"content\":\"\"")) << replies[2];
  // Events are shown, and not answered.
  Process reporter(transport({}),
                   file_of("{\"message_type\":\"event\",\"event_type\":\"ack\",\"user_message_id\":\"m1\","
                           "\"sent_message_id\":\"s\"}\n"));
  EXPECT_EQ(reporter.exit_code(), 0) << reporter.errors();
  ASSERT_TRUE(echo.prints("\"message_type\":\"event\""));
  echo.signal(SIGTERM);
  EXPECT_EQ(echo.exit_code(), 0) << echo.errors();
  EXPECT_EQ(echo.errors(), "sent 3, confirmed 3, refused 0, received 5\n");
  EXPECT_EQ(lines_of(echo.output()).size(), 5u);
}

TEST_F(WorkerCommand, WhatJsonLacksSurvivesTheTrip) {
  const std::string fields =
      R"("own":{"$bin":"AAEC/w=="},"tag":{"$ext":[-7,"AAEC"]},"n":[18446744073709551615,-9223372036854775808,1.0,)"
      R"({"$float":"-inf"}],"t":{"$str":"/w=="},"m":{"$map":[[1,{"$map":[["a",1],["a",2]]}]]})";
  Process receiver(application({"--count", "1"}), null_device());
  send("{\"helper_metadata\":{" + fields + "}," + fields + "}\n");
  EXPECT_EQ(receiver.exit_code(), 0);
  const std::string& line = receiver.output();
  EXPECT_EQ(line.rfind("{\"helper_metadata\":{" + fields + "}," + fields + ",\"message_type\"", 0), 0u) << line;
}

TEST_F(WorkerCommand, WhatIsRefusedComesBackAndIsOne) {
  Process sender(
      transport({}),
      file_of(numbered(1, 1) + "{\"message_id\":\"m2\",\"transport_name\":\"xmpp_transport\"}\n" + numbered(3, 3)));
  EXPECT_EQ(sender.exit_code(), 1);
  const Words said = lines_of(sender.errors());
  ASSERT_EQ(said.size(), 2u) << sender.errors();
  EXPECT_EQ(said[0].rfind("refused 2 not_permitted: ", 0), 0u) << said[0];
  EXPECT_TRUE(has(said[0], " {\"message_id\":\"m2\",\"transport_name\":\"xmpp_transport\",")) << said[0];
  EXPECT_EQ(said[1], "sent 3, confirmed 2, refused 1, received 0");
}

TEST_F(WorkerCommand, ABadLineIsNamedAndTheOthersGo) {
  Process receiver(application({"--count", "2"}), null_device());
  Process sender(transport({}), file_of(numbered(1, 1) + "{\"content\":}\n[1]\n7\n{\"a\":{\"$bin\":\"x\"}}\n\x1b[2J\n" +
                                        numbered(2, 2)));
  EXPECT_EQ(sender.exit_code(), 1);
  const Words said = lines_of(sender.errors());
  ASSERT_EQ(said.size(), 6u) << sender.errors();
  EXPECT_EQ(said[0].rfind("line 2: byte 12: ", 0), 0u) << said[0];
  EXPECT_EQ(said[1], "line 3: a message is a JSON object");
  EXPECT_EQ(said[2], "line 4: a message is a JSON object");
  EXPECT_EQ(said[3], "line 5: a.$bin: base64 text is wanted, with its padding");
  EXPECT_EQ(said[4].rfind("line 6: byte 1: ", 0), 0u) << said[4];
  EXPECT_FALSE(has(said[4], "\x1b"));
  EXPECT_EQ(said[5], "sent 2, confirmed 2, refused 0, received 0, 5 bad lines");
  EXPECT_EQ(receiver.exit_code(), 0);
  EXPECT_EQ(contents(receiver.output()), numbers(1, 2));
}

TEST_F(WorkerCommand, AMessageThatIsTooLargeIsSaid) {
  // Over max_message_bytes the broker refuses it; over max_batch_bytes it does not even leave.
  const auto of_bytes = [](size_t bytes) { return "{\"content\":\"" + std::string(bytes, 'x') + "\"}\n"; };
  Process sender(transport({}), file_of(of_bytes(1'100'000) + of_bytes(4'200'000) + numbered(3, 3)));
  EXPECT_EQ(sender.exit_code(), 1);
  EXPECT_TRUE(has(sender.errors(), "refused 1 too_large: "));
  EXPECT_TRUE(has(sender.errors(), "line 2: ") && has(sender.errors(), "the broker takes at most 4194304"));
  EXPECT_TRUE(has(sender.errors(), "sent 2, confirmed 1, refused 1, received 0, 1 bad line\n"));
}

TEST_F(WorkerCommand, RawIsSentAsItWasTyped) {
  Process bare(transport({"--raw"}), file_of("{\"content\":\"hi\"}\n"));
  EXPECT_EQ(bare.exit_code(), 1);
  EXPECT_TRUE(has(bare.errors(), "refused 1 malformed: ")) << bare.errors();
  EXPECT_TRUE(has(bare.errors(), " {\"content\":\"hi\"}\n")) << bare.errors();
  const std::string whole =
      "{\"message_type\":\"user_message\",\"message_id\":\"m\",\"transport_name\":\"smpp_transport\"}\n";
  Process sender(transport({"--raw"}), file_of(whole));
  EXPECT_EQ(sender.exit_code(), 0) << sender.errors();
  Process receiver(application({"--count", "1"}), null_device());
  EXPECT_EQ(receiver.exit_code(), 0);
  EXPECT_EQ(receiver.output(), whole);
}

TEST_F(WorkerCommand, CountTakesThatManyAndLeavesTheRest) {
  send(numbered(1, 7));
  for (const int first : {1, 3, 5}) {
    Process receiver(application({"--count", "2"}));  // whose input stays open
    EXPECT_EQ(receiver.exit_code(), 0) << receiver.errors();
    EXPECT_EQ(contents(receiver.output()), numbers(first, first + 1));
  }
  Process last(application({"--count", "2"}));
  ASSERT_TRUE(last.prints("number 7"));
  last.signal(SIGTERM);
  EXPECT_EQ(last.exit_code(), 1) << "one was all there was";
  EXPECT_EQ(contents(last.output()), numbers(7, 7));
}

TEST_F(WorkerCommand, ForEndsItAfterItsTime) {
  const auto before = Clock::now();
  Process process(application({"--for", "1"}));
  EXPECT_EQ(process.exit_code(), 0) << process.errors();
  EXPECT_GE(Clock::now() - before, 1s);
}

TEST_F(WorkerCommand, WithoutInputOrWithListenItStaysUntilItIsTold) {
  for (const bool listens : {false, true}) {
    Process receiver(application(listens ? Words{"--listen"} : Words{}), listens ? file_of("") : null_device());
    for (int i = 1; i <= 2; ++i) {
      send(numbered(i, i));
      EXPECT_TRUE(receiver.prints("\"number " + std::to_string(i) + "\""));
    }
    receiver.signal(listens ? SIGINT : SIGTERM);
    EXPECT_EQ(receiver.exit_code(), 0);
    EXPECT_EQ(receiver.errors(), "sent 0, confirmed 0, refused 0, received 2\n");
  }
  // With input that has ended it has nothing to stay for.
  Process nothing(application({}), file_of(""));
  EXPECT_EQ(nothing.exit_code(), 0);
}

TEST_F(WorkerCommand, ClosedDescriptorsAreNoInputAndNoOutput) {
  send(numbered(1, 1));
  const std::string command =
      std::string(SIGNALBOX_PROGRAM) + " worker --application my_application --endpoint '" + broker_.endpoint() + "' ";
  Process writes_nowhere({"/bin/sh", "-c", command + "<&- >&-"}, null_device());
  EXPECT_EQ(writes_nowhere.exit_code(), 1);
  EXPECT_TRUE(has(writes_nowhere.errors(), "standard output: ")) << writes_nowhere.errors();
  Process reads_nothing({"/bin/sh", "-c", command + "--count 1 <&-"});
  EXPECT_EQ(reads_nothing.exit_code(), 0) << reads_nothing.errors();
  EXPECT_EQ(contents(reads_nothing.output()), numbers(1, 1));
}

TEST_F(WorkerCommand, AReaderThatGoesAwayLosesNothing) {
  Process receiver(application({}), null_device());
  send(numbered(1, 1));
  ASSERT_TRUE(receiver.prints("number 1"));
  receiver.end_output();
  EXPECT_EQ(receiver.exit_code(), 1);
  EXPECT_TRUE(has(receiver.errors(), "standard output: Broken pipe")) << receiver.errors();
  // One that still has input learns of it when there is something to write.
  Process busy(application({}));
  busy.end_output();
  send(numbered(2, 2));
  EXPECT_EQ(busy.exit_code(), 1);
  EXPECT_TRUE(has(busy.errors(), "standard output: Broken pipe")) << busy.errors();
  Process next(application({"--count", "1"}), null_device());
  EXPECT_EQ(next.exit_code(), 0);
  EXPECT_EQ(contents(next.output()), numbers(2, 2));
}

TEST_F(WorkerCommand, WhatASlowReaderHasNotTakenIsDeliveredAgain) {
  constexpr int count = 2000;  // some 700 KB; a pipe holds 64
  send(numbered(1, count));
  Process slow(application({}), null_device());
  ASSERT_TRUE(slow.prints("number 1"));
  slow.signal(SIGTERM);
  EXPECT_EQ(slow.exit_code_unread(), 0);
  slow.read_rest();
  Process next(application({"--for", "600"}), null_device());
  ASSERT_TRUE(next.prints("number " + std::to_string(count) + "\""));
  next.signal(SIGTERM);
  EXPECT_EQ(next.exit_code(), 0);
  // Its last line may be cut, and then that message is delivered again, whole. The others are not.
  const std::string whole_lines = slow.output().substr(0, slow.output().rfind('\n') + 1);
  const Words lines = lines_of(whole_lines);
  const int whole = static_cast<int>(lines.size());
  ASSERT_LT(whole, count);
  EXPECT_EQ(contents(whole_lines), numbers(1, whole));
  EXPECT_EQ(contents(next.output()), numbers(whole + 1, count));
  EXPECT_EQ(next.errors(), "sent 0, confirmed 0, refused 0, received " + std::to_string(count - whole) + "\n");
}

TEST_F(WorkerCommand, WithoutABrokerItSaysSo) {
  Process process(worker("ipc://" + test::unique_path(".socket"), {"--transport", "smpp_transport", "--timeout", "2"}),
                  file_of(numbered(1, 1)));
  EXPECT_EQ(process.exit_code(), 1);
  EXPECT_TRUE(has(process.errors(), "waiting for the broker at ipc://")) << process.errors();
  EXPECT_TRUE(has(process.errors(), "no broker answers at ipc://")) << process.errors();
  EXPECT_TRUE(has(process.errors(), "within 2 s")) << process.errors();
  EXPECT_TRUE(has(process.errors(), "sent 0, confirmed 0, refused 0, received 0\n")) << process.errors();
}

TEST_F(WorkerCommand, ANameThatTheBrokerDoesNotHaveIsOne) {
  Process process(worker(broker_.endpoint(), {"--application", "nobody"}), null_device());
  EXPECT_EQ(process.exit_code(), 1);
  EXPECT_EQ(process.errors().rfind("unknown_endpoint: ", 0), 0u) << process.errors();
}

TEST_F(WorkerCommand, WhatIsNotConfirmedInTimeIsOne) {
  Process sender(transport({"--timeout", "4", "--verbose"}));
  ASSERT_TRUE(sender.says("registered"));
  broker_.process().signal(SIGSTOP);
  sender.type(numbered(1, 2));
  EXPECT_EQ(sender.exit_code(), 1);
  EXPECT_TRUE(has(sender.errors(), "nothing is confirmed at tcp://")) << sender.errors();
  EXPECT_TRUE(has(sender.errors(), "sent 2, confirmed 0, refused 0, received 0, unconfirmed 2\n")) << sender.errors();
  broker_.process().signal(SIGCONT);
}

TEST_F(WorkerCommand, ASecondSignalEndsItAtOnce) {
  Process sender(transport({"--timeout", "0", "--verbose"}));
  ASSERT_TRUE(sender.says("registered"));
  broker_.process().signal(SIGSTOP);
  sender.type(numbered(1, 1));
  // Left alone, the first would have it wait for the confirmation, and then exit with 1.
  const auto deadline = Clock::now() + test::patience;
  int code = -1;
  while (!sender.has_ended() && Clock::now() < deadline) {
    sender.signal(SIGINT);
    code = sender.exit_code(10ms);
  }
  EXPECT_TRUE(sender.has_ended());
  EXPECT_EQ(code, -1) << "no signal ended it";
  broker_.process().signal(SIGCONT);
}

TEST_F(WorkerCommand, RateSpreadsWhatIsSent) {
  const auto before = Clock::now();
  Process sender(transport({"--rate", "20"}), file_of(numbered(1, 11)));
  EXPECT_EQ(sender.exit_code(), 0) << sender.errors();
  // Ten intervals of 50 ms, of which one may be caught up.
  EXPECT_GE(Clock::now() - before, 440ms);
  Process receiver(application({"--count", "11"}), null_device());
  EXPECT_EQ(receiver.exit_code(), 0);
  EXPECT_EQ(contents(receiver.output()), numbers(1, 11));
}

TEST_F(WorkerCommand, PrefetchZeroTakesNothing) {
  Process outbound(application({}), file_of("{\"transport_name\":\"smpp_transport\",\"content\":\"number 1\"}\n"));
  EXPECT_EQ(outbound.exit_code(), 0) << outbound.errors();
  Process blind(transport({"--prefetch", "0"}), file_of(numbered(1, 5)));
  EXPECT_EQ(blind.exit_code(), 0);
  EXPECT_EQ(blind.output(), "");
  Process seeing(transport({"--count", "1"}), null_device());
  EXPECT_EQ(seeing.exit_code(), 0);
  EXPECT_EQ(contents(seeing.output()), numbers(1, 1));
}

TEST_F(WorkerCommand, QuietSaysNothingOfWhatGoesWell) {
  Process sender(transport({"--quiet"}), file_of(numbered(1, 3)));
  EXPECT_EQ(sender.exit_code(), 0);
  EXPECT_EQ(sender.errors(), "");
}

// The sender gets ahead of the receiver by the queue and its window, and stops reading its input meanwhile. (A queue
// that is smaller than the window may get past twice its limit, and then refuses.)
TEST(WorkerCommandFlow, AHundredThousandLinesGoThroughASmallQueueInOrder) {
  constexpr int count = 100'000;
  constexpr int queue = 20'000;
  ServingProgram broker(SIGNALBOX_PROGRAM,
                        configuration("[endpoint_defaults]\nmax_messages = " + std::to_string(queue) + "\n"));
  const Input input = file_of(numbered(1, count));
  Process sender(worker(broker.endpoint(), {"--transport", "smpp_transport", "--verbose"}), input);
  ASSERT_TRUE(sender.says("confirmed 1.."));
  EXPECT_LE(sender.input_position(),
            numbered(1, queue + static_cast<int>(limits::send_window_messages)).size() + 2 * InputLines::read_bytes);
  Process receiver(worker(broker.endpoint(), {"--application", "my_application", "--count", std::to_string(count)}),
                   null_device());
  EXPECT_EQ(receiver.exit_code(240s), 0);
  EXPECT_EQ(sender.exit_code(240s), 0);
  EXPECT_EQ(lines_of(sender.errors()).back().substr(0, 300), "sent 100000, confirmed 100000, refused 0, received 0");
  EXPECT_TRUE(contents(receiver.output()) == numbers(1, count));
}

}  // namespace
}  // namespace signalbox
