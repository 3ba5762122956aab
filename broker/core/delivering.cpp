// What workers are handed, and how they settle it: batches, credit, redelivery, suspects, dead letters (protocol page,
// section 5).
#include <algorithm>
#include <ctime>

#include "broker/core/planted_fault.hpp"
#include "broker/core/state.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

// So many NACKed messages are passed over for one that can go.
constexpr size_t passed_over_max = 64;

MessageKind other_than(MessageKind kind) {
  return kind == MessageKind::event ? MessageKind::user_message : MessageKind::event;
}

// "2011-09-21 10:23:54.001234": vumi's date format, UTC.
std::string date_text(int64_t wall_us) {
  wall_us = std::max<int64_t>(wall_us, 0);  // a clock that has not been set
  const std::time_t seconds = static_cast<std::time_t>(wall_us / 1'000'000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  std::string date(text, length);
  std::string micros = std::to_string(wall_us % 1'000'000);
  return date + "." + std::string(6 - micros.size(), '0') + micros;
}

}  // namespace

void Core::State::mark_dirty(EndpointId id) {
  Endpoint& endpoint = endpoints[id];
  if (endpoint.dirty) return;
  endpoint.dirty = true;
  dirty_.push_back(id);
}

// --- handing out -----------------------------------------------------------------------------------------------------

void Core::State::deliver(Endpoint& endpoint) {
  if (endpoint.settings.message_ttl_ms != 0 && !expire_past(endpoint)) return;
  for (bool again = true; again;) {
    endpoint.suspect_waits = false;
    // The two kinds in turn, batch by batch, until neither finds room.
    for (;;) {
      MessageKind kind = endpoint.next_kind;
      Turn turn = deliver_one(endpoint, kind);
      if (turn == Turn::nothing) turn = deliver_one(endpoint, kind = other_than(kind));
      // A large message that waits for bytes to be settled keeps its turn: smaller ones of the other kind would take
      // each byte that comes free, for ever.
      if (turn != Turn::delivered) break;
      endpoint.next_kind = other_than(kind);
    }
    // Whoever was kept free for a suspect that has gone elsewhere is free for all.
    again = endpoint.reserved != nullptr && !endpoint.suspect_waits;
    if (again) endpoint.reserved = nullptr;
  }
}

// Hands one batch of one kind to one instance.
Core::State::Turn Core::State::deliver_one(Endpoint& endpoint, MessageKind kind) {
  if (endpoint.ready.empty() || endpoint.awaited > 0) return Turn::nothing;
  Queue& queue = endpoint.queue;
  Place again = queue.first(kind, Queue::Sort::again);
  Place suspect = queue.first(kind, Queue::Sort::suspect);
  Place elsewhere = queue.first(kind, Queue::Sort::elsewhere);
  const Place first_elsewhere = elsewhere;
  bool no_bytes = false;
  for (size_t passed = 0;;) {
    // What came back goes by its old place; what was never handed out lies behind all of it.
    Place* next = &again;
    for (Place* other : {&suspect, &elsewhere})
      if (*other && (!*next || comes_before(*other, *next))) next = other;
#ifdef SIGNALBOX_PLANTED_FAULTS
    static Place nothing_came_back;
    if (planted_fault == PlantedFault::requeued_at_the_tail && queue.fresh(kind)) next = &nothing_came_back;
#endif
    const Place place = *next ? *next : queue.fresh(kind);
    if (!place) break;
    if (Session* session = choose(endpoint, place.entry(), true, no_bytes)) {
      if (deliver_to(endpoint, kind, *session, place)) return Turn::delivered;
      if (endpoint.awaited > 0) return Turn::nothing;
      continue;  // blocked: it is not chosen again
    }
    // Suspects wait for an idle instance, NACKed messages for another than the one that did not want them; what is
    // behind them goes on. Anything else waits for credit, and so does all behind it.
    if (travels_alone(place.entry())) reserve_for_suspect(endpoint, place.entry());
    if (next == &suspect && suspect) {
      suspect = {};
    } else if (next == &elsewhere && elsewhere) {
      elsewhere = ++passed < passed_over_max ? queue.next(kind, Queue::Sort::elsewhere, elsewhere) : Place();
    } else {
      return no_bytes ? Turn::no_bytes : Turn::nothing;
    }
    if (passed == passed_over_max && !elsewhere) {
      // So many that the others do not take: better to who NACKed them than to nobody.
      ++passed;
      Session* const session = choose(endpoint, first_elsewhere.entry(), false, no_bytes);
      if (session != nullptr && deliver_to(endpoint, kind, *session, first_elsewhere)) return Turn::delivered;
    }
  }
  return Turn::nothing;
}

