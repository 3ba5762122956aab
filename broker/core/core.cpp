#include "broker/core/core.hpp"

#include <algorithm>

#include "broker/core/planted_fault.hpp"
#include "broker/core/state.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

// WELCOMEs, ERRORs and BYEs that one peer may leave unread before its connection counts as lost.
constexpr size_t waiting_headers_max = 16;

// The type that a header claims, however broken the rest of it; 0 where not even that can be told. Only for a peer that
// is not registered: what it gets for a frame that does not parse depends on what it tried.
uint64_t claimed_type(Bytes header) {
  if (header.empty()) return 0;
  const auto first = static_cast<unsigned char>(header[0]);
  size_t at = 0;
  if (first >= 0x91 && first <= 0x9f) at = 1;
  if (first == 0xdc) at = 3;
  if (first == 0xdd) at = 5;
  if (at == 0 || header.size() <= at) return 0;
  const auto tag = static_cast<unsigned char>(header[at]);
  if (tag <= 0x7f) return tag;
  const size_t width = tag == 0xcc ? 1 : tag == 0xcd ? 2 : tag == 0xce ? 4 : tag == 0xcf ? 8 : 0;
  if (header.size() <= at + width) return 0;
  uint64_t type = 0;
  for (size_t i = 1; i <= width; ++i) type = type << 8 | static_cast<unsigned char>(header[at + i]);
  return type;
}

}  // namespace

Endpoint::Endpoint(EndpointId number, EndpointSettings endpoint_settings, bool is_elsewhere, SegmentPool& pool,
                   SegmentStore& store)
    : id(number), elsewhere(is_elsewhere), settings(std::move(endpoint_settings)), queue(settings, pool, store) {}

Core::State::State(Core& core, Settings all_settings, Output& to, std::unique_ptr<LaneBoard> own, LaneBoard& shared,
                   uint32_t number)
    : settings(std::move(all_settings)),
      output(to),
      own_board(std::move(own)),
      board(shared),
      lane(number),
      has_other_lanes(shared.lanes() > 1),
      pool(board.pool(lane)),
      routing(settings, *this, board.memory(), *this) {
  board.cores()[lane] = &core;
  SIGNALBOX_ASSERT(settings.endpoints.size() <= limits::endpoints_max, "the configuration bounds the endpoints");
  add_endpoints();
  set_peers(std::move(settings.peers));
}

Core::State::~State() {
  for (Endpoint& endpoint : endpoints) {
    for (const Endpoint::Packing& packing : endpoint.packing) {
      if (packing.block != nullptr) Run::drop(packing.block);
    }
  }
  for (const auto& [to, parcel] : parcels_left_) {
    if (parcel.block != nullptr) Run::drop(parcel.block);
  }
}

bool Core::State::has_live_worker(EndpointId endpoint) const {
  // Whether somebody is there behind a joint depends on what the message meets there, so a joint is always live.
  if (endpoint >= endpoints.size()) return false;
  const Endpoint& asked = endpoints[endpoint];
  if (asked.elsewhere && board.gate(endpoint).instances.load(std::memory_order_relaxed) > 0) return true;
  return !asked.instances.empty() || asked.settings.joint.has_value();
}

// --- frames ----------------------------------------------------------------------------------------------------------

