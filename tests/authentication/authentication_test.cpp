// Who gets in, and as what: a broker that wants keys, and peers over real sockets that have the right one, another, or
// none. The worker library's side is worker_keys_test.cpp.
#include "broker/authentication.hpp"

#include "broker/local_endpoint.hpp"
#include "broker/setting_builder.hpp"
#include "tests/authentication/keyed_broker.hpp"

namespace signalbox {
namespace {

using test::any_port;
using test::Clock;
using test::configuration;
using test::encode;
using test::hello;
using test::keyed_configuration;
using test::KeyRing;
using test::patience;
using test::Peer;
using test::RunningBroker;
using test::showing;
using test::unique_path;
using test::user_message;

// Tells what becomes of the handshakes of a socket. Make it before the socket connects.
class Handshakes {
 public:
  Handshakes(zmq::context_t& context, zmq::socket_t& socket) : monitor_(context, zmq::socket_type::pair) {
    const std::string name = "inproc://handshakes" + std::to_string(++made_);
    monitor_.set(zmq::sockopt::linger, 0);
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    EXPECT_EQ(zmq_socket_monitor(socket.handle(), name.c_str(), events), 0);
    monitor_.connect(name);
  }

  // The next of those events; 0 where none came in time.
  int next() {
    zmq::message_t part;
    monitor_.set(zmq::sockopt::rcvtimeo, static_cast<int>(patience.count()));
    if (!monitor_.recv(part)) return 0;
    uint16_t event = 0;
    memcpy(&event, part.data(), sizeof event);
    while (part.more()) (void)monitor_.recv(part);
    return event;
  }

 private:
  static inline int made_ = 0;
  zmq::socket_t monitor_;
};

class AuthenticationTest : public testing::Test {
 protected:
  explicit AuthenticationTest(const std::vector<std::string>& endpoints = {any_port})
      : broker_(keyed_configuration(ring_, endpoints), context_.handle()) {}

  Peer peer(const KeyPair& keys, size_t endpoint = 0) {
    return Peer(context_, broker_.endpoint(endpoint), {}, showing(keys, ring_.broker));
  }

  // What becomes of the first handshake of a peer with these socket options.
  int outcome(const std::function<void(zmq::socket_t&)>& options) {
    zmq::socket_t socket(context_, zmq::socket_type::dealer);
    socket.set(zmq::sockopt::linger, 0);
    if (options) options(socket);
    Handshakes handshakes(context_, socket);
    socket.connect(broker_.endpoint());
    socket.send(zmq::buffer(encode(hello(Role::application, "my_application"))), zmq::send_flags::none);
    const int event = handshakes.next();
    zmq_socket_monitor(socket.handle(), nullptr, 0);
    zmq::message_t part;
    EXPECT_FALSE(socket.recv(part, zmq::recv_flags::dontwait)) << "it was answered";
    return event;
  }

  static std::string answer_to(Peer& peer, Role role, std::string_view name, std::string_view session = {}) {
    Hello frame = hello(role, name);
    frame.session = session;
    peer.send({encode(frame)});
    const auto got = peer.receive();
    if (!got) return "nothing";
    return got->as<Welcome>() ? "welcome" : got->error();
  }