bool Core::State::could_take(const Session& session) {
  const Connection* const connection = session.connection;
  return connection != nullptr && connection->session == &session && !connection->blocked && !connection->gone &&
         connection->waiting.empty() && !session.alone && session.slots_taken() < session.prefetch;
}

// Puts the session in its place among those that could take something. Whoever changes what could_take() or the place
// depend on calls it.
void Core::State::rank(Session& session) {
  std::set<Rank>& ready = endpoints[session.endpoint].ready;
  const bool could = could_take(session);
  if (!could && !session.ranked) return;
  const Rank rank{session.prefetch - session.slots_taken(), session.last_served, session.registration, &session};
  if (session.ranked) session.rank_node = ready.extract(session.rank);
  session.ranked = could;
  if (!could) return;
  if (session.rank_node.empty()) {
    session.rank = ready.insert(rank).first;
  } else {
    session.rank_node.value() = rank;
    session.rank = ready.insert(std::move(session.rank_node)).position;
  }
}

void Core::State::rank_at(Connection& connection) {
  if (connection.session != nullptr) rank(*connection.session);
}

// Whether the message is to go to another registration than the one that it failed at: there is one that takes
// messages, and is not late with any.
bool Core::State::shuns(const Endpoint& endpoint, const Entry& entry) {
  if (entry.state != Entry::State::elsewhere) return false;
  return std::any_of(endpoint.instances.begin(), endpoint.instances.end(), [&](const Session* session) {
    return static_cast<uint32_t>(session->registration) != entry.ticket && session->prefetch > 0 &&
           session->overdue.empty();
  });
}

// The instance that may take the message: the one with the most free prefetch, of equals the one served longest ago.
// `no_bytes` becomes true where only the bytes unsettled there stood against one.
Session* Core::State::choose(Endpoint& endpoint, const Entry& entry, bool may_shun, bool& no_bytes) {
  const bool alone = travels_alone(entry);
  const bool shunned = may_shun && shuns(endpoint, entry);
  for (const Rank& rank : endpoint.ready) {
    Session* const session = rank.session;
    if (alone ? session->slots_taken() > 0 : session == endpoint.reserved) continue;
    if (shunned && static_cast<uint32_t>(session->registration) == entry.ticket) continue;
    if (session->unsettled_messages > 0 && session->unsettled_bytes + entry.size > settings.max_unsettled_bytes) {
      no_bytes = true;
      continue;
    }
    return session;
  }
  return nullptr;
}

// Keeps an instance free of other messages, so that it runs dry and the suspect can travel to it alone. One at a time:
// the first suspect that waits has it.
void Core::State::reserve_for_suspect(Endpoint& endpoint, const Entry& suspect) {
  if (endpoint.suspect_waits) return;
  endpoint.suspect_waits = true;
  const bool shunned = shuns(endpoint, suspect);
  const auto can_take = [&](const Session& session) {
    const Connection& connection = *session.connection;
    return session.prefetch > 0 && session.overdue.empty() && !connection.blocked && !connection.gone &&
           connection.waiting.empty() && !(shunned && static_cast<uint32_t>(session.registration) == suspect.ticket);
  };
  // It stays the one it is: picking the idlest anew each time might never let any of them run dry.
  if (endpoint.reserved != nullptr && can_take(*endpoint.reserved)) return;
  endpoint.reserved = nullptr;
  for (Session* session : endpoint.instances) {
    if (!can_take(*session)) continue;
    if (endpoint.reserved == nullptr || session->unsettled_messages < endpoint.reserved->unsettled_messages) {
      endpoint.reserved = session;
    }
  }
}