void Core::State::frame(ConnectionId from, std::string_view peer_key, Bytes header, Bytes body, size_t parts) {
  const auto known = connections.find(from);
  Connection* const connection = known != connections.end() ? &known->second : nullptr;
  if (connection != nullptr) {
#ifdef SIGNALBOX_PLANTED_FAULTS
    if (planted_fault == PlantedFault::last_words_unheard && connection->gone) return;
#endif
    // What it sent before it went still counts.
    if (connection->gone && connection->session == nullptr) return;
    // "Later" may be now: whoever sends is alive, and may have read what filled the way to it. Once a millisecond.
    if (connection->blocked && !connection->gone && connection->tried_at_ms != now.monotonic_ms) unblock(*connection);
  }
  std::optional<WorkerFrame> frame;
  if (parts > 0 && header.size() <= limits::header_bytes_max) frame = parse_worker_frame(header, settings.max_prefetch);

  if (frame && std::holds_alternative<Hello>(*frame) && parts == 1) {
    if (connection == nullptr || !connection->gone) hello(from, peer_key, std::get<Hello>(*frame));
  } else if (connection == nullptr || connection->session == nullptr) {
    stranger_frame(from, header);
  } else if (!frame) {
    fail(*connection, ErrorCode::malformed,
         "the header is no frame of this protocol, or an element has the wrong type");
  } else {
    registered_frame(*connection, *frame, body, parts);
  }
}

void Core::State::stranger_frame(ConnectionId from, Bytes header) {
  const uint64_t type = claimed_type(header);
  if (type == static_cast<uint64_t>(FrameType::hello)) {
    answer_stranger(from, ErrorCode::malformed, "HELLO is [1, version, role, name, options], without a body");
    return;
  }
  if (type != static_cast<uint64_t>(FrameType::send) && type != static_cast<uint64_t>(FrameType::ping)) return;
  const auto [stranger, is_new] = strangers.try_emplace(from, now.monotonic_ms);
  if (!is_new) {
    if (now.monotonic_ms - stranger->second < limits::not_registered_interval_ms) return;
    stranger->second = now.monotonic_ms;
  } else if (strangers.size() > limits::strangers_max) {
    strangers.erase(stranger);  // a flood of unknown peers: silence costs them nothing that HELLO would not mend
    return;
  }
  answer_stranger(from, ErrorCode::not_registered, "send HELLO first");
}

void Core::State::registered_frame(Connection& connection, const WorkerFrame& frame, Bytes body, size_t parts) {
  const bool is_send = std::holds_alternative<Send>(frame);
  if (parts != (is_send ? 2U : 1U)) {
    fail(connection, ErrorCode::malformed, is_send ? "SEND is a header and one body" : "only SEND has a body");
    return;
  }
  Session& session = *connection.session;
  if (session.leaving) return;  // BYE was its last frame
  if (is_send) {
    send(connection, std::get<Send>(frame), body);
  } else if (const auto* ack_frame = std::get_if<Ack>(&frame)) {
    ack(connection, *ack_frame);
  } else if (const auto* nack_frame = std::get_if<Nack>(&frame)) {
    nack(connection, *nack_frame);
  } else if (const auto* flow = std::get_if<Flow>(&frame)) {
    if (flow->prefetch > settings.max_prefetch) {
      fail(connection, ErrorCode::malformed, "FLOW asks for more than max_prefetch");
      return;
    }
    session.prefetch = flow->prefetch;
    rank(session);
    mark_dirty(session.endpoint);
  } else if (std::holds_alternative<Ping>(frame)) {
    connection.pong_due = true;
    answer_ping(connection);
  } else if (std::holds_alternative<Bye>(frame)) {
    bye(connection);
  }
}

// --- what leaves -----------------------------------------------------------------------------------------------------

bool Core::State::send_header(Connection& connection, Bytes header) {
  if (connection.gone || connection.blocked) return false;
  return took(connection, output.send(connection.id, header, Run()));
}

bool Core::State::took(Connection& connection, Output::Result result) {
  switch (result) {
    case Output::Result::sent:
      connection.last_sent_ms = now.monotonic_ms;
      idle.splice(idle.end(), idle, connection.idle_place);
      return true;
    case Output::Result::blocked:
      connection.blocked = true;
      connection.tried_at_ms = now.monotonic_ms;
      if (!connection.listed_blocked) blocked_.push_back(connection.id);
      connection.listed_blocked = true;
      rank_at(connection);
      return false;
    case Output::Result::gone:
      went(connection);
      return false;
  }
  return false;
}

