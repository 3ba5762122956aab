#include "broker/core/routing.hpp"

#include <algorithm>

#include "broker/core/assert.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

using Way = RoutingMemory::Direction;

uint32_t seconds(const Time& now) {
  return static_cast<uint32_t>(now.monotonic_ms / 1000) + 1;
}

}  // namespace

Routing::Routing(const Settings& settings, const Surroundings& broker, RoutingMemory& memory, Sink& sink, Trace* trace)
    : settings_(settings), broker_(broker), memory_(memory), sink_(sink), trace_(trace) {
  settings_changed();
}

void Routing::settings_changed() {
  facts_.clear();
  for (const EndpointSettings& endpoint : settings_.endpoints) {
    const DispatcherSettings& dispatcher = settings_.dispatchers[endpoint.dispatcher];
    const bool uses_name = dispatcher.router != nullptr && dispatcher.router->uses_transport_name();
    facts_.push_back({.router = dispatcher.router.get(),
                      .name = endpoint.name,
                      .remembered_s = dispatcher.expire_routing_memory_s,
                      .dispatcher = endpoint.dispatcher,
                      .role = endpoint.role,
                      .tracks_replies = dispatcher.reply_tracking,
                      .changes_entering = !dispatcher.entering.empty(),
                      .changes_leaving = !dispatcher.leaving.empty(),
                      .uses_name = uses_name,
                      .may_name_others = endpoint.relay || !uses_name,
                      .is_joint = endpoint.joint.has_value(),
                      .removed = endpoint.removed});
  }
  transports_.assign(settings_.dispatchers.size(), {});
  encoded_names_.assign(settings_.endpoints.size(), {});
  levels_.resize(2 * std::min(settings_.dispatchers.size(), limits::chained_dispatchers_max));
  for (EndpointId id = 0; id < settings_.endpoints.size(); ++id) {
    const EndpointSettings& endpoint = settings_.endpoints[id];
    if (endpoint.role != Role::transport || endpoint.removed) continue;
    transports_[endpoint.dispatcher].emplace(endpoint.name, id);
    append_text(encoded_names_[id], endpoint.name);
  }
  std::vector<bool> done(settings_.dispatchers.size(), false);
  for (uint32_t dispatcher = 0; dispatcher < done.size(); ++dispatcher) add_transports_behind(dispatcher, done);
}

// What an outbound message may name goes on to transports further down: own names come first, then those that the first
// joint of the configuration leads to, then the next one's.
void Routing::add_transports_behind(uint32_t dispatcher, std::vector<bool>& done) {
  if (done[dispatcher]) return;
  done[dispatcher] = true;
  for (EndpointId id = 0; id < settings_.endpoints.size(); ++id) {
    const EndpointSettings& endpoint = settings_.endpoints[id];
    if (endpoint.role != Role::transport || endpoint.dispatcher != dispatcher || !endpoint.joint || endpoint.removed) {
      continue;
    }
    const uint32_t behind = settings_.endpoints[*endpoint.joint].dispatcher;
    add_transports_behind(behind, done);
    for (const auto& [name, way] : transports_[behind]) transports_[dispatcher].emplace(name, id);
  }
}

std::optional<EndpointId> Routing::transport_named(uint32_t dispatcher, std::string_view name) const {
  if (name.empty()) return std::nullopt;
  const auto found = transports_[dispatcher].find(name);
  if (found == transports_[dispatcher].end()) return std::nullopt;
  return found->second;
}

void Routing::prepare(Keys& keys, EndpointId sender, const MessageView& message) const {
  const Facts& from = facts_[sender];
  const bool from_transport = from.role == Role::transport;
  const bool is_event = message.kind() == MessageKind::event;
  const std::string_view referred = message.text(is_event ? Field::user_message_id : Field::in_reply_to);
  keys.is_remembered = from.tracks_replies && !is_event;
  keys.refers = from.tracks_replies && !referred.empty() && is_event == from_transport;
  if (keys.refers) {
    keys.referred = memory_.key(from.dispatcher, is_event ? Way::outbound : Way::inbound, referred);
  }
  if (keys.is_remembered) {
    keys.own =
        memory_.key(from.dispatcher, from_transport ? Way::inbound : Way::outbound, message.text(Field::message_id));
  }
}

