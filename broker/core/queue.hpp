// What waits for one endpoint: two sub-queues (user messages, events), each a list of segments of messages end to end.
//
// A segment is a block of bytes and, beside it, one small entry a message. Messages are appended untouched, so what is
// delivered next already lies in one piece and leaves by reference (a Run). An entry keeps its place until its message
// is done, so that what comes back goes to its old place; a segment is let go when all of it is done, wherever in the
// list it stands, and one that is nearly done is re-homed: what is left is copied to a smaller block, so that a
// straggler does not pin 256 KiB.
//
// An entry's life:  waiting -> under way -> done
//                                       -> returned -> under way …      (its worker left; NACKed and due; see
//                                       `elsewhere`)
//                                       -> delayed -> returned          (NACKed for requeueing, not yet due)
//
// Where messages expire, a segment also keeps the times at which they came, one for each run of messages that came in
// the same millisecond, so that a message costs nothing where they do not. Times rise along the list. A mark stands
// behind what is past its time: all that is in front of it is under way or done, so that looking for more looks at each
// message once. What comes back from there is its user's to end.
//
// Rejected: one ring of entries for the whole sub-queue (a message that nobody settles would pin 20 bytes for each one
// behind it, for as long as it takes); a list node for each message (an allocation each); a time in each entry (it
// would be paid by all).
//
// Thread: the core's. Owns: its segments and one reference to each of their blocks.
// Errors: make_room() says when the queue is full; what to do about it is the caller's.
// Bounds: max_bytes and max_messages of its endpoint, twice that under Overflow::block.
// Tested by queue_test.cpp, batch_appending_test.cpp and every simulation.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "broker/core/ledger.hpp"
#include "broker/core/segment.hpp"
#include "broker/core/settings.hpp"
#include "protocol/message_view.hpp"

namespace signalbox {

struct Entry {
  enum class State : uint8_t {
    waiting,    // never handed out
    under_way,  // handed out, not settled
    returned,   // handed out before, waits for the next
    elsewhere,  // the same, and another instance than the last is to have it
    delayed,    // NACKed, not due yet
    done,       // settled, dropped, expired or dead: the bytes are nobody's
  };

  uint32_t offset = 0;  // in the segment's block
  uint32_t size = 0;
  uint32_t order = 0;      // among all messages of the endpoint, modulo 2^32: tells the oldest of two kinds
  uint32_t ticket = 0;     // under way: of the delivery, modulo 2^32, tells a late ACK from a current one;
                           // delayed or elsewhere: of the registration that NACKed it, modulo 2^32
  uint8_t deliveries = 0;  // how often handed out; stays at 255
  uint8_t failures = 0;
  uint8_t suspicions = 0;
  State state = State::waiting;
};
static_assert(sizeof(Entry) == 20, "20 bytes beside each queued message are budgeted");

struct Segment {
  Segment* previous = nullptr;
  Segment* next = nullptr;
  uint64_t serial = 0;  // rises along the list, never used twice; tells a segment from a later one at the same address
  Block* block = nullptr;
  uint32_t used_bytes = 0;
  uint32_t live_bytes = 0;  // of entries not done
  uint32_t live = 0;        // entries not done
  // Of the entries that came back, by Sort: how many there are, and which is the first.
  struct Marks {
    uint32_t count = 0;
    uint32_t first = 0;
  };
  std::array<Marks, 4> marks;
#ifdef SIGNALBOX_PLANTED_FAULTS
  bool let_go = false;  // its block, before its time
#endif
  std::vector<Entry> entries;
  // When the entries from `first` on came, up to the next; empty where messages do not expire.
  struct Since {
    uint64_t at_ms = 0;
    uint32_t first = 0;
  };
  std::vector<Since> since;
};

// An entry stays as long as its segment: so many of them may a straggler pin.
inline constexpr size_t segment_messages_max = 640;

// Segment descriptors, kept and used again with the memory of their entries. One a core.
class SegmentStore {
 public:
  Segment* take();
  void give_back(Segment* segment);

 private:
  std::vector<std::unique_ptr<Segment>> all_;
  Segment* free_ = nullptr;
  uint64_t last_serial_ = 0;
};

// A message that is suspect for the second time travels alone.
inline constexpr uint8_t suspicions_to_travel_alone = 2;
inline bool travels_alone(const Entry& entry) {
  return entry.suspicions >= suspicions_to_travel_alone;
}

// One message's place in a queue. Null segment: none.
struct Place {
  Segment* segment = nullptr;
  uint32_t index = 0;

  explicit operator bool() const { return segment != nullptr; }
  Entry& entry() const { return segment->entries[index]; }
  Bytes bytes() const { return {segment->block->data() + entry().offset, entry().size}; }
};

// Of two places in one sub-queue.
inline bool comes_before(const Place& a, const Place& b) {
  return a.segment->serial != b.segment->serial ? a.segment->serial < b.segment->serial : a.index < b.index;
}

// Consecutive messages that lie end to end and may be delivered as one batch.
struct Extent {
  Place first;
  uint32_t count = 0;
  uint64_t bytes = 0;
};

class Queue {
 public:
  enum class Outcome : uint8_t { settled, dropped, expired, dead };
  static constexpr uint64_t never_ms = UINT64_MAX;
  // References must outlive the queue.
  Queue(const EndpointSettings& settings, SegmentPool& pool, SegmentStore& store);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Whether one more message of this size may come in, by the endpoint's overflow policy; under drop_oldest it makes
  // the room. `strict`: a queue that blocks refuses what would take it past its limit, not only past twice that.
  [[nodiscard]] bool make_room(uint64_t bytes, bool strict);
  // Adds messages at the end, which lie end to end and are of these sizes. REQUIRES: there is room; `now_ms` never
  // falls.
  void append(MessageKind kind, Bytes messages, std::span<const uint32_t> sizes, uint64_t now_ms);
  // One.
  void append(MessageKind kind, Bytes message, uint64_t now_ms) {
    const auto size = static_cast<uint32_t>(message.size());
    append(kind, message, {&size, 1}, now_ms);
  }

