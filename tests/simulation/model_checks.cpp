// What must have happened by the end of a turn, of a step, of a run.
#include <algorithm>

#include "tests/simulation/model.hpp"

namespace signalbox::simulation {
namespace {

std::string text(const Count& count) {
  return std::to_string(count.messages) + " messages, " + std::to_string(count.bytes) + " bytes";
}

}  // namespace

void Model::check_turn(const SimulatedLink& link, Time now) {
  for (auto& [id, connection] : connections_) check_answers(id, connection, link, now);
  for (ConnectionId id : to_probe_) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || found->second.gone || !found->second.registration) continue;
    // A send that was not taken for want of room says as much as a PING: the connection is there.
    const uint64_t last_ms = std::max(found->second.ping_ms, found->second.blocked_ms);
    if (now.monotonic_ms - last_ms > limits::probe_interval_ms)
      fail("connection " + std::to_string(id) + " was not probed when a newcomer registered beside it");
  }
  to_probe_.clear();
  // What a lost connection leaves behind is handed out in the turn after.
  if (!gone_this_turn_)
    for (EndpointId id = 0; id < endpoints_.size(); ++id) check_waiting(id, link, now);
  for (EndpointBook& endpoint : endpoints_) endpoint.suspect_waited = suspect_waits(endpoint, now);
  gone_this_turn_ = false;
  ended_this_turn_.clear();
}

// Each peer that can be reached has had its answers.
void Model::check_answers(ConnectionId id, ConnectionBook& connection, const SimulatedLink& link, Time now) {
  if (!link.takes(id, now.monotonic_ms) || (connection.blocked && connection.blocked_ms + 2 > now.monotonic_ms)) return;
  const std::string whom = ", connection " + std::to_string(id);
  if (!connection.errors_due.empty())
    return fail("ERROR " + std::string(to_string(connection.errors_due.front())) + " was not sent" + whom);
  if (connection.pongs_due > 0) return fail("a PING was not answered" + whom);
  if (!connection.registration) return;
  RegistrationBook& registration = *connection.registration;
  SessionBook& session = *registration.session;
  if (!registration.welcomed) return fail("a HELLO was not answered" + whom);
  registration.welcomes_due = 0;
  advance(session);
  if (registration.confirmed < session.settled)
    return fail("settled up to " + std::to_string(session.settled) + " but confirmed only " +
                std::to_string(registration.confirmed) + whom);
  if (registration.confirm_again > 0) return fail("a SEND that is known as a whole was not confirmed again" + whom);
  const auto untold = session.refused.upper_bound(registration.refused);
  if (untold != session.refused.end() && untold->first <= session.settled)
    return fail("the REFUSE of " + std::to_string(untold->first) + " was not sent" + whom);
  if (registration.leaving && session.pending.empty()) fail("a BYE was not answered" + whom);
}

// Nothing waits that an instance could have been given.
void Model::check_waiting(EndpointId endpoint, const SimulatedLink& link, Time now) {
  const EndpointBook& book = endpoints_[endpoint];
  if (hears_out(book)) return;
  const Copy* first = nullptr;
  const bool suspects = suspect_waits(book, now);
  for (MessageKind kind : {MessageKind::user_message, MessageKind::event}) {
    std::optional<uint64_t> rank;  // letters of one moment may stand in any order
    for (const auto& [place, copy] : book.waiting(kind)) {
      if (rank && copy->rank != *rank) break;
      if (copy->due_ms > now.monotonic_ms) continue;
      if (lacks_bytes(book, *copy)) return;
      if (copy->nacked_by != 0) continue;
      if (first == nullptr) first = copy;
      if (copy->alone()) continue;
      first = copy;
      rank = copy->rank;
    }
  }
  if (first == nullptr) return;
  for (ConnectionId id : book.instances) {
    const ConnectionBook& connection = connections_[id];
    if (!link.takes(id, now.monotonic_ms) || (connection.blocked && connection.blocked_ms + 2 > now.monotonic_ms))
      continue;
    // While a suspect waits for an instance to be empty, one that is not may be kept from new work.
    if (suspects && connection.registration->slots_taken() > 0) continue;
    if (can_take(connection, *first))
      return fail(describe(*first->message) + " waits though connection " + std::to_string(id) +
                  " has room: " + std::to_string(connection.registration->unsettled.size()) + " of " +
                  std::to_string(connection.registration->prefetch) + " messages, " +
                  std::to_string(connection.registration->unsettled_bytes) + " of " +
                  std::to_string(settings_.max_unsettled_bytes) + " bytes are under way there");
  }
}

