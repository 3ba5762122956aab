// Core's inside, shared by the files that implement it: core.cpp (events, time), registering.cpp (HELLO to BYE),
// sending.cpp (what workers hand over), delivering.cpp (what they are handed), timing.cpp (what takes too
// long), reloading.cpp (another configuration), parcels.cpp (what goes from lane to lane).
//
// Thread: the core's. Private to broker/core.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/core/assert.hpp"
#include "broker/core/core.hpp"
#include "broker/core/lane_board.hpp"
#include "broker/core/queue.hpp"
#include "broker/core/rate_limit.hpp"
#include "broker/core/routing.hpp"
#include "broker/core/routing_memory.hpp"
#include "broker/core/session.hpp"
#include "protocol/header.hpp"
#include "protocol/message_scanner.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

// A run of messages as it was handed out, where there is an ack_timeout_ms.
struct HandedOut {
  ConnectionId connection = 0;
  Seq first_seq = 0;
  uint64_t at_ms = 0;
  uint32_t first_ticket = 0;
  uint32_t count = 0;
};

// What whoever shows a key has taken of what a key may take.
struct KeyUse {
  uint64_t registrations = 0;  // live ones
  RateLimit rate;
  std::list<Session*> lost;  // its sessions without a connection, the longest lost first
};

// One endpoint: its queue, the workers that serve it, and the senders that wait for it.
struct Endpoint {
  Endpoint(EndpointId number, EndpointSettings endpoint_settings, bool is_elsewhere, SegmentPool& pool,
           SegmentStore& store);

  const EndpointId id;
  const bool elsewhere;       // another lane has it: of what follows there are settings, holders and parcels
  EndpointSettings settings;  // changed by a reload alone
  Queue queue;
  SenderLedger sender;
  std::list<Session*> instances;  // those that never had a newcomer's PING, then by when they had it
  std::set<Rank> ready;           // those that could take something
  std::vector<Session*> holders;  // sessions whose confirmation waits for this queue
  MessageKind next_kind = MessageKind::user_message;
  size_t awaited = 0;        // gone instances whose last frames may be unread: nothing is handed out meanwhile
  bool dirty = false;        // in the list of endpoints that flush() visits
  bool listed_over = false;  // in the list of queues over their limit
  bool refusing = false;     // over its limit for block_ms on end
  uint64_t over_since_ms = 0;
  Session* reserved = nullptr;  // gets nothing until it is idle, so that a suspect can travel to it alone
  bool suspect_waits = false;   // for that, as of the last delivery
  uint64_t removed_at_ms = 0;   // where settings.removed
  // Messages of the batch at hand that its queue is yet to take: neighbours in the body, and taken together.
  struct Pending {
    MessageKind kind = MessageKind::user_message;
    uint64_t bytes = 0;
    size_t first = 0;  // in what has been scanned
    size_t count = 0;
  };
  Pending pending;
  // Everything under way, and some of what is not any more, by time and so by ticket. Empty without ack_timeout_ms.
  Ring<HandedOut> handed_out;
  uint64_t expiry_due_ms = Queue::never_ms;   // when its timer is due
  uint64_t timeout_due_ms = Queue::never_ms;  // likewise

  // Lanes, a bit each, whose senders wait until this queue is back within its limit.
  uint64_t waiting_lanes = 0;

  // What this lane has for the endpoint of another, by kind, until the turn ends.
  struct Packing {
    Block* block = nullptr;
    uint32_t bytes = 0;
    uint32_t count = 0;
  };
  std::array<Packing, 2> packing;
  uint32_t packing_bytes = limits::segment_bytes_min;  // of the next block
  bool packed = false;                                 // in the list of those that the turn's end visits
  bool asked_for_room = false;                         // its lane has been told that senders of this one wait
};

class Core::State final : public Surroundings, private Routing::Sink {
 public:
  State(Core& core, Settings settings, Output& output, std::unique_ptr<LaneBoard> own_board, LaneBoard& board,
        uint32_t lane);
  ~State() override;

  bool has_live_worker(EndpointId endpoint) const override;

