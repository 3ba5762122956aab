// What the core utters, measured against the books.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <utility>

#include "tests/simulation/model.hpp"

namespace signalbox::simulation {
namespace {

std::string number(uint64_t value) {
  return std::to_string(value);
}

// vumi's date format, UTC.
std::string date(int64_t wall_us) {
  const std::time_t seconds = static_cast<std::time_t>(wall_us / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d.%06d", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, static_cast<int>(wall_us % 1'000'000));
  return text;
}

// The entries of helper_metadata.dead_letter.
struct DeadLetterNote {
  std::string endpoint;
  std::string reason;
  std::string time;
  uint64_t deliveries = 0;
};

bool take_text(Bytes& bytes, std::string& text) {
  if (bytes.empty()) return false;
  const auto first = static_cast<unsigned char>(bytes[0]);
  size_t header = 1;
  size_t size = first & 0x1f;
  if (first == 0xd9 && bytes.size() > 1) {
    header = 2;
    size = static_cast<unsigned char>(bytes[1]);
  } else if (first == 0xda && bytes.size() > 2) {
    header = 3;
    size = static_cast<size_t>(static_cast<unsigned char>(bytes[1])) << 8 | static_cast<unsigned char>(bytes[2]);
  } else if ((first & 0xe0) != 0xa0) {
    return false;
  }
  if (bytes.size() < header + size) return false;
  text = bytes.substr(header, size);
  bytes.remove_prefix(header + size);
  return true;
}

bool take_number(Bytes& bytes, uint64_t& value) {
  if (bytes.empty()) return false;
  const auto first = static_cast<unsigned char>(bytes[0]);
  const size_t width = first < 0x80 ? 0 : first >= 0xcc && first <= 0xcf ? size_t{1} << (first - 0xcc) : 99;
  if (bytes.size() < 1 + width) return false;
  value = width == 0 ? first : 0;
  for (size_t i = 1; i <= width; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(1 + width);
  return true;
}

bool read_note(Bytes bytes, DeadLetterNote& note) {
  if (bytes.empty() || bytes[0] != static_cast<char>(0x84)) return false;
  bytes.remove_prefix(1);
  unsigned seen = 0;
  for (int entry = 0; entry < 4; ++entry) {
    std::string key;
    if (!take_text(bytes, key)) return false;
    if (key == "endpoint" && take_text(bytes, note.endpoint)) seen |= 1;
    if (key == "reason" && take_text(bytes, note.reason)) seen |= 2;
    if (key == "deliveries" && take_number(bytes, note.deliveries)) seen |= 4;
    if (key == "time" && take_text(bytes, note.time)) seen |= 8;
  }
  return seen == 15 && bytes.empty();
}

}  // namespace

void Model::broker_frame(ConnectionId to, Bytes header, Bytes body, Output::Result result, Time now) {
  const std::optional<BrokerFrame> frame = parse_broker_frame(header);
  if (!frame) return fail("an unreadable header to connection " + number(to));
  note_frame(to, *frame, result);
  if (std::holds_alternative<Welcome>(*frame)) take_back_blame();
  const auto found = connections_.find(to);
  if (found == connections_.end()) {
    if (result == Output::Result::sent) fail("a frame to connection " + number(to) + ", which never said a word");
    return;
  }
  ConnectionBook& connection = found->second;
  if (std::holds_alternative<Ping>(*frame)) connection.ping_ms = now.monotonic_ms;
  connection.attempt_ms = now.monotonic_ms;
  if (result == Output::Result::gone) {
    if (!connection.ever_registered) return;  // nothing was known of it
    connection.gone = true;
    return gone_.push_back(to);
  }
  connection.blocked = result == Output::Result::blocked;
  if (connection.blocked) {
    connection.blocked_ms = now.monotonic_ms;
    return;
  }
  if (const auto* it = std::get_if<Welcome>(&*frame)) return welcome(to, *it);
  if (const auto* it = std::get_if<Deliver>(&*frame)) return deliver(to, *it, body, now);
  if (!body.empty()) return fail("a body where none belongs, to connection " + number(to));
  if (const auto* it = std::get_if<Confirm>(&*frame)) return confirm(to, *it);
  if (const auto* it = std::get_if<Refuse>(&*frame)) return refuse(to, *it);
  if (const auto* it = std::get_if<ErrorFrame>(&*frame)) return error(to, *it, now);
  if (std::holds_alternative<Bye>(*frame)) return bye_answer(to);
  if (std::holds_alternative<Pong>(*frame)) {
    // Several PINGs while there was no room may have one answer.
    connection.pongs_allowed += std::exchange(connection.pongs_due, 0);
    if (connection.pongs_allowed == 0) return fail("a PONG that nobody asked for, to connection " + number(to));
    --connection.pongs_allowed;
  }
}

void Model::note_frame(ConnectionId to, const BrokerFrame& frame, Output::Result result) {
  const uint64_t how = static_cast<uint64_t>(result);
  if (const auto* it = std::get_if<Welcome>(&frame)) {
    journal_.note("core: WELCOME: connection, result, last_seq", to, how, it->last_seq);
  } else if (const auto* deliver = std::get_if<Deliver>(&frame)) {
    journal_.note("core: DELIVER: connection, result, first, redelivered", to, how, deliver->first_seq,
                  deliver->redelivered);
  } else if (const auto* confirm = std::get_if<Confirm>(&frame)) {
    journal_.note("core: CONFIRM: connection, result, upto", to, how, confirm->upto);
  } else if (const auto* refuse = std::get_if<Refuse>(&frame)) {
    journal_.note("core: REFUSE: connection, result, number", to, how, refuse->seq);
  } else if (std::holds_alternative<ErrorFrame>(frame)) {
    journal_.note("core: ERROR: connection, result", to, how);
  } else {
    journal_.note("core: PING, PONG or BYE: connection, result, which", to, how, frame.index());
  }
}

// The registration that a frame speaks to; a fault where there is none, or where it has not been welcomed.
RegistrationBook* Model::speaking_to(ConnectionId to, const char* what) {
  ConnectionBook& connection = connections_[to];
  // A heartbeat that finds room again may bring out what was due, just before the time of its endpoint is over.
  if (!connection.registration && std::ranges::count(ended_this_turn_, to) > 0) return nullptr;
  if (!connection.registration) {
    fail(std::string(what) + " to connection " + number(to) + ", which is not registered");
    return nullptr;
  }
  if (!connection.registration->welcomed) {
    fail(std::string(what) + " before WELCOME to connection " + number(to));
    return nullptr;
  }
  return &*connection.registration;
}

void Model::welcome(ConnectionId to, const Welcome& frame) {
  ConnectionBook& connection = connections_[to];
  if (connection.stale_welcomes > 0) {
    --connection.stale_welcomes;
    return;
  }
  if (!connection.registration || connection.registration->welcomes_due == 0)
    return fail("WELCOME to connection " + number(to) + ", which did not ask");
  RegistrationBook& registration = *connection.registration;
  SessionBook& session = *registration.session;
  --registration.welcomes_due;
  connection.stranger_asked = false;
  registration.welcomed = true;
  if (frame.session != session.id) return fail("WELCOME names another session, to connection " + number(to));
  advance(session);
  if (frame.last_seq > session.settled)
    return fail("WELCOME says that " + number(frame.last_seq) + " is settled, but only " + number(session.settled) +
                " is, to connection " + number(to));
  if (frame.last_seq < session.told)
    return fail("WELCOME takes a confirmation back: " + number(frame.last_seq) + " after " + number(session.told) +
                ", to connection " + number(to));
  const Limits& told = frame.limits;
  if (told.max_message_bytes != settings_.max_message_bytes || told.max_batch_bytes != settings_.max_batch_bytes ||
      told.send_window != settings_.send_window || told.send_window_bytes != settings_.send_window_bytes ||
      told.max_prefetch != settings_.max_prefetch || told.heartbeat_ms != settings_.heartbeat_ms ||
      told.ack_timeout_ms != registration.told_timeout_ms || told.durable)
    return fail("WELCOME announces other limits than those in force");
  registration.confirmed = session.told = frame.last_seq;
}

void Model::confirm(ConnectionId to, const Confirm& frame) {
  RegistrationBook* registration = speaking_to(to, "CONFIRM");
  if (registration == nullptr) return;
  SessionBook& session = *registration->session;
  advance(session);
  if (frame.upto < registration->confirmed)
    return fail("CONFIRM goes back from " + number(registration->confirmed) + " to " + number(frame.upto));
  if (frame.upto > session.settled)
    return fail("CONFIRM " + number(frame.upto) + " to connection " + number(to) + ", but only " +
                number(session.settled) + " is settled");
  const auto untold = session.refused.upper_bound(registration->refused);
  if (untold != session.refused.end() && untold->first <= frame.upto)
    return fail("CONFIRM " + number(frame.upto) + " before the REFUSE of " + number(untold->first) +
                ", to connection " + number(to));
  registration->confirmed = frame.upto;
  session.told = std::max(session.told, frame.upto);
  if (frame.upto >= registration->confirm_again) registration->confirm_again = 0;
}

void Model::refuse(ConnectionId to, const Refuse& frame) {
  RegistrationBook* registration = speaking_to(to, "REFUSE");
  if (registration == nullptr) return;
  const auto& refused = registration->session->refused;
  const auto next = refused.upper_bound(registration->refused);
  if (next == refused.end() || next->first != frame.seq)
    return fail("REFUSE " + number(frame.seq) + " to connection " + number(to) + "; due was " +
                (next == refused.end() ? "none" : number(next->first)));
  bool right = false;
  for (unsigned code = 0; code < 7; ++code)
    right |= (next->second >> code & 1) != 0 && frame.code == to_string(static_cast<RefusalCode>(code));
  if (!right) return fail("REFUSE " + number(frame.seq) + " with a wrong code: " + std::string(frame.code));
  registration->refused = frame.seq;
}

void Model::error(ConnectionId to, const ErrorFrame& frame, Time now) {
  ConnectionBook& connection = connections_[to];
  if (!connection.errors_due.empty() && frame.code == to_string(connection.errors_due.front())) {
    connection.errors_due.pop_front();
    return;
  }
  const auto allowed = std::find_if(connection.errors_allowed.begin(), connection.errors_allowed.end(),
                                    [&](ErrorCode code) { return frame.code == to_string(code); });
  if (allowed != connection.errors_allowed.end()) {
    connection.errors_allowed.erase(allowed);
    return;
  }
  if (frame.code == to_string(ErrorCode::not_registered)) {
    if (!connection.stranger_asked) return fail("ERROR not_registered to connection " + number(to) + ", unasked");
    // One that had to wait for room does not delay the next.
    const bool was_blocked = now.monotonic_ms - connection.blocked_ms < 2 * limits::not_registered_interval_ms;
    if (connection.not_registered_said && !was_blocked &&
        now.monotonic_ms - connection.not_registered_ms < limits::not_registered_interval_ms)
      return fail("ERROR not_registered twice within a second to connection " + number(to));
    connection.not_registered_said = true;
    connection.not_registered_ms = now.monotonic_ms;
    return;
  }
  if (connection.stranger_asked && frame.code == to_string(ErrorCode::malformed)) return;
  fail("ERROR " + std::string(frame.code) + " (" + std::string(frame.text) + ") to connection " + number(to) +
       "; due was " + std::string(connection.errors_due.empty() ? "none" : to_string(connection.errors_due.front())));
}

void Model::bye_answer(ConnectionId to) {
  ConnectionBook& connection = connections_[to];
  const bool answers = connection.registration && connection.registration->leaving;
  if (connection.byes_allowed > 0 && !(answers && is_told(*connection.registration))) {
    --connection.byes_allowed;
    return;
  }
  if (!answers) return fail("BYE to connection " + number(to) + ", which is not leaving");
  const RegistrationBook& registration = *connection.registration;
  if (registration.confirmed < registration.session->received)
    return fail("BYE to connection " + number(to) + " before all that it sent was confirmed");
  forget(*registration.session);
  connection.registration.reset();
}

void Model::deliver(ConnectionId to, const Deliver& frame, Bytes body, Time now) {
  RegistrationBook* registration = speaking_to(to, "DELIVER");
  if (registration == nullptr) return;
  if (registration->leaving) return fail("DELIVER to connection " + number(to) + ", which has left");
  ConnectionBook& connection = connections_[to];
  if (frame.first_seq != connection.next_number)
    return fail("DELIVER from number " + number(frame.first_seq) + " to connection " + number(to) + "; due was " +
                number(connection.next_number));
  std::vector<Copy*> batch;
  Bytes rest = body;
  while (!rest.empty()) {
    size_t bytes = 0;
    Copy* copy = identify(registration->endpoint, rest, frame.redelivered, batch, bytes);
    if (copy == nullptr) return;
    if (registration->endpoint == scenario_.dead_letters()) endpoints_[registration->endpoint].resize(*copy, bytes);
    batch.push_back(copy);
    rest.remove_prefix(bytes);
  }
  if (batch.empty()) return fail("DELIVER without a message to connection " + number(to));
  if (hears_out(endpoints_[registration->endpoint]))
    return fail("DELIVER to connection " + number(to) +
                ", though one of its name is gone and may have left some first");
  check_batch(to, batch, body.size(), now);
  // What dies on several lanes at one moment becomes letters that come lane by lane, in whatever order.
  const bool in_order = lane_of_.empty() || registration->endpoint != scenario_.dead_letters();
  if (in_order) check_order(endpoints_[registration->endpoint], *registration, batch, now);
  check_choice(to, batch, now);
  EndpointBook& endpoint = endpoints_[registration->endpoint];
  if (in_order) check_turns(endpoint, to, batch, now);
  registration->alone = batch.front()->alone();
  for (Copy* copy : batch) {
    endpoint.hand_out(*copy);
    copy->nacked_by = 0;
    copy->holder = to;
    copy->number = connection.next_number++;
    copy->handed_ms = now.monotonic_ms;
    copy->timed = endpoint.settings().ack_timeout_ms != 0;
    registration->unsettled.emplace(copy->number, copy);
    registration->unsettled_bytes += copy->bytes;
    ++delivered_;
  }
}

// A message and where its copies are, for a report.
std::string Model::describe(const Message& message) const {
  static constexpr const char* states[] = {"waiting", "under way", "settled", "dropped", "expired", "dead"};
  std::string text = "message " + number(message.serial);
  text += " (" + message.draft.id + " from " + settings_.endpoints[message.draft.sender].name + "; copies:";
  if (message.serial < copies_of_.size())
    for (const Copy* copy : copies_of_[message.serial])
      text += " " + settings_.endpoints[copy->endpoint].name + " " + states[static_cast<size_t>(copy->state)] +
              " deliveries " + number(copy->deliveries) + " suspicions " + number(copy->suspicions) + " failures " +
              number(copy->failures) + " due " + number(copy->due_ms) + " handed back by " + number(copy->nacked_by);
  return text + ")";
}

// Which copy the bytes at the front of `body` are; a fault and null where they are none that may be delivered now.
Copy* Model::identify(EndpointId endpoint, Bytes body, bool redelivered, const std::vector<Copy*>& before,
                      size_t& bytes) {
  const Message* message = messages_.at(body);
  const std::string name = settings_.endpoints[endpoint].name;
  if (message == nullptr) {
    fail("a message that nobody sent, to " + name);
    return nullptr;
  }
  bool other_flag = false;
  const bool dead = endpoint == scenario_.dead_letters();
  Copy* found = nullptr;
  if (message->serial < copies_of_.size()) {
    for (Copy* copy : copies_of_[message->serial]) {
      if (copy->endpoint != endpoint || copy->state != Copy::State::waiting) continue;
      if (std::find(before.begin(), before.end(), copy) != before.end()) continue;
      if (dead && !is_dead_letter(*copy, body, bytes)) continue;
      if (!copy->changed.empty() && !dead && body.substr(0, copy->bytes) != copy->changed) continue;
      if ((copy->deliveries > 0) != redelivered) {
        other_flag = true;
      } else if (found == nullptr || copy->place < found->place) {
        found = copy;
      }
    }
  }
  if (found == nullptr) {
    fail(describe(*message) + " is delivered to " + name +
         (other_flag ? ", but redelivered is wrong" : ", where no such copy waits"));
    return nullptr;
  }
  if (dead) {
    is_dead_letter(*found, body, bytes);
  } else {
    bytes = found->text().size();
    if (body.substr(0, bytes) != found->text()) {
      fail("message " + number(message->serial) + " reaches " + name + " with other bytes than were sent");
      return nullptr;
    }
  }
  return found;
}

// Of what middleware has changed the model knows the bytes alone, not the fields.
std::string Model::as_dead_letter(const Copy& copy, Bytes note) {
  if (copy.changed.empty()) return MessageBook::as_dead_letter(*copy.message, note);
  std::string letter = copy.changed;
  (void)rewrite(letter, {.operation = Edit::Operation::set, .path = {"helper_metadata", "dead_letter"}, .value = note});
  return letter;
}

bool Model::is_dead_letter(const Copy& copy, Bytes body, size_t& bytes) const {
  const std::optional<size_t> size = map_bytes(body);
  if (!size) return false;
  bytes = *size;
  const Bytes raw = find_value(body.substr(0, bytes), {"helper_metadata", "dead_letter"});
  DeadLetterNote note;
  if (!read_note(raw, note)) return false;
  return note.endpoint == settings_.endpoints[copy.died_at].name && note.deliveries == copy.died_deliveries &&
         (!copy.reason || note.reason == *copy.reason) && note.time == date(copy.died_wall_us) &&
         body.substr(0, bytes) == as_dead_letter(copy, raw);
}

void Model::check_batch(ConnectionId to, const std::vector<Copy*>& batch, uint64_t bytes, Time now) {
  const RegistrationBook& registration = *connections_[to].registration;
  const std::string whom = " to connection " + number(to);
  if (registration.slots_taken() + batch.size() > registration.prefetch)
    return fail("more than its prefetch of " + number(registration.prefetch) + whom);
  if (batch.size() > 1 && bytes > settings_.max_batch_bytes) return fail("a batch over max_batch_bytes" + whom);
  if (registration.unsettled_bytes + bytes > settings_.max_unsettled_bytes &&
      (batch.size() > 1 || !registration.unsettled.empty()))
    return fail("more than max_unsettled_bytes under way" + whom);
  if (registration.alone) return fail("a message beside a suspect that travels alone" + whom);
  for (const Copy* copy : batch) {
    const std::string what = "message " + number(copy->message->serial);
    if (copy->kind() != batch.front()->kind()) return fail("a batch of both kinds" + whom);
    if (endpoints_[registration.endpoint].is_past(*copy, now.monotonic_ms))
      return fail(what + " is past its time" + whom);
    if (copy->due_ms > now.monotonic_ms) return fail(what + " comes back before its time" + whom);
    if (copy->alone() && (batch.size() > 1 || registration.slots_taken() > 0))
      return fail(what + " is a suspect and does not travel alone" + whom);
  }
}

// Within an endpoint and kind: the old places hold, and nothing that could go is passed over.
void Model::check_order(EndpointBook& endpoint, const RegistrationBook& registration, const std::vector<Copy*>& batch,
                        Time now) {
  const MessageKind kind = batch.front()->kind();
  uint64_t last = 0;
  for (const Copy* copy : batch) {
    if (copy->rank < last) return fail("message " + number(copy->message->serial) + " is out of order in its batch");
    last = copy->rank;
    if (copy->deliveries > 0) continue;
    uint64_t& first_rank = endpoint.first_places[static_cast<size_t>(kind)][copy->message->draft.sender];
    if (copy->rank < first_rank)
      return fail("message " + number(copy->message->serial) + " is overtaken by one sent later");
    first_rank = copy->rank;
  }
  // What a send of this turn has found gone goes back when that turn is done with the endpoint; and an instance that
  // was kept empty for a suspect takes that first.
  if (gone_this_turn_ || batch.front()->alone()) return;
  auto next = batch.begin();
  for (const auto& [place, copy] : endpoint.waiting(kind)) {
    if (copy->rank >= last && place > batch.back()->place) break;
    if (next != batch.end() && *next == copy) {
      ++next;
    } else if (copy->due_ms <= now.monotonic_ms && !copy->alone() && copy->nacked_by != registration.number) {
      // Nobody waits for one that was handed back by a NACK and finds no room here.
      const bool fits =
          registration.unsettled.empty() || registration.unsettled_bytes + copy->bytes <= settings_.max_unsettled_bytes;
      if (copy->nacked_by != 0 && !fits) continue;
      // Letters of one moment have no order among themselves.
      if (copy->rank == last || std::find(batch.begin(), batch.end(), copy) != batch.end()) continue;
      return fail(describe(*copy->message) + " was there before and is passed over by " +
                  describe(*batch.back()->message));
    }
  }
}

// The two kinds are served in turn: the same one twice only where the other had nothing for this instance.
void Model::check_turns(EndpointBook& endpoint, ConnectionId to, const std::vector<Copy*>& batch, Time now) {
  const MessageKind kind = batch.front()->kind();
  const std::optional<MessageKind> before = std::exchange(endpoint.last_kind, kind);
  const uint64_t batches = endpoint.batches++;
  if (before != kind || gone_this_turn_ || batch.front()->alone() || endpoint.suspect_waited) return;
  for (ConnectionId id : endpoint.instances)
    if (connections_[id].blocked && connections_[id].blocked_ms + 2 > now.monotonic_ms) return;
  const auto& others = endpoint.waiting(kind == MessageKind::event ? MessageKind::user_message : MessageKind::event);
  if (others.empty()) return;
  // Only what was there already when the batch before went out had the turn after that.
  const Copy& other = *others.begin()->second;
  if (other.deliveries > 0 || other.batches_before >= batches) return;
  for (const auto& [place, copy] : others) {
    if (copy->rank != other.rank) break;
    if (lacks_bytes(endpoint, *copy)) return;
  }
  if (can_take(connections_[to], other))
    fail(describe(*other.message) + " waits for its turn while the other kind is served twice");
}

// Among several instances: the one with the most free prefetch, and not the one that has just handed it back.
void Model::check_choice(ConnectionId to, const std::vector<Copy*>& batch, Time now) {
  const RegistrationBook& chosen = *connections_[to].registration;
  // One instance may be kept from new work until it is empty, for a suspect that waits to travel alone.
  EndpointBook& endpoint = endpoints_[chosen.endpoint];
  if (endpoint.suspect_waited || suspect_waits(endpoint, now)) return;
  const uint64_t chosen_free = chosen.prefetch - chosen.slots_taken();
  for (ConnectionId id : endpoint.instances) {
    const ConnectionBook& other = connections_[id];
    if (id == to || (other.blocked && other.blocked_ms + 2 > now.monotonic_ms)) continue;
    if (!can_take(other, *batch.front())) continue;
    // One that is late with something itself is not waited for.
    if (batch.front()->nacked_by == chosen.number && other.registration->overdue.empty())
      return fail("message " + number(batch.front()->message->serial) + " goes back to whom it came from, connection " +
                  number(to) + ", though " + number(id) + " has room");
    if (batch.front()->alone() || batch.front()->nacked_by == other.registration->number) continue;
    if (other.registration->prefetch - other.registration->slots_taken() > chosen_free)
      return fail("connection " + number(to) + " is served though " + number(id) + " has more free prefetch");
  }
}

// It waits for bytes to be settled somewhere, and keeps its turn until then: smaller ones of the other kind would
// otherwise take each byte that comes free.
bool Model::lacks_bytes(const EndpointBook& endpoint, const Copy& copy) {
  return std::any_of(endpoint.instances.begin(), endpoint.instances.end(), [&](ConnectionId id) {
    const RegistrationBook& registration = *connections_[id].registration;
    return !registration.unsettled.empty() && registration.slots_taken() < registration.prefetch &&
           registration.unsettled_bytes + copy.bytes > settings_.max_unsettled_bytes;
  });
}

bool Model::suspect_waits(const EndpointBook& endpoint, Time now) const {
  for (MessageKind kind : {MessageKind::user_message, MessageKind::event})
    for (const auto& [place, copy] : endpoint.waiting(kind))
      if (copy->alone() && copy->due_ms <= now.monotonic_ms) return true;
  return false;
}

bool Model::can_take(const ConnectionBook& connection, const Copy& copy) const {
  if (!connection.registration || !connection.registration->welcomed || connection.registration->leaving) return false;
  const RegistrationBook& registration = *connection.registration;
  if (registration.alone || registration.slots_taken() >= registration.prefetch) return false;
  if (copy.alone() && registration.slots_taken() > 0) return false;
  if (registration.unsettled.empty()) return true;
  return registration.unsettled_bytes + copy.bytes <= settings_.max_unsettled_bytes;
}

}  // namespace signalbox::simulation
