#include "broker/core/lanes.hpp"

#include <algorithm>
#include <unordered_set>

#include "broker/core/assert.hpp"
#include "protocol/header.hpp"

namespace signalbox {

namespace {

constexpr size_t forget_at_least = 4096;

// By the two bytes with which headers begin as workers write them. Any other may be a HELLO in a wider encoding.
bool is_plainly_no_hello(Bytes header) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(header[at]); };
  return header.size() < 2 || (byte(0) >= 0x91 && byte(0) <= 0x9f && byte(1) <= 0x7f &&
                               byte(1) != static_cast<unsigned char>(FrameType::hello));
}

}  // namespace

// Where a lane's core sends: into the ring to the link, but for peers that have no room.
struct Lanes::Lane final : public Output {
  Lane(Settings settings, LaneBoard& board, uint32_t lane)
      : input(ring_frames), output(ring_frames), core(std::move(settings), *this, board, lane) {}

  Result send(ConnectionId to, Bytes header, Run body) override {
    return deliver(to, header, std::move(body), nullptr, 0);
  }

  Result deliver(ConnectionId to, Bytes header, Run body, const Entry*, uint32_t messages) override {
    if (!blocked.empty() && blocked.contains(to)) return Result::blocked;
    if (!output.has_room()) {
      found_full = true;
      return Result::blocked;
    }
    const bool pushed = output.try_push({to, std::string(header), std::move(body), messages});
    SIGNALBOX_ASSERT(pushed, "only this lane pushes here");
    has_spoken = true;
    return Result::sent;
  }

  // The link's clock and the lane's are read one after the other: for the core time never goes back.
  Time at(Time time) {
    time.monotonic_ms = last_ms = std::max(last_ms, time.monotonic_ms);
    return time;
  }

  HandoverRing<FrameIn> input;
  HandoverRing<FrameOut> output;
  std::deque<FrameIn> input_left;  // the link's: what found the ring full
  std::unordered_set<ConnectionId> blocked;
  bool found_full = false;  // the ring to the link, in this turn
  bool has_spoken = false;  // likewise
  uint64_t last_ms = 0;
  uint64_t next_tick_ms = 0;
  Core core;
};

Lanes::Standstill::Standstill(const Lanes& lanes) : lanes_(const_cast<Lanes&>(lanes)), stood_(lanes.standing_) {
  lanes_.stand_still();
}

Lanes::Standstill::~Standstill() {
  if (!stood_) lanes_.go_on();
}

Lanes::Lanes(std::vector<Settings> settings, Output& output, size_t passage_parcels)
    : has_lanes_(settings.front().lanes > 0),
      output_(output),
      board_(settings.front(), static_cast<uint32_t>(settings.size()), passage_parcels),
      forget_at_(forget_at_least) {
  SIGNALBOX_ASSERT(settings.size() == std::max<size_t>(1, settings.front().lanes), "one Settings a lane");
  for (uint32_t lane = 0; lane < settings.size(); ++lane) {
    if (has_lanes_) {
      lanes_.push_back(std::make_unique<Lane>(std::move(settings[lane]), board_, lane));
    } else {
      only_ = std::make_unique<Core>(std::move(settings[lane]), output_, board_, lane);
    }
  }
}

Lanes::~Lanes() = default;

void Lanes::stand_still() {
  if (standing_ || !has_lanes_) return;
  if (conductor_ != nullptr) conductor_->stop();
  standing_ = true;
}

void Lanes::go_on() {
  if (!standing_) return;
  standing_ = false;
  if (conductor_ != nullptr) conductor_->go_on();
}

// --- towards the lanes -----------------------------------------------------------------------------------------------

uint32_t Lanes::lane_of(ConnectionId connection) const {
  const auto found = lane_of_connection_.find(connection);
  return found != lane_of_connection_.end() ? found->second : 0;  // strangers are all one lane's
}

// The lane of the endpoint that a HELLO names; none: it is no HELLO, or one that any lane turns down.
std::optional<uint32_t> Lanes::lane_for_hello(Bytes header) const {
  if (is_plainly_no_hello(header) || header.size() > limits::header_bytes_max) return std::nullopt;
  const auto frame = parse_worker_frame(header, settings().max_prefetch);
  if (!frame || !std::holds_alternative<Hello>(*frame)) return std::nullopt;
  const Hello& hello = std::get<Hello>(*frame);
  const auto endpoint = cores().front()->endpoint_named(hello.name, *hello.role);
  if (!endpoint) return std::nullopt;
  return board_.lane_of(*endpoint);
}

