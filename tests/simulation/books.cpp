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

bool EndpointBook::admit(uint64_t bytes, uint64_t now_ms) {
  const Count held = queue.waiting + queue.under_way;
  if (held.messages == 0) return true;
  const bool fits = !over(held.messages + 1, held.bytes + bytes, 1);
  switch (settings_.overflow) {
    case Overflow::refuse:
      return fits;
    case Overflow::block:
      if (over_ && now_ms - over_since_ms_ >= settings_.block_ms) return false;
      return !over(held.messages + 1, held.bytes + bytes, 2);
    case Overflow::drop_oldest:
      break;
  }
  // Where what is under way leaves no room, dropping the rest would help nobody.
  if (queue.under_way.messages > 0 && over(queue.under_way.messages + 1, queue.under_way.bytes + bytes, 1))
    return false;
  while (live() > 0 && over(live() + 1, queue.waiting.bytes + queue.under_way.bytes + bytes, 1))
    finish(*oldest_waiting(), Copy::State::dropped, now_ms);
  return true;
}

void EndpointBook::insert(Copy& copy, uint64_t now_ms) {
  copy.place = next_place_++;
  copy.batches_before = batches;
  waiting_[static_cast<size_t>(copy.kind())].emplace(copy.place, &copy);
  queue.taken.add(copy.bytes);
  queue.waiting.add(copy.bytes);
  note_limit(now_ms);
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

void EndpointBook::finish(Copy& copy, Copy::State state, uint64_t now_ms) {
  if (copy.state == Copy::State::waiting) {
    waiting_[static_cast<size_t>(copy.kind())].erase(copy.place);
    queue.waiting.remove(copy.bytes);
  } else {
    queue.under_way.remove(copy.bytes);
  }
  copy.state = state;
  if (state == Copy::State::settled) queue.settled.add(copy.bytes);
  if (state == Copy::State::dropped) queue.dropped.add(copy.bytes);
  if (state == Copy::State::dead) queue.dead.add(copy.bytes);
  note_limit(now_ms);
}

void EndpointBook::resize(Copy& copy, uint64_t bytes) {
  queue.taken.bytes += bytes - copy.bytes;
  queue.waiting.bytes += bytes - copy.bytes;
  copy.bytes = bytes;
}

void EndpointBook::note_limit(uint64_t now_ms) {
  const Count held = queue.waiting + queue.under_way;
  const bool now_over = over(held.messages, held.bytes, 1);
  if (now_over && !over_) {
    over_since_ms_ = now_ms;
    ++spell_;
  }
  over_ = now_over;
}

bool EndpointBook::holds(uint64_t spell, uint64_t now_ms) const {
  return over_ && spell_ == spell && now_ms - over_since_ms_ < settings_.block_ms;
}

std::optional<uint64_t> EndpointBook::holding_spell(uint64_t now_ms) const {
  if (settings_.overflow != Overflow::block || !holds(spell_, now_ms)) return std::nullopt;
  return spell_;
}

}  // namespace signalbox::simulation