void Model::check_heartbeats(Time now) {
  for (const auto& [id, connection] : connections_) {
    if (connection.gone || !connection.registration || !connection.registration->welcomed) continue;
    if (now.monotonic_ms - connection.attempt_ms > settings_.heartbeat_ms)
      fail("connection " + std::to_string(id) + " has heard nothing for longer than a heartbeat");
  }
}

void Model::compare(const Lanes& core) {
  size_t instances = 0;
  size_t leaving = 0;
  for (EndpointId id = 0; id < endpoints_.size() && !journal_.failed(); ++id) {
    const EndpointBook& book = endpoints_[id];
    const EndpointStatus status = core.status(id);
    const auto same = [&](const char* what, const Count& ours, const Count& theirs, bool bytes = true) {
      if (ours.messages == theirs.messages && (!bytes || ours.bytes == theirs.bytes)) return;
      fail("the ledger of " + book.settings().name + " differs in " + what + ": core " + text(theirs) + ", model " +
           text(ours));
    };
    same("received", book.sender.received, status.sender.received);
    same("routed", book.sender.routed, status.sender.routed);
    same("refused", book.sender.refused, status.sender.refused);
    same("discarded", book.sender.discarded, status.sender.discarded);
    same("copies", book.sender.copies, status.sender.copies);
    same("not_taken", book.sender.not_taken, status.sender.not_taken);
    const bool bytes = !book.settings().dead_letters;
    same("taken", book.queue.taken, status.queue.taken, bytes);
    same("settled", book.queue.settled, status.queue.settled, bytes);
    same("under way", book.queue.under_way, status.queue.under_way, bytes);
    same("waiting", book.queue.waiting, status.queue.waiting, bytes);
    same("dropped", book.queue.dropped, status.queue.dropped, bytes);
    same("expired", book.queue.expired, status.queue.expired, bytes);
    same("dead", book.queue.dead, status.queue.dead, bytes);
    // One that said BYE may count until it has been told everything.
    const auto left = static_cast<size_t>(std::count_if(connections_.begin(), connections_.end(), [id](const auto& it) {
      return it.second.registration && it.second.registration->leaving && it.second.registration->endpoint == id;
    }));
    leaving += left;
    instances += book.instances.size();
    if (status.instances < book.instances.size() || status.instances > book.instances.size() + left)
      fail(book.settings().name + " has " + std::to_string(book.instances.size()) + " instances, the core says " +
           std::to_string(status.instances));
  }
  const Counters counters = core.counters();
  if (counters.expired != expired_ || counters.ack_timeouts != timed_out_ || counters.settled_late != settled_late_)
    fail("the core counts expired, ack_timeouts, settled_late " + std::to_string(counters.expired) + ", " +
         std::to_string(counters.ack_timeouts) + ", " + std::to_string(counters.settled_late) + ", the model " +
         std::to_string(expired_) + ", " + std::to_string(timed_out_) + ", " + std::to_string(settled_late_));
  if (core.registrations() < instances || core.registrations() > instances + leaving)
    fail("the core counts " + std::to_string(core.registrations()) + " registrations, the model " +
         std::to_string(instances));
  const bool drained = std::all_of(endpoints_.begin(), endpoints_.end(), [](const EndpointBook& book) {
    return book.settings().dead_letters || book.live() == 0;
  });
  if (core.drained() != drained) fail(drained ? "the core does not say that it is drained" : "the core is not drained");
  // A lost session that has nothing to come back for need not be kept.
  const auto kept = static_cast<size_t>(std::count_if(sessions_.begin(), sessions_.end(), [](const auto& session) {
    return session->live || session->received > 0 || !session->blames.empty();
  }));
  if (core.sessions() > sessions_.size() || core.sessions() + leaving < kept)
    fail("the core keeps " + std::to_string(core.sessions()) + " sessions, the model " + std::to_string(kept));
}

void Model::check_end(const Lanes& core) {
  compare(core);
  for (const EndpointBook& book : endpoints_) {
    if (book.live() > 0) return fail(std::to_string(book.live()) + " messages are left at " + book.settings().name);
    const QueueLedger& queue = book.queue;
    if (queue.taken.messages !=
        queue.settled.messages + queue.dropped.messages + queue.expired.messages + queue.dead.messages)
      return fail("the copies of " + book.settings().name + " do not add up");
  }
  for (const Copy& copy : copies_)
    if (copy.state == Copy::State::waiting || copy.state == Copy::State::under_way)
      return fail("message " + std::to_string(copy.message->serial) + " is still owed");
  for (const auto& [id, connection] : connections_)
    if (connection.registration && connection.registration->confirmed < connection.registration->session->received)
      return fail("connection " + std::to_string(id) + " was never confirmed all that it sent");
}

}  // namespace signalbox::simulation