// False: there was no room for it, or nobody there.
bool Core::State::deliver_to(Endpoint& endpoint, MessageKind kind, Session& session, Place first) {
  Connection& connection = *session.connection;
  const uint64_t bytes_free = session.unsettled_bytes < settings.max_unsettled_bytes
                                  ? settings.max_unsettled_bytes - session.unsettled_bytes
                                  : 0;
  const Extent extent = endpoint.queue.extent(first, session.prefetch - session.slots_taken(),
                                              std::min(bytes_free, settings.max_batch_bytes));
  const Entry& entry = first.entry();
  const bool redelivered = entry.deliveries > 0;
  const Seq first_seq = connection.last_delivered + 1;
  write(header_, Deliver{first_seq, redelivered});
  Run run(first.segment->block, {first.segment->block->data() + entry.offset, extent.bytes});
  if (!took(connection, output.deliver(connection.id, header_, std::move(run), &entry, extent.count))) return false;

  if (redelivered) counters.redelivered += extent.count;
  session.alone = travels_alone(entry);
  session.last_served = ++served_;
  session.deliveries.push_back({.first_seq = first_seq,
                                .segment = first.segment,
                                .first_index = first.index,
                                .count = extent.count,
                                .ticket = next_ticket_,
                                .unsettled = extent.count,
                                .kind = kind});
  session.unsettled_messages += extent.count;
  session.unsettled_bytes += extent.bytes;
  endpoint.queue.hand_out(kind, extent, next_ticket_);
  if (endpoint.settings.ack_timeout_ms != 0) note_handed_out(endpoint, session.deliveries.back(), connection.id);
  next_ticket_ += extent.count;
  connection.last_delivered += extent.count;
  rank(session);
  return true;
}

// --- settling --------------------------------------------------------------------------------------------------------

void Core::State::ack(Connection& connection, const Ack& ack) {
  Session& session = *connection.session;
  bool known = ack.upto <= connection.last_delivered;
  for (SeqList also = ack.also; also.size() > 0;) known &= also.take() <= connection.last_delivered;
  if (!known) return fail(connection, ErrorCode::malformed, "ACK of a number that was never delivered");

  if (!session.overdue.empty()) settle_overdue(session, ack);
  while (!session.deliveries.empty() && session.deliveries.front().first_seq <= ack.upto) {
    DeliveredRun& delivery = session.deliveries.front();
    const Seq last = delivery.first_seq + delivery.count - 1;
    settle(session, delivery, delivery.first_seq, std::min(ack.upto, last));
#ifdef SIGNALBOX_PLANTED_FAULTS
    if (planted_fault == PlantedFault::ack_off_by_one && ack.upto < last)
      settle(session, delivery, ack.upto + 1, ack.upto + 1);
#endif
    if (ack.upto >= last) {
      session.deliveries.pop_front();
      continue;
    }
    const auto passed = static_cast<uint32_t>(ack.upto + 1 - delivery.first_seq);
    delivery.first_seq += passed;
    delivery.first_index += passed;
    delivery.ticket += passed;
    delivery.count -= passed;
  }
  for (SeqList also = ack.also; also.size() > 0;) {
    const Seq seq = also.take();
    if (DeliveredRun* delivery = find_delivery(session, seq)) settle(session, *delivery, seq, seq);
  }
  settled_some(session);
}

DeliveredRun* Core::State::find_delivery(Session& session, Seq seq) {
  Ring<DeliveredRun>& deliveries = session.deliveries;
  size_t low = 0;
  size_t high = deliveries.size();
  while (low < high) {  // the first that begins behind seq
    const size_t middle = (low + high) / 2;
    (deliveries[middle].first_seq <= seq ? low : high) = deliveries[middle].first_seq <= seq ? middle + 1 : middle;
  }
  if (low == 0) return nullptr;
  DeliveredRun& delivery = deliveries[low - 1];
  return seq < delivery.first_seq + delivery.count ? &delivery : nullptr;
}

