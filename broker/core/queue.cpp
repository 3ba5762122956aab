#include "broker/core/queue.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "broker/core/assert.hpp"
#include "broker/core/planted_fault.hpp"

namespace signalbox {

namespace {

constexpr MessageKind kinds[] = {MessageKind::user_message, MessageKind::event};

constexpr Queue::Sort sorts[] = {Queue::Sort::again, Queue::Sort::suspect, Queue::Sort::elsewhere,
                                 Queue::Sort::delayed};

// A segment of at least this size is re-homed once only an eighth of it is live; below it there is little to win.
constexpr uint32_t rehome_bytes_min = 4 * limits::kibibyte;
constexpr uint32_t rehome_fraction = 8;

constexpr uint8_t saturated = 255;

bool nearly_done(const Segment& segment) {
  return segment.block->capacity >= rehome_bytes_min &&
         uint64_t{segment.live_bytes} * rehome_fraction < segment.block->capacity;
}

}  // namespace

Segment* SegmentStore::take() {
  Segment* segment = free_;
  if (segment != nullptr) {
    free_ = segment->next;
  } else {
    all_.push_back(std::make_unique<Segment>());
    segment = all_.back().get();
  }
  segment->entries.clear();
  segment->since.clear();
  std::vector<Entry> entries = std::move(segment->entries);
  std::vector<Segment::Since> since = std::move(segment->since);
  *segment = Segment();
  segment->entries = std::move(entries);
  segment->since = std::move(since);
  segment->serial = ++last_serial_;
  return segment;
}

void SegmentStore::give_back(Segment* segment) {
  segment->serial = 0;
  segment->next = free_;
  free_ = segment;
}

Queue::Queue(const EndpointSettings& settings, SegmentPool& pool, SegmentStore& store)
    : settings_(settings), pool_(pool), store_(store) {}

Queue::~Queue() {
  for (SubQueue& queue : subs_) {
    while (queue.head != nullptr) remove_segment(queue, queue.head);
  }
}

bool Queue::came_back(const Entry& entry) {
  return entry.state == Entry::State::returned || entry.state == Entry::State::elsewhere ||
         entry.state == Entry::State::delayed;
}

Queue::Sort Queue::sort_of(const Entry& entry) {
  if (entry.state == Entry::State::delayed) return Sort::delayed;
  if (entry.state == Entry::State::elsewhere) return Sort::elsewhere;
  return travels_alone(entry) ? Sort::suspect : Sort::again;
}

bool Queue::is_within_limit(const EndpointSettings& settings, const Count& held) {
  return held.messages <= 1 || (held.messages <= settings.max_messages && held.bytes <= settings.max_bytes);
}

bool Queue::within_limit() const {
  return is_within_limit(settings_, held());
}

bool Queue::make_room(uint64_t bytes, bool strict) {
  const auto fits = [&](const Count& now, uint64_t times) { return Queue::fits(settings_, now, bytes, times); };
  switch (settings_.overflow) {
    case Overflow::block:
      return fits(held(), strict ? 1 : 2);
    case Overflow::refuse:
      return fits(held(), 1);
    case Overflow::drop_oldest:
      if (!fits(ledger_.under_way, 1)) return false;  // nothing that may be dropped would help
      while (!fits(held(), 1)) {
        MessageKind kind = MessageKind::user_message;
        const Place oldest = oldest_waiting(kind);
        finish(kind, oldest, Outcome::dropped);
      }
      return true;
  }
  return false;
}

void Queue::append(MessageKind kind, Bytes messages, std::span<const uint32_t> sizes, uint64_t now_ms) {
  SubQueue& queue = sub(kind);
  ledger_.taken += Count{sizes.size(), messages.size()};
  ledger_.waiting += Count{sizes.size(), messages.size()};
  while (!sizes.empty()) {
    if (queue.tail == nullptr || queue.tail->used_bytes + sizes.front() > queue.tail->block->capacity ||
        queue.tail->entries.size() >= segment_messages_max) {
      add_segment(queue, sizes.front());
    }
    Segment& tail = *queue.tail;
    const size_t first = tail.entries.size();
    const size_t most = std::min(sizes.size(), segment_messages_max - first);
    uint32_t offset = tail.used_bytes;
    size_t count = 0;
    for (; count < most && offset + sizes[count] <= tail.block->capacity; ++count) {
      Entry& entry = tail.entries.emplace_back();
      entry.offset = offset;
      entry.size = sizes[count];
      entry.order = next_order_++;
      offset += entry.size;
    }
    const uint32_t bytes = offset - tail.used_bytes;
    std::memcpy(tail.block->data() + tail.used_bytes, messages.data(), bytes);
    if (!queue.fresh) queue.fresh = {queue.tail, static_cast<uint32_t>(first)};
    tail.used_bytes = offset;
    tail.live_bytes += bytes;
    tail.live += static_cast<uint32_t>(count);
    if (settings_.message_ttl_ms != 0 || !tail.since.empty()) note_time(queue, first, now_ms);
    messages.remove_prefix(bytes);
    sizes = sizes.subspan(count);
  }
}

void Queue::adopt(MessageKind kind, Block* block, uint32_t count, uint64_t now_ms) {
  SubQueue& queue = sub(kind);
  if (queue.tail != nullptr && nearly_done(*queue.tail)) rehome(queue.tail);
  Segment* const segment = store_.take();
  segment->block = block;
  segment->entries.reserve(count);
  add_to_list(queue, segment);
  uint32_t offset = 0;
  for (uint32_t i = 0; i < count; ++i) {
    Entry entry;
    entry.offset = offset;
    entry.size = packed_size(*block, i);
    entry.order = next_order_++;
    segment->entries.push_back(entry);
    offset += entry.size;
  }
  if (settings_.message_ttl_ms != 0) note_time(queue, 0, now_ms);
  if (!queue.fresh) queue.fresh = {segment, 0};
  segment->used_bytes = block->capacity;  // sealed: behind its messages stand their sizes
  segment->live_bytes = offset;
  segment->live = count;
  ledger_.taken += Count{count, offset};
  ledger_.waiting += Count{count, offset};
}

void Queue::count_as_dropped(uint64_t bytes) {
  ledger_.taken.add(bytes);
  ledger_.dropped.add(bytes);
}

void Queue::add_segment(SubQueue& queue, size_t message_bytes) {
  // The size follows the traffic: doubled whenever one fills up, halved whenever the queue had run empty.
  if (queue.tail != nullptr) {
    queue.segment_bytes = std::min<uint32_t>(queue.segment_bytes * 2, limits::segment_bytes_max);
    if (nearly_done(*queue.tail)) rehome(queue.tail);
  } else {
    queue.segment_bytes = std::max<uint32_t>(queue.segment_bytes / 2, limits::segment_bytes_min);
  }
  // A block that this many messages of the size at hand will fill, rather than one that they leave half empty.
  const size_t filled_bytes = std::bit_floor(std::max<size_t>(message_bytes * segment_messages_max, 1));
  Segment* segment = store_.take();
  segment->block = pool_.take(std::max(std::min<size_t>(queue.segment_bytes, filled_bytes), message_bytes));
  // Entries for as many messages of this size as will fit: growing by doubling would waste up to half.
  segment->entries.reserve(segment->block->capacity / std::max<size_t>(message_bytes, 1) + 1);
  add_to_list(queue, segment);
}

void Queue::add_to_list(SubQueue& queue, Segment* segment) {
  segment->previous = queue.tail;
  (queue.tail != nullptr ? queue.tail->next : queue.head) = segment;
  queue.tail = segment;
}

void Queue::remove_segment(SubQueue& queue, Segment* segment) {
  if (queue.fresh.segment == segment) queue.fresh = {segment->next, 0};
  if (queue.young.segment == segment) queue.young = {segment->next, 0};
  (segment->previous != nullptr ? segment->previous->next : queue.head) = segment->next;
  (segment->next != nullptr ? segment->next->previous : queue.tail) = segment->previous;
#ifdef SIGNALBOX_PLANTED_FAULTS
  if (!segment->let_go)
#endif
    Run::drop(segment->block);
  store_.give_back(segment);
}

void Queue::rehome(Segment* segment) {
  Block* const smaller = pool_.take(segment->live_bytes);
  uint32_t used = 0;
  for (Entry& entry : segment->entries) {
    if (entry.state == Entry::State::done) continue;
    std::memcpy(smaller->data() + used, segment->block->data() + entry.offset, entry.size);
    entry.offset = used;
    used += entry.size;
  }
#ifdef SIGNALBOX_PLANTED_FAULTS
  if (!std::exchange(segment->let_go, false))
#endif
    Run::drop(segment->block);
  segment->block = smaller;
  segment->used_bytes = smaller->capacity;  // sealed: nothing is appended behind what was copied
}

Place Queue::fresh(MessageKind kind) {
  Place& fresh = sub(kind).fresh;
  while (fresh) {
    const auto& entries = fresh.segment->entries;
    while (fresh.index < entries.size() && entries[fresh.index].state != Entry::State::waiting) ++fresh.index;
    if (fresh.index < entries.size()) return fresh;
    if (fresh.segment->next == nullptr) return {};
    fresh = {fresh.segment->next, 0};
  }
  return {};
}

Place Queue::find_in(Segment* segment, uint32_t from, Sort sort) {
  for (uint32_t i = from; i < segment->entries.size(); ++i) {
    const Entry& entry = segment->entries[i];
    if (came_back(entry) && sort_of(entry) == sort) return {segment, i};
  }
  return {};
}

Place Queue::first(MessageKind kind, Sort sort) const {
  const auto& segments = sub(kind).by_sort[static_cast<size_t>(sort)];
  if (segments.empty()) return {};
  Segment* const segment = segments.begin()->second;
  return {segment, segment->marks[static_cast<size_t>(sort)].first};
}

Place Queue::next(MessageKind kind, Sort sort, Place after) const {
  if (const Place place = find_in(after.segment, after.index + 1, sort)) return place;
  const auto& segments = sub(kind).by_sort[static_cast<size_t>(sort)];
  const auto it = segments.upper_bound(after.segment->serial);
  if (it == segments.end()) return {};
  return {it->second, it->second->marks[static_cast<size_t>(sort)].first};
}

// Notes that the entry came back. REQUIRES: it is in its new state.
void Queue::mark(SubQueue& queue, Place place) {
  const auto sort = static_cast<size_t>(sort_of(place.entry()));
  Segment::Marks& marks = place.segment->marks[sort];
  if (marks.count++ == 0) {
    queue.by_sort[sort].emplace(place.segment->serial, place.segment);
    marks.first = place.index;
  } else {
    marks.first = std::min(marks.first, place.index);
  }
}

// Forgets it again, and those behind it that make it `count`. REQUIRES: they are of that sort no more.
void Queue::unmark(SubQueue& queue, Place place, Sort sort, uint32_t count) {
  Segment::Marks& marks = place.segment->marks[static_cast<size_t>(sort)];
  marks.count -= count;
  if (marks.count == 0) {
    queue.by_sort[static_cast<size_t>(sort)].erase(place.segment->serial);
  } else if (marks.first == place.index) {
    marks.first = find_in(place.segment, place.index + count, sort).index;
  }
}

Extent Queue::extent(Place first, uint64_t messages_max, uint64_t bytes_max) const {
  const std::vector<Entry>& entries = first.segment->entries;
  const Entry::State state = first.entry().state;
  Extent extent{first, 1, first.entry().size};
  // Suspects on their own, and what is meant for another instance, go one by one.
  if (state == Entry::State::elsewhere || travels_alone(first.entry())) return extent;
  // Neighbours in one state lie end to end: a hole is where one is done.
  const uint64_t end = std::min<uint64_t>(entries.size(), first.index + messages_max);
  for (uint64_t i = first.index + uint64_t{1}; i < end; ++i) {
    const Entry& entry = entries[i];
    if (entry.state != state || travels_alone(entry) || extent.bytes + entry.size > bytes_max) break;
    ++extent.count;
    extent.bytes += entry.size;
  }
  return extent;
}

void Queue::hand_out(MessageKind kind, const Extent& extent, uint32_t ticket) {
  SubQueue& queue = sub(kind);
  Entry* const entries = &extent.first.entry();
  const bool again = came_back(entries[0]);  // all of an extent did, or none
  const Sort sort = sort_of(entries[0]);
  for (uint32_t i = 0; i < extent.count; ++i) {
    entries[i].state = Entry::State::under_way;
    entries[i].ticket = ticket + i;
    if (entries[i].deliveries < saturated) ++entries[i].deliveries;
  }
  if (again) {
    unmark(queue, extent.first, sort, extent.count);
  } else {
    queue.fresh.index = extent.first.index + extent.count;
  }
#ifdef SIGNALBOX_PLANTED_FAULTS
  Segment* const segment = extent.first.segment;
  if (planted_fault == PlantedFault::run_freed_early && !segment->let_go &&
      extent.first.index + extent.count == segment->entries.size()) {
    segment->let_go = true;
    Run::drop(segment->block);
  }
#endif
  const Count handed_out{extent.count, extent.bytes};
  ledger_.waiting -= handed_out;
  ledger_.under_way += handed_out;
}

void Queue::finish(MessageKind kind, Place place, Outcome outcome) {
  SubQueue& queue = sub(kind);
  Segment* const segment = place.segment;
  Entry& entry = place.entry();
  const uint64_t size = entry.size;
  SIGNALBOX_ASSERT(entry.state != Entry::State::done, "a message is done once");

  (entry.state == Entry::State::under_way ? ledger_.under_way : ledger_.waiting).remove(size);
  switch (outcome) {
    case Outcome::settled:
      ledger_.settled.add(size);
      break;
    case Outcome::dropped:
      ledger_.dropped.add(size);
      break;
    case Outcome::expired:
      ledger_.expired.add(size);
      break;
    case Outcome::dead:
      ledger_.dead.add(size);
      break;
  }
  const bool again = came_back(entry);
  const Sort sort = sort_of(entry);
  entry.state = Entry::State::done;
  if (again) unmark(queue, place, sort);
  leave(queue, segment, {1, size});
}

Count Queue::settle(MessageKind kind, Place first, uint32_t count, uint32_t ticket) {
  Entry* const entries = &first.entry();
  Count settled;
  for (uint32_t i = 0; i < count; ++i) {
    if (entries[i].state != Entry::State::under_way || entries[i].ticket != ticket + i) continue;
    entries[i].state = Entry::State::done;
    settled.add(entries[i].size);
  }
  ledger_.under_way -= settled;
  ledger_.settled += settled;
  leave(sub(kind), first.segment, settled);
  return settled;
}

// So many of the segment's messages have just become done.
void Queue::leave(SubQueue& queue, Segment* segment, const Count& done) {
  segment->live_bytes -= static_cast<uint32_t>(done.bytes);
  segment->live -= static_cast<uint32_t>(done.messages);
  if (segment->live == 0) {
    remove_segment(queue, segment);
  } else if (segment != queue.tail && nearly_done(*segment)) {
    rehome(segment);
  }
}

void Queue::take_back(MessageKind kind, Place place) {
  come_back(kind, place, Entry::State::returned);
}

void Queue::delay(MessageKind kind, Place place, uint32_t shunned_registration) {
  place.entry().ticket = shunned_registration;
  come_back(kind, place, Entry::State::delayed);
}

void Queue::come_back(MessageKind kind, Place place, Entry::State state) {
  Entry& entry = place.entry();
  SIGNALBOX_ASSERT(entry.state == Entry::State::under_way, "only what is under way comes back");
  entry.state = state;
  ledger_.under_way.remove(entry.size);
  ledger_.waiting.add(entry.size);
  SubQueue& queue = sub(kind);
  mark(queue, place);
  // Its time was over, and is not any more: the setting has changed.
  if ((!queue.young || comes_before(place, queue.young)) && came_ms(place)) queue.young = place;
}

void Queue::make_due(MessageKind kind, Place place) {
  SIGNALBOX_ASSERT(place.entry().state == Entry::State::delayed, "only what is delayed becomes due");
  place.entry().state = Entry::State::elsewhere;
  unmark(sub(kind), place, Sort::delayed);
  mark(sub(kind), place);
}

void Queue::forgive(MessageKind kind, Place place, bool failed) {
  Entry& entry = place.entry();
  const Sort before = sort_of(entry);
  if (entry.suspicions > 0) --entry.suspicions;
  if (failed && entry.failures > 0) --entry.failures;
  if (!came_back(entry) || sort_of(entry) == before) return;
  unmark(sub(kind), place, before);
  mark(sub(kind), place);
}

// --- expiry ----------------------------------------------------------------------------------------------------------

// Of the tail's entries from `from` on.
void Queue::note_time(SubQueue& queue, size_t from, uint64_t now_ms) {
  Segment& tail = *queue.tail;
  const auto index = static_cast<uint32_t>(from);
  if (tail.since.empty() || tail.since.back().at_ms != now_ms) tail.since.push_back({now_ms, index});
  if (!queue.young) queue.young = {queue.tail, index};
}

std::optional<uint64_t> Queue::came_ms(Place place) {
  const std::vector<Segment::Since>& since = place.segment->since;
  const auto behind = std::ranges::upper_bound(since, place.index, {}, &Segment::Since::first);
  if (behind == since.begin()) return std::nullopt;
  return std::prev(behind)->at_ms;
}

bool Queue::is_past(Place place, uint64_t now_ms) const {
  if (settings_.message_ttl_ms == 0) return false;
  const std::optional<uint64_t> came = came_ms(place);
  return came && now_ms - *came >= settings_.message_ttl_ms;
}

Place Queue::next_past(MessageKind kind, uint64_t now_ms, uint64_t& looks) {
  Place& young = sub(kind).young;
  while (young && looks > 0) {
    if (young.index == young.segment->entries.size()) {
      if (young.segment->next == nullptr) return {};
      young = {young.segment->next, 0};
      continue;
    }
    // One without a time stands behind others only where the setting was changed; it is passed over.
    if (came_ms(young) && !is_past(young, now_ms)) return {};
    const Place place = young;
    ++young.index;
    --looks;
    const Entry& entry = place.entry();
    if (entry.state != Entry::State::under_way && entry.state != Entry::State::done && is_past(place, now_ms)) {
      return place;
    }
  }
  return {};
}

uint64_t Queue::next_expiry_ms() {
  uint64_t next_ms = never_ms;
  if (settings_.message_ttl_ms == 0) return next_ms;
  for (SubQueue& queue : subs_) {
    Place young = queue.young;
    if (young && young.index == young.segment->entries.size()) young = {young.segment->next, 0};
    if (!young) continue;
    next_ms = std::min(next_ms, came_ms(young).value_or(0) + settings_.message_ttl_ms);
  }
  return next_ms;
}

Place Queue::oldest_waiting(MessageKind& kind) {
  Place oldest;
  const auto consider = [&](MessageKind candidate, Place place) {
    // Compared as a difference, so that it holds when the 32 bits have wrapped.
    if (!place || (oldest && static_cast<int32_t>(place.entry().order - oldest.entry().order) >= 0)) return;
    oldest = place;
    kind = candidate;
  };
  for (const MessageKind candidate : kinds) {
    for (const Sort sort : sorts) consider(candidate, first(candidate, sort));
    consider(candidate, fresh(candidate));
  }
  SIGNALBOX_ASSERT(oldest, "make_room has checked that there is something to drop");
  return oldest;
}

void Queue::check_invariants() const {
  Count waiting;
  Count under_way;
  for (const MessageKind kind : kinds) {
    const SubQueue& queue = sub(kind);
    bool past_fresh = false;
    uint64_t last_serial = 0;
    for (Segment* segment = queue.head; segment != nullptr; segment = segment->next) {
      SIGNALBOX_ASSERT(segment->serial > last_serial, "serials rise along the list");
      SIGNALBOX_ASSERT(segment->next != nullptr || queue.tail == segment, "the tail is the last");
      last_serial = segment->serial;
      uint32_t live = 0;
      uint32_t live_bytes = 0;
      std::array<uint32_t, 4> marked{};
      for (uint32_t i = 0; i < segment->entries.size(); ++i) {
        if (queue.fresh.segment == segment && queue.fresh.index == i) past_fresh = true;
        const Entry& entry = segment->entries[i];
        if (entry.state == Entry::State::done) continue;
        const Place place{segment, i};
        SIGNALBOX_ASSERT(entry.state == Entry::State::under_way || !came_ms(place) ||
                             (queue.young && !comes_before(place, queue.young)),
                         "nothing waits in front of the mark behind what is past its time");
        ++live;
        live_bytes += entry.size;
        (entry.state == Entry::State::under_way ? under_way : waiting).add(entry.size);
        if (came_back(entry)) {
          const auto sort = static_cast<size_t>(sort_of(entry));
          if (marked[sort]++ == 0) {
            SIGNALBOX_ASSERT(segment->marks[sort].first == i, "a segment knows the first of each sort");
          }
        }
        SIGNALBOX_ASSERT((entry.state == Entry::State::waiting) == past_fresh, "the mark parts fresh from handed out");
      }
      if (queue.fresh.segment == segment && queue.fresh.index >= segment->entries.size()) past_fresh = true;
      SIGNALBOX_ASSERT(live == segment->live && live > 0, "a segment counts what is live, and is let go at 0");
      SIGNALBOX_ASSERT(live_bytes == segment->live_bytes, "a segment counts its live bytes");
      for (size_t sort = 0; sort < marked.size(); ++sort) {
        SIGNALBOX_ASSERT(marked[sort] == segment->marks[sort].count, "a segment counts what came back");
        SIGNALBOX_ASSERT((marked[sort] > 0) == (queue.by_sort[sort].count(segment->serial) == 1),
                         "and is listed for it");
      }
    }
  }
  SIGNALBOX_ASSERT(waiting == ledger_.waiting && under_way == ledger_.under_way, "the ledger says what is there");
  const QueueLedger& l = ledger_;
  SIGNALBOX_ASSERT(l.taken == l.settled + l.under_way + l.waiting + l.dropped + l.expired + l.dead,
                   "taken = settled + under way + waiting + dropped + expired + dead");
}

}  // namespace signalbox
