// The program as an operator meets it: its arguments, its exit codes, its signals and what it says.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>

#include "tests/broker/harness.hpp"

namespace signalbox {
namespace {

using test::Clock;
using test::encode;
using test::patience;
using test::Peer;
using test::user_message;

// One run of `signalbox`, with both its outputs in one pipe.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    int output[2];
    if (pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    arguments.insert(arguments.begin(), SIGNALBOX_PROGRAM);
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    child_ = fork();
    if (child_ == 0) {
      dup2(output[1], STDOUT_FILENO);
      dup2(output[1], STDERR_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(output[1]);
    output_ = output[0];
  }
  ~Program() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(output_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) { ::kill(child_, number); }

  // Reads until `text` has been written. False: the program has ended, or the deadline has passed, without it.
  bool says(const std::string& text) {
    const auto deadline = Clock::now() + patience;
    while (text_.find(text) == std::string::npos)
      if (!read_more(deadline)) return false;
    return true;
  }

  // Reads its line about where it listens, up to the last field.
  bool listens() { return says("info listening") && says(" configuration="); }

  // Reads to the end and returns the exit code; -1: it was killed, or did not end in time.
  int exit_code() {
    const auto deadline = Clock::now() + patience;
    while (read_more(deadline)) continue;
    if (Clock::now() >= deadline) return -1;
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  const std::string& text() const { return text_; }

  // What follows "NAME=" in the text.
  std::string field(const std::string& name) const {
    const size_t begin = text_.find(" " + name + "=") + name.size() + 2;
    return text_.substr(begin, text_.find_first_of(" \n", begin) - begin);
  }

 private:
  bool read_more(Clock::time_point deadline) {
    pollfd item{output_, POLLIN, 0};
    if (poll(&item, 1, test::milliseconds_until(deadline)) <= 0) return false;
    char buffer[4096];
    const ssize_t got = read(output_, buffer, sizeof buffer);
    if (got <= 0) return false;
    text_.append(buffer, static_cast<size_t>(got));
    return true;
  }

  pid_t child_ = -1;
  int output_ = -1;
  std::string text_;
};

std::string configuration_file(const std::string& text) {
  const std::string path = test::unique_path(".toml");
  std::ofstream(path) << text;
  return path;
}

std::string good_file(const std::string& broker_keys = {}) {
  return configuration_file(test::configuration_text({"tcp://127.0.0.1:*"}, broker_keys));
}

TEST(ProgramTest, HelpTeachesAndVersionSaysWhichOne) {
  Program help({"--help"});
  EXPECT_EQ(help.exit_code(), 0);
  for (const char* word : {"serve", "check", "Exit codes", "routing_mappings"})
    EXPECT_NE(help.text().find(word), std::string::npos) << word;
  Program version_flag({"--version"});
  EXPECT_EQ(version_flag.exit_code(), 0);
  EXPECT_EQ(version_flag.text().rfind("signalbox " + std::string(version()) + " (libzmq 4.", 0), 0u);
}

TEST(ProgramTest, WrongArgumentsAreTwo) {
  const std::vector<std::vector<std::string>> wrong = {{},        {"swerve"}, {"serve"},
                                                       {"check"}, {"--loud"}, {"serve", "a.toml", "b.toml"}};
  for (const std::vector<std::string>& arguments : wrong) {
    Program program(arguments);
    EXPECT_EQ(program.exit_code(), 2) << program.text();
    EXPECT_FALSE(program.text().empty());
  }
}

TEST(ProgramTest, AWrongConfigurationIsTwoAndNeverServes) {
  const std::string bad = configuration_file("router_class = \"SimpleDispatchRouter\"\nnonsense = 1\n");
  for (const char* command : {"serve", "check"}) {
    Program program({command, bad});
    EXPECT_EQ(program.exit_code(), 2);
    EXPECT_NE(program.text().find(bad + ":2:1: error:"), std::string::npos) << program.text();
    Program missing({command, "/no/such/file.toml"});
    EXPECT_EQ(missing.exit_code(), 2);
    EXPECT_NE(missing.text().find("/no/such/file.toml:1:1: error:"), std::string::npos) << missing.text();
  }
}

TEST(ProgramTest, CheckPrintsTheRoutes) {
  Program program({"check", good_file()});
  EXPECT_EQ(program.exit_code(), 0);
  for (const char* word : {"smpp_transport", "my_application", "inbound"})
    EXPECT_NE(program.text().find(word), std::string::npos) << program.text();
}

TEST(ProgramTest, AnAddressInUseIsOne) {
  Program first({"serve", good_file()});
  ASSERT_TRUE(first.listens());
  const std::string endpoint = first.field("endpoints");
  Program second({"serve", configuration_file(test::configuration_text({endpoint}))});
  EXPECT_EQ(second.exit_code(), 1);
  EXPECT_NE(second.text().find("address in use"), std::string::npos) << second.text();
  EXPECT_NE(second.text().find(endpoint), std::string::npos);
}

TEST(ProgramTest, TermDrainsAndNothingLeftIsZero) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Program program({"serve", good_file()});
    ASSERT_TRUE(program.listens()) << program.text();
    zmq::context_t context;
    Peer application(context, program.field("endpoints"));
    ASSERT_TRUE(application.register_as(Role::application, "my_application"));
    Peer transport(context, program.field("endpoints"));
    ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
    transport.send({encode(Send{1}), user_message("1", "hello")});
    ASSERT_TRUE(transport.receive_a<Confirm>());
    ASSERT_TRUE(application.receive_a<Deliver>());
    program.signal(signal);
    ASSERT_TRUE(transport.receive_a<Bye>());
    application.send({test::ack(1)});
    EXPECT_EQ(program.exit_code(), 0) << program.text();
    EXPECT_NE(program.text().find("info stopped at_once=false left_behind=0"), std::string::npos) << program.text();
  }
}

TEST(ProgramTest, MessagesLeftBehindAreOneAndSaidByEndpoint) {
  Program program({"serve", good_file("drain_ms = 50")});
  ASSERT_TRUE(program.listens());
  zmq::context_t context;
  Peer transport(context, program.field("endpoints"));
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  transport.send({encode(Send{1}), user_message("1", "hello") + user_message("2", "there")});
  ASSERT_TRUE(transport.receive_a<Confirm>());
  program.signal(SIGTERM);
  EXPECT_EQ(program.exit_code(), 1);
  EXPECT_NE(program.text().find("warning left_behind endpoint=my_application messages=2"), std::string::npos)
      << program.text();
}

TEST(ProgramTest, ASecondSignalStopsAtOnce) {
  Program program({"serve", good_file()});
  ASSERT_TRUE(program.listens());
  zmq::context_t context;
  Peer transport(context, program.field("endpoints"));
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  transport.send({encode(Send{1}), user_message("1", "hello")});
  ASSERT_TRUE(transport.receive_a<Confirm>());
  program.signal(SIGTERM);
  ASSERT_TRUE(program.says("info draining"));
  program.signal(SIGTERM);
  EXPECT_EQ(program.exit_code(), 1);
  EXPECT_NE(program.text().find("info stopped at_once=true left_behind=1"), std::string::npos) << program.text();
}

TEST(ProgramTest, RefusalsAreLoggedOnceASecondWithTheirCount) {
  Program program({"serve", good_file()});
  ASSERT_TRUE(program.listens());
  zmq::context_t context;
  Peer transport(context, program.field("endpoints"));
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  std::string batch;
  for (int i = 0; i < 100; ++i) batch += user_message(std::to_string(i), "hello", "somebody_else");
  transport.send({encode(Send{1}), batch});
  ASSERT_TRUE(transport.receive_a<Confirm>());
  EXPECT_TRUE(program.says("warning refusals code=not_permitted count=100 total=100")) << program.text();
}

}  // namespace
}  // namespace signalbox