bool Lanes::has_room() {
  if (!has_lanes_) return true;
  push_left();
  return std::ranges::all_of(lanes_,
                             [](const auto& lane) { return lane->input_left.empty() && lane->input.has_room(); });
}

void Lanes::frame(ConnectionId from, std::string_view peer_key, Bytes header, Bytes body, size_t parts, Time now) {
  if (!has_lanes_) return only_->frame(from, peer_key, header, body, parts, now);
  frame(from, peer_key, header, OwnedBytes::copy(body), parts, now);
}

void Lanes::frame(ConnectionId from, std::string_view peer_key, Bytes header, OwnedBytes body, size_t parts, Time now) {
  if (!has_lanes_) return only_->frame(from, peer_key, header, body.bytes(), parts, now);
  if (parts == 1) {
    if (const auto to = lane_for_hello(header)) return hello(from, peer_key, header, parts, *to, now);
  }
  push(lane_of(from), {.connection = from, .header = std::string(header), .body = std::move(body), .parts = parts});
}

void Lanes::frame_at_once(ConnectionId from, std::string_view peer_key, Bytes header, Bytes body, size_t parts,
                          Time now) {
  if (!has_lanes_) return only_->frame(from, peer_key, header, body, parts, now);
  const Standstill standstill(*this);
  frame(from, peer_key, header, body, parts, now);
  work_off(lane_of(from), now);
}

// What the peer has said before comes first, where it said it; and what it was told there leaves before what it will be
// told by another lane.
void Lanes::hello(ConnectionId from, std::string_view peer_key, Bytes header, size_t parts, uint32_t to, Time now) {
  if (gone_.contains(from)) return;
  stand_still();  // until the turn ends: HELLOs come in crowds
  const uint32_t before = lane_of(from);
  work_off(before, now);
  Lane& lane = *lanes_[to];
  if (before != to && lanes_[before]->core.knows(from)) {
    Lane& left = *lanes_[before];
    const Seq last_delivered = left.core.let_connection_go(from, left.at(now));
    pump(before);
    take_input(left, left.at(now), SIZE_MAX, SIZE_MAX);  // what that has said of the peer's room concerns it no more
    left.blocked.erase(from);
    lane.core.take_connection(from, last_delivered, lane.at(now));
  }
  lane_of_connection_[from] = to;
  lane.core.frame(from, peer_key, header, {}, parts, lane.at(now));
  pump(to);
}

void Lanes::push(uint32_t number, FrameIn frame) {
  Lane& lane = *lanes_[number];
  if (!lane.input_left.empty() || !lane.input.try_push(std::move(frame))) lane.input_left.push_back(std::move(frame));
  if (conductor_ != nullptr) conductor_->wake(number);
}

void Lanes::push_left() {
  for (const auto& lane : lanes_) {
    while (!lane->input_left.empty() && lane->input.try_push(std::move(lane->input_left.front()))) {
      lane->input_left.pop_front();
    }
  }
}

// REQUIRES: the lanes stand still.
void Lanes::work_off(uint32_t number, Time now) {
  Lane& lane = *lanes_[number];
  do {
    take_input(lane, lane.at(now), SIZE_MAX, SIZE_MAX);
    push_left();
  } while (!lane.input.empty());
  pump(number);
}

void Lanes::connection_gone(ConnectionId connection, Time now) {
  if (!has_lanes_) return only_->connection_gone(connection, now);
  const Standstill standstill(*this);
  const uint32_t number = lane_of(connection);
  work_off(number, now);
  Lane& lane = *lanes_[number];
  lane.core.connection_gone(connection, lane.at(now));
  lane_of_connection_.erase(connection);
}

// --- a lane's turn ---------------------------------------------------------------------------------------------------