// The entry that `seq` of this delivery stands for; null where it is settled, or was handed out anew since.
Entry* Core::State::unsettled_entry(const DeliveredRun& delivery, Seq seq) {
  if (delivery.unsettled == 0) return nullptr;  // the segment may be another's by now
  const auto i = static_cast<uint32_t>(seq - delivery.first_seq);
  Entry& entry = delivery.segment->entries[delivery.first_index + i];
  return entry.state == Entry::State::under_way && entry.ticket == delivery.ticket + i ? &entry : nullptr;
}

Place Core::State::leave(Session& session, DeliveredRun& delivery, Seq seq) {
  const Place place{delivery.segment, delivery.first_index + static_cast<uint32_t>(seq - delivery.first_seq)};
  --delivery.unsettled;
  --session.unsettled_messages;
  session.unsettled_bytes -= place.entry().size;
  return place;
}

void Core::State::settle(Session& session, DeliveredRun& delivery, Seq from, Seq upto) {
  if (delivery.unsettled == 0) return;  // the segment may be another's by now
  const auto passed = static_cast<uint32_t>(from - delivery.first_seq);
  const Place first{delivery.segment, delivery.first_index + passed};
  const Count settled = endpoints[session.endpoint].queue.settle(
      delivery.kind, first, static_cast<uint32_t>(upto - from + 1), delivery.ticket + passed);
  delivery.unsettled -= static_cast<uint32_t>(settled.messages);
  session.unsettled_messages -= settled.messages;
  session.unsettled_bytes -= settled.bytes;
}

void Core::State::settled_some(Session& session) {
  if (session.slots_taken() == 0) session.alone = false;
  rank(session);
  // Deliveries that `also` and NACK have emptied stay until `upto` passes them, which may be never: not more than twice
  // as many as there are messages left.
  if (session.deliveries.size() > 2 * session.unsettled_messages + 64) {
    session.deliveries.retain([](const DeliveredRun& delivery) { return delivery.unsettled > 0; });
  }
  queue_shrank(session.endpoint);
  mark_dirty(session.endpoint);
}

void Core::State::nack(Connection& connection, const Nack& nack) {
  Session& session = *connection.session;
  if (nack.seq == 0 || nack.seq > connection.last_delivered) {
    return fail(connection, ErrorCode::malformed, "NACK of a number that was never delivered");
  }
  // It has failed there before this.
  if (session.overdue.erase(nack.seq) > 0) return settled_some(session);
  DeliveredRun* const delivery = find_delivery(session, nack.seq);
  if (delivery == nullptr || unsettled_entry(*delivery, nack.seq) == nullptr) return;
  const MessageKind kind = delivery->kind;
  const Place place = leave(session, *delivery, nack.seq);
  if (!nack.requeue || endpoints[session.endpoint].settings.dead_letters) {
    make_dead(session.endpoint, kind, place, nack.reason);
  } else {
    failed(session, kind, place, nack.reason.empty() ? "failed as often as max_deliveries allows" : nack.reason);
  }
  settled_some(session);
}

// It comes again, at another instance if there is one, unless this was once too often.
void Core::State::failed(Session& session, MessageKind kind, Place place, std::string_view reason) {
  Endpoint& endpoint = endpoints[session.endpoint];
  Entry& entry = place.entry();
  if (++entry.failures >= endpoint.settings.max_deliveries) {
    make_dead(session.endpoint, kind, place, reason);
  } else if (endpoint.queue.is_past(place, now.monotonic_ms)) {
    expire(endpoint, kind, place);
  } else {
    const uint64_t doubled_ms = endpoint.settings.redeliver_ms << std::min<uint32_t>(entry.failures - 1U, 16);
    const uint64_t delay_ms = std::min(doubled_ms, limits::redeliver_ms_max);
    endpoint.queue.delay(kind, place, static_cast<uint32_t>(session.registration));
    delayed_.push({now.monotonic_ms + delay_ms, session.endpoint, kind, place, place.segment->serial});
  }
}