  KeyRing ring_;
  zmq::context_t context_;
  RunningBroker broker_;
};

TEST_F(AuthenticationTest, TheRightKeyIsLetInAndWorks) {
  Peer gateway = peer(ring_.gateway);
  Peer logic = peer(ring_.logic);
  ASSERT_TRUE(gateway.register_as(Role::transport, "smpp_transport"));
  ASSERT_TRUE(logic.register_as(Role::application, "my_application"));
  gateway.send({encode(Send{1}), user_message("m1", "hello")});
  const auto delivery = logic.receive_a<Deliver>();
  ASSERT_TRUE(delivery);
  EXPECT_NE(delivery->body.find("hello"), std::string::npos);
  EXPECT_EQ(gateway.receive_a<Confirm>()->as<Confirm>()->upto, 1u);
}

TEST_F(AuthenticationTest, AKeyIsGoodForItsNamesAlone) {
  Peer gateway = peer(ring_.gateway);
  EXPECT_EQ(answer_to(gateway, Role::transport, "xmpp_transport"), "not_permitted");
  EXPECT_EQ(answer_to(gateway, Role::application, "my_application"), "not_permitted");
  EXPECT_EQ(answer_to(gateway, Role::application, "dead_letters"), "not_permitted");
  EXPECT_EQ(answer_to(gateway, Role::application, "smpp_transport"), "unknown_endpoint");
  EXPECT_EQ(answer_to(gateway, Role::transport, "smpp_transport"), "welcome");

  Peer logic = peer(ring_.logic);
  EXPECT_EQ(answer_to(logic, Role::application, "dead_letters"), "welcome");
  Peer twin = peer(ring_.twin);
  EXPECT_EQ(answer_to(twin, Role::application, "dead_letters"), "not_permitted");
}

TEST_F(AuthenticationTest, UnknownKeysAndOtherMechanismsDoNotGetIn) {
  EXPECT_EQ(outcome(showing(ring_.stranger, ring_.broker)), ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
  // Which of the two sides is first to hang up is a matter of chance, and with it how the peer's side calls that.
  const auto is_failure = [](int event) {
    return event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL || event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  };
  EXPECT_TRUE(is_failure(outcome({}))) << "no mechanism";
  EXPECT_TRUE(is_failure(outcome([](zmq::socket_t& socket) {
    socket.set(zmq::sockopt::plain_username, "gateway");
    socket.set(zmq::sockopt::plain_password, "secret");
  })));
  EXPECT_TRUE(is_failure(outcome(showing(ring_.logic, ring_.twin)))) << "the wrong broker's key";
  // The public key of another, without the secret that belongs to it.
  const KeyPair forged{ring_.logic.public_key, ring_.stranger.secret_key};
  EXPECT_TRUE(is_failure(outcome(showing(forged, ring_.broker))));

  Peer honest = peer(ring_.logic);
  EXPECT_TRUE(honest.register_as(Role::application, "my_application"));
  broker_.request_stop();
  broker_.join();
  EXPECT_GE(broker_.broker().link_counters().refused_keys, 2u) << "that of the start, and the stranger's";
  EXPECT_EQ(broker_.broker().core().counters().registrations, 1u);
}

TEST_F(AuthenticationTest, ASessionBelongsToItsKey) {
  const std::string session = "sixteen secret b";
  Peer logic = peer(ring_.logic);
  ASSERT_EQ(answer_to(logic, Role::application, "my_application", session), "welcome");

  Peer twin = peer(ring_.twin);  // it may be that name, too
  EXPECT_EQ(answer_to(twin, Role::application, "my_application", session), "not_permitted") << "a takeover";
  logic.send({encode(Ping{})});
  EXPECT_TRUE(logic.receive_a<Pong>()) << "its owner feels nothing";

  { const Peer closed = std::move(logic); }
  EXPECT_EQ(answer_to(twin, Role::application, "my_application", session), "not_permitted") << "resuming";
  EXPECT_EQ(answer_to(twin, Role::application, "my_application"), "welcome") << "as itself";
  Peer back = peer(ring_.logic);
  EXPECT_EQ(answer_to(back, Role::application, "my_application", session), "welcome");
}

class OtherTransports : public AuthenticationTest {
 protected:
  OtherTransports() : AuthenticationTest({any_port, "ipc://" + unique_path(".ipc"), "inproc://bus"}) {}
};

TEST_F(OtherTransports, IpcNeedsAKeyAndInprocIsTheHost) {
  Peer gateway = peer(ring_.gateway, 1);
  EXPECT_EQ(answer_to(gateway, Role::transport, "xmpp_transport"), "not_permitted");
  EXPECT_EQ(answer_to(gateway, Role::transport, "smpp_transport"), "welcome");

  zmq::socket_t bare(context_, zmq::socket_type::dealer);
  bare.set(zmq::sockopt::linger, 0);
  Handshakes handshakes(context_, bare);
  bare.connect(broker_.endpoint(1));
  const int event = handshakes.next();
  EXPECT_TRUE(event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL || event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) << event;
  zmq_socket_monitor(bare.handle(), nullptr, 0);

  Peer host(context_, broker_.endpoint(2));
  EXPECT_EQ(answer_to(host, Role::transport, "xmpp_transport"), "welcome");
  Peer with_key_over_inproc = peer(ring_.gateway, 2);  // libzmq has no handshake there
  EXPECT_EQ(answer_to(with_key_over_inproc, Role::application, "my_application"), "welcome");
}

TEST(AuthenticationAtStart, OneContextHasOneHandler) {
  zmq::context_t context;
  const KeyRing ring;
  const Broker first(configuration(keyed_configuration(ring)), context.handle());
  try {
    const Broker second(configuration(keyed_configuration(ring)), context.handle());
    FAIL() << "it started";
  } catch (const LinkError& error) {
    EXPECT_NE(std::string(error.what()).find("answers for keys (ZAP) already"), std::string::npos) << error.what();
  }
}

TEST(AuthenticationAtStart, ABrokerFollowsAnotherInTheSameContext) {
  zmq::context_t context;
  const KeyRing ring;
  for (int i = 0; i < 3; ++i) {
    RunningBroker broker(keyed_configuration(ring), context.handle());
    Peer logic(context, broker.endpoint(), {}, showing(ring.logic, ring.broker));
    EXPECT_TRUE(logic.register_as(Role::application, "my_application"));
  }
}

// The trial that each start makes must be able to fail: here the socket is one that nobody guards.
TEST(AuthenticationAtStart, TheTrialNoticesAnOpenDoor) {
  zmq::context_t guarded;
  zmq::context_t open;  // without a handler, libzmq lets every key in
  const KeyPair keys = make_key_pair();
  const SecretKey secret(key_from_text(keys.secret_key).value());
  Authentication authentication(guarded.handle(), {});
  zmq::socket_t door(open, zmq::socket_type::router);
  door.set(zmq::sockopt::linger, 0);
  door.set(zmq::sockopt::curve_server, true);
  door.set(zmq::sockopt::curve_secretkey, keys.secret_key);
  try {
    authentication.prove_refusal(door.handle(), secret);
    FAIL() << "it was content";
  } catch (const LinkError& error) {
    EXPECT_NE(std::string(error.what()).find("a key that nobody knows got in"), std::string::npos) << error.what();
  }

  zmq::socket_t without(guarded, zmq::socket_type::router);  // nor does it take another refusal for one by key
  without.set(zmq::sockopt::linger, 0);
  EXPECT_THROW(authentication.prove_refusal(without.handle(), secret), LinkError);

  zmq::socket_t shut(guarded, zmq::socket_type::router);
  shut.set(zmq::sockopt::linger, 0);
  authentication.protect(shut.handle(), secret);
  EXPECT_NO_THROW(authentication.prove_refusal(shut.handle(), secret));
  EXPECT_EQ(authentication.refused(), 1u);
}

TEST(AuthenticationAtWork, AKeyThatIsTakenOffTheListGetsInNoMore) {
  zmq::context_t context;
  const KeyPair server = make_key_pair();
  const KeyPair first = make_key_pair();
  const KeyPair second = make_key_pair();
  Link link({{any_port},
             limits::max_batch_bytes,
             SecretKey(key_from_text(server.secret_key).value()),
             {key_from_text(first.public_key).value()}},
            context.handle());
  const auto enters = [&](const KeyPair& keys) {
    zmq::socket_t socket(context, zmq::socket_type::dealer);
    socket.set(zmq::sockopt::linger, 0);
    showing(keys, server)(socket);
    Handshakes handshakes(context, socket);
    socket.connect(link.endpoints()[0]);
    const int event = handshakes.next();
    zmq_socket_monitor(socket.handle(), nullptr, 0);
    return event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
  };
  EXPECT_TRUE(enters(first));
  EXPECT_FALSE(enters(second));
  link.set_peer_keys({key_from_text(second.public_key).value()});
  EXPECT_FALSE(enters(first));
  EXPECT_TRUE(enters(second));
}

// A broker in a program, its configuration in code; the program's own endpoints need no key.
TEST(AuthenticationEmbedded, InProcessEndpointsAndWorkersWithKeysMeet) {
  const KeyRing ring;
  Setting tree = table({{"router_class", "SimpleDispatchRouter"},
                        {"transport_names", list({"sms"})},
                        {"exposed_names", list({"logic"})},
                        {"routing_mappings", table({{"sms", "logic"}})},
                        {"broker", table({{"endpoints", list({any_port})},
                                          {"secret_key", ring.broker.secret_key},
                                          {"routing_memory_bytes", 1'048'576}})},
                        {"peer", list({table({{"name", "gateway"},
                                              {"public_key", ring.gateway.public_key},
                                              {"may_be", list({"transport:sms"})}})})}});
  Broker broker(accepted(read_configuration(tree, RouterRegistry())));
  LocalEndpoint logic(broker, {.role = Role::application, .name = "logic"});
  ASSERT_EQ(logic.state(), LocalEndpoint::State::registered) << logic.fault();
  broker.start();
  zmq::context_t context;
  Peer gateway(context, broker.endpoints().at(0), {}, showing(ring.gateway, ring.broker));
  EXPECT_TRUE(gateway.register_as(Role::transport, "sms"));
  gateway.send({encode(hello(Role::application, "logic"))});
  EXPECT_EQ(gateway.receive_a<ErrorFrame>()->error(), "not_permitted");
  broker.stop(true);
}

}  // namespace
}  // namespace signalbox
