#include "broker/core/queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace signalbox {
namespace {

constexpr MessageKind user = MessageKind::user_message;
constexpr MessageKind event = MessageKind::event;

class QueueTest : public ::testing::Test {
 protected:
  void put(const std::string& message, MessageKind kind = user) {
    ASSERT_TRUE(queue.make_room(message.size(), false));
    queue.append(kind, message, now_ms);
    queue.check_invariants();
  }
  // What is owed first, whatever it waits for.
  Place first_waiting(MessageKind kind) {
    for (const Queue::Sort sort : {Queue::Sort::again, Queue::Sort::suspect, Queue::Sort::elsewhere})
      if (const Place place = queue.first(kind, sort)) return place;
    return queue.fresh(kind);
  }
  // What would go next, as one text; handed out.
  std::string take(uint64_t messages_max = 1000, MessageKind kind = user, uint64_t bytes_max = 1 << 20) {
    const Place first = first_waiting(kind);
    if (!first) return "";
    const Extent extent = queue.extent(first, messages_max, bytes_max);
    const std::string bytes(first.segment->block->data() + first.entry().offset, extent.bytes);
    for (uint32_t i = 0; i < extent.count; ++i) under_way.push_back({first.segment, first.index + i});
    queue.hand_out(kind, extent, ticket);
    ticket += extent.count;
    queue.check_invariants();
    return bytes;
  }
  void settle(size_t which, MessageKind kind = user) {
    queue.finish(kind, under_way[which], Queue::Outcome::settled);
    queue.check_invariants();
  }