  // Adds all messages of a packed block at the end, and takes over its one reference.
  void adopt(MessageKind kind, Block* block, uint32_t count, uint64_t now_ms);
  // Whether one more message may be added to `held`, of which `times` the limits is the most.
  static bool fits(const EndpointSettings& settings, const Count& held, uint64_t bytes, uint64_t times) {
    return held.messages == 0 ||
           (held.messages + 1 <= settings.max_messages * times && held.bytes + bytes <= settings.max_bytes * times);
  }
  static bool is_within_limit(const EndpointSettings& settings, const Count& held);

  // What came back, sorted by what it waits for, so that many that cannot go now are passed over as one.
  enum class Sort : uint8_t {
    again,      // for an instance with room
    suspect,    // for an idle instance: it travels alone
    elsewhere,  // for another instance than the one that NACKed it (and an idle one, if it is a suspect as well)
    delayed,    // until it is due
  };
  // The first of a sort, at its old place, and the one of that sort behind a place; none: a null place.
  Place first(MessageKind kind, Sort sort) const;
  Place next(MessageKind kind, Sort sort, Place after) const;
  // The first message that was never handed out.
  Place fresh(MessageKind kind);
  // From `first` on, as many as may travel with it: end to end, of one sort, within both bounds; the first always goes.
  Extent extent(Place first, uint64_t messages_max, uint64_t bytes_max) const;
  // They are under way now, with tickets from `ticket` on.
  void hand_out(MessageKind kind, const Extent& extent, uint32_t ticket);

  // Ends a message's stay. The place is no more.
  void finish(MessageKind kind, Place place, Outcome outcome);
  // The same, settled, for those of the `count` messages from `first` on that are still under way with the tickets from
  // `ticket` on. Returns what they were; after the last of its messages a segment is no more.
  Count settle(MessageKind kind, Place first, uint32_t count, uint32_t ticket);
  // Under way no longer: back to its old place.
  void take_back(MessageKind kind, Place place);
  // The same, but not before make_due(), and then rather to another registration than this one.
  void delay(MessageKind kind, Place place, uint32_t shunned_registration);
  // A delayed message is due: from now on it is `elsewhere`.
  void make_due(MessageKind kind, Place place);
  // One suspicion less, and one failure less where `failed`.
  void forgive(MessageKind kind, Place place, bool failed);

  // --- expiry, by EndpointSettings::message_ttl_ms

  // Whether a message's time is over. One that came while messages did not expire never is.
  bool is_past(Place place, uint64_t now_ms) const;
  // The first message that waits and is past its time, for finish(); none: a null place. Looks at no more than `looks`
  // messages, and takes them off it: at 0 there may be more.
  Place next_past(MessageKind kind, uint64_t now_ms, uint64_t& looks);
  // Before then nothing else is past its time.
  uint64_t next_expiry_ms();

  // For what cannot even come in: taken and dropped in one, so that the books show it.
  void count_as_dropped(uint64_t bytes);

  bool within_limit() const;
  Count held() const { return ledger_.waiting + ledger_.under_way; }
  const QueueLedger& ledger() const { return ledger_; }
  void check_invariants() const;

 private:
  struct SubQueue {
    Segment* head = nullptr;
    Segment* tail = nullptr;
    Place fresh;  // the first entry never handed out; index may be one past the last
    Place young;  // behind what is past its time, likewise; null: there is nothing behind
    uint32_t segment_bytes = limits::segment_bytes_min;  // of the next segment
    // The segments that have entries of a sort, by serial. Touched only when things go wrong.
    std::array<std::map<uint64_t, Segment*>, 4> by_sort;
  };

  SubQueue& sub(MessageKind kind) { return subs_[static_cast<size_t>(kind)]; }
  const SubQueue& sub(MessageKind kind) const { return subs_[static_cast<size_t>(kind)]; }

  static bool came_back(const Entry& entry);
  static Sort sort_of(const Entry& entry);
  static Place find_in(Segment* segment, uint32_t from, Sort sort);
  static void mark(SubQueue& queue, Place place);
  static void unmark(SubQueue& queue, Place place, Sort sort, uint32_t count = 1);
  void add_segment(SubQueue& queue, size_t message_bytes);
  static void add_to_list(SubQueue& queue, Segment* segment);
  void remove_segment(SubQueue& queue, Segment* segment);
  void leave(SubQueue& queue, Segment* segment, const Count& done);
  static std::optional<uint64_t> came_ms(Place place);
  static void note_time(SubQueue& queue, size_t from, uint64_t now_ms);
  void come_back(MessageKind kind, Place place, Entry::State state);
  void rehome(Segment* segment);
  // The oldest message of either kind that is not under way.
  Place oldest_waiting(MessageKind& kind);

  const EndpointSettings& settings_;
  SegmentPool& pool_;
  SegmentStore& store_;
  std::array<SubQueue, 2> subs_;
  QueueLedger ledger_;
  uint32_t next_order_ = 0;
};

}  // namespace signalbox
