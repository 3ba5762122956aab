// The example programs, run as a reader would run them, beside a broker.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/broker/harness.hpp"

namespace signalbox {
namespace {

using test::RunningBroker;

// A program and what it wrote. Ended at the latest with the object.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) : output_path_(test::unique_path(".out")) {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output_path_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0) << argv[0];
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      join();
    }
    unlink(output_path_.c_str());
  }
  void terminate() const { kill(pid_, SIGTERM); }
  // The exit code; 128 and more: a signal ended it. Every program here has a deadline of its own.
  int join() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string output() const {
    std::ifstream file(output_path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  const std::string output_path_;
  pid_t pid_ = -1;
};

std::string both_to_my_application() {
  return "router_class = \"SimpleDispatchRouter\"\n"
         "transport_names = [\"smpp_transport\", \"xmpp_transport\"]\n"
         "exposed_names = [\"my_application\"]\n"
         "[routing_mappings]\n"
         "smpp_transport = \"my_application\"\n"
         "xmpp_transport = \"my_application\"\n"
         "[broker]\n"
         "routing_memory_bytes = 1048576\n"
         "endpoint = \"tcp://127.0.0.1:*\"\n";
}

TEST(Programs, TheExamplesTalkToEachOther) {
  RunningBroker broker(both_to_my_application());
  const std::string& endpoint = broker.endpoint();
  Program application({SIGNALBOX_ECHO_APPLICATION, "--endpoint", endpoint, "--name", "my_application", "--count", "6",
                       "--timeout", "60"});
  Program smpp({SIGNALBOX_DEMO_TRANSPORT, "--endpoint", endpoint, "--name", "smpp_transport", "--count", "3",
                "--timeout", "60"});
  Program xmpp({SIGNALBOX_DEMO_TRANSPORT, "--endpoint", endpoint, "--name", "xmpp_transport", "--count", "3",
                "--timeout", "60"});
  EXPECT_EQ(smpp.join(), 0) << smpp.output();
  EXPECT_EQ(xmpp.join(), 0) << xmpp.output();
  EXPECT_EQ(application.join(), 0) << application.output();
  const auto has = [](const std::string& text, const std::string& line) {
    return text.find(line) != std::string::npos;
  };
  EXPECT_TRUE(has(application.output(), "\"hello 1\" from +27831234567 via smpp_transport; replied"))
      << application.output();
  EXPECT_TRUE(has(application.output(), "event delivery_report for \"You said: hello 3\" from xmpp_transport"))
      << application.output();
  EXPECT_TRUE(has(xmpp.output(), "\"You said: hello 2\" for alice@example.org, in reply to \"hello 2\""))
      << xmpp.output();
}

TEST(Programs, ATransportWithoutRepliesFails) {
  RunningBroker broker(both_to_my_application());
  Program transport({SIGNALBOX_DEMO_TRANSPORT, "--endpoint", broker.endpoint(), "--name", "smpp_transport", "--count",
                     "1", "--timeout", "1"});
  EXPECT_EQ(transport.join(), 1);
  EXPECT_NE(transport.output().find("1 replies are missing"), std::string::npos) << transport.output();
}

TEST(Programs, AnApplicationThatIsToldToStopLeavesInOrder) {
  RunningBroker broker(both_to_my_application());
  Program application({SIGNALBOX_ECHO_APPLICATION, "--endpoint", broker.endpoint(), "--name", "my_application"});
  Program transport({SIGNALBOX_DEMO_TRANSPORT, "--endpoint", broker.endpoint(), "--name", "smpp_transport", "--count",
                     "1", "--timeout", "60"});
  EXPECT_EQ(transport.join(), 0) << transport.output();
  application.terminate();
  EXPECT_EQ(application.join(), 0) << application.output();
}

TEST(Programs, AnUnknownNameIsSaidAtOnce) {
  RunningBroker broker(both_to_my_application());
  Program application({SIGNALBOX_ECHO_APPLICATION, "--endpoint", broker.endpoint(), "--name", "nobody"});
  EXPECT_EQ(application.join(), 1);
  EXPECT_NE(application.output().find("unknown_endpoint"), std::string::npos) << application.output();
}

}  // namespace
}  // namespace signalbox
