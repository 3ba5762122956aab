// What each frame from a worker must do: sections 3 to 6 of the protocol, the plain way.
#include <algorithm>
#include <utility>

#include "tests/simulation/model.hpp"

namespace signalbox::simulation {
namespace {

unsigned bit(RefusalCode code) {
  return 1U << static_cast<unsigned>(code);
}

}  // namespace

void Model::worker_frame(ConnectionId from, std::string_view key, Bytes header, Bytes body, size_t parts, Time now) {
  ConnectionBook& connection = connections_[from];
  const bool registered = connection.registration && !connection.registration->leaving;
  std::optional<WorkerFrame> frame;
  if (parts > 0 && header.size() <= limits::header_bytes_max)
    frame = parse_worker_frame(header, settings_.max_prefetch);
  if (frame && parts != (std::holds_alternative<Send>(*frame) ? 2U : 1U)) frame.reset();
  journal_.note("core gets: connection, frame (0 HELLO, 1 SEND, 2 ACK, 3 NACK, 4 FLOW), body bytes", from,
                frame ? frame->index() : 99, body.size());
  // Who has gone is heard out, and that is all.
  const bool begins = frame && std::holds_alternative<Hello>(*frame);
  if ((begins || !registered) && connection.gone) return;
  if (!registered && (!frame || !std::holds_alternative<Hello>(*frame))) {
    connection.stranger_asked = true;
    return;
  }
  if (!frame) return end_with(from, ErrorCode::malformed, now);
  if (const auto* it = std::get_if<Hello>(&*frame)) return hello(from, key, *it, now);
  if (const auto* it = std::get_if<Send>(&*frame)) return send(from, *it, body, now);
  if (const auto* it = std::get_if<Ack>(&*frame)) return ack(from, *it, now);
  if (const auto* it = std::get_if<Nack>(&*frame)) return nack(from, *it, now);
  if (const auto* it = std::get_if<Flow>(&*frame)) return flow(from, *it, now);
  if (std::holds_alternative<Bye>(*frame)) return bye(from, now);
  if (std::holds_alternative<Ping>(*frame)) ++connection.pongs_due;
}

void Model::worker_frame_done(Time now) {
  take_back_blame();
  const std::optional<ConnectionId> ending = std::exchange(ends_after_frame_, std::nullopt);
  if (ending && connections_.contains(*ending) && connections_[*ending].registration) end(*ending, now);
}

void Model::hello(ConnectionId from, std::string_view key, const Hello& frame, Time now) {
  ConnectionBook& connection = connections_[from];
  journal_.note("core gets a HELLO: connection, confirmed, prefetch", from, frame.confirmed, frame.prefetch);
  std::optional<EndpointId> endpoint;
  for (EndpointId id = 0; id < endpoints_.size(); ++id)
    if (settings_.endpoints[id].name == frame.name && settings_.endpoints[id].role == *frame.role &&
        !settings_.endpoints[id].joint && !settings_.endpoints[id].removed)
      endpoint = id;

  SessionBook* session = nullptr;
  for (const auto& known : sessions_)
    if (!frame.session.empty() && known->id == frame.session) session = known.get();
  const auto refuse_hello = [&](ErrorCode code) {
    if (connection.registration && !connection.registration->leaving) end(from, now);
    connection.registration.reset();
    owe_error(from, code);
  };
  if (frame.version != limits::protocol_version) return refuse_hello(ErrorCode::version);
  if (draining_) {
    ++connection.byes_allowed;
    return;
  }
  if (!endpoint) return refuse_hello(ErrorCode::unknown_endpoint);
  if (!may_be(std::string(key), *endpoint)) return refuse_hello(ErrorCode::not_permitted);
  if (session != nullptr && (session->endpoint != *endpoint || session->key != key))
    return refuse_hello(ErrorCode::not_permitted);

  if (connection.registration && !connection.registration->leaving) {
    SessionBook& current = *connection.registration->session;
    const bool kept = !current.id.empty();
    end(from, now);  // also where it resumes: the registration is a new one, only the session goes on
    if (&current != session && kept) forget(current);
  }
  connection.registration.reset();
  connection.ever_registered = true;
  if (session != nullptr && session->live) {
    const ConnectionId old = *session->live;
    end(old, now);
    connections_[old].errors_due.push_back(ErrorCode::taken_over);
  }
  if (session == nullptr) {
    session = sessions_.emplace_back(std::make_unique<SessionBook>()).get();
    session->id = std::string(frame.session);
    session->key = key;
    session->endpoint = *endpoint;
    session->any_first = !frame.session.empty();
  }
  resuming_ = session;  // its blame is taken back once the probes are out
  session->live = from;

  EndpointBook& book = endpoints_[*endpoint];
  to_probe_.insert(to_probe_.end(), book.instances.begin(), book.instances.end());
  book.instances.push_back(from);
  RegistrationBook& registration = connection.registration.emplace();
  registration.number = ++registrations_;
  registration.endpoint = *endpoint;
  registration.session = session;
  registration.prefetch = std::min(frame.prefetch, settings_.max_prefetch);
  registration.first_number = connection.next_number;
  registration.welcomes_due = 1;
  registration.refused = frame.confirmed;
  registration.told_timeout_ms = book.settings().ack_timeout_ms;
}

void Model::send(ConnectionId from, const Send& frame, Bytes body, Time now) {
  SessionBook& session = *connections_[from].registration->session;
  if (draining_ && endpoints_[session.endpoint].settings().role == Role::transport) return;
  std::vector<const Message*> batch;
  Bytes rest = body;
  while (!rest.empty()) {
    const Message* message = messages_.at(rest);
    if (message == nullptr || rest.substr(0, message->sent.size()) != message->sent) break;
    batch.push_back(message);
    rest.remove_prefix(message->sent.size());
  }
  if (body.size() > settings_.max_batch_bytes) return end_with(from, ErrorCode::too_large, now);
  if (session.any_first && !batch.empty()) {
    session.any_first = false;
    session.received = session.settled = session.told = frame.first_seq - 1;
    connections_[from].registration->confirmed = frame.first_seq - 1;
  }
  if (body.empty()) return end_with(from, ErrorCode::malformed, now);
  if (frame.first_seq > session.received + 1) return end_with(from, ErrorCode::gap, now);
  if (!within_window(session, frame.first_seq, batch)) return end_with(from, ErrorCode::window, now);
  journal_.note("core gets a SEND: connection, first, count, received before", from, frame.first_seq, batch.size(),
                session.received);
  Seq number = frame.first_seq;
  for (const Message* message : batch)
    if (number++ > session.received) enter(session, *message, now);
  if (!rest.empty() || batch.empty()) {
    // What came whole before the break stands, and may be confirmed before the ERROR.
    connections_[from].errors_due.push_back(ErrorCode::malformed);
    ends_after_frame_ = from;
    return;
  }
  RegistrationBook& registration = *connections_[from].registration;
  const Seq last = frame.first_seq + batch.size() - 1;
  if (last <= registration.confirmed) registration.confirm_again = std::max(registration.confirm_again, last);
}

// A batch that is known as a whole takes no window; one message always fits.
bool Model::within_window(SessionBook& session, Seq first, const std::vector<const Message*>& batch) const {
  session.sizes.erase(session.sizes.begin(), session.sizes.upper_bound(session.told));
  const Seq last = first + batch.size() - 1;
  if (batch.empty() || last <= session.received) return true;
  uint64_t bytes = 0;
  for (const auto& [number, size] : session.sizes) bytes += size;
  for (size_t i = 0; i < batch.size(); ++i)
    if (first + i > session.received) bytes += batch[i]->sent.size();
  const uint64_t count = last - session.told;
  return count <= settings_.send_window && (count == 1 || bytes <= settings_.send_window_bytes);
}

void Model::enter(SessionBook& session, const Message& message, Time now) {
  const Seq number = ++session.received;
  session.sizes.emplace(number, message.sent.size());
  Outcome& outcome = session.pending.emplace_back();
  EndpointBook& sender = endpoints_[session.endpoint];
  sender.sender.received.add(message.sent.size());
  Way way;
  way.refusal = judge(sender, message);
  bool discarded = false;
  if (way.refusal == 0 && twin_) {
    discarded = !enter_by_twin(session, message, outcome, way, now);
  } else if (way.refusal == 0 && pass(session.endpoint, message, outcome, way, now)) {
    way.refusal = 0;
  }
  journal_.note("message enters: number, serial, copies taken, refusal", number, message.serial, way.taken,
                way.refusal);
  if (way.refusal != 0) {
    sender.sender.refused.add(message.sent.size());
    session.refused.emplace(number, way.refusal);
    return;
  }
  if (discarded) return sender.sender.discarded.add(message.sent.size());
  sender.sender.routed.add(message.sent.size());
  if (twin_) return;  // it has kept these books as it went
  for (uint64_t i = 0; i < way.taken; ++i) sender.sender.copies.add(message.queued.size());
  for (EndpointId at : way.not_taken) {
    sender.sender.not_taken.add(message.queued.size());
    die(message, message.queued, at, 0, std::nullopt, now);
  }
}

// From one endpoint of a dispatcher to others, and on behind joints. True: somebody has taken a copy.
bool Model::pass(EndpointId sender, const Message& message, Outcome& outcome, Way& way, Time now) {
  const auto stopped = [&way](EndpointId at, unsigned refusal) {
    if (way.refusal == 0) way.refusal = refusal;
    way.not_taken.push_back(at);
  };
  unsigned refusal = 0;
  const std::vector<EndpointId> targets = targets_of(sender, message, refusal);
  if (targets.empty()) stopped(sender, refusal);
  bool taken = false;
  for (EndpointId target : targets) {
    if (const auto joint = settings_.endpoints[target].joint) {
      taken |= pass(*joint, message, outcome, way, now);
    } else if (take(message.draft.sender, target, message, message.queued, outcome, now)) {
      ++way.taken;
      taken = true;
    } else {
      stopped(target, bit(RefusalCode::queue_full));
    }
  }
  if (taken) remember(sender, message);
  return taken;
}

// What is wrong with the message itself; 0: nothing.
unsigned Model::judge(const EndpointBook& sender, const Message& message) const {
  const Draft& draft = message.draft;
  unsigned refusal = 0;
  if (sender.settings().removed && sender.settings().role == Role::transport)
    refusal |= bit(RefusalCode::unknown_endpoint);
  if (sender.settings().dead_letters) refusal |= bit(RefusalCode::not_permitted);
  if (message.sent.size() > settings_.max_message_bytes) refusal |= bit(RefusalCode::too_large);
  if (draft.flaw != Flaw::none && draft.flaw != Flaw::too_large) refusal |= bit(RefusalCode::malformed);
  if (sender.settings().role == Role::application) {
    if (draft.kind == MessageKind::event) refusal |= bit(RefusalCode::malformed);
  } else if (!twin_ && draft.transport_name && *draft.transport_name != sender.settings().name &&
             !sender.settings().relay) {
    refusal |= bit(RefusalCode::not_permitted);
  }
  return refusal;
}

std::vector<EndpointId> Model::targets_of(EndpointId sender, const Message& message, unsigned& refusal) const {
  const Draft& draft = message.draft;
  const EndpointSettings& from = settings_.endpoints[sender];
  const auto followed = [&](const Memory& memory, const std::string& id) -> std::optional<EndpointId> {
    const auto found = memory.find(id);
    if (!scenario_.reply_tracking(from.dispatcher) || found == memory.end() || found->second.ambiguous) return {};
    const EndpointSettings& source = settings_.endpoints[found->second.source];
    if (source.removed || source.dispatcher != from.dispatcher) return {};
    return found->second.source;
  };
  if (from.role == Role::transport) {
    if (draft.kind == MessageKind::event)
      if (const auto application = followed(memories_[from.dispatcher].outbound, draft.id)) return {*application};
    const std::string& name = draft.transport_name && !from.joint ? *draft.transport_name : from.name;
    std::vector<EndpointId> targets = scenario_.inbound(from.dispatcher, name);
    if (targets.empty()) refusal = bit(RefusalCode::no_route);
    return targets;
  }
  if (!draft.in_reply_to.empty())
    if (const auto transport = followed(memories_[from.dispatcher].inbound, draft.in_reply_to)) return {*transport};
  const auto transport = scenario_.outbound(from.dispatcher, draft.transport_name.value_or(""));
  if (transport) return {*transport};
  refusal = bit(RefusalCode::unknown_endpoint);
  if (!draft.transport_name) refusal |= bit(RefusalCode::no_route);
  return {};
}

void Model::remember(EndpointId sender, const Message& message) {
  const Draft& draft = message.draft;
  if (draft.kind == MessageKind::event) return;
  const EndpointSettings& from = settings_.endpoints[sender];
  Memories& memories = memories_[from.dispatcher];
  Memory& memory = from.role == Role::transport ? memories.inbound : memories.outbound;
  const auto [found, is_new] = memory.try_emplace(draft.id, Remembered{draft.sender, sender, false});
  if (!is_new && found->second.origin != draft.sender) found->second.ambiguous = true;
  found->second.source = sender;
}

uint32_t Model::lane_of(ConnectionId connection) const {
  const auto found = connections_.find(connection);
  if (found == connections_.end() || !found->second.registration) return 0;
  return lane_of_[found->second.registration->endpoint];
}

bool Model::is_on_another_lane(EndpointId sender, EndpointId target) const {
  return !lane_of_.empty() && lane_of_[sender] != lane_of_[target];
}

// True: it is taken, as far as its sender is concerned. Another lane cannot tell whether a queue that drops its oldest
// has anything to drop: where all of it is under way, what comes is taken and dropped in one.
bool Model::take(EndpointId origin, EndpointId target, const Message& message, Bytes text, Outcome& outcome, Time now) {
  EndpointBook& book = endpoints_[target];
  if (book.admit(text.size())) {
    enqueue(target, message, text, outcome, now);
    return true;
  }
  journal_.note("model: no room: endpoint, messages, bytes, overflow", target, book.live(),
                book.queue.waiting.bytes + book.queue.under_way.bytes, static_cast<uint64_t>(book.settings().overflow));
  if (book.settings().overflow != Overflow::drop_oldest || !is_on_another_lane(origin, target)) return false;
  book.queue.taken.add(text.size());
  book.queue.dropped.add(text.size());
  return true;
}

void Model::enqueue(EndpointId endpoint, const Message& message, Bytes text, Outcome& outcome, Time now) {
  EndpointBook& book = endpoints_[endpoint];
  book.insert(new_copy(endpoint, message, text), now.monotonic_ms);
  if (const auto spell = book.holding_spell()) outcome.holds.push_back({endpoint, *spell});
}

void Model::ack(ConnectionId from, Ack frame, Time now) {
  ConnectionBook& connection = connections_[from];
  RegistrationBook& registration = *connection.registration;
  std::vector<Seq> numbers;
  bool never_delivered = frame.upto >= connection.next_number;
  for (SeqList also = frame.also; also.size() > 0;) {
    numbers.push_back(also.take());
    never_delivered |= numbers.back() >= connection.next_number;
  }
  if (never_delivered) return end_with(from, ErrorCode::malformed, now);
  settle_overdue(registration, frame.upto, numbers);
  for (const auto& [number, copy] : registration.unsettled)
    if (number <= frame.upto) numbers.push_back(number);
  for (Seq number : numbers) {
    const auto found = registration.unsettled.find(number);
    if (found == registration.unsettled.end()) continue;
    registration.unsettled_bytes -= found->second->bytes;
    endpoints_[registration.endpoint].finish(*found->second, Copy::State::settled);
    registration.unsettled.erase(found);
  }
  free_slot(registration);
}

void Model::free_slot(RegistrationBook& registration) {
  if (registration.slots_taken() == 0) registration.alone = false;
}

void Model::nack(ConnectionId from, const Nack& frame, Time now) {
  ConnectionBook& connection = connections_[from];
  RegistrationBook& registration = *connection.registration;
  if (frame.seq == 0 || frame.seq >= connection.next_number) return end_with(from, ErrorCode::malformed, now);
  if (registration.overdue.erase(frame.seq) > 0) return free_slot(registration);  // it has failed there already
  const auto found = registration.unsettled.find(frame.seq);
  if (found == registration.unsettled.end()) return;
  Copy& copy = *found->second;
  registration.unsettled_bytes -= copy.bytes;
  registration.unsettled.erase(found);
  free_slot(registration);
  const EndpointSettings& settings = endpoints_[registration.endpoint].settings();
  if (!frame.requeue || settings.dead_letters) return bury(copy, std::string(frame.reason), now);
  fail_there(copy, registration, std::nullopt, now);
}

void Model::flow(ConnectionId from, const Flow& frame, Time now) {
  if (frame.prefetch > settings_.max_prefetch) return end_with(from, ErrorCode::malformed, now);
  connections_[from].registration->prefetch = frame.prefetch;
}

void Model::bye(ConnectionId from, Time now) {
  RegistrationBook& registration = *connections_[from].registration;
  hand_back(registration, now);
  std::erase(endpoints_[registration.endpoint].instances, from);
  registration.leaving = true;
  // It has no window left for a full queue to hold back.
  for (Outcome& outcome : registration.session->pending) outcome.holds.clear();
  registration.session->id.clear();
}

}  // namespace signalbox::simulation