  EndpointSettings settings;
  SegmentPool pool;
  SegmentStore store;
  Queue queue{settings, pool, store};
  std::vector<Place> under_way;
  uint32_t ticket = 0;
  uint64_t now_ms = 1'000'000;
};

TEST_F(QueueTest, GivesWhatLiesTogetherAsOneRun) {
  put("a");
  put("bb");
  put("ccc");
  EXPECT_EQ(take(2), "abb");
  EXPECT_EQ(take(), "ccc");
  EXPECT_EQ(take(), "");
  put("d");
  EXPECT_EQ(take(), "d");
}

TEST_F(QueueTest, StopsAtTheBytesButOneMessageAlwaysGoes) {
  put("aaaa");
  put("bb");
  EXPECT_EQ(take(1000, user, 3), "aaaa");
  EXPECT_EQ(take(1000, user, 2), "bb");
}

TEST_F(QueueTest, KeepsKindsApart) {
  put("u1");
  put("e1", event);
  put("u2");
  EXPECT_EQ(take(1000, event), "e1");
  EXPECT_EQ(take(), "u1u2");
}

TEST_F(QueueTest, WhatComesBackGoesFirstAndInItsOldOrder) {
  for (const char* m : {"1", "2", "3", "4", "5", "6"}) put(m);
  EXPECT_EQ(take(4), "1234");
  settle(2);
  queue.take_back(user, under_way[3]);
  queue.take_back(user, under_way[0]);
  queue.take_back(user, under_way[1]);
  queue.check_invariants();
  EXPECT_EQ(take(), "12");
  EXPECT_EQ(take(), "4");
  EXPECT_EQ(take(), "56");
}

TEST_F(QueueTest, WhatIsDelayedIsPassedOverUntilItIsDue) {
  for (const char* m : {"1", "2", "3"}) put(m);
  EXPECT_EQ(take(1), "1");
  queue.delay(user, under_way[0], 17);
  queue.check_invariants();
  EXPECT_EQ(take(1), "2");
  queue.make_due(user, under_way[0]);
  queue.check_invariants();
  EXPECT_EQ(queue.first(user, Queue::Sort::elsewhere).entry().ticket, 17U);
  EXPECT_EQ(take(), "1") << "one by one, since another instance may have to take it";
  EXPECT_EQ(take(), "3");
}

TEST_F(QueueTest, ASecondSuspicionMakesAMessageTravelAlone) {
  for (const char* m : {"1", "2", "3"}) put(m);
  take();
  under_way[1].entry().suspicions = 2;
  for (const Place& place : under_way) queue.take_back(user, place);
  queue.check_invariants();
  EXPECT_EQ(take(), "1");
  EXPECT_EQ(take(), "3") << "behind it";
  EXPECT_EQ(queue.first(user, Queue::Sort::suspect).bytes(), "2");
  EXPECT_EQ(take(), "2");
}

TEST_F(QueueTest, ASuspicionTakenBackLetsItTravelWithTheOthers) {
  for (const char* m : {"1", "2", "3"}) put(m);
  take();
  under_way[1].entry().suspicions = 2;
  for (const Place& place : under_way) queue.take_back(user, place);
  queue.forgive(user, under_way[1], false);
  queue.check_invariants();
  EXPECT_EQ(take(), "123");
}

TEST_F(QueueTest, FindsTheNextOfASortInOtherSegments) {
  for (int i = 0; i < 600; ++i) put("message " + std::to_string(i));
  while (!take().empty()) {
  }
  for (const size_t i : {599UL, 0UL, 300UL}) queue.delay(user, under_way[i], 1);
  for (const size_t i : {599UL, 0UL, 300UL}) queue.make_due(user, under_way[i]);
  queue.check_invariants();
  Place place = queue.first(user, Queue::Sort::elsewhere);
  EXPECT_EQ(place.bytes(), "message 0");
  place = queue.next(user, Queue::Sort::elsewhere, place);
  EXPECT_EQ(place.bytes(), "message 300");
  place = queue.next(user, Queue::Sort::elsewhere, place);
  EXPECT_EQ(place.bytes(), "message 599");
  EXPECT_FALSE(queue.next(user, Queue::Sort::elsewhere, place));
}

TEST_F(QueueTest, DropsTheOldestOfEitherKind) {
  settings.overflow = Overflow::drop_oldest;
  settings.max_messages = 3;
  put("1");
  put("e", event);
  put("2");
  put("3");
  EXPECT_EQ(take(1000, event), "e");
  put("4");
  EXPECT_EQ(take(), "34");
  EXPECT_EQ(queue.ledger().dropped.messages, 2U);
  EXPECT_FALSE(queue.make_room(1, false)) << "all is under way";
}

TEST_F(QueueTest, DropsWhatCameBackBeforeWhatNeverWent) {
  settings.overflow = Overflow::drop_oldest;
  settings.max_messages = 3;
  for (const char* m : {"1", "2", "3"}) put(m);
  take(1);
  queue.delay(user, under_way[0], 1);
  put("4");
  EXPECT_EQ(take(), "234");
}

TEST_F(QueueTest, BlockTakesUpToTwiceItsLimit) {
  settings.max_messages = 2;
  for (const char* m : {"1", "2"}) put(m);
  EXPECT_TRUE(queue.within_limit());
  EXPECT_FALSE(queue.make_room(1, true));
  for (const char* m : {"3", "4"}) put(m);
  EXPECT_FALSE(queue.within_limit());
  EXPECT_FALSE(queue.make_room(1, false));
}

TEST_F(QueueTest, AnEmptyQueueTakesAnyOneMessage) {
  settings.max_bytes = 10;
  for (const Overflow overflow : {Overflow::block, Overflow::refuse, Overflow::drop_oldest}) {
    settings.overflow = overflow;
    put(std::string(100, 'x'));
    EXPECT_TRUE(queue.within_limit());
    take();
    settle(under_way.size() - 1);
  }
}

TEST_F(QueueTest, AStragglerDoesNotPinItsNeighbours) {
  const std::string message(424, 'm');
  for (int i = 0; i < 3000; ++i) put(message);
  while (!take().empty()) {
  }
  const uint64_t full = pool.bytes_in_use();
  // Of each hundred, one is never settled.
  for (size_t i = 0; i < under_way.size(); ++i)
    if (i % 100 != 50) settle(i);
  pool.collect();
  // The tail keeps its block, since more may come.
  EXPECT_LT(pool.bytes_in_use(), full / 10 + limits::segment_bytes_max);
  for (size_t i = 50; i < under_way.size(); i += 100) EXPECT_EQ(under_way[i].bytes(), message);
  for (size_t i = 50; i < under_way.size(); i += 100) settle(i);
  pool.collect();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST_F(QueueTest, SettlesOfARunWhatIsUnderWayWithItsTickets) {
  for (const char* m : {"1", "22", "333", "4444", "55555", "666666"}) put(m);
  EXPECT_EQ(take(), "122333444455555666666");
  queue.take_back(user, under_way[1]);
  queue.delay(user, under_way[3], 17);
  EXPECT_EQ(take(), "22") << "under way again, with another ticket";
  EXPECT_EQ(queue.settle(user, under_way[0], 5, 0), (Count{3, 1 + 3 + 5}));
  queue.check_invariants();
  EXPECT_EQ(queue.settle(user, under_way[0], 5, 0), Count{}) << "once";
  EXPECT_EQ(queue.settle(user, under_way[1], 1, 6), (Count{1, 2}));
  EXPECT_EQ(queue.settle(user, under_way[5], 1, 5), (Count{1, 6}));
  queue.check_invariants();
  queue.make_due(user, under_way[3]);
  EXPECT_EQ(take(), "4444");
  EXPECT_EQ(queue.settle(user, under_way[3], 1, 7), (Count{1, 4}));
  queue.check_invariants();
  pool.collect();
  EXPECT_EQ(pool.bytes_in_use(), 0U) << "the segment went with its last message";
}

TEST_F(QueueTest, SettlingARunMovesTheFewThatItLeaves) {
  const std::string message(424, 'm');
  for (int i = 0; i < 1000; ++i) put(message);
  while (!take().empty()) {
  }
  const uint64_t full = pool.bytes_in_use();
  std::vector<size_t> left;
  for (size_t first = 0; first < under_way.size();) {
    size_t end = first;
    while (end < under_way.size() && under_way[end].segment == under_way[first].segment) ++end;
    queue.settle(user, under_way[first], static_cast<uint32_t>(end - first - 1), static_cast<uint32_t>(first));
    queue.check_invariants();
    left.push_back(end - 1);
    first = end;
  }
  ASSERT_GT(left.size(), 5U);
  pool.collect();
  EXPECT_LT(pool.bytes_in_use(), full / 10 + limits::segment_bytes_max) << "the tail alone keeps its block";
  for (const size_t i : left) EXPECT_EQ(under_way[i].bytes(), message);
  for (const size_t i : left) queue.settle(user, under_way[i], 1, static_cast<uint32_t>(i));
  queue.check_invariants();
  pool.collect();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST_F(QueueTest, AHandedOutRunOfWhatCameBackLeavesTheRestMarked) {
  for (const char* m : {"1", "2", "3", "4", "5", "6", "7"}) put(m);
  take();
  for (const size_t i : {0, 1, 2, 4, 5, 6}) queue.take_back(user, under_way[i]);
  EXPECT_EQ(take(2), "12");
  EXPECT_EQ(queue.first(user, Queue::Sort::again).index, 2U);
  EXPECT_EQ(take(), "3");
  EXPECT_EQ(take(), "567");
  EXPECT_FALSE(queue.first(user, Queue::Sort::again));
}

// Found by the simulator: the tail was done and let go, the segment before it had room, and nobody saw what came there.
TEST_F(QueueTest, WhatComesBehindADoneTailIsSeen) {
  const std::string big(900, 'a');
  put(big);                    // fills most of the first segment
  put(std::string(300, 'b'));  // does not fit: a second one
  take(1);
  take(1);
  settle(1);  // the second is let go
  put("c");   // goes behind the first
  EXPECT_EQ(take(), "c");
}

TEST_F(QueueTest, SegmentsGrowWithTheTraffic) {
  put("lone");
  EXPECT_EQ(pool.bytes_in_use(), limits::segment_bytes_min);
  for (int i = 0; i < 1000; ++i) put(std::string(424, 'm'));
  take(1);
  const Place last = under_way.back();
  EXPECT_EQ(last.segment->block->capacity, limits::segment_bytes_min);
  while (!take().empty()) {
  }
  EXPECT_EQ(under_way.back().segment->block->capacity, limits::segment_bytes_max);
}

// Finishes all that is past its time and waits, and gives it as one text.
std::string expire(Queue& queue, uint64_t now_ms) {
  std::string bytes;
  uint64_t looks = 1000;
  while (const Place place = queue.next_past(user, now_ms, looks)) {
    bytes += place.bytes();
    queue.finish(user, place, Queue::Outcome::expired);
    queue.check_invariants();
  }
  return bytes;
}

TEST_F(QueueTest, ExpiryLooksAtEachMessageOnceAndStopsAtTheFirstYoungOne) {
  settings.message_ttl_ms = 10;
  for (const char* m : {"1", "2", "3"}) put(m);
  take(2);
  now_ms += 5;
  put("4");
  EXPECT_EQ(queue.next_expiry_ms(), now_ms + 5);
  uint64_t looks = 2;
  EXPECT_FALSE(queue.next_past(user, now_ms + 5, looks)) << "both are under way";
  EXPECT_EQ(looks, 0U);
  EXPECT_EQ(expire(queue, now_ms + 5), "3");
  EXPECT_EQ(queue.next_expiry_ms(), now_ms + 10);
  EXPECT_EQ(expire(queue, now_ms + 10), "4");
  EXPECT_EQ(queue.next_expiry_ms(), Queue::never_ms);
  EXPECT_TRUE(queue.is_past(under_way[0], now_ms + 5));
}

TEST_F(QueueTest, ExpiryGoesOnOverSegmentsThatAreLetGo) {
  settings.message_ttl_ms = 10;
  std::string all;
  for (int i = 0; i < 1500; ++i) {
    const std::string message = "message " + std::to_string(i);
    put(message);
    if (i % 3 == 0) ++now_ms;
    all += message;
  }
  uint64_t looks = 1'000'000;
  std::string expired;
  while (const Place place = queue.next_past(user, now_ms + 10, looks)) {
    expired += place.bytes();
    queue.finish(user, place, Queue::Outcome::expired);
  }
  queue.check_invariants();
  EXPECT_EQ(expired, all);
  pool.collect();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  put("next");
  EXPECT_EQ(expire(queue, now_ms + 10), "next");
}

// The settings of an endpoint may change while it has messages.
TEST_F(QueueTest, ALongerTimeHoldsForWhatComesBackAfterwards) {
  settings.message_ttl_ms = 10;
  for (const char* m : {"1", "2"}) put(m);
  take(1);
  EXPECT_EQ(expire(queue, now_ms + 10), "2");
  settings.message_ttl_ms = 100;
  queue.take_back(user, under_way[0]);
  queue.check_invariants();
  EXPECT_EQ(expire(queue, now_ms + 99), "");
  EXPECT_EQ(expire(queue, now_ms + 100), "1");
}

TEST_F(QueueTest, WhatCameWhileNothingExpiredNeverDoes) {
  put("1");
  settings.message_ttl_ms = 10;
  put("2");
  EXPECT_EQ(expire(queue, now_ms + 1000), "2");
  settings.message_ttl_ms = 0;
  put("3");
  EXPECT_EQ(queue.next_expiry_ms(), Queue::never_ms);
  now_ms += 5;
  put("4");
  settings.message_ttl_ms = 10;
  EXPECT_EQ(expire(queue, now_ms + 5), "3") << "it stood among those that were timed, and so has its own time";
  EXPECT_EQ(expire(queue, now_ms + 10), "4");
  EXPECT_EQ(take(), "1");
}

// A queue, and its segments from the first to the last.
struct Fed {
  explicit Fed(const EndpointSettings& settings) : queue(settings, pool, store) {}

  // Nothing is let go of that has not been handed out: the first that was not leads to all that are left.
  std::vector<const Segment*> segments(MessageKind kind) {
    const Segment* segment = queue.fresh(kind).segment;
    while (segment != nullptr && segment->previous != nullptr) segment = segment->previous;
    std::vector<const Segment*> all;
    for (; segment != nullptr; segment = segment->next) all.push_back(segment);
    return all;
  }

  SegmentPool pool;
  SegmentStore store;
  Queue queue;
};

void expect_same(const Segment& a, const Segment& b) {
  ASSERT_EQ(a.block->capacity, b.block->capacity);
  ASSERT_EQ(a.used_bytes, b.used_bytes);
  ASSERT_EQ(a.live_bytes, b.live_bytes);
  ASSERT_EQ(a.live, b.live);
  ASSERT_EQ(a.serial, b.serial);
  ASSERT_EQ(a.since.size(), b.since.size());
  for (size_t i = 0; i < a.since.size(); ++i) {
    ASSERT_EQ(a.since[i].at_ms, b.since[i].at_ms);
    ASSERT_EQ(a.since[i].first, b.since[i].first);
  }
  ASSERT_EQ(a.entries.size(), b.entries.size());
  for (size_t i = 0; i < a.entries.size(); ++i) {
    const Entry& x = a.entries[i];
    const Entry& y = b.entries[i];
    ASSERT_EQ(x.offset, y.offset);
    ASSERT_EQ(x.size, y.size);
    ASSERT_EQ(x.order, y.order);
    ASSERT_EQ(x.state, y.state);
    if (x.state == Entry::State::done) continue;  // where its bytes were there may be others
    ASSERT_EQ(0, std::memcmp(a.block->data() + x.offset, b.block->data() + y.offset, x.size));
  }
}

// Hands the first messages out, and settles them but for some.
void hand_out_some(Queue& queue, MessageKind kind, uint64_t messages_max, uint32_t ticket, uint64_t kept_every) {
  const Place first = queue.fresh(kind);
  if (!first) return;
  const Extent extent = queue.extent(first, messages_max, 1 << 20);
  queue.hand_out(kind, extent, ticket);
  for (uint32_t i = 0; i < extent.count; ++i) {
    // The last one last: behind it the segment is no more.
    if ((ticket + i) % kept_every != 0)
      queue.settle(kind, {extent.first.segment, extent.first.index + i}, 1, ticket + i);
  }
}

TEST(QueueOfMany, SegmentsAreThoseOfMessagesOneByOne) {
  std::mt19937_64 random(5);
  const auto below = [&](uint64_t limit) { return random() % limit; };
  size_t segments_most = 0;
  for (int seed = 0; seed < 30; ++seed) {
    EndpointSettings settings;
    Fed many(settings);
    Fed single(settings);
    uint64_t now_ms = 1'000'000;
    uint32_t ticket = 1;
    const uint64_t sizes_below = uint64_t{1} << (1 + below(14));
    const uint64_t kept_every = 1 + below(50);
    for (int round = 0; round < 40; ++round) {
      std::vector<uint32_t> sizes(1 + below(below(8) == 0 ? 3 * segment_messages_max : 40));
      size_t bytes = 0;
      for (uint32_t& size : sizes) {
        size = static_cast<uint32_t>(1 + below(below(300) == 0 ? 300'000 : sizes_below));
        bytes += size;
      }
      std::string messages(bytes, '\0');
      for (char& c : messages) c = static_cast<char>(++bytes);
      const MessageKind kind = below(4) == 0 ? event : user;
      if (below(5) == 0) settings.message_ttl_ms = below(2) * 1000;
      now_ms += below(2);

      many.queue.append(kind, messages, sizes, now_ms);
      size_t at = 0;
      for (const uint32_t size : sizes) {
        single.queue.append(kind, Bytes(messages).substr(at, size), now_ms);
        at += size;
      }
      for (const MessageKind each : {user, event}) {
        const auto ours = many.segments(each);
        const auto theirs = single.segments(each);
        ASSERT_EQ(ours.size(), theirs.size());
        segments_most = std::max(segments_most, ours.size());
        for (size_t i = 0; i < ours.size(); ++i) expect_same(*ours[i], *theirs[i]);
        ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << " round " << round;
      }
      many.queue.check_invariants();
      ASSERT_EQ(many.queue.ledger().taken, single.queue.ledger().taken);
      ASSERT_EQ(many.queue.ledger().waiting, single.queue.ledger().waiting);
      ASSERT_EQ(many.queue.next_expiry_ms(), single.queue.next_expiry_ms());
      ASSERT_EQ(many.pool.bytes_in_use(), single.pool.bytes_in_use());
      const uint64_t messages_max = 1 + below(2 * segment_messages_max);
      for (Fed* fed : {&many, &single}) hand_out_some(fed->queue, kind, messages_max, ticket, kept_every);
      ticket += static_cast<uint32_t>(messages_max);
    }
  }
  EXPECT_GT(segments_most, 10U);
}

TEST(QueueOfMany, ASegmentTakesSoManyMessagesAndNotOneMore) {
  const EndpointSettings settings;
  for (const size_t count : {segment_messages_max, segment_messages_max + 1, 2 * segment_messages_max + 1}) {
    Fed many(settings);
    const std::vector<uint32_t> sizes(count, 1);
    many.queue.append(user, std::string(count, 'm'), sizes, 1);
    std::vector<size_t> taken;
    for (const Segment* segment : many.segments(user)) taken.push_back(segment->entries.size());
    std::vector<size_t> expected(count / segment_messages_max, segment_messages_max);
    if (count % segment_messages_max != 0) expected.push_back(count % segment_messages_max);
    EXPECT_EQ(taken, expected);
  }
}

}  // namespace
}  // namespace signalbox