void Core::State::send_or_keep(Connection& connection, Bytes header) {
  if (connection.waiting.empty() && send_header(connection, header)) return;
  if (connection.gone) return;
  connection.waiting.push_back(std::string(header));
  rank_at(connection);
  if (connection.waiting.size() > waiting_headers_max) went(connection);
}

void Core::State::unblock(Connection& connection) {
  connection.blocked = false;
  while (!connection.waiting.empty()) {
    if (!send_header(connection, connection.waiting.front())) return;
    connection.waiting.pop_front();
  }
  if (connection.pong_due && !answer_ping(connection)) return;
  if (connection.session == nullptr) return;
  rank(*connection.session);
  mark_dirty(connection.session->endpoint);
  confirm_later(*connection.session);
}

// Refusals that are yet to be told come first: who has resumed takes the PONG for the end of them.
bool Core::State::answer_ping(Connection& connection) {
  if (connection.session != nullptr && !tell_refusals(*connection.session)) return false;
  write(header_, Pong{});
  if (!send_header(connection, header_)) return false;
  connection.pong_due = false;
  return true;
}

void Core::State::went(Connection& connection) {
  if (connection.gone) return;
  connection_goes(connection);
  gone_.push_back(connection.id);
}

// Nothing is handed out under its name until it is known what comes back from it: that goes first.
void Core::State::connection_goes(Connection& connection) {
  connection.gone = true;
  if (connection.session == nullptr) return;
  rank(*connection.session);
  if (connection.session->leaving) return;
  connection.awaited = true;
  ++endpoints[connection.session->endpoint].awaited;
}

void Core::State::await_no_longer(Connection& connection) {
  if (!connection.awaited) return;
  connection.awaited = false;
  --endpoints[connection.session->endpoint].awaited;
}

void Core::State::fail(Connection& connection, ErrorCode code, std::string_view text) {
  ++counters.errors[static_cast<size_t>(code)];
  if (connection.session != nullptr) end_registration(*connection.session, Ending::error);
  write(header_, ErrorFrame{to_string(code), text});
  send_or_keep(connection, header_);
}

void Core::State::answer_stranger(ConnectionId to, ErrorCode code, std::string_view text) {
  if (const auto known = connections.find(to); known != connections.end()) {
    fail(known->second, code, text);
    return;
  }
  ++counters.errors[static_cast<size_t>(code)];
  write(header_, ErrorFrame{to_string(code), text});
  // Blocked or gone: nothing is kept for a peer that never registered.
  (void)output.send(to, header_, Run());
}

void Core::State::connection_gone(Connection& connection) {
  if (connection.session != nullptr) {
    ++counters.connections_lost;
    end_registration(*connection.session, Ending::lost);
  }
  idle.erase(connection.idle_place);
  strangers.erase(connection.id);
  connections.erase(connection.id);
}

// Its registration is ended as by a HELLO of another kind, which is why it goes: what it was given comes back.
Seq Core::State::let_connection_go(ConnectionId id) {
  const auto it = connections.find(id);
  if (it == connections.end()) return 0;
  const Seq last_delivered = it->second.last_delivered;
  if (it->second.session != nullptr) end_registration(*it->second.session, Ending::left);
  connection_gone(it->second);
  return last_delivered;
}

void Core::State::heard_all() {
  for (size_t i = 0; i < gone_.size(); ++i) {
    const auto it = connections.find(gone_[i]);
    if (it != connections.end() && it->second.gone) connection_gone(it->second);
  }
  gone_.clear();
}

// --- the turn --------------------------------------------------------------------------------------------------------

