#include <gtest/gtest.h>

#include "broker/configuration_address.hpp"

namespace signalbox::testing {
namespace {

std::string verdict(std::string_view text) {
  const Address address = parse_address(text);
  if (!address.fault.empty()) return "malformed";
  return address.reachable ? "reachable" : "local";
}

TEST(Address, TellsLoopbackFromTheRest) {
  for (const char* text :
       {"tcp://127.0.0.1:5570", "tcp://127.8.9.10:1", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://[::1]:65535",
        "tcp://localhost:5570", "ipc:///run/signalbox", "ipc://@abstract", "ipc://*", "inproc://broker"}) {
    EXPECT_EQ(verdict(text), "local") << text;
  }
  for (const char* text :
       {"tcp://*:5570", "tcp://0.0.0.0:5570", "tcp://128.0.0.1:1", "tcp://10.0.0.1:5570", "tcp://[::]:5570",
        "tcp://[fe80::1%eth0]:5570", "tcp://[::ffff:127.0.0.1]:5570", "tcp://eth0:5570", "tcp://lo:5570"}) {
    EXPECT_EQ(verdict(text), "reachable") << text;
  }
}

TEST(Address, KnowsWhatCannotBeBound) {
  for (const std::string text : {"",
                                 "tcp://",
                                 "tcp://127.0.0.1",
                                 "tcp://:5570",
                                 "tcp://127.0.0.1:",
                                 "tcp://127.0.0.1:65536",
                                 "tcp://127.0.0.1:port",
                                 "tcp://127.0.0.1:-1",
                                 "tcp://127.0.0.256:1",
                                 "tcp://127.0.1:1",
                                 "tcp://::1:5570",
                                 "tcp://[::1:5570",
                                 "tcp://[]:5570",
                                 "tcp://[::g]:5570",
                                 "tcp://a host:5570",
                                 "tcp://a;b:5570",
                                 "ipc://",
                                 "inproc://",
                                 "udp://127.0.0.1:5570",
                                 "127.0.0.1:5570",
                                 "TCP://127.0.0.1:5570"}) {
    EXPECT_EQ(verdict(text), "malformed") << text;
  }
  EXPECT_EQ(verdict("ipc://" + std::string(107, 'p')), "local");
  EXPECT_EQ(verdict("ipc://" + std::string(108, 'p')), "malformed");
  EXPECT_EQ(verdict("inproc://" + std::string(256, 'p')), "local");
  EXPECT_EQ(verdict("inproc://" + std::string(257, 'p')), "malformed");
  EXPECT_EQ(verdict(std::string("ipc://a\0b", 9)), "malformed");
}

TEST(Address, BindsLocalhostByItsNumber) {
  EXPECT_EQ(parse_address("tcp://localhost:5571").text, "tcp://127.0.0.1:5571");
  EXPECT_EQ(parse_address("tcp://[::1]:5571").text, "tcp://[::1]:5571");
}

}  // namespace
}  // namespace signalbox::testing
