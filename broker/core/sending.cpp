// What workers hand over: numbers, windows, routing, queues, confirmations (protocol page, section 4).
#include <algorithm>
#include <span>

#include "broker/core/entrance.hpp"
#include "broker/core/planted_fault.hpp"
#include "broker/core/state.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

// So many messages' lines of the routing memory are asked for at once.
constexpr size_t prepared_together = 16;

}  // namespace

void Core::State::send(Connection& connection, const Send& frame, Bytes body) {
  Session& session = *connection.session;
  const Role role = endpoints[session.endpoint].settings.role;
  if (draining && role == Role::transport) return;  // stays unconfirmed: the next broker gets it
  if (body.size() > settings.max_batch_bytes)
    return fail(connection, ErrorCode::too_large, "the body is over max_batch_bytes");
  if (body.empty()) return fail(connection, ErrorCode::malformed, "the body is empty");
  const Seq first = frame.first_seq;
  if (first + body.size() < first)
    return fail(connection, ErrorCode::malformed, "first_seq leaves no room to count on");
  const Seq expected = session.begins_anywhere ? first : session.last_received + 1;
  if (first > expected) return fail(connection, ErrorCode::gap, "expected number " + std::to_string(expected));

  // Numbers that it has received before are passed over, unread.
  Seq next = first;
  while (next < expected && !body.empty()) {
    const std::optional<size_t> known_bytes = map_bytes(body);
    if (!known_bytes) break;
    body.remove_prefix(*known_bytes);
    ++next;
  }
  // One more than may come is enough to see that too many do.
  const Seq confirmed = session.begins_anywhere ? first - 1 : session.confirmed;
  const std::string_view fault = scan(session, body, confirmed + settings.send_window + 2 - expected);
  if (next == first && scanned_count_ == 0) return fail(connection, ErrorCode::malformed, fault);
  const Seq last = next + scanned_count_ - 1;
  if (scanned_count_ > 0) {
    if (!within_window(session, confirmed, last, scanned_bytes_)) {
      return fail(connection, ErrorCode::window, "more unconfirmed than send_window or send_window_bytes allow");
    }
    if (session.begins_anywhere) {
      session.begins_anywhere = false;
      session.confirmed = first - 1;
    }
    take_batch(session, next);
  } else if (last <= session.settled()) {
    session.confirm_again = true;  // its sender has missed the confirmation; what is not settled yet gets one in time
  }
  confirm_later(session);
  if (!fault.empty()) {
    // What came whole before the break stands, and its sender is told so before the registration ends.
    tell_sender(session);
    fail(connection, ErrorCode::malformed, fault);
  }
}

// Everything that scan() has found, numbered from `first` on.
void Core::State::take_batch(Session& session, Seq first) {
  session.unconfirmed_bytes += scanned_bytes_;
  Endpoint& sender = endpoints[session.endpoint];
  routing_for_ = &session;
  routing_ledger_ = &sender.sender;
  routing.begin(sender.id, now);
  uint64_t part_bytes = 0;
  for (size_t i = 0; i < scanned_count_; ++i) {
    if (i % prepared_together == 0) prepare(sender.id, i + 2 * prepared_together);
    const size_t holds = session.holds.size();
    session.last_received = first + i;
    routing_index_ = i;
    receive(session, sender, session.last_received, scanned_[i]);
    if (session.holds.size() != holds && part_bytes > 0) {
      // A confirmation may stop short of this message: what lies before it is counted apart.
      session.unconfirmed.push_back({session.last_received - 1, part_bytes});
      part_bytes = 0;
    }
    part_bytes += scanned_[i].view.bytes().size();
  }
  session.unconfirmed.push_back({session.last_received, part_bytes});
  for (const EndpointId endpoint : pending_) append_pending(endpoints[endpoint]);
  pending_.clear();
}

bool Core::State::within_window(const Session& session, Seq confirmed, Seq last, uint64_t bytes) const {
#ifdef SIGNALBOX_PLANTED_FAULTS
  if (planted_fault == PlantedFault::window_not_enforced) return true;
#endif
  if (last - confirmed > settings.send_window) return false;
  const bool alone = last - confirmed == 1;  // one message always fits
  return alone || session.unconfirmed_bytes + bytes <= settings.send_window_bytes;
}

