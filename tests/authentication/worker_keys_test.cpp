// Keys from the side of the worker library and of `signalbox worker`: what they take, and what they say when a
// handshake fails.
#include <fstream>

#include "tests/authentication/keyed_broker.hpp"
#include "tests/program/process.hpp"
#include "worker/worker.hpp"

namespace signalbox {
namespace {

using test::Input;
using test::keyed_configuration;
using test::KeyRing;
using test::null_device;
using test::patience;
using test::Process;
using test::RunningBroker;
using test::unique_path;

WorkerOptions logic_at(const std::string& endpoint, const std::string& secret, const std::string& server) {
  WorkerOptions options;
  options.name = "my_application";
  options.endpoint = endpoint;
  options.backoff_ms_min = 50;
  options.secret_key = secret;
  options.server_key = server;
  return options;
}

// Works it until it has something to complain of.
std::string fault_of(Worker& worker) {
  const auto deadline = Worker::Clock::now() + patience;
  while (worker.fault().empty() && Worker::Clock::now() < deadline) {
    if (worker.do_work() == 0) worker.wait(std::chrono::milliseconds(20));
  }
  return worker.fault();
}

TEST(WorkerKeys, TheRightOnesRegister) {
  const KeyRing ring;
  const RunningBroker broker(keyed_configuration(ring));
  Worker worker(logic_at(broker.endpoint(), ring.logic.secret_key, ring.broker.public_key));
  EXPECT_TRUE(worker.wait_registered(patience)) << worker.fault();
  EXPECT_TRUE(worker.close(patience));
}

TEST(WorkerKeys, AnotherNameIsNotPermitted) {
  const KeyRing ring;
  const RunningBroker broker(keyed_configuration(ring));
  Worker worker(logic_at(broker.endpoint(), ring.gateway.secret_key, ring.broker.public_key));
  EXPECT_FALSE(worker.wait_registered(patience));
  EXPECT_EQ(worker.state(), Worker::State::failed);
  EXPECT_EQ(worker.fault(), "not_permitted: your key may not be application 'my_application'");
}

TEST(WorkerKeys, FaultsOfTheHandshakeHaveWords) {
  const KeyRing ring;
  const RunningBroker keyed(keyed_configuration(ring));
  const RunningBroker keyless(test::configuration_text({test::any_port}));

  Worker unknown(logic_at(keyed.endpoint(), ring.stranger.secret_key, ring.broker.public_key));
  EXPECT_EQ(fault_of(unknown), "the broker does not know this worker's key");
  EXPECT_EQ(unknown.state(), Worker::State::waiting) << "it comes back: the key may be listed by then";

  Worker misled(logic_at(keyed.endpoint(), ring.logic.secret_key, ring.twin.public_key));
  EXPECT_NE(fault_of(misled).find("is its key the one given here?"), std::string::npos) << misled.fault();

  Worker without(logic_at(keyed.endpoint(), "", ""));
  // Either of them, by who hangs up first.
  EXPECT_NE(fault_of(without).find(" keys"), std::string::npos) << without.fault();

  Worker with(logic_at(keyless.endpoint(), ring.logic.secret_key, ring.broker.public_key));
  const std::string fault = fault_of(with);
  EXPECT_TRUE(fault == "the broker there has no keys, and this worker was given some" ||
              fault == "the broker ends each handshake: is its key the one given here?")
      << fault;
}

TEST(WorkerKeys, WhatIsNoKeyIsRefusedAtOnce) {
  const KeyPair keys = make_key_pair();
  const std::string nowhere = "tcp://127.0.0.1:1";
  EXPECT_THROW(Worker(logic_at(nowhere, keys.secret_key, "")), std::invalid_argument);
  EXPECT_THROW(Worker(logic_at(nowhere, "", keys.public_key)), std::invalid_argument);
  EXPECT_THROW(Worker(logic_at(nowhere, keys.secret_key, "x" + keys.public_key)), std::invalid_argument);
  try {
    const Worker worker(logic_at(nowhere, "my own secret", keys.public_key));
    FAIL() << "it was taken";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "secret_key is no key: 40 characters, as `signalbox keygen` writes them");
  }
}

std::string key_file(const std::string& key, mode_t mode) {
  const std::string path = unique_path(".key");
  std::ofstream(path) << key << '\n';
  chmod(path.c_str(), mode);
  return path;
}

TEST(WorkerKeys, TheProgramTakesThem) {
  const KeyRing ring;
  const RunningBroker broker(keyed_configuration(ring));
  const auto run = [&](const std::string& secret_file, const std::string& server) {
    return std::vector<std::string>{SIGNALBOX_PROGRAM, "worker",          "--application", "my_application",
                                    "--endpoint",      broker.endpoint(), "--verbose",     "--secret-key-file",
                                    secret_file,       "--server-key",    server};
  };
  for (const std::string& server : {ring.broker.public_key, key_file(ring.broker.public_key, 0644)}) {
    Process worker(run(key_file(ring.logic.secret_key, 0600), server), null_device());
    EXPECT_TRUE(worker.says("registered as application my_application")) << worker.errors();
    worker.signal(SIGTERM);
    EXPECT_EQ(worker.exit_code(), 0) << worker.errors();
  }

  Process unknown(run(key_file(ring.stranger.secret_key, 0600), ring.broker.public_key), null_device());
  EXPECT_TRUE(unknown.says("the broker does not know this worker's key")) << unknown.errors();

  Process careless(run(key_file(ring.logic.secret_key, 0644), ring.broker.public_key), null_device());
  EXPECT_EQ(careless.exit_code(), 2);
  EXPECT_NE(careless.errors().find("every user of this host may read or write it"), std::string::npos);
  EXPECT_EQ(careless.errors().find(ring.logic.secret_key), std::string::npos);

  Process half({SIGNALBOX_PROGRAM, "worker", "--application", "a", "--server-key", ring.broker.public_key},
               null_device());
  EXPECT_EQ(half.exit_code(), 2);
}

}  // namespace
}  // namespace signalbox
