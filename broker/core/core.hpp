// The broker without sockets, threads or clocks: (state, event, now) -> frames.
//
// In go frames, connections that are gone, and the time; out come frames through an Output. The same code runs in the
// daemon, in a benchmark and in the simulator. All of sections 3 to 7 of the protocol live behind this class.
//
// A turn: frame() for each frame at hand, then flush() once, which hands waiting messages to workers, batch by batch,
// and then gives each sender its refusals and one CONFIRM; so the cost of a send is shared by all that wait.
//
// Thread:  one, always the same.
// Owns:    sessions, queues, the routing memory, the routers. Not the Output, which must outlive it.
// Errors:  a peer's fault ends at most that peer's registration and is answered on the wire; nothing throws.
// Bounds:  Settings and limits.hpp.
// Tested by core_test.cpp, simulation.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "broker/core/ledger.hpp"
#include "broker/core/output.hpp"
#include "broker/core/settings.hpp"
#include "protocol/codes.hpp"

namespace signalbox {

// Whole-broker counters: one for each fault that a peer or a message can cause. Each has a row in docs/counters.md.
struct Counters {
  uint64_t errors[12] = {};    // by ErrorCode
  uint64_t refusals[7] = {};   // by RefusalCode
  uint64_t registrations = 0;  // ever made
  // HELLOs answered with ERROR too_many, by the limit that they met.
  uint64_t too_many_at_once = 0;   // max_registrations, max_sessions
  uint64_t too_many_of_key = 0;    // a peer's own max_registrations
  uint64_t too_many_a_second = 0;  // max_registrations_a_second
  uint64_t resumed = 0;
  uint64_t sessions_evicted = 0;  // lost ones that had to make room before session_ttl
  uint64_t connections_lost = 0;
  uint64_t redelivered = 0;     // messages handed out again
  uint64_t expired = 0;         // messages that waited for message_ttl_ms, dead letters made of them included
  uint64_t ack_timeouts = 0;    // deliveries not settled within ack_timeout_ms
  uint64_t settled_late = 0;    // messages that were settled after that by whom they had been taken from
  uint64_t ambiguous_ids = 0;   // ids that two senders have used
  uint64_t memory_evicted = 0;  // live routing memory entries pushed out
  uint64_t state_evicted = 0;   // live entries of routers' state pushed out, as of the last tick

  Counters& operator+=(const Counters& other) {
    using AsNumbers = std::array<uint64_t, sizeof(Counters) / sizeof(uint64_t)>;  // it has no other members
    auto sum = std::bit_cast<AsNumbers>(*this);
    const auto more = std::bit_cast<AsNumbers>(other);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
    return *this = std::bit_cast<Counters>(sum);
  }
};

// What one endpoint is doing now.
struct EndpointStatus {
  SenderLedger sender;
  QueueLedger queue;
  uint32_t instances = 0;
};

class LaneBoard;

class Core {
 public:
  // REQUIRES: settings as the configuration checks them (names unique, every dispatcher has a router and a dead-letter
  // endpoint). `output` must outlive the core.
  Core(Settings settings, Output& output);
  // One lane of several: it has those endpoints that the board gives it, and hands the others' messages on. Settings
  // are the same for all but for the routers, which are its own. The board must outlive it.
  Core(Settings settings, Output& output, LaneBoard& board, uint32_t lane);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // A frame from a peer. `parts` counts the frames behind the routing id, so that a missing or surplus one is seen;
  // `body` is the second where there is one. `peer_key` is the peer's key (empty: none; own_process_key: the host's
  // own); it is bound to the sessions opened, and with Settings::keys_required it decides what the peer may register
  // as. Bytes are copied before this returns.
  void frame(ConnectionId from, std::string_view peer_key, Bytes header, Bytes body, size_t parts, Time now);

  // The link has learnt that the connection is gone, and frames from it may be yet to come in. connection_gone() is to
  // follow.
  void connection_goes(ConnectionId connection, Time now);
  // None are: its registration ends.
  void connection_gone(ConnectionId connection, Time now);

  // From now on these are the peers. Each registration under a name that its key may not have any more ends with ERROR
  // not_permitted. REQUIRES: no two with one key.
  void peers_changed(std::vector<PeerSettings> peers, Time now);

  // Hands out what the turn has brought. Call it once the input at hand is used up, and at least every few milliseconds
  // while peers are blocked.
  void flush(Time now);

  // Nothing waits to be read now. So all has come in from the connections that sends have found gone, and they end: not
  // before, since what a peer sent before it went still counts.
  void heard_all(Time now);

  // A turn does so much of what is due and no more: whether there is more of it for the next, at once.
  bool has_more() const;

  // Everything that time alone causes: PINGs, redeliveries due, blocked queues, lost sessions. At most 250 ms apart.
  void tick(Time now);

  // Swaps the configuration. Queues, sessions, what routers keep and the routing memory live on; an endpoint that is
  // marked as removed takes nothing more: its workers may finish what waits there, and after removed_endpoint_ms they
  // are told unknown_endpoint, and what is left becomes dead letters. REQUIRES: `next` gives every endpoint and
  // dispatcher the number that it has here (configuration_numbering.hpp), and leaves alone what fixed_values() names.
  void reload(Settings next, Time now);

  // Announces the end: BYE "draining" to all; from here on transports' SENDs are left unconfirmed and HELLO gets BYE.
  void drain(Time now);
  // Nothing waits or is under way in any queue (dead letters aside).
  bool drained() const;

  // --- where there are several lanes: see lane_board.hpp -----------------------------------------------------------
  // Takes what other lanes have sent, up to a bound; flush() is to follow. Returns how many parcels there were.
  size_t take_parcels(Time now);
  // The lanes to which it has handed something since this was asked last, a bit each.
  uint64_t take_sent_to();
  // It has parcels that wait for the turn's end, or for room in a passage.
  bool has_parcels_left() const;
  // The peer has room again: as if the core had asked.
  void connection_writable(ConnectionId connection, Time now);
  // The endpoint that a HELLO with this name and role is for.
  std::optional<EndpointId> endpoint_named(std::string_view name, Role role) const;
  // Another lane has the connection from now on: ends its registration, and tells how far its deliveries are counted.
  Seq let_connection_go(ConnectionId connection, Time now);
  void take_connection(ConnectionId connection, Seq last_delivered, Time now);
  bool knows(ConnectionId connection) const;

  // --- for people, tests and the simulator -------------------------------------------------------------------------
  const Settings& settings() const;
  const Counters& counters() const;
  EndpointStatus status(EndpointId endpoint) const;
  uint64_t received(EndpointId endpoint) const;  // messages from its workers, ever
  size_t registrations() const;
  size_t sessions() const;
  uint64_t queue_memory_bytes() const;  // blocks in queues or under way
  // Asserts everything that must hold between two events, the ledger included. Slow: for tests.
  void check_invariants() const;
  // The same for all lanes of a board together. REQUIRES: nothing is on its way between them.
  static void check_invariants(const std::vector<Core*>& lanes);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace signalbox
