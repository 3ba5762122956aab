// What workers are handed, and how they settle it: batches, credit, redelivery, suspects, dead letters (protocol page,
// section 5).
#include <algorithm>
#include <ctime>

#include "broker/core/state.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

// A message that is suspect for the second time travels alone.
constexpr uint8_t suspicions_to_travel_alone = 2;

bool travels_alone(const Entry& entry) {
  return entry.suspicions >= suspicions_to_travel_alone;
}

// "2011-09-21 10:23:54.001234": vumi's date format, UTC.
std::string date_text(int64_t wall_us) {
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
  if (endpoint.instances.empty()) return;
  for (bool again = true; again;) {
    endpoint.suspect_waits = false;
    // The two kinds in turn, batch by batch, until neither finds room.
    for (int idle_turns = 0; idle_turns < 2;) {
      const MessageKind kind = endpoint.next_kind;
      endpoint.next_kind = kind == MessageKind::event ? MessageKind::user_message : MessageKind::event;
      idle_turns = deliver_one(endpoint, kind) ? 0 : idle_turns + 1;
    }
    // Whoever was kept free for a suspect that has gone elsewhere is free for all.
    again = endpoint.reserved != nullptr && !endpoint.suspect_waits;
    if (again) endpoint.reserved = nullptr;
  }
}

// Hands one batch of one kind to one instance. False: none could go.
bool Core::State::deliver_one(Endpoint& endpoint, MessageKind kind) {
  for (Place place = endpoint.queue.first_waiting(kind); place; place = endpoint.queue.next_waiting(kind, place)) {
    if (Session* session = choose(endpoint, place)) {
      deliver_to(endpoint, kind, *session, place);
      return true;  // even if it turned out blocked or gone: then it is not chosen again
    }
    // A suspect waits for an idle instance, a NACKed message for another than the one that did not want it; what is
    // behind them goes on. Anything else waits for credit, and so does all behind it.
    if (travels_alone(place.entry())) {
      reserve_for_suspect(endpoint);
    } else if (place.entry().state != Entry::State::elsewhere) {
      return false;
    }
  }
  return false;
}

// The instance that may take the message at `place`: the one with the most free prefetch, of equals the one served
// longest ago.
Session* Core::State::choose(Endpoint& endpoint, const Place& place) {
  const Entry& entry = place.entry();
  const bool alone = travels_alone(entry);
  // Not to the registration that NACKed it, if another could ever take it.
  const auto is_other = [&](const Session* s) {
    return static_cast<uint32_t>(s->registration) != entry.ticket && s->prefetch > 0;
  };
  const bool elsewhere = entry.state == Entry::State::elsewhere &&
                         std::any_of(endpoint.instances.begin(), endpoint.instances.end(), is_other);
  Session* best = nullptr;
  uint64_t best_free = 0;
  for (Session* session : endpoint.instances) {
    const Connection& connection = *session->connection;
    if (connection.blocked || connection.gone || !connection.waiting.empty()) continue;
    if (session->unsettled_messages >= session->prefetch || session->alone) continue;
    if (alone ? session->unsettled_messages > 0 : session == endpoint.reserved) continue;
    if (elsewhere && !is_other(session)) continue;
    if (session->unsettled_messages > 0 && session->unsettled_bytes + entry.size > settings.max_unsettled_bytes)
      continue;
    const uint64_t free = session->prefetch - session->unsettled_messages;
    if (best == nullptr || free > best_free || (free == best_free && session->last_served < best->last_served)) {
      best = session;
      best_free = free;
    }
  }
  return best;
}

void Core::State::reserve_for_suspect(Endpoint& endpoint) {
  endpoint.suspect_waits = true;
  // It stays the one it is: picking the idlest anew each time might never let any of them run dry.
  if (endpoint.reserved != nullptr && endpoint.reserved->prefetch > 0) return;
  endpoint.reserved = nullptr;
  for (Session* session : endpoint.instances) {
    if (session->prefetch == 0) continue;
    if (endpoint.reserved == nullptr || session->unsettled_messages < endpoint.reserved->unsettled_messages) {
      endpoint.reserved = session;
    }
  }
}

