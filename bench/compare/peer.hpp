// What the side-by-side run asks of a client of any broker: to hand over numbered messages, and to take them out again.
//
// Two small interfaces, one file a broker (nats.cpp, rabbitmq.cpp, …), each by the fastest client that the broker has
// in C or C++. The loops round them, the clock, the check of every message and the histogram are the same for all
// (client.cpp), so what differs between two rows of the table is the broker, its client and its promises.
//
// Each client is a process of its own and speaks with the one that started it in lines, as bench/end_to_end/clients.hpp
// says: "ready", "warm", "go", "sent …", "done …".
//
// Thread: one, besides those of the broker's own library. Errors: exceptions, which end the process with exit code 1:
// a run in which anything went wrong is no measurement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/compare/histogram.hpp"
#include "bench/messages.hpp"

namespace signalbox::bench {

// Silence for as long as this is a fault.
inline constexpr int patience_ms = 30'000;
// The name of the queue, stream, topic or subject, where a broker wants one.
inline constexpr const char* queue_name = "messages";

struct PeerOptions {
  std::string peer;            // which client: the names of peers() in peers.cpp
  uint16_t port = 0;           // where the producer connects
  uint16_t consumer_port = 0;  // where the consumer connects; most brokers have one port for both
  size_t message_bytes = 424;
  uint64_t warm_up = 0;  // messages sent before "go", not timed
  uint64_t count = 0;    // messages that count
  uint64_t rate = 0;     // messages a second, whatever becomes of them; 0: as fast as it goes
  // What only some brokers have.
  uint64_t window = 0;            // messages that the producer has unconfirmed at most; 0: it wants no confirmations
  uint64_t prefetch = 0;          // messages that the consumer has unacknowledged at most
  uint64_t acknowledge_each = 1;  // one acknowledgement for so many messages
  bool durable = false;           // queue and messages survive a restart of the broker
  bool file = false;              // the stream is kept in files, not in memory
};

// Makes the messages of a run: the template, a number, and the time at which each was due to leave.
class MessageSource {
 public:
  explicit MessageSource(const PeerOptions& options);

  size_t message_bytes() const { return message_.bytes.size(); }
  // Writes message `number` to `at`, which has room for message_bytes().
  void write(char* at, uint64_t number) const;
  // From now on message `first` is due at `first_due_ns`, and the ones behind it at the rate of the options.
  void begin(uint64_t first, uint64_t first_due_ns);

 private:
  const Message message_;
  const uint64_t rate_;
  uint64_t first_ = 0;
  uint64_t first_due_ns_ = 0;
};

// Checks what comes out: none missing, none twice, in order, of the right size. Takes the time of each where it is
// paced.
class MessageSink {
 public:
  explicit MessageSink(const PeerOptions& options);

  void take(std::string_view bytes);
  uint64_t received() const { return received_; }
  const Histogram& latencies() const { return latencies_; }

 private:
  const Message message_;
  const bool is_paced_;
  const uint64_t warm_up_;
  uint64_t received_ = 0;
  Histogram latencies_;
};

class PeerProducer {
 public:
  virtual ~PeerProducer() = default;
  // Hands over `count` messages from number `first` on, and waits where the broker or the window has no room. What the
  // client library holds back to fill a larger write has left when this returns, if the run is paced.
  virtual void send(const MessageSource& source, uint64_t first, uint64_t count) = 0;
  // Waits until the broker has confirmed all, if it does that.
  virtual void settle() = 0;
};

class PeerConsumer {
 public:
  virtual ~PeerConsumer() = default;
  // Waits for at least one message, takes what is there, and acknowledges it.
  virtual void receive(MessageSink& sink) = 0;
};

// A broker that this program is itself: it says "ready" and works until it is killed.
using BrokerFunction = int (*)(const PeerOptions&);

struct Peer {
  const char* name;
  std::unique_ptr<PeerProducer> (*producer)(const PeerOptions&);
  std::unique_ptr<PeerConsumer> (*consumer)(const PeerOptions&);
  BrokerFunction broker = nullptr;
};

// All that this build has a client for: those whose libraries were found.
const std::vector<Peer>& peers();

template <typename Client>
std::unique_ptr<PeerProducer> make_producer(const PeerOptions& options) {
  return std::make_unique<Client>(options);
}
template <typename Client>
std::unique_ptr<PeerConsumer> make_consumer(const PeerOptions& options) {
  return std::make_unique<Client>(options);
}

// Each returns an exit code.
int run_peer_producer(const Peer& peer, const PeerOptions& options);
int run_peer_consumer(const Peer& peer, const PeerOptions& options);

}  // namespace signalbox::bench
