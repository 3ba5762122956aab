// The cores of one broker, and the way of frames between them and the link: one core that the link's thread runs, or
// several, the lanes, each with a thread of its own (Settings::lanes).
//
// A frame goes to the lane that has the endpoint which its connection is registered at, over a ring; what a lane says
// comes back over another. Registering, and whatever looks at all lanes at once, is rare: for that the lanes stand
// still between two of their turns, and the link's thread does it alone. So limits that hold for all lanes together, a
// session that another connection takes over, and a reload need no code of their own, and no lock.
//
// Towards the core a peer without room looks as always: the link keeps what it could not send, in order, and tells the
// lane, which sends no more to that peer until it is told that there is room. What is kept is bounded by one ring.
//
// Threads and how they wait are the conductor's (lane_threads.hpp); without one, whoever calls step() is every lane:
// so the simulator runs lanes in any order.
//
// Thread:  the link's, but for step() and sleep_ms(): the lane's. Without lanes: one, all functions.
// Owns:    cores, board and rings. The Output and the conductor must outlive it.
// Errors:  as Core. Bounds: ring_frames towards a lane and ring_frames back; while one is full, has_room() says no.
// Tested by lanes_test.cpp, tests/broker/lanes_test.cpp and every simulation of several lanes.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/core/core.hpp"
#include "broker/core/lane_board.hpp"
#include "broker/core/owned_bytes.hpp"

namespace signalbox {

class Lanes {
 public:
  static constexpr size_t ring_frames = 1024;
  // Of one lane's turn.
  static constexpr size_t turn_frames_max = 32;
  static constexpr size_t turn_bytes_max = 512 * limits::kibibyte;
  static constexpr uint64_t tick_interval_ms = 100;

  class Conductor {
   public:
    virtual ~Conductor() = default;
    // Returns when every lane stands between two turns; none begins another before go_on().
    virtual void stop() = 0;
    virtual void go_on() = 0;
    // There is something for the lane, or for the link.
    virtual void wake(uint32_t lane) = 0;
    virtual void wake_link() = 0;
  };

  // The lanes stand still while it lives, and go on unless they stood before: so that what is asked meanwhile is of one
  // moment.
  class Standstill {
   public:
    explicit Standstill(const Lanes& lanes);
    ~Standstill();
    Standstill(const Standstill&) = delete;
    Standstill& operator=(const Standstill&) = delete;

   private:
    Lanes& lanes_;
    const bool stood_;
  };

  // One Settings a lane, alike but for the routers; with Settings::lanes = 0 there is one.
  Lanes(std::vector<Settings> settings, Output& output, size_t passage_parcels = LaneBoard::passage_parcels_default);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // Null: none. While there is one, step() and sleep_ms() are its.
  void set_conductor(Conductor* conductor) { conductor_ = conductor; }
  // 0: there is one core, and no ring.
  uint32_t count() const { return has_lanes_ ? board_.lanes() : 0; }

  // --- as Core, for the link's thread
  // REQUIRES: has_room().
  void frame(ConnectionId from, std::string_view peer_key, Bytes header, Bytes body, size_t parts, Time now);
  void frame(ConnectionId from, std::string_view peer_key, Bytes header, OwnedBytes body, size_t parts, Time now);
  // Every lane takes another frame.
  bool has_room();
  // The same as frame(), and what it causes has happened when this returns.
  void frame_at_once(ConnectionId from, std::string_view peer_key, Bytes header, Bytes body, size_t parts, Time now);
  void connection_gone(ConnectionId connection, Time now);
  void heard_all(Time now);
  // The end of a turn: what the lanes say leaves.
  void flush(Time now);
  bool has_more() const;
  void tick(Time now);
  void reload(std::vector<Settings> next, Time now);
  void peers_changed(const std::vector<PeerSettings>& peers, Time now);
  void drain(Time now);
  bool drained() const;

  const Settings& settings() const { return cores().front()->settings(); }
  Counters counters() const;
  EndpointStatus status(EndpointId endpoint) const;
  uint64_t received(EndpointId endpoint) const;
  size_t registrations() const;
  size_t sessions() const;
  uint64_t queue_memory_bytes() const;
  // REQUIRES with several lanes: nothing is on its way between them.
  void check_invariants() const;
  bool is_still() const;  // nothing is

  // --- a lane's thread
  // One turn; false: there was nothing to do.
  bool step(uint32_t lane, Time now);
  // How long it may wait, unless it is woken.
  uint64_t sleep_ms(uint32_t lane, Time now) const;

 private:
  // From the link to a lane.
  struct FrameIn {
    enum class Sort : uint8_t { frame, blocked, writable, goes, gone };
    Sort sort = Sort::frame;
    ConnectionId connection = 0;
    std::string header = {};
    OwnedBytes body = {};
    size_t parts = 0;
  };
  // And back.
  struct FrameOut {
    ConnectionId to = 0;
    std::string header;
    Run body;
    uint32_t messages = 0;
  };
  struct Lane;
  // Frames that a peer had no room for, and the lane that knows so.
  struct Kept {
    std::deque<FrameOut> frames;
    uint32_t told_lane = 0;
  };
  const std::vector<Core*>& cores() const { return board_.cores(); }
  uint32_t lane_of(ConnectionId connection) const;
  void hello(ConnectionId from, std::string_view peer_key, Bytes header, size_t parts, uint32_t to, Time now);
  std::optional<uint32_t> lane_for_hello(Bytes header) const;
  void push(uint32_t lane, FrameIn frame);
  void push_left();
  void work_off(uint32_t lane, Time now);
  size_t take_input(Lane& lane, Time now, size_t frames_max, size_t bytes_max);
  void pump(uint32_t lane);
  void leave(uint32_t lane, FrameOut frame);
  Output::Result send(const FrameOut& frame);
  void send_kept(Time now);
  void went(uint32_t lane, ConnectionId connection);
  void stand_still();
  void go_on();
  void forget_unknown_connections();

  const bool has_lanes_;
  Output& output_;
  mutable LaneBoard board_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<Core> only_;  // where there are none
  Conductor* conductor_ = nullptr;
  bool standing_ = false;  // the lanes are

  // The link's thread's.
  std::unordered_map<ConnectionId, uint32_t> lane_of_connection_;  // that have said HELLO
  size_t forget_at_ = 0;                                           // so many of them
  std::unordered_map<ConnectionId, Kept> kept_;
  std::unordered_map<ConnectionId, uint32_t> gone_;  // and the lane that is to be told, once all input has been read
  uint64_t last_retry_ms_ = 0;
};

}  // namespace signalbox
