// The life of copies, registrations and sessions in the model's books.
#include "tests/simulation/model.hpp"

#include <algorithm>
#include <utility>

namespace signalbox::simulation {

Model::Model(const Scenario& scenario, const MessageBook& messages, Journal& journal, std::vector<uint32_t> lane_of)
    : settings_(scenario.settings()),
      lane_of_(std::move(lane_of)),
      scenario_(scenario),
      messages_(messages),
      journal_(journal),
      twin_memory_(settings_.routing_memory_bytes, settings_.hash_secret) {
  Surroundings& surroundings = *this;
  Routing::Sink& sink = *this;
  if (scenario.uses_twin()) twin_ = std::make_unique<Routing>(settings_, surroundings, twin_memory_, sink);
  for (const EndpointSettings& endpoint : settings_.endpoints) endpoints_.emplace_back(endpoint);
  memories_.resize(settings_.dispatchers.size());
}

Copy& Model::new_copy(EndpointId endpoint, const Message& message, Bytes text) {
  Copy& copy = copies_.emplace_back();
  copy.message = &message;
  copy.endpoint = endpoint;
  copy.bytes = text.size();
  if (text != message.queued) copy.changed = text;
  if (copies_of_.size() <= message.serial) copies_of_.resize(message.serial + 64);
  copies_of_[message.serial].push_back(&copy);
  return copy;
}

// The message ends at `at` and goes to the dead letters.
void Model::die(const Message& message, Bytes text, EndpointId at, uint32_t deliveries,
                std::optional<std::string> reason, Time now) {
  ++dead_;
  const EndpointId target = settings_.dispatchers[settings_.endpoints[at].dispatcher].dead_letters;
  EndpointBook& book = endpoints_[target];
  if (!book.admit(text.size())) return fail("the dead letters have no room");
  Copy& copy = new_copy(target, message, text);
  copy.bytes += 400;  // at least what the note adds; the true size shows when it is delivered
  copy.died_at = at;
  copy.died_deliveries = deliveries;
  copy.died_wall_us = now.wall_us;
  copy.reason = std::move(reason);
  book.insert(copy, now.monotonic_ms);
  if (!dies_by_time_) return;
  if (!rank_of_deaths_) rank_of_deaths_ = copy.place;
  copy.rank = *rank_of_deaths_;
}

// A copy under way that will not be delivered again. At dead_letters itself that is the end of it.
void Model::bury(Copy& copy, std::optional<std::string> reason, Time now) {
  EndpointBook& book = endpoints_[copy.endpoint];
  if (book.settings().dead_letters) return book.finish(copy, Copy::State::dropped);
  book.finish(copy, Copy::State::dead);
  die(*copy.message, copy.text(), copy.endpoint, copy.deliveries, std::move(reason), now);
}

void Model::fail_copy(Copy& copy, uint64_t due_ms, std::optional<std::string> reason, Time now) {
  ++copy.failures;
  const uint64_t failures_max = endpoints_[copy.endpoint].settings().max_deliveries;
  if (copy.failures >= failures_max) return bury(copy, std::move(reason), now);
  put_back(copy, due_ms, now);
}

// At this registration, which is not to have it again if there is another.
void Model::fail_there(Copy& copy, const RegistrationBook& registration, std::optional<std::string> reason, Time now) {
  const uint64_t delay_ms = endpoints_[copy.endpoint].settings().redeliver_ms << std::min<uint32_t>(copy.failures, 20);
  copy.nacked_by = registration.number;
  fail_copy(copy, now.monotonic_ms + std::min(delay_ms, limits::redeliver_ms_max), std::move(reason), now);
}

void Model::hand_back(RegistrationBook& registration, Time now) {
  for (const auto& [number, copy] : registration.unsettled) put_back(*copy, now.monotonic_ms, now);
  registration.unsettled.clear();
  registration.overdue.clear();
  registration.unsettled_bytes = 0;
  registration.alone = false;
}

// The connection is gone: what was unsettled there is suspect, and what travelled alone as a suspect has failed.
void Model::lose(ConnectionId id, Time now) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  gone_this_turn_ = !lane_of_.empty();
  if (found->second.registration) {
    RegistrationBook& registration = *found->second.registration;
    SessionBook& session = *registration.session;
    const bool alone = registration.alone;
    journal_.note("core loses a connection: connection, unsettled, alone, first serial", id,
                  registration.unsettled.size(), alone,
                  registration.unsettled.empty() ? 0 : registration.unsettled.begin()->second->message->serial);
    for (const auto& [number, copy] : registration.unsettled) {
      ++copy->suspicions;
      session.blames.push_back({copy, alone});
      if (alone) {
        fail_copy(*copy, now.monotonic_ms, std::nullopt, now);
      } else {
        put_back(*copy, now.monotonic_ms, now);
      }
    }
    registration.unsettled.clear();
    end(id, now);
  }
  connections_.erase(id);
}