size_t Lanes::take_input(Lane& lane, Time now, size_t frames_max, size_t bytes_max) {
  size_t frames = 0;
  size_t bytes = 0;
  FrameIn in;
  while (frames < frames_max && bytes < bytes_max && lane.input.try_pop(in)) {
    ++frames;
    bytes += in.header.size() + in.body.bytes().size();
    switch (in.sort) {
      case FrameIn::Sort::frame:
        // No HELLO that could be heard comes this way, and of what does none is judged by its peer's key.
        lane.core.frame(in.connection, {}, in.header, in.body.bytes(), in.parts, now);
        break;
      case FrameIn::Sort::blocked:
        lane.blocked.insert(in.connection);
        break;
      case FrameIn::Sort::writable:
        lane.blocked.erase(in.connection);
        lane.core.connection_writable(in.connection, now);
        break;
      case FrameIn::Sort::goes:
        lane.core.connection_goes(in.connection, now);
        break;
      case FrameIn::Sort::gone:
        lane.blocked.erase(in.connection);
        lane.core.connection_gone(in.connection, now);
        break;
    }
  }
  return frames;
}

bool Lanes::step(uint32_t number, Time time) {
  Lane& lane = *lanes_[number];
  const Time now = lane.at(time);
  lane.found_full = false;
  // What its sender was confirmed before it sent one of these frames, to whichever lane, is there before the frame.
  const size_t frames = std::min(lane.input.size(), turn_frames_max);
  size_t work = lane.core.take_parcels(now);
  work += take_input(lane, now, frames, turn_bytes_max);
  if (now.monotonic_ms >= lane.next_tick_ms) {
    lane.next_tick_ms = now.monotonic_ms + tick_interval_ms;
    lane.core.tick(now);
  }
  lane.core.flush(now);
  const uint64_t sent_to = lane.core.take_sent_to();
  const bool has_spoken = std::exchange(lane.has_spoken, false);
  if (conductor_ != nullptr) {
    for (uint32_t to = 0; to < board_.lanes(); ++to) {
      if ((sent_to >> to & 1) != 0) conductor_->wake(to);
    }
    if (has_spoken) conductor_->wake_link();
  }
  return work > 0 || has_spoken || lane.core.has_more();
}

uint64_t Lanes::sleep_ms(uint32_t number, Time now) const {
  const Lane& lane = *lanes_[number];
  if (!lane.input.empty() || !board_.nothing_for(number) || lane.core.has_more()) return 0;
  if (lane.found_full || !lane.blocked.empty() || lane.core.has_parcels_left()) return 1;
  return lane.next_tick_ms > now.monotonic_ms ? lane.next_tick_ms - now.monotonic_ms : 0;
}

// --- what the lanes say ----------------------------------------------------------------------------------------------

void Lanes::flush(Time now) {
  if (!has_lanes_) return only_->flush(now);
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane) pump(lane);
  if (!kept_.empty() && now.monotonic_ms != last_retry_ms_) send_kept(now);
  push_left();
  go_on();
}

void Lanes::pump(uint32_t lane) {
  FrameOut frame;
  for (size_t i = 0; i < ring_frames && lanes_[lane]->output.try_pop(frame); ++i) leave(lane, std::move(frame));
}

void Lanes::leave(uint32_t lane, FrameOut frame) {
  auto kept = kept_.find(frame.to);
  if (kept == kept_.end()) {
    const Output::Result result = send(frame);
    if (result == Output::Result::sent) return;
    if (result == Output::Result::gone) return went(lane, frame.to);
    kept = kept_.try_emplace(frame.to).first;
    kept->second.told_lane = UINT32_MAX;
  }
  if (kept->second.told_lane != lane) {
    kept->second.told_lane = lane;
    push(lane, {.sort = FrameIn::Sort::blocked, .connection = frame.to});
  }
  kept->second.frames.push_back(std::move(frame));
}

Output::Result Lanes::send(const FrameOut& frame) {
  if (frame.body.empty()) return output_.send(frame.to, frame.header, Run());
  return output_.deliver(frame.to, frame.header, frame.body.shared(), nullptr, frame.messages);
}

void Lanes::send_kept(Time now) {
  last_retry_ms_ = now.monotonic_ms;
  for (auto it = kept_.begin(); it != kept_.end();) {
    const ConnectionId to = it->first;
    const uint32_t lane = it->second.told_lane;
    std::deque<FrameOut>& frames = it->second.frames;
    Output::Result result = Output::Result::sent;
    while (!frames.empty() && (result = send(frames.front())) == Output::Result::sent) frames.pop_front();
    if (result == Output::Result::blocked) {
      ++it;
      continue;
    }
    it = kept_.erase(it);
    if (result == Output::Result::gone) {
      went(lane, to);
    } else {
      push(lane, {.sort = FrameIn::Sort::writable, .connection = to});
    }
  }
}

