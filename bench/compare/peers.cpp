// Which brokers this build has clients for. SIGNALBOX_WITH_… is set by bench/compare/CMakeLists.txt for each library
// that it found.
#include "bench/compare/peers.hpp"

namespace signalbox::bench {

const std::vector<Peer>& peers() {
  static const std::vector<Peer> all{
      signalbox_peer(), zmq_proxy_peer(), forwarder_peer(), relay_peer(),
#ifdef SIGNALBOX_WITH_NATS
      nats_peer(),      jetstream_peer(),
#endif
#ifdef SIGNALBOX_WITH_RABBITMQ
      rabbitmq_peer(),
#endif
#ifdef SIGNALBOX_WITH_HIREDIS
      redis_peer(),
#endif
#ifdef SIGNALBOX_WITH_MOSQUITTO
      mosquitto_peer(),
#endif
  };
  return all;
}

}  // namespace signalbox::bench