void Core::State::flush() {
  pool.collect();
  run_timers();
  counters.ambiguous_ids = routing.noticed().ambiguous_ids;
  counters.memory_evicted = routing.noticed().memory_evicted;
  if (!blocked_.empty() && now.monotonic_ms != last_retry_ms_) {
    last_retry_ms_ = now.monotonic_ms;
    std::vector<ConnectionId> again;
    again.swap(blocked_);
    for (const ConnectionId id : again) {
      const auto it = connections.find(id);
      if (it == connections.end()) continue;
      it->second.listed_blocked = false;
      if (it->second.blocked && !it->second.gone) unblock(it->second);
    }
  }
  // Before any confirmation: who has been told that a message is taken finds it counted wherever it sends next.
  if (!packed_.empty() || !parcels_left_.empty()) send_parcels();
  do {
    // Deliveries leave before confirmations. Both lists may grow while they are walked.
    for (size_t i = 0; i < dirty_.size(); ++i) {
      Endpoint& endpoint = endpoints[dirty_[i]];
      endpoint.dirty = false;
      deliver(endpoint);
      publish(endpoint);
    }
    dirty_.clear();
    for (size_t i = 0; i < confirm_due_.size(); ++i) {
      Session& session = *confirm_due_[i];
      session.confirm_due = false;
      tell_sender(session);
      say_goodbye(session);
    }
    confirm_due_.clear();
  } while (!dirty_.empty() || !confirm_due_.empty());
  if (!packed_.empty() || !parcels_left_.empty()) send_parcels();
}

void Core::State::tick() {
  if (!strangers.empty() && now.monotonic_ms - last_sweep_ms_ >= limits::not_registered_interval_ms) {
    last_sweep_ms_ = now.monotonic_ms;
    std::erase_if(strangers, [&](const auto& stranger) {
      return now.monotonic_ms - stranger.second >= limits::not_registered_interval_ms;
    });
  }
  probe_idle();
  check_blocked_queues();
  forget_lost_sessions();
  make_delayed_due();
  end_removed();
  counters.state_evicted = settings.state->evicted();
  flush();
}

void Core::State::probe_idle() {
  while (!idle.empty() && now.monotonic_ms - idle.front()->last_sent_ms >= settings.heartbeat_ms) {
    Connection& connection = *idle.front();
    // Whether it leaves or not, this connection has had its turn; one that has gone makes itself known here.
    connection.last_sent_ms = now.monotonic_ms;
    idle.splice(idle.end(), idle, connection.idle_place);
    probe(connection);
  }
}

// A PING, also to one that had no room: that tells whether it is still there, and whether it has room again.
void Core::State::probe(Connection& connection) {
  if (connection.gone) return;
  write(header_, Ping{});
  if (took(connection, output.send(connection.id, header_, Run())) && connection.blocked) unblock(connection);
}

void Core::State::check_blocked_queues() {
  for (const EndpointId id : over_) {
    Endpoint& endpoint = endpoints[id];
    if (endpoint.refusing || now.monotonic_ms - endpoint.over_since_ms < endpoint.settings.block_ms) continue;
    endpoint.refusing = true;
    publish(endpoint);
    release_holders(endpoint);
  }
}

void Core::State::forget_lost_sessions() {
  const uint64_t ttl_ms = settings.session_ttl_s * 1000;
  while (!lost.empty() && now.monotonic_ms - lost.front()->lost_at_ms >= ttl_ms) {
    forget(*lost.front());
  }
}

void Core::State::make_delayed_due() {
  while (!delayed_.empty() && delayed_.top().due_ms <= now.monotonic_ms) {
    const Delay delay = delayed_.top();
    delayed_.pop();
    if (delay.place.segment->serial != delay.serial) continue;  // dropped meanwhile, and its segment let go
    if (delay.place.entry().state != Entry::State::delayed) continue;
    endpoints[delay.endpoint].queue.make_due(delay.kind, delay.place);
    mark_dirty(delay.endpoint);
  }
}

void Core::State::drain() {
  draining = true;
  write(header_, Bye{"draining"});
  for (auto& [id, connection] : connections) {
    if (connection.session != nullptr) send_or_keep(connection, header_);
  }
  flush();
}

