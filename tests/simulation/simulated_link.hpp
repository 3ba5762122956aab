// The network between workers and the core, as ZeroMQ could treat it.
//
// Each connection is two FIFO lines. What is on a line may be late, and is lost, both ways, when the connection is cut;
// it is never lost in between, reordered or changed. A line to a worker holds a bounded number of frames: behind that,
// or while it is blocked on purpose, a send is not taken. A cut that this host sees answers the next send with `gone`;
// a silent one (a peer that vanished) goes on taking frames and loses them until the heartbeat would have noticed.
//
// Thread: one. Owns: frames in flight, their runs included.
// Tested by simulation_test.cpp.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "broker/core/output.hpp"
#include "tests/simulation/random.hpp"

namespace signalbox::simulation {

struct FrameToBroker {
  uint64_t arrives_ms = 0;
  std::string header;
  std::string body;
  size_t parts = 1;
};

struct FrameToWorker {
  uint64_t arrives_ms = 0;
  size_t hash = 0;  // of the body as it was sent
  std::string header;
  Run body;
};

class SimulatedLink {
 public:
  explicit SimulatedLink(Random& random) : random_(random) {}

  ConnectionId open(size_t worker);

  // The worker's side. Sending on a connection that is cut loses the frame.
  void send_to_broker(ConnectionId from, FrameToBroker frame, uint64_t now_ms);
  // Takes `body` over only where the frame is put on the line.
  Output::Result send_to_worker(ConnectionId to, Bytes header, Run& body, uint64_t now_ms);

  // What has arrived, in order; empty: nothing yet.
  bool take_for_broker(ConnectionId from, FrameToBroker& frame, uint64_t now_ms);
  bool take_for_worker(ConnectionId to, FrameToWorker& frame, uint64_t now_ms);
  // Something has arrived that the broker has not taken yet.
  bool has_for_broker(uint64_t now_ms) const;

  // Drops what is in flight, both ways, save at times what this host has read already. `silent_ms`: for how long sends
  // still seem to work.
  void cut(ConnectionId connection, uint64_t now_ms, uint64_t silent_ms);
  void block(ConnectionId connection, uint64_t until_ms);
  // Whatever is sent to a peer that is there is taken: what the broker does about one without room is not looked at.
  void have_room_always() { has_room_always_ = true; }
  // No more delays and blocks, and every cut is known.
  void heal();

  // The bytes of the frame put on the line last. REQUIRES: it was taken over and not delivered yet.
  Bytes last_body(ConnectionId to) const;
  bool is_open(ConnectionId connection) const;
  // A send to it would be taken.
  bool takes(ConnectionId to, uint64_t now_ms) const;
  size_t worker_of(ConnectionId connection) const { return connections_.at(connection).worker; }
  const std::vector<ConnectionId>& connections() const { return order_; }
  // Cut connections that the link has learnt of by now; each is named once and then forgotten.
  std::vector<ConnectionId> take_gone(uint64_t now_ms);
  bool in_flight() const;
  // Every connection is gone, and all that is on the lines: the broker's process has ended.
  void drop_everything();
  // A body that was handed over has other bytes now.
  bool body_has_changed(const FrameToWorker& frame) const;

 private:
  struct Connection {
    size_t worker = 0;
    bool cut = false;
    uint64_t silent_until_ms = 0;
    uint64_t report_ms = 0;
    uint64_t blocked_until_ms = 0;
    size_t room = 8;  // frames towards the worker
    std::deque<FrameToBroker> to_broker;
    std::deque<FrameToWorker> to_worker;
  };

  uint64_t arrival(uint64_t now_ms, uint64_t behind_ms);

  Random& random_;
  ConnectionId next_ = 1;
  uint64_t delay_ms_max_ = 40;
  bool has_room_always_ = false;
  std::map<ConnectionId, Connection> connections_;
  std::vector<ConnectionId> order_;  // the keys of connections_, so that chance can pick one
};

}  // namespace signalbox::simulation