  // core.cpp: events and time.
  void frame(ConnectionId from, std::string_view peer_key, Bytes header, Bytes body, size_t parts);
  void heard_all();
  void flush();
  bool has_more() const;
  void tick();
  void drain();
  bool drained() const;
  void reload(Settings next);
  // Asserts what must hold in this lane, and adds up what must hold over all.
  struct Sums {
    uint64_t copies = 0;
    uint64_t taken = 0;
    uint64_t died = 0;
    uint64_t dead_letters_taken = 0;
  };
  void check_invariants(Sums& sums) const;
  static void check_sums(const Sums& sums);

  Settings settings;
  Output& output;
  Time now;
  Counters counters;
  bool draining = false;

  const std::unique_ptr<LaneBoard> own_board;  // where it is the only lane
  LaneBoard& board;
  const uint32_t lane;
  const bool has_other_lanes;
  SegmentPool& pool;
  SegmentStore store;              // before the queues: it outlives them
  std::deque<Endpoint> endpoints;  // stable addresses
  TextMap<EndpointId> endpoint_ids;
  Routing routing;

  std::unordered_map<ConnectionId, Connection> connections;
  std::list<Connection*> idle;   // by last_sent_ms, the longest silent first
  TextMap<size_t> peers_by_key;  // places in settings.peers
  TextMap<KeyUse> key_uses;      // of those keys
  TextMap<Session*> sessions_by_id;
  std::unordered_map<Session*, std::unique_ptr<Session>> sessions;
  std::list<Session*> lost;                              // sessions without a connection, the longest lost first
  std::unordered_map<ConnectionId, uint64_t> strangers;  // when they last were told not_registered
  size_t live_registrations = 0;
  RateLimit registration_rate;  // of all without a key
  uint64_t last_registration = 0;

  size_t take_parcels();
  uint64_t take_sent_to() { return std::exchange(sent_to_, 0); }
  bool has_parcels_left() const { return !parcels_left_.empty() || !packed_.empty(); }

  void connection_gone(Connection& connection);
  Connection& connection_for(ConnectionId id);
  Seq let_connection_go(ConnectionId id);
  void unblock(Connection& connection);
  void set_peers(std::vector<PeerSettings> peers);
  void end_not_permitted();

 private:
  // A message that is not due yet.
  struct Delay {
    uint64_t due_ms = 0;
    EndpointId endpoint = 0;
    MessageKind kind = MessageKind::user_message;
    Place place;
    uint64_t serial = 0;
    bool operator>(const Delay& other) const { return due_ms > other.due_ms; }
  };
  // An endpoint is to be looked at; one of each sort for one endpoint at most.
  struct Timer {
    enum class Sort : uint8_t { expiry, timeout };
    uint64_t due_ms = 0;
    EndpointId endpoint = 0;
    Sort sort = Sort::expiry;
    bool operator>(const Timer& other) const { return due_ms > other.due_ms; }
  };
  enum class Ending : uint8_t { left, error, lost };

  // Kept from message to message for its memory.
  struct Scanned {
    MessageView view;
    Scan outcome = Scan::ok;
    Routing::Keys keys;
  };

  // core.cpp
  void registered_frame(Connection& connection, const WorkerFrame& frame, Bytes body, size_t parts);
  void stranger_frame(ConnectionId from, Bytes header);
  bool send_header(Connection& connection, Bytes header);
  bool took(Connection& connection, Output::Result result);
  void send_or_keep(Connection& connection, Bytes header);
  bool answer_ping(Connection& connection);  // false: no room; it stays owed
  void probe(Connection& connection);
  void went(Connection& connection);
  void connection_goes(Connection& connection);
  void await_no_longer(Connection& connection);
  void fail(Connection& connection, ErrorCode code, std::string_view text);
  void answer_stranger(ConnectionId to, ErrorCode code, std::string_view text);
  void probe_idle();
  void check_blocked_queues();
  void forget_lost_sessions();
  void make_delayed_due();

