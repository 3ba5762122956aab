// What time does to messages: those that wait for longer than message_ttl_ms expire, and those that a worker keeps for
// longer than ack_timeout_ms have failed there (protocol page, sections 5.7 and 5.8).
//
// An endpoint with work of either sort to come stands in one heap of timers, once for each sort, by when the first of
// its messages is due; where an earlier one comes up, once more, and the entry before is passed over. So a turn costs
// what is due in it, however many messages wait or are under way; and what is due all at once is done in shares, one a
// turn, so that the loop goes on.
#include <algorithm>

#include "broker/core/planted_fault.hpp"
#include "broker/core/state.hpp"

namespace signalbox {

namespace {

// So many messages are looked at in one turn. About a millisecond's work where each becomes a dead letter.
constexpr uint64_t time_share_messages = 1024;

constexpr std::string_view expired_reason = "waited for longer than message_ttl_ms";
constexpr std::string_view timeout_reason = "ack timeout";

}  // namespace

// --- timers ----------------------------------------------------------------------------------------------------------

bool Core::State::has_more() const {
  return timer_is_due() || !gone_.empty();
}

bool Core::State::timer_is_due() const {
  return !timers_.empty() && timers_.top().due_ms <= now.monotonic_ms;
}

void Core::State::run_timers() {
  time_share_ = time_share_messages;
  while (timer_is_due() && time_share_ > 0) {
    const Timer timer = timers_.top();
    timers_.pop();
    Endpoint& endpoint = endpoints[timer.endpoint];
    const bool is_expiry = timer.sort == Timer::Sort::expiry;
    uint64_t& timed_for_ms = is_expiry ? endpoint.expiry_due_ms : endpoint.timeout_due_ms;
    if (timer.due_ms != timed_for_ms) continue;  // an earlier one has taken its place
    timed_for_ms = Queue::never_ms;
    if (!is_expiry) {
      time_out(endpoint);
    } else if (expire_past(endpoint)) {
      mark_dirty(endpoint.id);
    }
  }
}

// Work that was left over goes behind what others have been waiting for: it is due now.
void Core::State::set_timer(Endpoint& endpoint, Timer::Sort sort, uint64_t due_ms) {
  uint64_t& timed_for_ms = sort == Timer::Sort::expiry ? endpoint.expiry_due_ms : endpoint.timeout_due_ms;
  due_ms = std::max(due_ms, now.monotonic_ms);
  if (timed_for_ms <= due_ms) return;
  timed_for_ms = due_ms;
  timers_.push({due_ms, endpoint.id, sort});
}

// The settings have changed: the coming turn looks at every endpoint with work of either sort, by what they say now.
void Core::State::set_timers_anew() {
#ifdef SIGNALBOX_PLANTED_FAULTS
  if (planted_fault == PlantedFault::old_times_after_reload) return;
#endif
  timers_ = {};
  for (Endpoint& endpoint : endpoints) {
    endpoint.expiry_due_ms = endpoint.timeout_due_ms = Queue::never_ms;
    if (endpoint.settings.message_ttl_ms != 0) set_timer(endpoint, Timer::Sort::expiry, now.monotonic_ms);
    if (!endpoint.handed_out.empty()) set_timer(endpoint, Timer::Sort::timeout, now.monotonic_ms);
  }
}

// --- expiry ----------------------------------------------------------------------------------------------------------

bool Core::State::expire_past(Endpoint& endpoint) {
  bool some = false;
  for (const MessageKind kind : {MessageKind::user_message, MessageKind::event}) {
    while (const Place place = endpoint.queue.next_past(kind, now.monotonic_ms, time_share_)) {
      expire(endpoint, kind, place);
      some = true;
    }
  }
  if (some) queue_shrank(endpoint.id);
  const uint64_t next_ms = endpoint.queue.next_expiry_ms();
  if (next_ms != Queue::never_ms) set_timer(endpoint, Timer::Sort::expiry, next_ms);
  return next_ms > now.monotonic_ms;
}

void Core::State::expire(Endpoint& endpoint, MessageKind kind, Place place) {
  ++counters.expired;
  if (endpoint.settings.expired == Expired::dead_letter && !endpoint.settings.dead_letters) {
    make_dead(endpoint.id, kind, place, expired_reason);
  } else {
    endpoint.queue.finish(kind, place, Queue::Outcome::expired);
  }
}

// Back to its old place, unless its time has run out while it was under way.
void Core::State::come_back(Endpoint& endpoint, MessageKind kind, Place place) {
  if (endpoint.queue.is_past(place, now.monotonic_ms)) {
    expire(endpoint, kind, place);
  } else {
    endpoint.queue.take_back(kind, place);
  }
}

// --- deliveries that are not settled in time -------------------------------------------------------------------------

void Core::State::note_handed_out(Endpoint& endpoint, const DeliveredRun& delivery, ConnectionId connection) {
  Ring<HandedOut>& handed_out = endpoint.handed_out;
  handed_out.push_back({.connection = connection,
                        .first_seq = delivery.first_seq,
                        .at_ms = now.monotonic_ms,
                        .first_ticket = delivery.ticket,
                        .count = delivery.count});
  // What is settled stays in the list until its time is up, but not more of that than there are messages under way.
  if (handed_out.size() > 2 * endpoint.queue.ledger().under_way.messages + 64) {
    handed_out.retain([&](const HandedOut& run) { return holder_of(run, run.first_seq + run.count - 1) != nullptr; });
  }
  set_timer(endpoint, Timer::Sort::timeout, now.monotonic_ms + endpoint.settings.ack_timeout_ms);
}

// The worker that has yet to settle some of the delivery in which `seq` was; none: null.
Session* Core::State::holder_of(const HandedOut& run, Seq seq) {
  const auto it = connections.find(run.connection);
  if (it == connections.end() || it->second.session == nullptr) return nullptr;
  const DeliveredRun* const delivery = find_delivery(*it->second.session, seq);
  return delivery != nullptr && delivery->unsettled > 0 ? it->second.session : nullptr;
}

void Core::State::time_out(Endpoint& endpoint) {
  const uint64_t timeout_ms = endpoint.settings.ack_timeout_ms;
  Ring<HandedOut>& handed_out = endpoint.handed_out;
  if (timeout_ms == 0) handed_out.clear();
  while (!handed_out.empty() && time_share_ > 0) {
    const HandedOut& run = handed_out.front();
    if (holder_of(run, run.first_seq + run.count - 1) != nullptr) {
      if (now.monotonic_ms - run.at_ms < timeout_ms || !time_out_run(endpoint, run)) break;
    } else {
      --time_share_;
    }
    handed_out.pop_front();
  }
  if (!handed_out.empty()) set_timer(endpoint, Timer::Sort::timeout, handed_out.front().at_ms + timeout_ms);
}

// Each message of it that is not settled has failed once. False: there is more of it, for the next turn.
bool Core::State::time_out_run(Endpoint& endpoint, const HandedOut& run) {
  const Seq last = run.first_seq + run.count - 1;
  Session& session = *holder_of(run, last);
  DeliveredRun& delivery = *find_delivery(session, last);
  Seq seq = std::max(run.first_seq, delivery.first_seq);
  for (; seq <= last && delivery.unsettled > 0 && time_share_ > 0; ++seq, --time_share_) {
    if (unsettled_entry(delivery, seq) == nullptr) continue;
    const Place place = leave(session, delivery, seq);
    be_overdue(session, seq, Overdue{delivery.kind, place, place.segment->serial});
    ++counters.ack_timeouts;
    failed(session, delivery.kind, place, timeout_reason);
  }
  const bool all = seq > last || delivery.unsettled == 0;
  settled_some(session);
  mark_dirty(endpoint.id);
  return all;
}

// The worker has it in its hands still, so it is of no use to a suspect that wants an instance to itself.
void Core::State::be_overdue(Session& session, Seq seq, const Overdue& late) {
  session.overdue.emplace(seq, late);
  Endpoint& endpoint = endpoints[session.endpoint];
  if (endpoint.reserved == &session) endpoint.reserved = nullptr;
}

// What the ACK names of messages that were taken from this worker.
void Core::State::settle_overdue(Session& session, const Ack& ack) {
  while (!session.overdue.empty() && session.overdue.begin()->first <= ack.upto) {
    const Overdue late = session.overdue.begin()->second;
    session.overdue.erase(session.overdue.begin());
    settle_late(session, late);
  }
  for (SeqList also = ack.also; also.size() > 0;) {
    const auto found = session.overdue.find(also.take());
    if (found == session.overdue.end()) continue;
    const Overdue late = found->second;
    session.overdue.erase(found);
    settle_late(session, late);
  }
  // The same message may be named twice, as it was handed to this worker again: the later number became overdue above,
  // perhaps behind its turn.
  for (SeqList also = ack.also; also.size() > 0 && !session.overdue.empty();) session.overdue.erase(also.take());
}

void Core::State::settle_late(Session& session, const Overdue& late) {
  if (late.place.segment->serial != late.serial) return;  // done, and all of its segment
#ifdef SIGNALBOX_PLANTED_FAULTS
  if (planted_fault == PlantedFault::late_ack_forgotten) return;
#endif
  Endpoint& endpoint = endpoints[session.endpoint];
  switch (late.place.entry().state) {
    case Entry::State::done:
      return;
    case Entry::State::under_way:
      if (!take_from_holder(endpoint, late)) return;
      break;
    default:
      break;
  }
  ++counters.settled_late;
  endpoint.queue.finish(late.kind, late.place, Queue::Outcome::settled);
}

// The message is under way to another, or to the same anew: taken from there, where it goes on taking a slot. False:
// who has it is not known, since it was handed out before the setting came.
bool Core::State::take_from_holder(Endpoint& endpoint, const Overdue& late) {
  const Ring<HandedOut>& handed_out = endpoint.handed_out;
  if (handed_out.empty()) return false;
  const Entry& entry = late.place.entry();
  // The last run that begins no later: tickets rise, modulo 2^32.
  const uint32_t distance = entry.ticket - handed_out[0].first_ticket;
  size_t low = 0;
  size_t high = handed_out.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    const bool before = handed_out[middle].first_ticket - handed_out[0].first_ticket <= distance;
    (before ? low : high) = before ? middle + 1 : middle;
  }
  const HandedOut& run = handed_out[low - 1];
  const Seq seq = run.first_seq + (entry.ticket - run.first_ticket);
  Session* const holder = holder_of(run, seq);
  if (holder == nullptr) return false;
  DeliveredRun& delivery = *find_delivery(*holder, seq);
  if (unsettled_entry(delivery, seq) != &entry) return false;
  leave(*holder, delivery, seq);
  be_overdue(*holder, seq, late);
  settled_some(*holder);
  return true;
}

}  // namespace signalbox