// Fills scanned_ with at most `messages_max` messages of the body. Gives what is wrong where the body breaks.
std::string_view Core::State::scan(const Session& session, Bytes body, uint64_t messages_max) {
  scanned_count_ = 0;
  scanned_bytes_ = 0;
  scanned_sizes_.clear();
  prepared_count_ = 0;
  for (Scanned* scanned = scanned_.data(); !body.empty() && scanned_count_ < messages_max; ++scanned) {
    if (scanned == scanned_.data() + scanned_.size()) scanned = &scanned_.emplace_back();
    scanned->outcome = scanner_.scan(body, scanned->view);
    if (scanned->outcome == Scan::broken) return scanned->view.fault();
    const size_t bytes = scanned->view.bytes().size();
    body.remove_prefix(bytes);
    scanned_bytes_ += bytes;
    scanned_sizes_.push_back(static_cast<uint32_t>(bytes));
    if (++scanned_count_ == prepared_together) prepare(session.endpoint, prepared_together);
  }
  return {};
}

// Asks for the routing memory's lines of what has been scanned, up to the message at `end`, ahead of its turn, so that
// no message waits for them. Several messages at a time: behind each line there is a look-up of its page, and only
// what is asked for in quick succession is looked up at once.
void Core::State::prepare(EndpointId sender, size_t end) {
  end = std::min(end, scanned_count_);
  for (size_t i = prepared_count_; i < end; ++i) {
    if (scanned_[i].outcome == Scan::ok) routing.prepare(scanned_[i].keys, sender, scanned_[i].view);
  }
  for (size_t i = prepared_count_; i < end; ++i) {
    if (scanned_[i].outcome == Scan::ok) routing.prefetch(scanned_[i].keys);
  }
  prepared_count_ = end;
}

void Core::State::receive(Session& session, const Endpoint& sender, Seq seq, const Scanned& scanned) {
  const uint64_t size = scanned.view.bytes().size();
  routing_ledger_->received.add(size);
  const auto refused = refused_at_entrance(sender.settings, scanned.outcome, scanned.view, settings.max_message_bytes);
  if (refused) return refuse(session, seq, refused->code, refused->text, size);
  if (sender.settings.removed && sender.settings.role == Role::transport) {
    return refuse(session, seq, RefusalCode::unknown_endpoint,
                  "the configuration does not list '" + sender.settings.name + "' any more", size);
  }
  routing_seq_ = seq;
  switch (routing.route(scanned.view, &scanned.keys)) {
    case Routing::Verdict::Outcome::taken:
      return routing_ledger_->routed.add(size);
    case Routing::Verdict::Outcome::discarded:
      return routing_ledger_->discarded.add(size);
    case Routing::Verdict::Outcome::refused:
      return refuse(session, seq, routing.refusal().code, routing.refusal().text, size);
  }
}

// Neighbours in the body are appended as one, when the next is none or the batch is through: one copy of many messages
// costs little more than one of a single message.
inline void Core::State::append(Endpoint& endpoint, MessageKind kind, Bytes copy) {
  Endpoint::Pending& pending = endpoint.pending;
  const bool is_unchanged = copy.data() == scanned_[routing_index_].view.bytes().data();
  if (is_unchanged && pending.count != 0 && pending.kind == kind && pending.first + pending.count == routing_index_) {
    ++pending.count;
    pending.bytes += copy.size();
  } else {
    append_apart(endpoint, kind, copy, is_unchanged);
  }
}

void Core::State::append_apart(Endpoint& endpoint, MessageKind kind, Bytes copy, bool may_wait) {
  const bool is_listed = endpoint.pending.count != 0;
  append_pending(endpoint);
  if (may_wait && scanned_count_ > 1) {
    endpoint.pending = {.kind = kind, .bytes = copy.size(), .first = routing_index_, .count = 1};
    if (!is_listed) pending_.push_back(endpoint.id);
    return;
  }
  endpoint.queue.append(kind, copy, now.monotonic_ms);
  routing_ledger_->copies.add(copy.size());
  mark_dirty(endpoint.id);
}

// A copy for the queue of one target. False: it takes none.
bool Core::State::offer(EndpointId target, MessageKind kind, Bytes copy) {
  if (offered_ == nullptr || offered_->id != target) offered_ = &endpoints[target];
  Endpoint& endpoint = *offered_;
  if (endpoint.elsewhere) return offer_elsewhere(endpoint, kind, copy);
  if (has_other_lanes && !fits_with_what_comes(endpoint, copy.size())) return false;
  // A queue within its limits, and still so with this one, takes it under any policy, and holds nobody up.
  if (Queue::fits(endpoint.settings, held(endpoint), copy.size(), 1)) {
    append(endpoint, kind, copy);
    return true;
  }
  append_pending(endpoint);
  if (!endpoint.queue.make_room(copy.size(), endpoint.refusing)) return false;
  append(endpoint, kind, copy);
  append_pending(endpoint);
  if (blocks(endpoint)) hold(*routing_for_, routing_seq_, target);
  return true;
}