  // registering.cpp
  void hello(ConnectionId from, std::string_view peer_key, const Hello& hello);
  bool may_be(std::string_view peer_key, const EndpointSettings& endpoint) const;
  uint64_t registrations_max(std::string_view peer_key) const;
  template <typename Sum>
  size_t over_all_lanes(Sum sum) const;
  bool is_at_another_lane(std::string_view session_id) const;
  void note_instances(const Endpoint& endpoint);
  bool takes_another_a_second(std::string_view peer_key);
  uint64_t sessions_max(std::string_view peer_key) const;
  std::string_view too_many(std::string_view peer_key, bool is_new_session);
  std::string_view too_many_sessions(std::string_view peer_key);
  bool evict_longest_lost(const std::string_view* peer_key);
  void note_registered(std::string_view peer_key);
  void note_ended(std::string_view peer_key);
  void note_lost(Session& session);
  void note_found(Session& session);
  void note_lost_of_key(Session& session);
  void bye(Connection& connection);
  void say_goodbye(Session& session);
  void probe_instances(Endpoint& endpoint);
  Session* new_session(const Hello& hello, std::string_view peer_key, EndpointId endpoint);
  void resume(Session& session, Seq confirmed);
  void take_back_blame(Session& session);
  void welcome(Connection& connection, const Session& session);
  void end_registration(Session& session, Ending ending);
  void let_go(Session& session);
  void forget(Session& session);

  // sending.cpp
  void send(Connection& connection, const Send& frame, Bytes body);
  bool within_window(const Session& session, Seq confirmed, Seq last, uint64_t bytes) const;
  void take_batch(Session& session, Seq first);
  std::string_view scan(const Session& session, Bytes body, uint64_t messages_max);
  void prepare(EndpointId sender, size_t end);
  inline void receive(Session& session, const Endpoint& sender, Seq seq, const Scanned& scanned);
  bool offer(EndpointId target, MessageKind kind, Bytes copy) override;
  inline void append(Endpoint& endpoint, MessageKind kind, Bytes copy);
  void append_apart(Endpoint& endpoint, MessageKind kind, Bytes copy, bool may_wait);
  void append_pending(Endpoint& endpoint);
  // By its queue, with what that is yet to take.
  static Count held(const Endpoint& endpoint) {
    return endpoint.queue.held() + Count{endpoint.pending.count, endpoint.pending.bytes};
  }
  void left_out(EndpointId endpoint, MessageKind kind, Bytes copy, RefusalCode code) override;
  bool blocks(Endpoint& endpoint);  // it is over its limit, and whoever sends to it waits
  void hold(Session& session, Seq seq, EndpointId target);
  void queue_shrank(EndpointId id);
  void release_holders(Endpoint& endpoint);
  void refuse(Session& session, Seq seq, RefusalCode code, std::string_view text, uint64_t bytes);
  void confirm_later(Session& session);
  bool tell_refusals(Session& session);  // false: some found no room
  void tell_sender(Session& session);
  void confirmed_upto(Session& session, Seq settled);

  // reloading.cpp
  void add_endpoints();
  void end_removed();
  size_t end_removed(Endpoint& endpoint, size_t messages_max);

  // delivering.cpp
  void mark_dirty(EndpointId id);
  void deliver(Endpoint& endpoint);
  enum class Turn : uint8_t { delivered, nothing, no_bytes };
  Turn deliver_one(Endpoint& endpoint, MessageKind kind);
  bool deliver_to(Endpoint& endpoint, MessageKind kind, Session& session, Place first);
  Session* choose(Endpoint& endpoint, const Entry& entry, bool may_shun, bool& no_bytes);
  static bool could_take(const Session& session);
  void rank(Session& session);
  void rank_at(Connection& connection);
  static bool shuns(const Endpoint& endpoint, const Entry& entry);
  void reserve_for_suspect(Endpoint& endpoint, const Entry& suspect);
  void ack(Connection& connection, const Ack& ack);
  void nack(Connection& connection, const Nack& nack);
  DeliveredRun* find_delivery(Session& session, Seq seq);
  static Entry* unsettled_entry(const DeliveredRun& delivery, Seq seq);
  static Place leave(Session& session, DeliveredRun& delivery, Seq seq);
  void settle(Session& session, DeliveredRun& delivery, Seq from, Seq upto);
  void settled_some(Session& session);
  void give_back(Session& session, bool lost_its_way);
  void suspect(Session& session, MessageKind kind, Place place, bool travelled_alone);
  void make_dead(EndpointId id, MessageKind kind, Place place, std::string_view reason);
  void dead_letter(EndpointId from, MessageKind kind, Bytes message, std::string_view reason, uint32_t deliveries);
  void failed(Session& session, MessageKind kind, Place place, std::string_view reason);