void Routing::begin(EndpointId sender, const Time& now) {
  origin_ = sender;
  now_ = now;
  now_s_ = seconds(now);
}

Routing::Verdict Routing::route(EndpointId sender, const MessageView& message, const Keys* keys, const Time& now) {
  begin(sender, now);
  const Outcome outcome = route(message, keys);
  if (outcome == Outcome::refused) return refusal();
  return {outcome, RefusalCode::no_route, {}};
}

Routing::Outcome Routing::route(const MessageView& message, const Keys* keys) {
  refused_ = false;
  ambiguous_ = false;
  const Outcome outcome = pass({.sender = origin_, .by_joint = false, .message = &message, .keys = keys}, 0);
  if (left_out_.empty()) return outcome;
  if (outcome != Outcome::refused) {
    for (const LeftOut& one : left_out_) sink_.left_out(one.endpoint, message.kind(), one.copy, one.code);
  }
  left_out_.clear();
  return outcome;
}

// `copy` has come as far as `endpoint`. The first refusal is the one that the sender is told; where others may take
// theirs, this copy is kept until that is known.
Routing::Outcome Routing::refuse(EndpointId endpoint, Bytes copy, bool others, RefusalCode code,
                                 std::string_view text) {
  if (trace_ != nullptr) trace_->refused(endpoint, code, text);
  if (others) left_out_.push_back({endpoint, code, std::string(copy)});
  if (!refused_) {
    refused_ = true;
    refusal_ = code;
    refusal_text_ = text;
  }
  return Outcome::refused;
}

// Whether the message has been copied on its way to this level, so that a refusal there is not the whole verdict.
bool Routing::forked_before(size_t depth) const {
  return depth > 0 && levels_[depth - 1].forked;
}

// --- one dispatcher --------------------------------------------------------------------------------------------------

Routing::Outcome Routing::pass(const Arrival& arrival, size_t depth) {
  const MessageView& message = *arrival.message;
  const Facts& from = facts_[arrival.sender];
  const Direction direction = from.role == Role::application         ? Direction::outbound
                              : message.kind() == MessageKind::event ? Direction::event
                                                                     : Direction::inbound;
  Incoming incoming = incoming_at(arrival.sender, message, direction);
  if (trace_ != nullptr) {
    trace_->enters(settings_.dispatchers[from.dispatcher], arrival.sender, direction, message.bytes());
  }
  if (depth == levels_.size()) {
    return refuse(arrival.sender, message.bytes(), forked_before(depth), RefusalCode::internal,
                  "the message goes back and forth between dispatchers without end");
  }
  bool fill_in = false;
  if (!resolve(incoming, from, arrival.by_joint, fill_in)) {
    return refuse(arrival.sender, message.bytes(), forked_before(depth), RefusalCode::not_permitted,
                  "transport_name is '" + printable(incoming.transport_name) + "', not the sender's own");
  }
  if (from.changes_entering) return pass_changed(arrival, incoming, fill_in, depth);
  return route_at(incoming, from, fill_in, arrival.keys, depth);
}

Incoming Routing::incoming_at(EndpointId sender, const MessageView& message, Direction direction) const {
  return {.message = message,
          .direction = direction,
          .sender = sender,
          .transport_name = {},
          .transport = std::nullopt,
          .followed = std::nullopt,
          .now = now_,
          .broker = broker_};
}

