#include "tests/simulation/books.hpp"

namespace signalbox::simulation {

bool EndpointBook::over(uint64_t messages, uint64_t bytes, uint64_t times) const {
  return messages > times * settings_.max_messages || bytes > times * settings_.max_bytes;
}

Copy* EndpointBook::oldest_waiting() const {
  Copy* oldest = nullptr;
  for (const auto& copies : waiting_) {
    if (copies.empty()) continue;
    Copy* first = copies.begin()->second;
    if (oldest == nullptr || first->place < oldest->place) oldest = first;
  }
  return oldest;
}

bool EndpointBook::admit(uint64_t bytes) {
  const Count held = queue.waiting + queue.under_way;
  if (held.messages == 0) return true;
  const bool fits = !over(held.messages + 1, held.bytes + bytes, 1);
  switch (settings_.overflow) {
    case Overflow::refuse:
      return fits;
    case Overflow::block:
      if (refusing_) return fits;
      return !over(held.messages + 1, held.bytes + bytes, 2);
    case Overflow::drop_oldest:
      break;
  }
  // Where what is under way leaves no room, dropping the rest would help nobody.
  if (queue.under_way.messages > 0 && over(queue.under_way.messages + 1, queue.under_way.bytes + bytes, 1))
    return false;
  while (live() > 0 && over(live() + 1, queue.waiting.bytes + queue.under_way.bytes + bytes, 1))
    finish(*oldest_waiting(), Copy::State::dropped);
  return true;
}

void EndpointBook::insert(Copy& copy, uint64_t now_ms) {
  copy.place = copy.rank = next_place_++;
  if (settings_.message_ttl_ms != 0) copy.came_ms = now_ms;
  copy.batches_before = batches;
  waiting_[static_cast<size_t>(copy.kind())].emplace(copy.place, &copy);
  queue.taken.add(copy.bytes);
  queue.waiting.add(copy.bytes);
  if (over_ || settings_.overflow != Overflow::block || !is_over_limit()) return;
  over_ = true;
  over_since_ms_ = now_ms;
  ++spell_;
}

void EndpointBook::hand_out(Copy& copy) {
  waiting_[static_cast<size_t>(copy.kind())].erase(copy.place);
  queue.waiting.remove(copy.bytes);
  queue.under_way.add(copy.bytes);
  copy.state = Copy::State::under_way;
  ++copy.deliveries;
}

void EndpointBook::put_back(Copy& copy, uint64_t due_ms) {
  waiting_[static_cast<size_t>(copy.kind())].emplace(copy.place, &copy);
  queue.under_way.remove(copy.bytes);
  queue.waiting.add(copy.bytes);
  copy.state = Copy::State::waiting;
  copy.due_ms = due_ms;
}

void EndpointBook::finish(Copy& copy, Copy::State state) {
  if (copy.state == Copy::State::waiting) {
    waiting_[static_cast<size_t>(copy.kind())].erase(copy.place);
    queue.waiting.remove(copy.bytes);
  } else {
    queue.under_way.remove(copy.bytes);
  }
  copy.state = state;
  if (state == Copy::State::settled) queue.settled.add(copy.bytes);
  if (state == Copy::State::dropped) queue.dropped.add(copy.bytes);
  if (state == Copy::State::expired) queue.expired.add(copy.bytes);
  if (state == Copy::State::dead) queue.dead.add(copy.bytes);
  note_shrunk();
}

void EndpointBook::resize(Copy& copy, uint64_t bytes) {
  queue.taken.bytes += bytes - copy.bytes;
  queue.waiting.bytes += bytes - copy.bytes;
  copy.bytes = bytes;
}

// One message alone is never too much.
bool EndpointBook::is_over_limit() const {
  const Count held = queue.waiting + queue.under_way;
  return held.messages > 1 && over(held.messages, held.bytes, 1);
}

void EndpointBook::note_shrunk() {
  if (settings_.overflow != Overflow::block || !is_over_limit()) over_ = refusing_ = false;
}

void EndpointBook::reload(const EndpointSettings& settings, uint64_t now_ms) {
  if (settings.removed && !settings_.removed) removed_ms = now_ms;
  settings_ = settings;
  note_shrunk();
}

void EndpointBook::note_time(uint64_t now_ms) {
  if (over_ && now_ms - over_since_ms_ >= settings_.block_ms) refusing_ = true;
}

bool EndpointBook::is_past(const Copy& copy, uint64_t now_ms) const {
  return settings_.message_ttl_ms != 0 && copy.came_ms && now_ms - *copy.came_ms >= settings_.message_ttl_ms;
}

bool EndpointBook::holds(uint64_t spell) const {
  return over_ && spell_ == spell && !refusing_;
}

std::optional<uint64_t> EndpointBook::holding_spell() const {
  if (settings_.overflow != Overflow::block || !holds(spell_)) return std::nullopt;
  return spell_;
}

}  // namespace signalbox::simulation
