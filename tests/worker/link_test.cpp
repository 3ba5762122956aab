// The worker's link by itself, against a bare ROUTER.
#include "worker/link.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <zmq.hpp>

namespace signalbox {
namespace {

// libzmq's I/O thread used to wait for ever for a monitor's listener that had gone before its socket: whoever closed a
// link while its connection broke could never connect in that context again.
TEST(WorkerLink, ClosesWhileItsConnectionBreaks) {
  zmq::context_t shared;
  for (int round = 0; round < 60; ++round) {
    zmq::context_t elsewhere;
    zmq::socket_t router(elsewhere, zmq::socket_type::router);
    router.set(zmq::sockopt::linger, 0);
    router.set(zmq::sockopt::rcvtimeo, 30'000);
    router.bind("tcp://127.0.0.1:*");
    WorkerLink link(router.get(zmq::sockopt::last_endpoint), shared.handle());
    for (int tries = 0; tries < 300 && !link.send("hello"); ++tries) link.wait(100, true, -1);
    zmq::message_t part;
    ASSERT_TRUE(router.recv(part)) << "no connection in round " << round;
    ASSERT_TRUE(router.recv(part));
    std::thread breaking([&] { router.close(); });
    link.close();
    breaking.join();
  }
}

}  // namespace
}  // namespace signalbox
