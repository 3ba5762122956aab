// Thousands of connections that speak ZMTP and never register. They are bare TCP sockets: a ZeroMQ socket for each
// would cost this side more than the broker.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cstring>

#include "tests/broker/harness.hpp"

namespace signalbox {
namespace {

using test::Clock;
using test::encode;
using test::patience;
using test::Peer;

constexpr size_t strangers = 5000;

class Stranger {
 public:
  explicit Stranger(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("connect");
  }
  ~Stranger() { close(fd_); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  // ZMTP 3.0 without security: greeting, and READY as a DEALER. The answer to it has "READY" in it.
  void greet() {
    std::string bytes("\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL", 16);
    bytes.resize(64);
    const std::string ready(
        "\x05READY\x0bSocket-Type\0\0\0\x06"
        "DEALER\x08Identity\0\0\0\0",
        6 + 12 + 4 + 6 + 9 + 4);
    say(bytes + '\x04' + static_cast<char>(ready.size()) + ready);
  }

  // A message of one frame. libzmq takes none before it has answered the greeting.
  void send_frame(const std::string& header) { say(std::string(1, '\0') + static_cast<char>(header.size()) + header); }

  // Reads until `text` has come.
  bool hears(const std::string& text, Clock::time_point deadline) {
    while (heard_.find(text) == std::string::npos) {
      pollfd item{fd_, POLLIN, 0};
      if (poll(&item, 1, test::milliseconds_until(deadline)) <= 0) return false;
      char buffer[1024];
      const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
      if (got <= 0) return false;
      heard_.append(buffer, static_cast<size_t>(got));
    }
    return true;
  }

 private:
  void say(const std::string& bytes) {
    ASSERT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  const int fd_;
  std::string heard_;
};

bool enough_descriptors(uint64_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < wanted) return false;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

TEST(StrangersTest, ThousandsThatNeverRegisterCostTheOthersNothing) {
  // The hard limit is the administrator's; below it there would be no thousands to connect.
  if (!enough_descriptors(2 * strangers + 200)) GTEST_SKIP() << "this user may not open enough descriptors";
  test::RunningBroker broker(test::configuration_text({"tcp://127.0.0.1:*"}));
  const std::string endpoint = broker.endpoint();
  const auto port = static_cast<uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
  zmq::context_t context;
  Peer application(context, endpoint);
  ASSERT_TRUE(application.register_as(Role::application, "my_application"));

  const std::string ping = encode(Ping{});
  std::vector<std::unique_ptr<Stranger>> crowd;
  crowd.reserve(strangers);
  for (size_t i = 0; i < strangers; ++i) {
    crowd.push_back(std::make_unique<Stranger>(port));
    crowd.back()->greet();
  }
  const auto deadline = Clock::now() + patience;
  for (size_t i = 0; i < strangers; ++i) {
    ASSERT_TRUE(crowd[i]->hears("READY", deadline)) << i;
    crowd[i]->send_frame(ping);
  }
  for (size_t i = 0; i < strangers; ++i) ASSERT_TRUE(crowd[i]->hears("not_registered", deadline)) << i;

  // While they are all there: a newcomer registers and is served.
  Peer transport(context, endpoint);
  ASSERT_TRUE(transport.register_as(Role::transport, "smpp_transport"));
  ASSERT_TRUE(transport.send({encode(Send{1}), test::user_message("1", "hello")}));
  EXPECT_TRUE(application.receive_a<Deliver>());
  EXPECT_TRUE(transport.receive_a<Confirm>());
  application.send({test::ack(1)});

  crowd.clear();
  ASSERT_TRUE(transport.send({encode(Send{2}), test::user_message("2", "still there")}));
  EXPECT_TRUE(application.receive_a<Deliver>());
  application.send({test::ack(2)});
  broker.request_stop();
  EXPECT_EQ(broker.join().messages(), 0u);
  EXPECT_EQ(broker.broker().core().registrations(), 2u);
  EXPECT_GE(broker.broker().core().counters().errors[static_cast<size_t>(ErrorCode::not_registered)], strangers);
}

}  // namespace
}  // namespace signalbox
