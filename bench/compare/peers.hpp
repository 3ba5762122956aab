// One function a broker: its name and the clients made for it. Those of other brokers exist only where their libraries
// do.
#pragma once

#include "bench/compare/peer.hpp"

namespace signalbox::bench {

Peer signalbox_peer();
Peer zmq_proxy_peer();
Peer forwarder_peer();
Peer relay_peer();
Peer nats_peer();
Peer jetstream_peer();
Peer rabbitmq_peer();
Peer redis_peer();
Peer mosquitto_peer();

}  // namespace signalbox::bench
