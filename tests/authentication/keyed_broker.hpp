// What the tests of keys share: pairs, a broker that wants them, and peers that show them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "broker/authentication.hpp"
#include "tests/broker/harness.hpp"

namespace signalbox::test {

inline const std::string any_port = "tcp://127.0.0.1:*";

// The broker's pair, and those of three peers: `gateway` may be smpp_transport, `logic` my_application and
// dead_letters, `twin` my_application too. `stranger` is listed nowhere.
struct KeyRing {
  KeyPair broker = make_key_pair();
  KeyPair gateway = make_key_pair();
  KeyPair logic = make_key_pair();
  KeyPair twin = make_key_pair();
  KeyPair stranger = make_key_pair();
};

inline std::string peer_table(const std::string& name, const KeyPair& keys, const std::string& may_be) {
  return "[[peer]]\nname = \"" + name + "\"\npublic_key = '" + keys.public_key + "'\nmay_be = [" + may_be + "]\n";
}

inline std::string keyed_configuration(const KeyRing& ring, const std::vector<std::string>& endpoints = {any_port}) {
  return configuration_text(
      endpoints, "secret_key = '" + ring.broker.secret_key + "'",
      peer_table("gateway", ring.gateway, "\"transport:smpp_transport\"") +
          peer_table("logic", ring.logic, "\"application:my_application\", \"application:dead_letters\"") +
          peer_table("twin", ring.twin, "\"application:my_application\""));
}

// Socket options of a peer that shows `own`, and expects the broker to have `server`'s secret.
inline std::function<void(zmq::socket_t&)> showing(const KeyPair& own, const KeyPair& server) {
  return [own, server](zmq::socket_t& socket) {
    socket.set(zmq::sockopt::curve_serverkey, server.public_key);
    socket.set(zmq::sockopt::curve_publickey, own.public_key);
    socket.set(zmq::sockopt::curve_secretkey, own.secret_key);
  };
}

}  // namespace signalbox::test