void Lanes::went(uint32_t lane, ConnectionId connection) {
  if (gone_.emplace(connection, lane).second) push(lane, {.sort = FrameIn::Sort::goes, .connection = connection});
}

void Lanes::heard_all(Time now) {
  if (!has_lanes_) return only_->heard_all(now);
  for (const auto& [connection, lane] : gone_) {
    lane_of_connection_.erase(connection);
    push(lane, {.sort = FrameIn::Sort::gone, .connection = connection});
  }
  gone_.clear();
}

// --- all lanes at once -----------------------------------------------------------------------------------------------

bool Lanes::has_more() const {
  if (!has_lanes_) return only_->has_more();
  return !gone_.empty() || std::ranges::any_of(lanes_, [](const auto& lane) { return !lane->output.empty(); });
}

void Lanes::tick(Time now) {
  if (!has_lanes_) return only_->tick(now);
  if (lane_of_connection_.size() >= forget_at_) forget_unknown_connections();
}

// A peer whose HELLO was turned down, and one that the core has given up, leave an entry each.
void Lanes::forget_unknown_connections() {
  const Standstill standstill(*this);
  std::erase_if(lane_of_connection_, [&](const auto& entry) {
    const Lane& lane = *lanes_[entry.second];
    return !lane.core.knows(entry.first) && lane.input.empty() && lane.input_left.empty();
  });
  forget_at_ = std::max(forget_at_least, 2 * lane_of_connection_.size());
}

void Lanes::reload(std::vector<Settings> next, Time now) {
  const Standstill standstill(*this);
  // A HELLO that no name of the old configuration heard must not be heard by a lane that is not its own.
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane) work_off(lane, now);
  board_.settings_changed(next.front());
  if (!has_lanes_) return only_->reload(std::move(next.front()), now);
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    lanes_[lane]->core.reload(std::move(next[lane]), lanes_[lane]->at(now));
  }
}

void Lanes::peers_changed(const std::vector<PeerSettings>& peers, Time now) {
  if (!has_lanes_) return only_->peers_changed(peers, now);
  const Standstill standstill(*this);
  for (const auto& lane : lanes_) lane->core.peers_changed(peers, lane->at(now));
}

void Lanes::drain(Time now) {
  if (!has_lanes_) return only_->drain(now);
  const Standstill standstill(*this);
  for (const auto& lane : lanes_) lane->core.drain(lane->at(now));
}

bool Lanes::is_still() const {
  const Standstill standstill(*this);
  return gone_.empty() && board_.all_passages_empty() && std::ranges::all_of(lanes_, [](const auto& lane) {
           return lane->input.empty() && lane->input_left.empty() && !lane->core.has_parcels_left();
         });
}

bool Lanes::drained() const {
  const Standstill standstill(*this);
  return is_still() && std::ranges::all_of(cores(), [](const Core* core) { return core->drained(); });
}

Counters Lanes::counters() const {
  const Standstill standstill(*this);
  Counters sum;
  for (const Core* core : cores()) sum += core->counters();
  return sum;
}

EndpointStatus Lanes::status(EndpointId endpoint) const {
  const Standstill standstill(*this);
  return cores()[board_.lane_of(endpoint)]->status(endpoint);
}

uint64_t Lanes::received(EndpointId endpoint) const {
  const Standstill standstill(*this);
  return cores()[board_.lane_of(endpoint)]->received(endpoint);
}

size_t Lanes::registrations() const {
  const Standstill standstill(*this);
  size_t sum = 0;
  for (const Core* core : cores()) sum += core->registrations();
  return sum;
}

size_t Lanes::sessions() const {
  const Standstill standstill(*this);
  size_t sum = 0;
  for (const Core* core : cores()) sum += core->sessions();
  return sum;
}

uint64_t Lanes::queue_memory_bytes() const {
  const Standstill standstill(*this);
  uint64_t sum = 0;
  for (const Core* core : cores()) sum += core->queue_memory_bytes();
  return sum;
}

void Lanes::check_invariants() const {
  const Standstill standstill(*this);
  Core::check_invariants(cores());
}

}  // namespace signalbox