// The same for a dispatcher with middleware: what the router sees, and the memory, is what that has made of the
// message.
Routing::Outcome Routing::pass_changed(const Arrival& arrival, const Incoming& first, bool fill_in, size_t depth) {
  Level& level = levels_[depth];
  const DispatcherSettings& dispatcher = settings_.dispatchers[settings_.endpoints[arrival.sender].dispatcher];
  const MessageView& came = first.message;
  level.entered_bytes.assign(fill_in ? with_own_name(first, came.bytes(), level.filled) : came.bytes());
  if (level.entered.scan(level.entered_bytes) != Scan::ok ||
      !run_middleware(dispatcher, dispatcher.entering, true, arrival.sender, first.direction, level.entered_bytes,
                      level.entered)) {
    return refuse(arrival.sender, came.bytes(), forked_before(depth), RefusalCode::internal,
                  "middleware has made something of the message that is none");
  }
  Incoming changed = incoming_at(arrival.sender, level.entered, first.direction);
  const Facts& from = facts_[arrival.sender];
  (void)resolve(changed, from, arrival.by_joint, fill_in);  // what middleware writes is the operator's own word
  const auto same = [&](Field field) { return level.entered.text(field) == came.text(field); };
  const bool same_ids = same(Field::message_id) && same(Field::in_reply_to) && same(Field::user_message_id);
  return route_at(changed, from, false, same_ids ? arrival.keys : nullptr, depth);
}

Routing::Outcome Routing::route_at(Incoming& incoming, const Facts& from, bool fill_in, const Keys* prepared,
                                   size_t depth) {
  Level& level = levels_[depth];
  if (prepared == nullptr) prepare(level.keys, incoming.sender, incoming.message);
  const Keys& keys = prepared != nullptr ? *prepared : level.keys;
  if (keys.refers) {
    incoming.followed = memory_.find(keys.referred, now_s_);
    if (incoming.followed) {
      // A reload may have removed the endpoint, or given it to another dispatcher.
      const Facts& source = facts_[incoming.followed->source];
      if (source.removed || source.dispatcher != from.dispatcher) incoming.followed.reset();
    }
    if (trace_ != nullptr) trace_memory(incoming, keys);
  }
  const Outcome outcome = hand_over(incoming, from, fill_in, depth);
  if (outcome != Outcome::taken) return outcome;
  if (keys.is_remembered) remember(incoming, from, keys.own, level.decision.tag());
  from.router->taken(incoming);
  return outcome;
}

void Routing::trace_memory(const Incoming& incoming, const Keys& keys) {
  if (incoming.followed) {
    trace_->followed(*incoming.followed);
  } else if (memory_.is_ambiguous(keys.referred, now_s_)) {
    trace_->ambiguous();
  }
}

// What the transport's name is for the router, and which endpoint that is. False: a transport's message carries another
// name than its own, and it is no relay. Behind a joint the joint is the transport, whatever the message says.
bool Routing::resolve(Incoming& incoming, const Facts& from, bool by_joint, bool& fill_in) const {
  const MessageView& message = incoming.message;
  if (from.role == Role::application) {
    incoming.transport_name = message.text(Field::transport_name);
    incoming.transport = transport_named(from.dispatcher, incoming.transport_name);
    return true;
  }
  if (by_joint || !message.has(Field::transport_name)) {
    fill_in = !by_joint && from.uses_name;
    incoming.transport_name = from.name;
    incoming.transport = incoming.sender;
    return true;
  }
  fill_in = false;
  incoming.transport_name = message.text(Field::transport_name);
  if (same_text(incoming.transport_name, from.name)) {
    incoming.transport = incoming.sender;
    return true;
  }
  // Towards applications no joint stands for the transports that it leads to.
  incoming.transport = transport_named(from.dispatcher, incoming.transport_name);
  if (incoming.transport && facts_[*incoming.transport].name != incoming.transport_name) incoming.transport.reset();
  return from.may_name_others;
}

void Routing::remember(const Incoming& incoming, const Facts& from, const RoutingMemory::Key& key, uint16_t tag) {
  const auto remembered = memory_.remember(key, {incoming.sender, tag}, origin_, now_s_, from.remembered_s);
  if (remembered == RoutingMemory::Remembered::ambiguous && !ambiguous_) {
    ambiguous_ = true;  // counted once, however many dispatchers meet it
    ++noticed_.ambiguous_ids;
  }
  if (remembered == RoutingMemory::Remembered::evicted) ++noticed_.memory_evicted;
}