void Core::State::append_pending(Endpoint& endpoint) {
  Endpoint::Pending& pending = endpoint.pending;
  if (pending.count == 0) return;
  const Bytes messages(scanned_[pending.first].view.bytes().data(), pending.bytes);
  endpoint.queue.append(pending.kind, messages, std::span(scanned_sizes_).subspan(pending.first, pending.count),
                        now.monotonic_ms);
  routing_ledger_->copies += Count{pending.count, pending.bytes};
  pending.count = 0;
  pending.bytes = 0;
  mark_dirty(endpoint.id);
}

bool Core::State::blocks(Endpoint& endpoint) {
  if (endpoint.settings.overflow != Overflow::block || endpoint.queue.within_limit()) return false;
  if (!endpoint.listed_over) {
    endpoint.listed_over = true;
    endpoint.over_since_ms = now.monotonic_ms;
    over_.push_back(endpoint.id);
  }
  return true;
}

void Core::State::left_out(EndpointId endpoint, MessageKind kind, Bytes copy, RefusalCode code) {
  routing_ledger_->not_taken.add(copy.size());
  dead_letter(endpoint, kind, copy, to_string(code), 0);
}

void Core::State::hold(Session& session, Seq seq, EndpointId target) {
  const auto same = [&](const Session::Hold& hold) { return hold.endpoint == target; };
  if (std::any_of(session.holds.begin(), session.holds.end(), same)) return;
  session.holds.push_back({target, seq});
  endpoints[target].holders.push_back(&session);
}

void Core::State::queue_shrank(EndpointId id) {
  Endpoint& endpoint = endpoints[id];
  publish(endpoint);
  if (!endpoint.listed_over) return;
  // A reload may have ended the blocking: then nobody waits, however full the queue is.
  if (endpoint.settings.overflow == Overflow::block && !endpoint.queue.within_limit()) return;
  endpoint.listed_over = false;
  endpoint.refusing = false;
  std::erase(over_, id);
  publish(endpoint);
  release_holders(endpoint);
}

void Core::State::release_holders(Endpoint& endpoint) {
  for (Session* session : endpoint.holders) {
    std::erase_if(session->holds, [&](const Session::Hold& hold) { return hold.endpoint == endpoint.id; });
    confirm_later(*session);
  }
  endpoint.holders.clear();
  release_waiting_lanes(endpoint);
}

void Core::State::refuse(Session& session, Seq seq, RefusalCode code, std::string_view text, uint64_t bytes) {
  ++counters.refusals[static_cast<size_t>(code)];
  endpoints[session.endpoint].sender.refused.add(bytes);
  session.refusals.add(seq, code, printable(text));
}

// --- telling the sender ----------------------------------------------------------------------------------------------

void Core::State::confirm_later(Session& session) {
  if (session.confirm_due) return;
  session.confirm_due = true;
  confirm_due_.push_back(&session);
}

bool Core::State::tell_refusals(Session& session) {
  if (session.connection == nullptr || !session.connection->waiting.empty()) return false;
  for (; session.refusals_told < session.refusals.size(); ++session.refusals_told) {
    const RefusalLog& log = session.refusals;
    const size_t i = session.refusals_told;
    write(header_, Refuse{log.seq(i), to_string(log.code(i)), log.text(i)});
    if (!send_header(*session.connection, header_)) return false;
  }
  return true;
}

void Core::State::tell_sender(Session& session) {
  if (!tell_refusals(session)) return;
  Connection& connection = *session.connection;
  // Only who can resume may ask for them again, and then for those of the last window.
  while (session.refusals_told > 0 &&
         (session.id.empty() || session.last_received - session.refusals.seq(0) >= settings.send_window)) {
    session.refusals.pop_front();
    --session.refusals_told;
  }
  const Seq settled = session.settled();
  if (settled == session.confirmed && (!session.confirm_again || settled == 0)) return;
  write(header_, Confirm{settled});
#ifdef SIGNALBOX_PLANTED_FAULTS
  if (planted_fault == PlantedFault::lost_confirmation && connection.blocked) confirmed_upto(session, settled);
#endif
  if (!send_header(connection, header_)) return;
  session.confirm_again = false;
  confirmed_upto(session, settled);
}

void Core::State::confirmed_upto(Session& session, Seq settled) {
  session.confirmed = settled;
  while (!session.unconfirmed.empty() && session.unconfirmed.front().last_seq <= settled) {
    session.unconfirmed_bytes -= session.unconfirmed.front().bytes;
    session.unconfirmed.pop_front();
  }
}

}  // namespace signalbox
