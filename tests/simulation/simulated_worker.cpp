#include "tests/simulation/simulated_worker.hpp"

#include <algorithm>
#include <utility>

namespace signalbox::simulation {
namespace {

template <typename Frame>
std::string header_of(const Frame& frame) {
  std::string header;
  write(header, frame);
  return header;
}

}  // namespace

SimulatedWorker::SimulatedWorker(World& world, size_t index, EndpointId endpoint, uint64_t instance)
    : world_(world),
      index_(index),
      endpoint_(endpoint),
      role_(world.scenario.endpoint(endpoint).role),
      name_(world.scenario.endpoint(endpoint).name),
      key_(world.scenario.key_of(endpoint, instance)) {
  resumes_ = world_.random.chance(700);
  patience_ = world_.random.chance(150) ? 900 : world_.random.below(300);
  return_ms_ = world_.now.monotonic_ms + world_.random.below(200);
  forget_everything();
}

void SimulatedWorker::forget_everything() {
  session_ = resumes_ ? world_.random.bytes(limits::session_id_bytes) : std::string();
  next_number_ = 1;
  sent_ = confirmed_ = 0;
  held_.clear();
  // Nobody would claim the old session's registrations any more.
  for (ConnectionId connection : former_) world_.link.cut(connection, world_.now.monotonic_ms, 0);
  former_.clear();
}

void SimulatedWorker::say(std::string header, std::string body, size_t parts) {
  world_.link.send_to_broker(connection_, {0, std::move(header), std::move(body), parts}, world_.now.monotonic_ms);
}

void SimulatedWorker::connect() {
  connection_ = world_.link.open(index_);
  greetings_ = 0;
  next_delivery_ = 1;
  unsettled_.clear();
  say_hello();
}

void SimulatedWorker::say_hello() {
  if (session_.empty()) {
    // Without a session numbers start at 1 again. Some workers send what was not confirmed once more, as new messages.
    if (world_.random.chance(500)) held_.clear();
    next_number_ = 1;
    for (Outgoing& outgoing : held_) outgoing.number = next_number_++;
    sent_ = confirmed_ = 0;
    encode_again();
  }
  ++greetings_;
  Hello hello;
  hello.role = role_;
  hello.name = name_;
  hello.session = session_;
  hello.confirmed = confirmed_;
  const uint64_t most = world_.scenario.max_prefetch;
  prefetch_ = world_.random.chance(50) && !world_.healing ? 0 : world_.random.between(1, most + 2);
  // The readers of dead letters together never hold as many as their queue takes: see Scenario.
  if (endpoint_ == world_.scenario.dead_letters()) prefetch_ = std::min<uint64_t>(prefetch_, 6);
  hello.prefetch = prefetch_;
  hello.client = "simulated worker";
  prefetch_ = std::min(prefetch_, most);
  state_ = State::greeting;
  heard_ms_ = world_.now.monotonic_ms;
  world_.journal.note("worker says HELLO: worker, connection, confirmed, prefetch", index_, connection_, confirmed_,
                      prefetch_);
  say(header_of(hello));
}

// What the broker may take for new, though it has it already, gets bytes that differ from the first time: so each copy
// that the model sees is one that it knows.
void SimulatedWorker::encode_again() {
  for (Outgoing& outgoing : held_) {
    Draft draft = outgoing.message->draft;
    outgoing.message = &world_.messages.add(std::move(draft), role_ == Role::transport ? name_ : std::string_view());
  }
}

void SimulatedWorker::go_offline(uint64_t pause_ms) {
  if (connection_ != 0) world_.link.cut(connection_, world_.now.monotonic_ms, 0);
  connection_ = 0;
  state_ = State::offline;
  return_ms_ = world_.now.monotonic_ms + (world_.healing ? 0 : pause_ms);
}

void SimulatedWorker::lose_connection(uint64_t silent_ms) {
  if (connection_ == 0) return;
  world_.journal.note("connection is cut: worker, connection, silent_ms", index_, connection_, silent_ms);
  world_.link.cut(connection_, world_.now.monotonic_ms, silent_ms);
  if (state_ == State::leaving) forget_everything();  // it does not come back to what it has left
  // It comes back at once, soon, or after its session has been forgotten.
  go_offline(world_.random.chance(900) ? world_.random.below(2000) : world_.random.below(30'000));
}

void SimulatedWorker::crash() {
  world_.journal.note("worker crashes and forgets everything: worker, connection", index_, connection_);
  lose_connection(0);
  forget_everything();
}

// A second connection with the same session, while the first is still up.
void SimulatedWorker::take_over() {
  if (state_ != State::registered || !resumes_) return;
  world_.journal.note("worker takes its session over: worker, old connection", index_, connection_);
  former_.push_back(connection_);
  connect();
}

void SimulatedWorker::hang(uint64_t span_ms) {
  world_.journal.note("worker hangs: worker, connection, ms", index_, connection_, span_ms);
  hung_until_ms_ = world_.now.monotonic_ms + span_ms;
}

bool SimulatedWorker::idle() const {
  return state_ == State::registered && held_.empty() && unsettled_.empty();
}

void SimulatedWorker::note_waiting() const {
  if (idle()) return;
  world_.journal.note("worker waits: worker, state (0 offline, 1 greeting, 2 registered, 3 leaving), held, unsettled",
                      index_, static_cast<uint64_t>(state_), held_.size(), unsettled_.size());
}

void SimulatedWorker::act() {
  const uint64_t now_ms = world_.now.monotonic_ms;
  if (hangs()) return;
  if (state_ == State::offline) {
    if (now_ms >= return_ms_) connect();
    return;
  }
  if (now_ms - heard_ms_ > 3 * world_.scenario.heartbeat_ms) {
    // Silence: a leaving worker just goes; the others greet again, or open a new connection.
    // Nor does it know which HELLO a WELCOME answers, where one may have been refused without a word that arrived.
    const bool unanswered = state_ == State::greeting && world_.scenario.is_changing();
    if (state_ == State::leaving || unanswered || !world_.link.is_open(connection_) || world_.random.chance(300)) {
      if (state_ == State::leaving) forget_everything();
      go_offline(0);
    } else {
      greet_again();
    }
    return;
  }
  if (state_ != State::registered) return;
  if (world_.healing) {
    if (prefetch_ == 0) change_prefetch();
    settle_everything();
    transmit();
    return;
  }
  const uint64_t choice = world_.random.below(1000);
  if (choice < 350) {
    compose();
    transmit();
  } else if (choice < 960) {
    if (!world_.random.chance(patience_)) settle();
  } else if (choice < 980) {
    change_prefetch();
  } else if (choice < 988) {
    say(header_of(Ping{}));
  } else if (choice < 992) {
    greet_again();
  } else if (choice < 995) {
    leave();
  } else {
    misbehave();
  }
}

Draft SimulatedWorker::draft() {
  Random& random = world_.random;
  const Scenario& scenario = world_.scenario;
  Draft draft;
  draft.sender = endpoint_;
  draft.helper = static_cast<uint8_t>(random.below(4));
  const uint64_t size = random.below(100);
  draft.content_bytes = size < 70 ? random.below(60) : random.below(250);
  draft.id = numbered("id", world_.messages.count());
  if (random.chance(20) && !world_.known_ids.empty())
    draft.id = world_.known_ids[random.below(world_.known_ids.size())];  // used before, by whomever
  if (random.chance(15)) draft.flaw = static_cast<Flaw>(random.between(1, 7));
  if (draft.flaw == Flaw::too_large) draft.content_bytes = scenario.max_message_bytes;
  draft.poison = random.chance(4);

  const std::string other = scenario.endpoint(static_cast<EndpointId>(random.below(scenario.transport_count()))).name;
  draft.nil_transport_name = random.chance(500);
  const bool has_heard = !heard_ids_.empty();
  const std::string heard = has_heard ? heard_ids_[random.below(heard_ids_.size())] : "unheard";
  if (role_ == Role::transport) {
    if (random.chance(600)) draft.transport_name = name_;
    if (random.chance(30)) draft.transport_name = random.chance(500) ? other : "foreign";
    if (random.chance(300)) {
      draft.kind = MessageKind::event;
      draft.id = random.chance(950) ? heard : "unheard";
    }
  } else {
    if (random.chance(800)) draft.transport_name = other;
    if (random.chance(20)) draft.transport_name = random.chance(500) ? "nowhere" : name_;
    if (random.chance(50)) draft.transport_name = "alias";
    if (random.chance(600)) draft.in_reply_to = heard;
    if (random.chance(5)) draft.kind = MessageKind::event;
  }
  if (scenario.is_rough()) go_astray(draft);
  // A flaw must be one in this kind of message and this field.
  if (draft.flaw == Flaw::wrong_type) {
    draft.transport_name.reset();
    draft.nil_transport_name = true;
  }
  if (draft.kind == MessageKind::event && draft.flaw == Flaw::too_large) draft.flaw = Flaw::none;
  return draft;
}

void SimulatedWorker::compose() {
  if (held_.size() > 2 * world_.scenario.send_window) return;
  const uint64_t count = world_.random.chance(300) ? world_.random.between(1, 12) : 1;
  for (uint64_t i = 0; i < count; ++i) {
    const bool fill_in = role_ == Role::transport;
    const Message& message = world_.messages.add(draft(), fill_in ? name_ : std::string_view());
    if (message.draft.kind == MessageKind::user_message) world_.known_ids.push_back(message.draft.id);
    held_.push_back({next_number_++, &message});
  }
}

// Batches of what is held and not sent on this registration, as far as the window goes.
void SimulatedWorker::transmit() {
  uint64_t unconfirmed = 0;
  uint64_t unconfirmed_bytes = 0;
  std::string body;
  Seq first = 0;
  const uint64_t batch_messages = world_.random.between(1, 12);
  uint64_t in_batch = 0;
  const auto send = [&] {
    if (body.empty()) return;
    world_.journal.note("worker sends: worker, connection, first, count", index_, connection_, first, in_batch);
    say(header_of(Send{first}), std::move(body), 2);
    body.clear();
    in_batch = 0;
  };
  for (const Outgoing& outgoing : held_) {
    const uint64_t size = outgoing.message->sent.size();
    ++unconfirmed;
    unconfirmed_bytes += size;
    if (unconfirmed > world_.scenario.send_window) break;
    if (unconfirmed > 1 && unconfirmed_bytes > world_.scenario.send_window_bytes) break;
    if (outgoing.number <= sent_) continue;
    if (in_batch == batch_messages || body.size() + size > world_.scenario.max_batch_bytes) send();
    if (body.empty()) first = outgoing.number;
    body += outgoing.message->sent;
    ++in_batch;
    sent_ = outgoing.number;
    transmitted_ = true;
  }
  send();
}

void SimulatedWorker::settle() {
  if (unsettled_.empty()) return;
  Random& random = world_.random;
  const auto some = std::next(unsettled_.begin(), static_cast<ptrdiff_t>(random.below(unsettled_.size())));
  const uint64_t choice = random.below(100);
  if (choice < 12) {
    Nack nack{some->first, random.chance(500) ? Bytes() : Bytes("not today"), random.chance(800)};
    world_.journal.note("worker NACKs: worker, connection, number, requeue", index_, connection_, nack.seq,
                        nack.requeue);
    say(header_of(nack));
    unsettled_.erase(some);
    return;
  }
  std::string header;
  if (choice < 30) {
    std::vector<Seq> also;
    for (const auto& [number, message] : unsettled_)
      if (random.chance(400) && also.size() < world_.scenario.max_prefetch) also.push_back(number);
    // In any order.
    if (world_.scenario.is_changing() && random.chance(500)) std::ranges::reverse(also);
    write_ack(header, 0, also.data(), also.size());
    for (Seq number : also) unsettled_.erase(number);
    world_.journal.note("worker ACKs side by side: worker, connection, count", index_, connection_, also.size());
  } else {
    const Seq upto = some->first;
    write_ack(header, upto);
    unsettled_.erase(unsettled_.begin(), std::next(some));
    world_.journal.note("worker ACKs: worker, connection, upto", index_, connection_, upto);
  }
  say(std::move(header));
}

void SimulatedWorker::settle_everything() {
  if (unsettled_.empty()) return;
  std::string header;
  write_ack(header, unsettled_.rbegin()->first);
  say(std::move(header));
  unsettled_.clear();
}

void SimulatedWorker::change_prefetch() {
  prefetch_ = world_.random.between(world_.healing ? 1 : 0, world_.scenario.max_prefetch);
  if (endpoint_ == world_.scenario.dead_letters()) prefetch_ = std::min<uint64_t>(prefetch_, 6);
  world_.journal.note("worker says FLOW: worker, connection, prefetch", index_, connection_, prefetch_);
  say(header_of(Flow{prefetch_}));
}

// HELLO on the connection that it has: with a session that resumes, without one it starts afresh.
void SimulatedWorker::greet_again() {
  if (!resumes_ || world_.random.chance(100)) {
    unsettled_.clear();
    forget_everything();
  }
  say_hello();
}

void SimulatedWorker::leave() {
  world_.journal.note("worker says BYE: worker, connection", index_, connection_);
  say(header_of(Bye{Bytes("done")}));
  state_ = State::leaving;
  unsettled_.clear();
}

// Each of these ends the registration; the session goes on, without the batch that was at fault.
void SimulatedWorker::misbehave() {
  if (world_.scenario.is_rough() && world_.random.chance(500)) return attack();
  const uint64_t choice = world_.random.below(7);
  world_.journal.note("worker breaks the protocol: worker, connection, how", index_, connection_, choice);
  if (choice == 0) {
    say("\x91\x63");  // no such type
  } else if (choice == 1) {
    std::string header;
    write_ack(header, next_delivery_ + 1000);
    say(std::move(header));
  } else if (choice == 2) {
    say(header_of(Flow{world_.scenario.max_prefetch + 1}));
  } else if (choice == 3) {
    if (transmitted_) say(header_of(Send{next_number_ + 1000}), world_.messages.add(draft(), {}).sent, 2);
  } else if (choice == 4) {
    // A batch that breaks off: what came whole before stands.
    if (!held_.empty()) return;
    compose();
    sent_ = held_.front().number;
    say(header_of(Send{sent_}), held_.front().message->sent + "\x82\xa1", 2);
  } else if (choice == 5) {
    if (transmitted_) overrun();
  } else {
    say(header_of(Nack{next_delivery_ + 1000, {}, true}));
  }
}

// More than the window in one batch, of which nothing may enter.
void SimulatedWorker::overrun() {
  Draft one = draft();
  one.content_bytes = 1;
  const Message& message = world_.messages.add(std::move(one), {});
  std::string body;
  for (uint64_t i = 0; i <= world_.scenario.send_window; ++i) body += message.sent;
  if (body.size() <= world_.scenario.max_batch_bytes) say(header_of(Send{sent_ + 1}), std::move(body), 2);
}

}  // namespace signalbox::simulation