void Core::State::deliver_to(Endpoint& endpoint, MessageKind kind, Session& session, Place first) {
  Connection& connection = *session.connection;
  const uint64_t bytes_free = session.unsettled_bytes < settings.max_unsettled_bytes
                                  ? settings.max_unsettled_bytes - session.unsettled_bytes
                                  : 0;
  const Extent extent = endpoint.queue.extent(first, session.prefetch - session.unsettled_messages,
                                              std::min(bytes_free, settings.max_batch_bytes));
  const Entry& entry = first.entry();
  const bool redelivered = entry.deliveries > 0;
  const Seq first_seq = connection.last_delivered + 1;
  write(header_, Deliver{first_seq, redelivered});
  Run run(first.segment->block, {first.segment->block->data() + entry.offset, extent.bytes});
  if (!took(connection, output.send(connection.id, header_, std::move(run)))) return;

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
  next_ticket_ += extent.count;
  connection.last_delivered += extent.count;
}

// --- settling --------------------------------------------------------------------------------------------------------

void Core::State::ack(Connection& connection, const Ack& ack) {
  Session& session = *connection.session;
  bool known = ack.upto <= connection.last_delivered;
  for (SeqList also = ack.also; also.size() > 0;) known &= also.take() <= connection.last_delivered;
  if (!known) return fail(connection, ErrorCode::malformed, "ACK of a number that was never delivered");

  while (!session.deliveries.empty() && session.deliveries.front().first_seq <= ack.upto) {
    DeliveredRun& delivery = session.deliveries.front();
    const Seq last = delivery.first_seq + delivery.count - 1;
    settle(session, delivery, delivery.first_seq, std::min(ack.upto, last));
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
  Queue& queue = endpoints[session.endpoint].queue;
  for (Seq seq = from; seq <= upto && delivery.unsettled > 0; ++seq) {
    if (unsettled_entry(delivery, seq) == nullptr) continue;
    queue.finish(delivery.kind, leave(session, delivery, seq), Queue::Outcome::settled);
  }
}

void Core::State::settled_some(Session& session) {
  if (session.unsettled_messages == 0) session.alone = false;
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
  DeliveredRun* const delivery = find_delivery(session, nack.seq);
  if (delivery == nullptr || unsettled_entry(*delivery, nack.seq) == nullptr) return;
  const MessageKind kind = delivery->kind;
  const Place place = leave(session, *delivery, nack.seq);
  Endpoint& endpoint = endpoints[session.endpoint];
  Entry& entry = place.entry();
  if (nack.requeue) ++entry.failures;
  if (!nack.requeue || endpoint.settings.dead_letters || entry.failures >= endpoint.settings.max_deliveries) {
    make_dead(session.endpoint, kind, place,
              nack.requeue && nack.reason.empty() ? "failed as often as max_deliveries allows" : nack.reason);
  } else {
    const uint64_t doubled_ms = endpoint.settings.redeliver_ms << std::min<uint32_t>(entry.failures - 1U, 16);
    const uint64_t delay_ms = std::min(doubled_ms, limits::redeliver_ms_max);
    endpoint.queue.delay(kind, place, static_cast<uint32_t>(session.registration));
    delayed_.push({now.monotonic_ms + delay_ms, session.endpoint, kind, place, place.segment->serial});
  }
  settled_some(session);
}

// --- what comes back -------------------------------------------------------------------------------------------------

// All that a registration leaves unsettled goes back to its old places at once.
void Core::State::give_back(Session& session, bool lost_its_way) {
  Queue& queue = endpoints[session.endpoint].queue;
  const bool travelled_alone = session.alone;
#ifdef SIGNALBOX_PLANTED_FAULT
  // The fault that the simulator must find: the last delivery under way is taken for settled.
  if (lost_its_way && !session.deliveries.empty()) {
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
        queue.take_back(delivery.kind, place);
      }
    }
  }
  session.deliveries.clear();
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
    session.blamed.push_back({place.segment, place.segment->serial, place.index, travelled_alone});
  endpoint.queue.take_back(kind, place);
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
  const EndpointId to = settings.dispatchers[endpoints[from].settings.dispatcher].dead_letters;
  Queue& queue = endpoints[to].queue;
  if (queue.make_room(letter.size(), false)) {
    queue.append(kind, letter);
    mark_dirty(to);
  } else {
    queue.count_as_dropped(letter.size());
  }
}

}  // namespace signalbox
