#include "broker/core/routing_memory.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "protocol/limits.hpp"

namespace signalbox {
namespace {

using Way = RoutingMemory::Direction;
using Remembered = RoutingMemory::Remembered;

constexpr std::array<char, 192> secret = {1, 2, 3};

std::optional<EndpointId> source(const RoutingMemory& memory, const std::string& id, uint32_t now_s = 1) {
  const auto followed = memory.find(memory.key(0, Way::inbound, id), now_s);
  return followed ? std::optional(followed->source) : std::nullopt;
}

Remembered remember(RoutingMemory& memory, const std::string& id, EndpointId source, uint32_t now_s = 1,
                    uint64_t age_s = 100) {
  return memory.remember(memory.key(0, Way::inbound, id), {source, 0}, now_s, age_s);
}

TEST(RoutingMemory, RemembersWhereAMessageCameFrom) {
  RoutingMemory memory(1 << 20, secret);
  EXPECT_EQ(memory.entries_max(), 65'536U);
  EXPECT_EQ(source(memory, "a"), std::nullopt);
  EXPECT_EQ(remember(memory, "a", 7), Remembered::anew);
  EXPECT_EQ(source(memory, "a"), 7U);
  const auto followed = [&] {
    const auto key = memory.key(0, Way::inbound, "tagged");
    memory.remember(key, {3, 42}, 1, 100);
    return memory.find(key, 1);
  }();
  EXPECT_EQ(followed->source, 3U);
  EXPECT_EQ(followed->tag, 42U);
}

TEST(RoutingMemory, KeepsDispatchersAndDirectionsApart) {
  RoutingMemory memory(1 << 20, secret);
  memory.remember(memory.key(0, Way::inbound, "a"), {1, 0}, 1, 100);
  EXPECT_FALSE(memory.find(memory.key(0, Way::outbound, "a"), 1));
  EXPECT_FALSE(memory.find(memory.key(1, Way::inbound, "a"), 1));
}

// A message that goes through a chain of dispatchers is remembered in each, whichever of them share a bucket.
TEST(RoutingMemory, KeepsOneIdInAnyNumberOfDispatchers) {
  RoutingMemory memory(1 << 20, secret);
  constexpr EndpointId dispatchers = limits::chained_dispatchers_max;
  for (EndpointId i = 0; i < dispatchers; ++i) {
    EXPECT_EQ(memory.remember(memory.key(i, Way::inbound, "a"), {i, 0}, 1, 100), Remembered::anew);
  }
  for (EndpointId i = 0; i < dispatchers; ++i) {
    EXPECT_EQ(memory.find(memory.key(i, Way::inbound, "a"), 1)->source, i);
    EXPECT_FALSE(memory.find(memory.key(i, Way::outbound, "a"), 1));
  }
}

TEST(RoutingMemory, ForgetsInTime) {
  RoutingMemory memory(1 << 20, secret);
  remember(memory, "a", 7, 10, 5);
  EXPECT_EQ(source(memory, "a", 14), 7U);
  EXPECT_EQ(source(memory, "a", 15), std::nullopt);
  EXPECT_EQ(remember(memory, "a", 7, 14, 5), Remembered::refreshed);
  EXPECT_EQ(source(memory, "a", 18), 7U);
  EXPECT_EQ(remember(memory, "a", 8, 30, 5), Remembered::anew) << "what has expired is nobody's";
  EXPECT_EQ(source(memory, "a", 31), 8U);
}

TEST(RoutingMemory, ZeroMeansUntilPushedOut) {
  RoutingMemory memory(1 << 20, secret);
  remember(memory, "a", 7, 1, 0);
  EXPECT_EQ(source(memory, "a", 1'000'000'000), 7U);
}

TEST(RoutingMemory, AnIdThatTwoHaveUsedIsFollowedNoMore) {
  RoutingMemory memory(1 << 20, secret);
  remember(memory, "a", 7);
  EXPECT_EQ(remember(memory, "a", 8), Remembered::ambiguous);
  EXPECT_EQ(source(memory, "a"), std::nullopt);
  EXPECT_EQ(remember(memory, "a", 7), Remembered::ambiguous) << "not even for the first";
  EXPECT_EQ(source(memory, "a"), std::nullopt);
}

TEST(RoutingMemory, PushesOutTheOldest) {
  RoutingMemory memory(128, secret);  // one bucket: every id has the same eight places
  for (uint32_t i = 0; i < 8; ++i) EXPECT_EQ(remember(memory, std::to_string(i), i, 1 + i), Remembered::anew);
  EXPECT_EQ(remember(memory, "new", 9, 10), Remembered::evicted);
  EXPECT_EQ(source(memory, "0", 10), std::nullopt);
  for (uint32_t i = 1; i < 8; ++i) EXPECT_EQ(source(memory, std::to_string(i), 10), i);
  EXPECT_EQ(remember(memory, "newer", 9, 102), Remembered::anew) << "an expired one is free";
}

TEST(RoutingMemory, PushesOutTheOldestWhereverItStands) {
  for (const auto writers : {RoutingMemory::Writers::one, RoutingMemory::Writers::several}) {
    for (uint32_t oldest = 0; oldest < 8; ++oldest) {
      RoutingMemory memory(128, secret, writers);
      for (uint32_t i = 0; i < 8; ++i) remember(memory, std::to_string(i), i, i == oldest ? 1 : 20 - i);
      EXPECT_EQ(remember(memory, "new", 9, 20), Remembered::evicted);
      for (uint32_t i = 0; i < 8; ++i)
        EXPECT_EQ(source(memory, std::to_string(i), 20), i == oldest ? std::nullopt : std::optional(i));
      EXPECT_EQ(source(memory, "new", 20), 9U);
      EXPECT_EQ(remember(memory, "new", 9, 20), Remembered::refreshed);
      EXPECT_EQ(remember(memory, "new", 8, 20), Remembered::ambiguous);
      EXPECT_TRUE(memory.is_ambiguous(memory.key(0, Way::inbound, "new"), 20));
    }
  }
}

TEST(RoutingMemory, HoldsMostOfWhatItIsMadeFor) {
  RoutingMemory memory(1 << 20, secret);
  const size_t half = memory.entries_max() / 2;
  for (size_t i = 0; i < half; ++i) remember(memory, "id" + std::to_string(i), static_cast<EndpointId>(i % 100));
  size_t lost = 0;
  for (size_t i = 0; i < half; ++i) {
    const auto found = source(memory, "id" + std::to_string(i));
    if (!found) {
      ++lost;
    } else {
      EXPECT_EQ(*found, i % 100);
    }
  }
  EXPECT_LT(lost, half / 50) << "half full, hardly anything is pushed out";
}

// Several lanes write and read at once: whatever is found for an id is what somebody said of this id.
TEST(RoutingMemory, NeverMixesTwoIds) {
  RoutingMemory memory(64 * 8, secret);  // 32 entries: everything fights for them
  constexpr EndpointId ids = 200;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> found{0};
  const auto write = [&](EndpointId first) {
    for (uint32_t round = 0; round < 300; ++round)
      for (EndpointId i = first; i < ids; i += 2) remember(memory, "id" + std::to_string(i), i, 1 + round, 1000);
  };
  const auto read = [&] {
    bool last = false;
    do {
      last = stop;  // on a busy machine the writers may be done before this begins
      for (EndpointId i = 0; i < ids; ++i)
        if (const auto who = source(memory, "id" + std::to_string(i))) {
          EXPECT_EQ(*who, i);
          ++found;
        }
    } while (!last);
  };
  std::thread reader(read);
  std::thread even(write, 0);
  std::thread odd(write, 1);
  even.join();
  odd.join();
  stop = true;
  reader.join();
  EXPECT_GT(found, 0U);
}

}  // namespace
}  // namespace signalbox