// --- what comes back -------------------------------------------------------------------------------------------------

// All that a registration leaves unsettled goes back to its old places at once.
void Core::State::give_back(Session& session, bool lost_its_way) {
  const bool travelled_alone = session.alone;
#ifdef SIGNALBOX_PLANTED_FAULTS
  if (planted_fault == PlantedFault::delivery_lost_on_loss && lost_its_way && !session.deliveries.empty()) {
    DeliveredRun& last = session.deliveries.back();
    settle(session, last, last.first_seq, last.first_seq + last.count - 1);
  }
#endif
  for (size_t i = 0; i < session.deliveries.size(); ++i) {
    DeliveredRun& delivery = session.deliveries[i];
    for (Seq seq = delivery.first_seq; seq < delivery.first_seq + delivery.count && delivery.unsettled > 0; ++seq) {
      if (unsettled_entry(delivery, seq) == nullptr) continue;
      const Place place = leave(session, delivery, seq);
      if (lost_its_way) {
        suspect(session, delivery.kind, place, travelled_alone);
      } else {
        come_back(endpoints[session.endpoint], delivery.kind, place);
      }
    }
  }
  session.deliveries.clear();
  session.overdue.clear();
  session.alone = false;
  queue_shrank(session.endpoint);
}

// Its worker's connection was lost while it was there: perhaps it is to blame.
void Core::State::suspect(Session& session, MessageKind kind, Place place, bool travelled_alone) {
  Endpoint& endpoint = endpoints[session.endpoint];
  Entry& entry = place.entry();
  if (entry.suspicions < UINT8_MAX) ++entry.suspicions;
  if (travelled_alone && ++entry.failures >= endpoint.settings.max_deliveries) {
    make_dead(session.endpoint, kind, place, "its worker's connection was lost as often as max_deliveries allows");
    return;
  }
  if (!session.id.empty())
    session.blamed.push_back({kind, place.segment, place.segment->serial, place.index, travelled_alone});
  come_back(endpoint, kind, place);
}

void Core::State::make_dead(EndpointId id, MessageKind kind, Place place, std::string_view reason) {
  Endpoint& endpoint = endpoints[id];
  if (endpoint.settings.dead_letters) {
    endpoint.queue.finish(kind, place, Queue::Outcome::dropped);
    return;
  }
  dead_letter(id, kind, place.bytes(), reason, place.entry().deliveries);
  endpoint.queue.finish(kind, place, Queue::Outcome::dead);
}

void Core::State::dead_letter(EndpointId from, MessageKind kind, Bytes message, std::string_view reason,
                              uint32_t deliveries) {
  std::string note = "\x84";  // a map of four
  append_text(note, "endpoint");
  append_text(note, endpoints[from].settings.name);
  append_text(note, "reason");
  append_text(note, printable(reason));
  append_text(note, "deliveries");
  note += '\xcc';  // an 8-bit number
  note += static_cast<char>(deliveries);
  append_text(note, "time");
  append_text(note, date_text(now.wall_us));

  std::string letter(message);
  const Edit edit{
      .operation = Edit::Operation::set, .path = {to_string(Field::helper_metadata), "dead_letter"}, .value = note};
  (void)rewrite(letter, edit);  // helper_metadata is a map or nil, or the message would have been refused
  take_dead_letter(settings.dispatchers[endpoints[from].settings.dispatcher].dead_letters, kind, letter);
}

// Nothing is routed to where letters go, so none of the batch at hand waits to be appended there.
void Core::State::take_dead_letter(EndpointId to, MessageKind kind, Bytes letter) {
  if (endpoints[to].elsewhere) return pack(endpoints[to], kind, letter);
  Queue& queue = endpoints[to].queue;
  if (queue.make_room(letter.size(), false)) {
    queue.append(kind, letter, now.monotonic_ms);
    mark_dirty(to);
  } else {
    queue.count_as_dropped(letter.size());
  }
}

}  // namespace signalbox
