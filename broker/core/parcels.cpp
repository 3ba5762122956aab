// What goes from lane to lane: messages for an endpoint that another lane has, and who waits for its queue
// (lane_board.hpp). Nothing here runs where there is one lane.
#include <algorithm>

#include "broker/core/planted_fault.hpp"
#include "broker/core/state.hpp"

namespace signalbox {

namespace {

// So many parcels are taken in one turn of each lane.
constexpr size_t turn_parcels_max = 64;

uint64_t bit(uint32_t lane) {
  return uint64_t{1} << lane;
}

}  // namespace

// --- the sender's lane -----------------------------------------------------------------------------------------------

// As offer(), by what the gate says. What it admits the other lane takes, so the sender can be confirmed.
bool Core::State::offer_elsewhere(Endpoint& endpoint, MessageKind kind, Bytes copy) {
  EndpointGate& gate = board.gate(endpoint.id);
  const EndpointSettings& target = endpoint.settings;
  const uint64_t times = target.overflow == Overflow::block && !gate.refusing.load(std::memory_order_relaxed) ? 2 : 1;
  if (target.overflow != Overflow::drop_oldest && !Queue::fits(target, gate.expected(), copy.size(), times)) {
    return false;
  }
  pack(endpoint, kind, copy);
  endpoints[routing_for_->endpoint].sender.copies.add(copy.size());
  if (target.overflow != Overflow::block || Queue::is_within_limit(target, gate.expected())) return true;
  hold(*routing_for_, routing_seq_, endpoint.id);
  if (!endpoint.asked_for_room) {
    // Behind the messages: when its lane reads this, they are in the queue.
    endpoint.asked_for_room = true;
    seal(endpoint, MessageKind::user_message);
    seal(endpoint, MessageKind::event);
    hand_over(board.lane_of(endpoint.id), {.sort = Parcel::Sort::waiting, .endpoint = endpoint.id});
  }
  return true;
}

Count Core::State::coming_to(const Endpoint& endpoint) const {
  const EndpointGate& gate = board.gate(endpoint.id);
  return {gate.coming_messages.load(std::memory_order_acquire), gate.coming_bytes.load(std::memory_order_acquire)};
}

// What other lanes have admitted to a queue of this one counts as if it were there already.
bool Core::State::fits_with_what_comes(Endpoint& endpoint, size_t bytes) {
  const EndpointSettings& settings_here = endpoint.settings;
  if (settings_here.overflow == Overflow::drop_oldest) return true;
  const Count coming = coming_to(endpoint);
  const uint64_t times = settings_here.overflow == Overflow::block && !endpoint.refusing ? 2 : 1;
  return coming.messages == 0 || Queue::fits(settings_here, held(endpoint) + coming, bytes, times);
}

// Puts the message into the parcel that goes there when the turn ends.
void Core::State::pack(Endpoint& endpoint, MessageKind kind, Bytes copy) {
  if (!endpoint.packed) {
    endpoint.packed = true;
    packed_.push_back(endpoint.id);
  }
  // Which is the oldest matters where it is the first to go, also among messages of two kinds.
  const auto other = kind == MessageKind::event ? MessageKind::user_message : MessageKind::event;
  if (endpoint.settings.overflow == Overflow::drop_oldest) seal(endpoint, other);
  Endpoint::Packing& packing = endpoint.packing[static_cast<size_t>(kind)];
  const auto needed_bytes = [&] { return packing.bytes + copy.size() + packed_size_bytes * (packing.count + 1); };
  if (packing.block != nullptr && (needed_bytes() > packing.block->capacity || packing.count == segment_messages_max)) {
    seal(endpoint, kind);
    endpoint.packing_bytes = std::min<uint32_t>(endpoint.packing_bytes * 2, limits::segment_bytes_max);
  }
  if (packing.block == nullptr) packing.block = pool.take(std::max<size_t>(endpoint.packing_bytes, needed_bytes()));
  std::memcpy(packing.block->data() + packing.bytes, copy.data(), copy.size());
  const auto size = static_cast<uint32_t>(copy.size());
  set_packed_size(*packing.block, packing.count, size);
  packing.bytes += size;
  ++packing.count;
  EndpointGate& gate = board.gate(endpoint.id);
  gate.coming_messages.fetch_add(1, std::memory_order_acq_rel);
  gate.coming_bytes.fetch_add(copy.size(), std::memory_order_acq_rel);
}

void Core::State::seal(Endpoint& endpoint, MessageKind kind) {
  Endpoint::Packing& packing = endpoint.packing[static_cast<size_t>(kind)];
  if (packing.block == nullptr) return;
  hand_over(board.lane_of(endpoint.id), {.sort = Parcel::Sort::messages,
                                         .kind = kind,
                                         .endpoint = endpoint.id,
                                         .count = packing.count,
                                         .bytes = packing.bytes,
                                         .block = packing.block});
  packing = {};
}

void Core::State::send_parcels() {
  std::deque<std::pair<uint32_t, Parcel>> left;
  left.swap(parcels_left_);
  for (const auto& [to, parcel] : left) hand_over(to, parcel);
  for (const EndpointId id : packed_) {
    Endpoint& endpoint = endpoints[id];
    endpoint.packed = false;
    for (const MessageKind kind : {MessageKind::user_message, MessageKind::event}) {
      const Endpoint::Packing& packing = endpoint.packing[static_cast<size_t>(kind)];
      // A turn that brought little asks for a smaller block next time.
      if (packing.block != nullptr && packing.bytes * 4 < endpoint.packing_bytes) {
        endpoint.packing_bytes = std::max<uint32_t>(endpoint.packing_bytes / 2, limits::segment_bytes_min);
      }
      seal(endpoint, kind);
    }
  }
  packed_.clear();
}

// In the order of the calls, whether there is room or not: a lane that finds a passage full goes on with its own input,
// so that no two wait for each other. What waits is admitted, hence bounded by the queues' limits.
void Core::State::hand_over(uint32_t to, Parcel parcel) {
  const auto for_the_same = [&](const auto& left) { return left.first == to; };
  if (std::ranges::none_of(parcels_left_, for_the_same) && board.passage(lane, to).try_push(std::move(parcel))) {
    sent_to_ |= bit(to);
    return;
  }
#ifdef SIGNALBOX_PLANTED_FAULTS
  if (planted_fault == PlantedFault::parcel_lost && parcel.block != nullptr) return Run::drop(parcel.block);
#endif
  parcels_left_.emplace_back(to, parcel);
}

// --- the lane that has the endpoint ----------------------------------------------------------------------------------

size_t Core::State::take_parcels() {
  size_t taken = 0;
  for (uint32_t from = 0; from < board.lanes(); ++from) {
    if (from == lane) continue;
    Parcel parcel;
    for (size_t i = 0; i < turn_parcels_max && board.passage(from, lane).try_pop(parcel); ++i) {
      unpack(from, parcel);
      ++taken;
    }
  }
  return taken;
}

void Core::State::unpack(uint32_t from, const Parcel& parcel) {
  Endpoint& endpoint = endpoints[parcel.endpoint];
  switch (parcel.sort) {
    case Parcel::Sort::messages:
      return unpack_messages(endpoint, parcel);
    case Parcel::Sort::waiting:
      endpoint.waiting_lanes |= bit(from);
      blocks(endpoint);
      return release_if_within_limit(endpoint);
    case Parcel::Sort::released:
      endpoint.asked_for_room = false;
      return release_holders(endpoint);
  }
}

void Core::State::unpack_messages(Endpoint& endpoint, const Parcel& parcel) {
  Queue& queue = endpoint.queue;
  const bool drops = endpoint.settings.dead_letters || endpoint.settings.overflow == Overflow::drop_oldest;
  if (!drops && parcel.bytes >= parcel.block->capacity / 2) {
    queue.adopt(parcel.kind, parcel.block, parcel.count, now.monotonic_ms);
  } else {
    // A block that is mostly empty would be kept for the little that is in it; and what drops its oldest makes room
    // message by message.
    uint32_t offset = 0;
    for (uint32_t i = 0; i < parcel.count; ++i) {
      const Bytes message(parcel.block->data() + offset, packed_size(*parcel.block, i));
      offset += static_cast<uint32_t>(message.size());
      if (!drops || queue.make_room(message.size(), false)) {
        queue.append(parcel.kind, message, now.monotonic_ms);
      } else {
        queue.count_as_dropped(message.size());
      }
    }
    Run::drop(parcel.block);
  }
  publish(endpoint);
  EndpointGate& gate = board.gate(endpoint.id);
  gate.coming_messages.fetch_sub(parcel.count, std::memory_order_acq_rel);
  gate.coming_bytes.fetch_sub(parcel.bytes, std::memory_order_acq_rel);
  blocks(endpoint);
  release_if_within_limit(endpoint);
  mark_dirty(endpoint.id);
}

// What was counted when a lane began to wait may come behind what it said: whether it waits for nothing shows only when
// all of that is here.
void Core::State::release_if_within_limit(Endpoint& endpoint) {
  if (endpoint.waiting_lanes == 0) return;
  const Count there = endpoint.queue.held() + coming_to(endpoint);
  const bool blocking = endpoint.settings.overflow == Overflow::block && !endpoint.refusing;
  if (!blocking || Queue::is_within_limit(endpoint.settings, there)) release_waiting_lanes(endpoint);
}

void Core::State::release_waiting_lanes(Endpoint& endpoint) {
#ifdef SIGNALBOX_PLANTED_FAULTS
  if (planted_fault == PlantedFault::waiting_lane_forgotten) endpoint.waiting_lanes = 0;
#endif
  for (uint32_t to = 0; endpoint.waiting_lanes != 0; ++to) {
    if ((endpoint.waiting_lanes & bit(to)) == 0) continue;
    endpoint.waiting_lanes &= ~bit(to);
    hand_over(to, {.sort = Parcel::Sort::released, .endpoint = endpoint.id});
  }
}

// Tells the other lanes what the queue holds. Only its own lane knows.
void Core::State::publish(Endpoint& endpoint) {
  if (board.lanes() == 1 || endpoint.elsewhere) return;
  EndpointGate& gate = board.gate(endpoint.id);
  const Count held = endpoint.queue.held();
  gate.held_messages.store(held.messages, std::memory_order_relaxed);
  gate.held_bytes.store(held.bytes, std::memory_order_relaxed);
  gate.refusing.store(endpoint.refusing, std::memory_order_relaxed);
}

}  // namespace signalbox