bool Core::State::drained() const {
  return std::all_of(endpoints.begin(), endpoints.end(), [](const Endpoint& endpoint) {
    return endpoint.settings.dead_letters || endpoint.queue.held().messages == 0;
  });
}

void Core::State::check_invariants(Sums& sums) const {
  size_t instances = 0;
  for (const Endpoint& endpoint : endpoints) {
    endpoint.queue.check_invariants();
    const SenderLedger& sender = endpoint.sender;
    SIGNALBOX_ASSERT(sender.received == sender.routed + sender.refused + sender.discarded,
                     "received = routed + refused + discarded");
    const QueueLedger& queue = endpoint.queue.ledger();
    sums.copies += sender.copies.messages;
    sums.died += sender.not_taken.messages + queue.dead.messages;
    (endpoint.settings.dead_letters ? sums.dead_letters_taken : sums.taken) += queue.taken.messages;
    SIGNALBOX_ASSERT(endpoint.elsewhere || endpoint.holders.empty() || (endpoint.listed_over && !endpoint.refusing),
                     "nobody waits for a queue that is within its limit");
    SIGNALBOX_ASSERT(!endpoint.elsewhere || (endpoint.instances.empty() && queue.taken.messages == 0),
                     "what another lane has is not here as well");
    SIGNALBOX_ASSERT(!endpoint.elsewhere || endpoint.holders.empty() || endpoint.asked_for_room,
                     "who waits for another lane's queue is told when it has room");
    instances += endpoint.instances.size();
    Count under_way;
    size_t awaited = 0;
    for (const Session* session : endpoint.instances) {
      SIGNALBOX_ASSERT(session->connection != nullptr && session->connection->session == session,
                       "an instance has a connection");
      uint64_t unsettled = 0;
      for (size_t i = 0; i < session->deliveries.size(); ++i) unsettled += session->deliveries[i].unsettled;
      SIGNALBOX_ASSERT(unsettled == session->unsettled_messages, "a session counts what it has not settled");
      SIGNALBOX_ASSERT(session->ranked == could_take(*session), "who could take something is in the set");
      SIGNALBOX_ASSERT(!session->alone || unsettled <= 1, "a suspect travels alone");
      under_way += Count{session->unsettled_messages, session->unsettled_bytes};
      if (session->connection->awaited) ++awaited;
    }
    SIGNALBOX_ASSERT(awaited == endpoint.awaited, "an endpoint counts its instances that are awaited");
    SIGNALBOX_ASSERT(under_way == queue.under_way, "what is under way is at the instances");
  }
  SIGNALBOX_ASSERT(instances == live_registrations, "each registration serves one endpoint");
  uint64_t with_a_key = 0;
  uint64_t lost_with_a_key = 0;
  for (const auto& [key, use] : key_uses) {
    with_a_key += use.registrations;
    lost_with_a_key += use.lost.size();
  }
  SIGNALBOX_ASSERT(with_a_key <= live_registrations, "a key's registrations are among them");
  SIGNALBOX_ASSERT(lost_with_a_key <= lost.size(), "a key's lost sessions are among them");
  for (const auto& [pointer, session] : sessions) {
    SIGNALBOX_ASSERT(session->confirmed <= session->settled() && session->settled() <= session->last_received,
                     "confirmed <= settled <= received");
    SIGNALBOX_ASSERT(session->connection != nullptr || !session->id.empty(),
                     "only a session with an id outlives its way");
  }
}

void Core::State::check_sums(const Sums& sums) {
  SIGNALBOX_ASSERT(sums.copies == sums.taken, "copies = the sum over targets");
  SIGNALBOX_ASSERT(sums.died == sums.dead_letters_taken, "each dead message is a dead letter");
}

// --- the public face -------------------------------------------------------------------------------------------------