// One of its instances was found gone, and what it sent before may be on its way.
bool Model::hears_out(const EndpointBook& endpoint) const {
  return std::any_of(endpoint.instances.begin(), endpoint.instances.end(),
                     [this](ConnectionId id) { return connections_.at(id).gone; });
}

void Model::heard_all(Time now) {
  for (ConnectionId id : std::exchange(gone_, {})) lose(id, now);
}

// The registration is over and nothing is held against its messages; its session is kept if it can be resumed.
void Model::end(ConnectionId id, Time now) {
  ConnectionBook& connection = connections_[id];
  RegistrationBook& registration = *connection.registration;
  journal_.note("registration ends: connection, unsettled", id, registration.unsettled.size());
  hand_back(registration, now);
  std::erase(endpoints_[registration.endpoint].instances, id);
  std::erase(to_probe_, id);
  SessionBook& session = *registration.session;
  session.live.reset();
  session.lost_ms = now.monotonic_ms;
  connection.stale_welcomes += registration.welcomes_due;
  connection.registration.reset();
  connection.pongs_allowed += std::exchange(connection.pongs_due, 0);
  if (session.id.empty()) forget(session);
}

void Model::end_with(ConnectionId id, ErrorCode code, Time now) {
  end(id, now);
  connections_[id].errors_due.push_back(code);
}

// What is kept for a connection that has registered once is due; others get it if there is room at that moment.
void Model::owe_error(ConnectionId to, ErrorCode code) {
  ConnectionBook& connection = connections_[to];
  (connection.ever_registered ? connection.errors_due : connection.errors_allowed).push_back(code);
}

void Model::drain() {
  draining_ = true;
  for (auto& [id, connection] : connections_)
    if (connection.registration) ++connection.byes_allowed;
}

void Model::forget(SessionBook& session) {
  std::erase_if(sessions_, [&session](const auto& known) { return known.get() == &session; });
}

// A session that resumes was not killed. What its newcomer's probes have buried before stays a dead letter.
void Model::take_back_blame() {
  SessionBook* const session = std::exchange(resuming_, nullptr);
  if (session == nullptr) return;
  for (const SessionBook::Blame& blame : session->blames) {
    if (blame.copy->state != Copy::State::waiting && blame.copy->state != Copy::State::under_way) continue;
    --blame.copy->suspicions;
    if (blame.failed) --blame.copy->failures;
  }
  session->blames.clear();
}

void Model::forget_lost_sessions(Time now) {
  std::erase_if(sessions_, [&](const auto& session) {
    return !session->live && now.monotonic_ms - session->lost_ms >= settings_.session_ttl_s * 1000;
  });
}

// Moves `settled` over everything that has been refused, or that every queue that took it lets go of.
void Model::advance(SessionBook& session) {
  while (!session.pending.empty()) {
    for (const Outcome::Hold& hold : session.pending.front().holds)
      if (endpoints_[hold.endpoint].holds(hold.spell)) return;
    session.pending.pop_front();
    ++session.settled;
  }
}

void Model::connection_gone(ConnectionId connection, Time now) {
  lose(connection, now);
}

uint64_t Model::live_copies() const {
  uint64_t count = 0;
  for (const EndpointBook& endpoint : endpoints_) count += endpoint.live();
  return count;
}

}  // namespace signalbox::simulation