  // parcels.cpp: all of it only where there are several lanes
  bool offer_elsewhere(Endpoint& endpoint, MessageKind kind, Bytes copy);
  Count coming_to(const Endpoint& endpoint) const;
  bool fits_with_what_comes(Endpoint& endpoint, size_t bytes);
  void release_if_within_limit(Endpoint& endpoint);
  void pack(Endpoint& endpoint, MessageKind kind, Bytes copy);
  void seal(Endpoint& endpoint, MessageKind kind);
  void send_parcels();
  void hand_over(uint32_t to, Parcel parcel);
  void unpack(uint32_t from, const Parcel& parcel);
  void unpack_messages(Endpoint& endpoint, const Parcel& parcel);
  void release_waiting_lanes(Endpoint& endpoint);
  void publish(Endpoint& endpoint);

  // timing.cpp
  void run_timers();
  bool timer_is_due() const;
  void set_timer(Endpoint& endpoint, Timer::Sort sort, uint64_t due_ms);
  void set_timers_anew();
  bool expire_past(Endpoint& endpoint);  // false: there is more, for the next turn
  void expire(Endpoint& endpoint, MessageKind kind, Place place);
  void come_back(Endpoint& endpoint, MessageKind kind, Place place);
  void note_handed_out(Endpoint& endpoint, const DeliveredRun& delivery, ConnectionId connection);
  void time_out(Endpoint& endpoint);
  bool time_out_run(Endpoint& endpoint, const HandedOut& run);
  Session* holder_of(const HandedOut& run, Seq seq);
  void be_overdue(Session& session, Seq seq, const Overdue& late);
  void settle_overdue(Session& session, const Ack& ack);
  void settle_late(Session& session, const Overdue& late);
  bool take_from_holder(Endpoint& endpoint, const Overdue& late);
  void take_dead_letter(EndpointId to, MessageKind kind, Bytes letter);

  std::vector<EndpointId> dirty_;
  std::vector<Session*> confirm_due_;
  std::vector<ConnectionId> gone_;
  std::vector<ConnectionId> blocked_;
  std::vector<EndpointId> over_;
  std::vector<EndpointId> packed_;
  std::deque<std::pair<uint32_t, Parcel>> parcels_left_;  // to whom: those that found their passage full
  uint64_t sent_to_ = 0;
  std::vector<EndpointId> removed_;  // endpoints that are, and hold something still
  uint64_t time_share_ = 0;          // messages that timers may yet look at in this turn
  uint64_t last_retry_ms_ = 0;
  uint64_t last_sweep_ms_ = 0;
  uint64_t served_ = 0;  // counts deliveries, to tell who was served longest ago
  uint32_t next_ticket_ = 0;
  std::priority_queue<Delay, std::vector<Delay>, std::greater<>> delayed_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;

  MessageScanner scanner_;
  std::vector<Scanned> scanned_;
  size_t scanned_count_ = 0;
  uint64_t scanned_bytes_ = 0;
  std::vector<uint32_t> scanned_sizes_;     // of each of them
  size_t prepared_count_ = 0;               // those of them, from the first on, whose keys are there
  Session* routing_for_ = nullptr;          // whose message is on its way,
  SenderLedger* routing_ledger_ = nullptr;  // its sender's books,
  Seq routing_seq_ = 0;                     // its number,
  size_t routing_index_ = 0;                // and which of the scanned ones it is
  std::vector<EndpointId> pending_;         // endpoints whose queues are yet to take some
  Endpoint* offered_ = nullptr;             // to whom the last copy went, which is mostly where the next one goes
  std::string header_;

  friend class Core;
};

}  // namespace signalbox