Core::Core(Settings settings, Output& output) {
  auto board = std::make_unique<LaneBoard>(settings, 1);
  LaneBoard& shared = *board;
  state_ = std::make_unique<State>(*this, std::move(settings), output, std::move(board), shared, 0);
}
Core::Core(Settings settings, Output& output, LaneBoard& board, uint32_t lane)
    : state_(std::make_unique<State>(*this, std::move(settings), output, nullptr, board, lane)) {}
Core::~Core() = default;

void Core::frame(ConnectionId from, std::string_view peer_key, Bytes header, Bytes body, size_t parts, Time now) {
  state_->now = now;
  state_->frame(from, peer_key, header, body, parts);
}

void Core::connection_goes(ConnectionId connection, Time now) {
  state_->now = now;
  const auto it = state_->connections.find(connection);
  if (it != state_->connections.end() && !it->second.gone) state_->connection_goes(it->second);
}

void Core::connection_gone(ConnectionId connection, Time now) {
  state_->now = now;
  const auto it = state_->connections.find(connection);
  if (it != state_->connections.end()) state_->connection_gone(it->second);
}

void Core::peers_changed(std::vector<PeerSettings> peers, Time now) {
  state_->now = now;
  state_->set_peers(std::move(peers));
  state_->end_not_permitted();
}

void Core::heard_all(Time now) {
  state_->now = now;
  state_->heard_all();
}

void Core::flush(Time now) {
  state_->now = now;
  state_->flush();
}

bool Core::has_more() const {
  return state_->has_more();
}

size_t Core::take_parcels(Time now) {
  state_->now = now;
  return state_->take_parcels();
}

uint64_t Core::take_sent_to() {
  return state_->take_sent_to();
}
bool Core::has_parcels_left() const {
  return state_->has_parcels_left();
}

void Core::connection_writable(ConnectionId connection, Time now) {
  state_->now = now;
  const auto it = state_->connections.find(connection);
  if (it != state_->connections.end() && it->second.blocked && !it->second.gone) state_->unblock(it->second);
}

std::optional<EndpointId> Core::endpoint_named(std::string_view name, Role role) const {
  const auto named = state_->endpoint_ids.find(name);
  if (named == state_->endpoint_ids.end() || state_->endpoints[named->second].settings.role != role) {
    return std::nullopt;
  }
  return named->second;
}

Seq Core::let_connection_go(ConnectionId connection, Time now) {
  state_->now = now;
  return state_->let_connection_go(connection);
}

void Core::take_connection(ConnectionId connection, Seq last_delivered, Time now) {
  state_->now = now;
  state_->connection_for(connection).last_delivered = last_delivered;
}

bool Core::knows(ConnectionId connection) const {
  return state_->connections.contains(connection);
}

void Core::tick(Time now) {
  state_->now = now;
  state_->tick();
}

void Core::reload(Settings next, Time now) {
  state_->now = now;
  state_->reload(std::move(next));
}

void Core::drain(Time now) {
  state_->now = now;
  state_->drain();
}

bool Core::drained() const {
  return state_->drained();
}
const Settings& Core::settings() const {
  return state_->settings;
}
const Counters& Core::counters() const {
  return state_->counters;
}

EndpointStatus Core::status(EndpointId endpoint) const {
  const Endpoint& e = state_->endpoints[endpoint];
  return {e.sender, e.queue.ledger(), static_cast<uint32_t>(e.instances.size())};
}

uint64_t Core::received(EndpointId endpoint) const {
  return state_->endpoints[endpoint].sender.received.messages;
}

size_t Core::registrations() const {
  return state_->live_registrations;
}
size_t Core::sessions() const {
  return state_->sessions.size();
}
uint64_t Core::queue_memory_bytes() const {
  return state_->pool.bytes_in_use();
}
void Core::check_invariants() const {
  check_invariants({const_cast<Core*>(this)});
}
void Core::check_invariants(const std::vector<Core*>& lanes) {
  State::Sums sums;
  for (const Core* core : lanes) core->state_->check_invariants(sums);
  State::check_sums(sums);
}

}  // namespace signalbox
