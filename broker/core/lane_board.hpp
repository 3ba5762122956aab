// What the lanes of one broker share: who has which endpoint, the routing memory, the blocks, and the rings by which
// routed messages go from lane to lane. A broker without lanes is one lane with a board to itself.
//
// A lane is a core (core.hpp) that has some of the endpoints: their queues, their workers' sessions, and the routing of
// what those send. A message for another lane's endpoint is admitted here and now, by the gate of that endpoint: what
// its queue holds as its lane last said, and what is on its way there. So a sender's lane can say at once whether it
// is taken, and what it has admitted the other lane takes in any case. Lanes that admit at the same moment may together
// go past the limit by one message each.
//
// Admitted messages travel in parcels, one for each target and turn: a block of messages end to end, as a queue keeps
// them, their sizes at its end. The other lane puts the whole block in its queue: no message is copied twice.
//
// Registrations, reloads and whatever looks at all lanes at once happen while no lane runs a turn (lanes.hpp): then the
// thread that stopped them may use every core.
//
// Thread: gates and the routing memory any; a passage its two lanes; a pool its lane; the rest while the lanes stand.
// Owns: the table, pools and rings. Errors: values. Bounds: limits::lanes_max; passage_parcels for each pair of lanes.
// Tested by lanes_test.cpp and every simulation of several lanes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "broker/core/handover_ring.hpp"
#include "broker/core/ledger.hpp"
#include "broker/core/routing_memory.hpp"
#include "broker/core/segment.hpp"
#include "broker/core/settings.hpp"
#include "protocol/message_view.hpp"

namespace signalbox {

class Core;

// What other lanes must know of an endpoint.
struct alignas(64) EndpointGate {
  // Its lane's to write.
  std::atomic<uint64_t> held_messages{0};
  std::atomic<uint64_t> held_bytes{0};
  std::atomic<uint32_t> instances{0};
  std::atomic<bool> refusing{false};
  // Admitted by other lanes, and not in its queue yet.
  std::atomic<uint64_t> coming_messages{0};
  std::atomic<uint64_t> coming_bytes{0};

  Count expected() const {
    // What arrives is added to the one before it is taken off the other: read the other way round, nothing is missed.
    const uint64_t messages = coming_messages.load(std::memory_order_acquire);
    const uint64_t bytes = coming_bytes.load(std::memory_order_acquire);
    return {held_messages.load(std::memory_order_relaxed) + messages,
            held_bytes.load(std::memory_order_relaxed) + bytes};
  }
};

// From lane to lane.
struct Parcel {
  enum class Sort : uint8_t {
    messages,  // for the endpoint's queue: `count` of them in `block`
    waiting,   // senders of this lane wait until the endpoint's queue is back within its limit
    released,  // it is, or refuses from now on
  };
  Sort sort = Sort::messages;
  MessageKind kind = MessageKind::user_message;
  EndpointId endpoint = 0;
  uint32_t count = 0;
  uint32_t bytes = 0;
  Block* block = nullptr;  // with one reference, which goes with the parcel
};

// The lane of each endpoint, for so many lanes. Endpoints that stood in `before` keep theirs. A dispatcher whose router
// or middleware keeps state is routed on one lane, and so are those that it is chained with: all their endpoints are
// put there. None: what must be together is apart already.
[[nodiscard]] std::optional<std::vector<uint32_t>> place_endpoints(const Settings& settings, uint32_t lanes,
                                                                   const std::vector<uint32_t>& before);

class LaneBoard {
 public:
  static constexpr size_t passage_parcels_default = 1024;

  // A passage holds so many parcels; the simulator makes them narrow.
  LaneBoard(const Settings& settings, uint32_t lanes, size_t passage_parcels = passage_parcels_default);
  ~LaneBoard();
  LaneBoard(const LaneBoard&) = delete;
  LaneBoard& operator=(const LaneBoard&) = delete;

  uint32_t lanes() const { return static_cast<uint32_t>(pools_.size()); }
  uint32_t lane_of(EndpointId endpoint) const { return lane_of_[endpoint]; }
  EndpointGate& gate(EndpointId endpoint) { return gates_[endpoint]; }
  HandoverRing<Parcel>& passage(uint32_t from, uint32_t to) { return *passages_[from * lanes() + to]; }
  SegmentPool& pool(uint32_t lane) { return pools_[lane]; }
  RoutingMemory& memory() { return memory_; }
  // Nothing is on its way to this lane.
  bool nothing_for(uint32_t lane) const;
  bool all_passages_empty() const;

  // By lane. Each core enters itself.
  std::vector<Core*>& cores() { return cores_; }

  // Endpoints may have been added. REQUIRES: place_endpoints() finds a place for all.
  void settings_changed(const Settings& settings);

 private:
  std::vector<uint32_t> lane_of_;
  std::deque<EndpointGate> gates_;  // stable addresses
  std::deque<SegmentPool> pools_;   // they outlive every queue
  std::vector<std::unique_ptr<HandoverRing<Parcel>>> passages_;
  RoutingMemory memory_;
  std::vector<Core*> cores_;
};

}  // namespace signalbox
