// From HELLO to BYE: registrations, sessions, resuming, takeover (protocol page, sections 3 and 6).
#include <algorithm>

#include "broker/core/planted_fault.hpp"
#include "broker/core/state.hpp"
#include "protocol/text.hpp"

namespace signalbox {

void Core::State::hello(ConnectionId from, std::string_view peer_key, const Hello& hello) {
  const auto refuse_hello = [&](ErrorCode code, std::string_view text) { answer_stranger(from, code, text); };
  if (hello.version != limits::protocol_version)
    return refuse_hello(ErrorCode::version, "this broker speaks version 1");
  if (draining) {
    write(header_, Bye{"draining"});
    const auto known = connections.find(from);
    if (known != connections.end()) {
      send_or_keep(known->second, header_);
    } else {
      (void)output.send(from, header_, Run());
    }
    return;
  }
  const auto named = endpoint_ids.find(hello.name);
  if (!is_name(hello.name) || named == endpoint_ids.end() || endpoints[named->second].settings.role != *hello.role) {
    return refuse_hello(
        ErrorCode::unknown_endpoint,
        "the configuration lists no " + std::string(to_string(*hello.role)) + " '" + printable(hello.name) + "'");
  }
  const EndpointId endpoint = named->second;

  if (!may_be(peer_key, endpoints[endpoint].settings)) {
    return refuse_hello(ErrorCode::not_permitted, "your key may not be " + std::string(to_string(*hello.role)) + " '" +
                                                      printable(hello.name) + "'");
  }

  Session* session = nullptr;
  if (!hello.session.empty()) {
    const auto it = sessions_by_id.find(hello.session);
    if (it != sessions_by_id.end()) session = it->second;
    const bool is_anothers = session != nullptr ? session->endpoint != endpoint || session->peer_key != peer_key
                                                : is_at_another_lane(hello.session);
    if (is_anothers) {
      return refuse_hello(ErrorCode::not_permitted, "this session belongs to another name or key");
    }
  }
  if (!takes_another_a_second(peer_key)) {
    ++counters.too_many_a_second;
    return refuse_hello(ErrorCode::too_many, "max_registrations_a_second is reached; come back later");
  }
  if (session != nullptr && session->leaving) {  // it said BYE: there is nothing to come back to
    end_registration(*session, Ending::left);
    session = nullptr;
  }
  if (const auto known = connections.find(from); known != connections.end() && known->second.session != nullptr) {
    Session& current = *known->second.session;
    end_registration(current, &current == session ? Ending::error : Ending::left);
  }
  if (session != nullptr && session->connection != nullptr) {
#ifdef SIGNALBOX_PLANTED_FAULTS
    for (size_t i = 0; planted_fault == PlantedFault::double_delivery_on_takeover && i < session->deliveries.size();
         ++i) {
      const DeliveredRun& delivery = session->deliveries[i];
      for (uint32_t at = 0; at < delivery.count && delivery.unsettled > 0; ++at) {
        if (unsettled_entry(delivery, delivery.first_seq + at) == nullptr) continue;
        const Place place{delivery.segment, delivery.first_index + at};
        endpoints[endpoint].queue.append(delivery.kind, place.bytes(), now.monotonic_ms);
      }
    }
#endif
    fail(*session->connection, ErrorCode::taken_over, "this session goes on at another connection");
  }
  const bool resumes = session != nullptr;
  const std::string_view over = too_many(peer_key, session == nullptr);
  if (!over.empty()) return refuse_hello(ErrorCode::too_many, over);
  probe_instances(endpoints[endpoint]);

  Connection& connection = connection_for(from);
  if (session == nullptr) {
    session = new_session(hello, peer_key, endpoint);
  } else {
    note_found(*session);
  }
  session->connection = &connection;
  connection.session = session;
  session->leaving = false;
  session->registration = ++last_registration;
  session->prefetch = std::min(hello.prefetch, settings.max_prefetch);
  session->client = printable(hello.client);
  session->instance = printable(hello.instance);
  session->last_served = 0;
  // In front: the next newcomer's PING goes first to those that have had none.
  connection.probed = false;
  std::list<Session*>& instances = endpoints[endpoint].instances;
  session->instance_place = instances.insert(instances.begin(), session);
  ++live_registrations;
  note_instances(endpoints[endpoint]);
  note_registered(peer_key);
  ++counters.registrations;
  if (resumes) resume(*session, hello.confirmed);
  welcome(connection, *session);
  rank(*session);
  mark_dirty(endpoint);
}

// --- names and keys --------------------------------------------------------------------------------------------------

void Core::State::set_peers(std::vector<PeerSettings> peers) {
  settings.peers = std::move(peers);
  peers_by_key.clear();
  const TextMap<KeyUse> before = std::exchange(key_uses, {});
  for (size_t i = 0; i < settings.peers.size(); ++i) {
    const std::string& key = settings.peers[i].key;
    peers_by_key.emplace(key, i);
    const auto known = before.find(key);
    key_uses.emplace(key, KeyUse{0, known != before.end() ? known->second.rate : RateLimit(), {}});
  }
  for (Session* const session : lost) note_lost_of_key(*session);
  for (const auto& [pointer, session] : sessions) {
    if (session->connection != nullptr) note_registered(session->peer_key);
  }
}

// A frame without a key is one that the link could not vouch for: where keys are required it has no rights.
bool Core::State::may_be(std::string_view peer_key, const EndpointSettings& endpoint) const {
  if (!settings.keys_required || peer_key == own_process_key) return true;
  const auto found = peers_by_key.find(peer_key);
  if (found == peers_by_key.end()) return false;
  return std::ranges::any_of(settings.peers[found->second].may_be, [&](const PeerRight& right) {
    return right.role == endpoint.role && right.name == endpoint.name;
  });
}

// --- limits ----------------------------------------------------------------------------------------------------------

// A registration is made while no other lane runs, so that one lane may add up what all have.
template <typename Sum>
size_t Core::State::over_all_lanes(Sum sum) const {
  size_t total = 0;
  for (const Core* core : board.cores()) total += sum(*core->state_);
  return total;
}

bool Core::State::is_at_another_lane(std::string_view session_id) const {
  return over_all_lanes([&](const State& state) { return state.sessions_by_id.count(session_id); }) > 0;
}

void Core::State::note_instances(const Endpoint& endpoint) {
  if (board.lanes() == 1) return;
  board.gate(endpoint.id).instances.store(static_cast<uint32_t>(endpoint.instances.size()), std::memory_order_relaxed);
}

// Of one key, or of all that have none. Whoever shows no key cannot be told from another, so they share one limit; the
// host itself has none.
uint64_t Core::State::registrations_max(std::string_view peer_key) const {
  const auto found = peers_by_key.find(peer_key);
  const uint64_t of_key = found != peers_by_key.end() ? settings.peers[found->second].max_registrations : 0;
  return of_key != 0 ? of_key : settings.max_registrations;
}

// Likewise, lost ones included.
uint64_t Core::State::sessions_max(std::string_view peer_key) const {
  const auto found = peers_by_key.find(peer_key);
  if (found == peers_by_key.end()) return settings.max_sessions;
  const PeerSettings& peer = settings.peers[found->second];
  const uint64_t of_key = peer.max_sessions != 0 ? peer.max_sessions : 2 * peer.max_registrations;
  return of_key != 0 ? std::min(of_key, settings.max_sessions) : settings.max_sessions;
}

// The bucket holds as many as may be registered at once, so that all of them may come back together, and at least what
// a second brings.
bool Core::State::takes_another_a_second(std::string_view peer_key) {
  if (peer_key == own_process_key) return true;
  State& first = *board.cores().front()->state_;  // keeps the rates for all lanes
  const auto used = first.key_uses.find(peer_key);
  RateLimit& rate = used != first.key_uses.end() ? used->second.rate : first.registration_rate;
  const uint64_t a_second = settings.max_registrations_a_second;
  return rate.take(now.monotonic_ms, a_second, std::max(a_second, registrations_max(peer_key)));
}

// Which limit one more registration would break, in words; none: it may be made.
std::string_view Core::State::too_many(std::string_view peer_key, bool is_new_session) {
  const auto registered = [](const State& state) { return state.live_registrations; };
  if (over_all_lanes(registered) >= settings.max_registrations) {
    ++counters.too_many_at_once;
    return "max_registrations are registered; come back later";
  }
  const auto with_this_key = [&](const State& state) {
    const auto used = state.key_uses.find(peer_key);
    return used != state.key_uses.end() ? used->second.registrations : 0;
  };
  if (key_uses.contains(peer_key) && over_all_lanes(with_this_key) >= registrations_max(peer_key)) {
    ++counters.too_many_of_key;
    return "max_registrations of your key are registered; come back later";
  }
  return is_new_session ? too_many_sessions(peer_key) : std::string_view();
}

// A flood of sessions must not keep everybody else out until they expire: the one that has been lost for longest goes,
// and of the newcomer's own key, if it has lost any. So whoever leaves many behind makes room for his own.
std::string_view Core::State::too_many_sessions(std::string_view peer_key) {
  const auto used = key_uses.find(peer_key);
  if (used != key_uses.end()) {
    const auto of_key = [&](const State& state) {
      const auto there = state.key_uses.find(peer_key);
      return there != state.key_uses.end() ? there->second.registrations + there->second.lost.size() : 0;
    };
    const uint64_t most = sessions_max(peer_key);
    if (over_all_lanes(of_key) >= most) evict_longest_lost(&peer_key);
    if (over_all_lanes(of_key) >= most) {
      ++counters.too_many_of_key;
      return "max_sessions of your key are kept; come back later";
    }
  }
  const auto kept = [](const State& state) { return state.sessions.size(); };
  if (over_all_lanes(kept) < settings.max_sessions) return {};
  if (used == key_uses.end() || !evict_longest_lost(&peer_key)) evict_longest_lost(nullptr);
  if (over_all_lanes(kept) < settings.max_sessions) return {};
  ++counters.too_many_at_once;
  return "max_sessions are kept; come back later";
}

// Of all lanes' sessions, or of those of one key, that are lost. False: there is none.
bool Core::State::evict_longest_lost(const std::string_view* peer_key) {
  State* at = nullptr;
  Session* longest = nullptr;
  for (const Core* core : board.cores()) {
    State& there = *core->state_;
    const auto used = peer_key != nullptr ? there.key_uses.find(*peer_key) : there.key_uses.end();
    if (peer_key != nullptr && used == there.key_uses.end()) continue;
    const std::list<Session*>& sorted = peer_key != nullptr ? used->second.lost : there.lost;
    if (sorted.empty() || (longest != nullptr && longest->lost_at_ms <= sorted.front()->lost_at_ms)) continue;
    at = &there;
    longest = sorted.front();
  }
  if (longest == nullptr) return false;
  ++at->counters.sessions_evicted;
  at->forget(*longest);
  return true;
}

void Core::State::note_registered(std::string_view peer_key) {
  const auto used = key_uses.find(peer_key);
  if (used != key_uses.end()) ++used->second.registrations;
}

void Core::State::note_ended(std::string_view peer_key) {
  const auto used = key_uses.find(peer_key);
  if (used == key_uses.end()) return;
  SIGNALBOX_ASSERT(used->second.registrations > 0, "a key counts its registrations");
  --used->second.registrations;
}

void Core::State::note_lost(Session& session) {
  session.lost_at_ms = now.monotonic_ms;
  session.lost_place = lost.insert(lost.end(), &session);
  session.is_lost = true;
  note_lost_of_key(session);
}

void Core::State::note_lost_of_key(Session& session) {
  const auto used = key_uses.find(session.peer_key);
  if (used == key_uses.end()) return;
  session.lost_of_key_place = used->second.lost.insert(used->second.lost.end(), &session);
}

// It has come back, or is forgotten.
void Core::State::note_found(Session& session) {
  lost.erase(session.lost_place);
  session.is_lost = false;
  const auto used = key_uses.find(session.peer_key);
  if (used != key_uses.end()) used->second.lost.erase(session.lost_of_key_place);
}

// A session that is lost is left alone: whoever comes back for it says HELLO, and is judged then.
void Core::State::end_not_permitted() {
  std::vector<Connection*> ended;
  for (const auto& [pointer, session] : sessions) {
    if (session->connection == nullptr || may_be(session->peer_key, endpoints[session->endpoint].settings)) continue;
    ended.push_back(session->connection);
  }
  for (Connection* const connection : ended) {
    fail(*connection, ErrorCode::not_permitted,
         "the configuration has changed: your key may not be this name any more");
  }
  flush();
}

// --- registrations ---------------------------------------------------------------------------------------------------

Connection& Core::State::connection_for(ConnectionId id) {
  const auto [it, is_new] = connections.try_emplace(id);
  Connection& connection = it->second;
  if (is_new) {
    connection.id = id;
    connection.last_sent_ms = now.monotonic_ms;
    connection.idle_place = idle.insert(idle.end(), &connection);
  }
  return connection;
}

void Core::State::probe_instances(Endpoint& endpoint) {
  // Those that have had no PING yet stand in front, then the others, the one whose PING is longest ago first.
  std::list<Session*>& instances = endpoint.instances;
  for (size_t i = instances.size(); i > 0; --i) {
    Session& session = *instances.front();
    Connection& connection = *session.connection;
    if (connection.probed && now.monotonic_ms - connection.last_probe_ms < limits::probe_interval_ms) break;
    connection.probed = true;
    connection.last_probe_ms = now.monotonic_ms;
    instances.splice(instances.end(), instances, session.instance_place);
    probe(connection);
  }
}

Session* Core::State::new_session(const Hello& hello, std::string_view peer_key, EndpointId endpoint) {
  auto owned = std::make_unique<Session>();
  Session* const session = owned.get();
  sessions.emplace(session, std::move(owned));
  session->id = hello.session;
  session->peer_key = peer_key;
  session->endpoint = endpoint;
  session->begins_anywhere = !session->id.empty();
  if (!session->id.empty()) sessions_by_id.emplace(session->id, session);
  return session;
}

void Core::State::resume(Session& session, Seq confirmed) {
  ++counters.resumed;
  // WELCOME tells how far everything is settled, so that is as good as confirmed.
  confirmed_upto(session, session.settled());
  size_t& told = session.refusals_told;
  for (told = 0; told < session.refusals.size() && session.refusals.seq(told) <= confirmed;) ++told;
  take_back_blame(session);
  confirm_later(session);
}

void Core::State::take_back_blame(Session& session) {
  for (const Blame& blame : session.blamed) {
    if (blame.segment->serial != blame.serial) continue;
    const Place place{blame.segment, blame.index};
    if (place.entry().state == Entry::State::done) continue;
    endpoints[session.endpoint].queue.forgive(blame.kind, place, blame.failed);
  }
  session.blamed.clear();
}

void Core::State::welcome(Connection& connection, const Session& session) {
  Welcome frame;
  frame.session = session.id;
  frame.last_seq = session.settled();
  frame.limits.heartbeat_ms = settings.heartbeat_ms;
  frame.limits.max_message_bytes = settings.max_message_bytes;
  frame.limits.max_batch_bytes = settings.max_batch_bytes;
  frame.limits.send_window = settings.send_window;
  frame.limits.send_window_bytes = settings.send_window_bytes;
  frame.limits.max_prefetch = settings.max_prefetch;
  frame.limits.ack_timeout_ms = endpoints[session.endpoint].settings.ack_timeout_ms;
  frame.limits.broker = settings.product;
  write(header_, frame);
  send_or_keep(connection, header_);
}

void Core::State::bye(Connection& connection) {
  Session& session = *connection.session;
  session.leaving = true;
  session.prefetch = 0;
  give_back(session, false);
  await_no_longer(connection);
  rank(session);
  mark_dirty(session.endpoint);
  // What it sent is in its queues: that is all that settling means here, so no queue's limit holds this back any more.
  let_go(session);
  tell_sender(session);
  say_goodbye(session);
}

// Ends the registration of one who leaves as soon as all has been told; until then it waits for room.
void Core::State::say_goodbye(Session& session) {
  if (!session.leaving || session.connection == nullptr || !session.is_told()) return;
  Connection& connection = *session.connection;
  end_registration(session, Ending::left);
  write(header_, Bye{});
  send_or_keep(connection, header_);
}

void Core::State::let_go(Session& session) {
  for (const Session::Hold& hold : session.holds) std::erase(endpoints[hold.endpoint].holders, &session);
  session.holds.clear();
}

void Core::State::end_registration(Session& session, Ending ending) {
  Endpoint& endpoint = endpoints[session.endpoint];
  endpoint.instances.erase(session.instance_place);
  if (endpoint.reserved == &session) endpoint.reserved = nullptr;
  await_no_longer(*session.connection);
  --live_registrations;
  note_instances(endpoint);
  note_ended(session.peer_key);
  give_back(session, ending == Ending::lost);
  session.connection->session = nullptr;
  session.connection = nullptr;
  rank(session);
  mark_dirty(session.endpoint);
  // Who has said BYE does not come back, even if it was lost before the answer.
  if (ending == Ending::left || session.id.empty() || session.leaving) {
    forget(session);
  } else {
    note_lost(session);
  }
}

void Core::State::forget(Session& session) {
  let_go(session);
  if (session.confirm_due) std::erase(confirm_due_, &session);
  if (session.is_lost) note_found(session);
  if (!session.id.empty()) sessions_by_id.erase(session.id);
  sessions.erase(&session);
}

}  // namespace signalbox