// --- targets ---------------------------------------------------------------------------------------------------------

void Routing::decide(const Incoming& incoming, Router& router, Decision& decision) {
  decision.clear(trace_ != nullptr ? trace_->trail() : nullptr);
  switch (incoming.direction) {
    case Direction::inbound:
      router.inbound(incoming, decision);
      break;
    case Direction::event:
      router.event(incoming, decision);
      break;
    case Direction::outbound:
      router.outbound(incoming, decision);
      break;
  }
  if (trace_ != nullptr) trace_->decided(decision);
}

Routing::Outcome Routing::hand_over(const Incoming& incoming, const Facts& from, bool fill_in, size_t depth) {
  Level& level = levels_[depth];
  const Decision& decision = level.decision;
  decide(incoming, *from.router, level.decision);
  if (decision.verdict() == Decision::Verdict::discard) return Outcome::discarded;
  const bool forked = forked_before(depth);
  if (decision.verdict() != Decision::Verdict::deliver || decision.overflowed()) {
    return refuse_undelivered(incoming, decision, forked);
  }
  Bytes original = incoming.message.bytes();
  if (fill_in) original = with_own_name(incoming, original, level.filled);
  level.forked = forked || decision.targets().size() > 1;
  Outcome outcome = Outcome::refused;
  for (const Decision::Target& target : decision.targets()) {
    SIGNALBOX_ASSERT(target.endpoint < facts_.size(), "a router named an endpoint that is none");
    const Outcome one = send_on(target, incoming, original, depth);
    if (one != Outcome::refused && outcome != Outcome::taken) outcome = one;
  }
  return outcome;
}

Routing::Outcome Routing::refuse_undelivered(const Incoming& incoming, const Decision& decision, bool others) {
  const Bytes original = incoming.message.bytes();
  switch (decision.verdict()) {
    case Decision::Verdict::none:
      return refuse(incoming.sender, original, others, RefusalCode::no_route, "no rule takes it");
    case Decision::Verdict::refuse:
      return refuse(incoming.sender, original, others, decision.refusal(), decision.reason());
    case Decision::Verdict::deliver:
    case Decision::Verdict::discard:
      break;
  }
  return refuse(incoming.sender, original, others, RefusalCode::internal,
                "the router names more than " + std::to_string(limits::targets_max) +
                    " targets, the most that a message may have");
}

Routing::Outcome Routing::send_on(const Decision::Target& target, const Incoming& incoming, Bytes original,
                                  size_t depth) {
  Level& level = levels_[depth];
  const Facts& to = facts_[target.endpoint];
  const MessageView& message = incoming.message;
  Bytes copy = original;
  if ((target.edit_count != 0 || to.changes_leaving) && !change_copy(target, incoming, level, copy)) {
    return refuse(target.endpoint, original, level.forked, RefusalCode::internal,
                  "a change has made something of the message that is none");
  }
  if (trace_ != nullptr) trace_->leaves(target.endpoint, copy);
  if (to.is_joint) return cross_joint(target.endpoint, message, copy, depth);
  if (sink_.offer(target.endpoint, message.kind(), copy)) return Outcome::taken;
  return refuse_full(target.endpoint, copy, level.forked);
}

Routing::Outcome Routing::refuse_full(EndpointId target, Bytes copy, bool others) {
  return refuse(target, copy, others, RefusalCode::queue_full,
                "the queue of '" + std::string(facts_[target].name) + "' is full");
}

