// What time alone does, and another configuration: messages that expire or are kept for too long, names and rights that
// are gone.
#include <algorithm>
#include <utility>

#include "tests/simulation/model.hpp"

namespace signalbox::simulation {

// Before Core::tick. What dies in here dies at one moment.
void Model::time_passes(Time now) {
  for (EndpointBook& endpoint : endpoints_) endpoint.note_time(now.monotonic_ms);
  dies_by_time_ = true;
  rank_of_deaths_.reset();
  end_removed(now);
  time_out(now);
  expire(now);
  dies_by_time_ = false;
}

// --- expiry and time-outs

void Model::expire_copy(Copy& copy, Time now) {
  EndpointBook& book = endpoints_[copy.endpoint];
  ++expired_;
  if (book.settings().expired == Expired::dead_letter && !book.settings().dead_letters)
    return bury(copy, std::nullopt, now);
  book.finish(copy, Copy::State::expired);
}

// From under way to its old place, unless its time has run out there.
void Model::put_back(Copy& copy, uint64_t due_ms, Time now) {
  EndpointBook& book = endpoints_[copy.endpoint];
  if (book.is_past(copy, now.monotonic_ms)) return expire_copy(copy, now);
  book.put_back(copy, due_ms);
}

void Model::expire(Time now) {
  for (EndpointBook& book : endpoints_) {
    if (book.settings().message_ttl_ms == 0) continue;
    std::vector<Copy*> past;
    for (const MessageKind kind : {MessageKind::user_message, MessageKind::event}) {
      for (const auto& [place, copy] : book.waiting(kind)) {
        if (book.is_past(*copy, now.monotonic_ms)) {
          past.push_back(copy);
        } else if (copy->came_ms) {
          break;  // what came later has time left
        }
      }
    }
    for (Copy* copy : past) expire_copy(*copy, now);
  }
}

void Model::time_out(Time now) {
  for (auto& [id, connection] : connections_) {
    if (!connection.registration) continue;
    RegistrationBook& registration = *connection.registration;
    const uint64_t timeout_ms = endpoints_[registration.endpoint].settings().ack_timeout_ms;
    if (timeout_ms == 0) continue;
    std::vector<Copy*> late;
    for (const auto& [number, copy] : registration.unsettled)
      if (copy->timed && now.monotonic_ms - copy->handed_ms >= timeout_ms) late.push_back(copy);
    for (Copy* copy : late) {
      ++timed_out_;
      journal_.note("model: taken from its worker: connection, number, serial", id, copy->number,
                    copy->message->serial);
      take_from(registration, *copy);
      fail_there(*copy, registration, "ack timeout", now);
    }
  }
}

// The worker has it in its hands still, so that it takes a slot there.
void Model::take_from(RegistrationBook& registration, Copy& copy) {
  registration.unsettled.erase(copy.number);
  registration.unsettled_bytes -= copy.bytes;
  registration.overdue.emplace(copy.number, &copy);
}

// Everything that the ACK names of what was taken from this worker. Settling one may add another: the same message,
// handed to the same worker anew.
void Model::settle_overdue(RegistrationBook& registration, Seq upto, const std::vector<Seq>& also) {
  for (;;) {
    const auto named = std::ranges::find_if(registration.overdue, [&](const auto& entry) {
      return entry.first <= upto || std::ranges::find(also, entry.first) != also.end();
    });
    if (named == registration.overdue.end()) return;
    Copy& copy = *named->second;
    registration.overdue.erase(named);
    settle_late(copy);
  }
}

void Model::settle_late(Copy& copy) {
  if (copy.state == Copy::State::under_way) {
    if (!copy.timed) return;  // who has it now is not known
    take_from(*connections_[copy.holder].registration, copy);
  } else if (copy.state != Copy::State::waiting) {
    return;
  }
  ++settled_late_;
  journal_.note("model: settled late: serial", copy.message->serial);
  endpoints_[copy.endpoint].finish(copy, Copy::State::settled);
}

// --- another configuration

void Model::reload(Settings next, std::vector<uint32_t> lane_of, Time now) {
  lane_of_ = std::move(lane_of);
  next.state->take_over(*settings_.state);
  // The routers that were go before the store that they kept their state in.
  { const Settings before = std::exchange(settings_, std::move(next)); }
  for (EndpointId id = 0; id < settings_.endpoints.size(); ++id) {
    if (id == endpoints_.size()) endpoints_.emplace_back(EndpointSettings());
    endpoints_[id].reload(settings_.endpoints[id], now.monotonic_ms);
  }
  memories_.resize(settings_.dispatchers.size());
  if (twin_) twin_->settings_changed();
  for (auto& [id, connection] : connections_) {
    if (!connection.registration || endpoints_[connection.registration->endpoint].settings().ack_timeout_ms != 0)
      continue;
    for (const auto& [number, copy] : connection.registration->unsettled) copy->timed = false;
  }
  dies_by_time_ = true;
  rank_of_deaths_.reset();
  end_not_permitted(now);
  time_out(now);
  expire(now);
  dies_by_time_ = false;
}

void Model::peers_changed(const std::vector<PeerSettings>& peers, Time now) {
  settings_.peers = peers;
  dies_by_time_ = true;
  rank_of_deaths_.reset();
  end_not_permitted(now);
  dies_by_time_ = false;
}

bool Model::may_be(const std::string& key, EndpointId endpoint) const {
  if (!settings_.keys_required || key == own_process_key) return true;
  const EndpointSettings& wanted = settings_.endpoints[endpoint];
  for (const PeerSettings& peer : settings_.peers)
    for (const PeerRight& right : peer.may_be)
      if (peer.key == key && right.role == wanted.role && right.name == wanted.name) return true;
  return false;
}

// It has said BYE, and the answer alone waits for room.
bool Model::has_gone(const RegistrationBook& registration) {
  return registration.leaving && is_told(registration);
}

void Model::end_not_permitted(Time now) {
  std::vector<ConnectionId> ended;
  for (const auto& [id, connection] : connections_) {
    if (!connection.registration || has_gone(*connection.registration)) continue;
    if (!may_be(connection.registration->session->key, connection.registration->endpoint)) ended.push_back(id);
  }
  for (ConnectionId id : ended) end_with(id, ErrorCode::not_permitted, now);
}

void Model::end_removed(Time now) {
  for (EndpointId id = 0; id < endpoints_.size(); ++id) {
    const EndpointBook& book = endpoints_[id];
    if (!book.settings().removed || now.monotonic_ms - book.removed_ms < settings_.removed_endpoint_ms) continue;
    std::vector<ConnectionId> here;
    for (const auto& [connection, entry] : connections_)
      if (entry.registration && entry.registration->endpoint == id && !has_gone(*entry.registration))
        here.push_back(connection);
    for (ConnectionId connection : here) end_with(connection, ErrorCode::unknown_endpoint, now);
    ended_this_turn_.insert(ended_this_turn_.end(), here.begin(), here.end());
    std::erase_if(sessions_, [id](const auto& session) { return session->endpoint == id && !session->live; });
    std::vector<Copy*> left;
    for (const MessageKind kind : {MessageKind::user_message, MessageKind::event})
      for (const auto& [place, copy] : book.waiting(kind)) left.push_back(copy);
    for (Copy* copy : left) bury(*copy, std::nullopt, now);
  }
}

}  // namespace signalbox::simulation