Routing::Outcome Routing::cross_joint(EndpointId joint, const MessageView& message, Bytes copy, size_t depth) {
  Level& level = levels_[depth];
  const EndpointSettings& endpoint = settings_.endpoints[joint];
  if (endpoint.role == Role::transport && message.kind() == MessageKind::event) {
    return refuse(joint, copy, level.forked, RefusalCode::malformed, "events do not go towards transports");
  }
  const MessageView* view = &message;
  if (copy.data() != message.bytes().data()) {
    if (level.came.scan(copy) != Scan::ok || level.came.kind() != message.kind()) {
      return refuse(joint, message.bytes(), level.forked, RefusalCode::internal,
                    "a change has made something of the message that is none");
    }
    view = &level.came;
  }
  const Outcome outcome =
      pass({.sender = *endpoint.joint, .by_joint = true, .message = view, .keys = nullptr}, depth + 1);
  if (trace_ != nullptr) trace_->comes_back();
  return outcome;
}

// --- changes ---------------------------------------------------------------------------------------------------------

// A message without transport_name has its sender's from here on.
Bytes Routing::with_own_name(const Incoming& incoming, Bytes original, std::string& filled) {
  filled.assign(original);
  change(filled,
         {.operation = Edit::Operation::set,
          .path = {to_string(Field::transport_name)},
          .value = encoded_names_[incoming.sender]},
         "the broker", std::nullopt);
  return filled;
}

// `copy` is the message as it goes to every target, and becomes this one's. False: the changes make it none.
bool Routing::change_copy(const Decision::Target& target, const Incoming& incoming, Level& level, Bytes& copy) {
  const DispatcherSettings& dispatcher = settings_.dispatchers[settings_.endpoints[incoming.sender].dispatcher];
  level.copy.assign(copy);
  for (uint32_t i = 0; i < target.edit_count; ++i) {
    change(level.copy, level.decision.edits()[target.first_edit + i], "the router", target.endpoint);
  }
  if (!dispatcher.leaving.empty()) {
    const bool outward = settings_.endpoints[target.endpoint].role == Role::transport;
    const MessageKind kind = incoming.message.kind();
    const Direction direction = kind == MessageKind::event ? Direction::event
                                : outward                  ? Direction::outbound
                                                           : Direction::inbound;
    if (level.leaving.scan(level.copy) != Scan::ok || level.leaving.kind() != kind ||
        !run_middleware(dispatcher, dispatcher.leaving, false, target.endpoint, direction, level.copy, level.leaving)) {
      return false;
    }
  }
  copy = level.copy;
  return true;
}

// Each piece sees what those before it have changed. False: the message is none any more, or of the other kind; the
// changes of the piece that did it are in `bytes`.
bool Routing::run_middleware(const DispatcherSettings& dispatcher, const std::vector<size_t>& order, bool entering,
                             EndpointId connector, Direction direction, std::string& bytes, MessageView& view) {
  const std::string& connector_name = settings_.endpoints[connector].name;
  const MessageKind kind = view.kind();
  for (const size_t place : order) {
    const NamedMiddleware& named = dispatcher.middleware[place];
    const Passing passing{.message = view,
                          .direction = direction,
                          .connector = connector,
                          .connector_name = connector_name,
                          .now = now_,
                          .log = settings_.message_log};
    if (trace_ != nullptr) trace_->runs(named.name, entering ? std::nullopt : std::optional(connector));
    edits_.clear();
    if (entering) {
      named.piece->enters(passing, edits_);
    } else {
      named.piece->leaves(passing, edits_);
    }
    if (edits_.empty()) continue;
    // On a copy, since the new values may be part of what is changed.
    spare_.assign(bytes);
    for (const Edit& edit : edits_.all()) {
      change(spare_, edit, named.name, entering ? std::nullopt : std::optional(connector));
    }
    bytes.swap(spare_);
    if (view.scan(bytes) != Scan::ok || view.kind() != kind) return false;
  }
  return true;
}

// A change that the message's shape does not allow is left out; the message goes all the same.
void Routing::change(std::string& bytes, const Edit& edit, std::string_view by, std::optional<EndpointId> target) {
  if (trace_ != nullptr) before_ = bytes;
  const bool changed = rewrite(bytes, edit);
  if (trace_ == nullptr) return;
  if (changed) {
    trace_->changed(by, target, edit, before_, bytes);
  } else {
    trace_->unchanged(by, target, edit);
  }
}

}  // namespace signalbox
