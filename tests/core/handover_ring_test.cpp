// The queue from one thread to one other.
#include "broker/core/handover_ring.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "broker/core/owned_bytes.hpp"

namespace signalbox {
namespace {

TEST(HandoverRing, IsFullAtItsCapacityAndEmptyAgain) {
  HandoverRing<int> ring(5);
  EXPECT_EQ(ring.capacity(), 8u) << "rounded up to a power of two";
  EXPECT_TRUE(ring.empty());
  int out = -1;
  EXPECT_FALSE(ring.try_pop(out));
  EXPECT_EQ(out, -1);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(ring.has_room());
      EXPECT_TRUE(ring.try_push(int{i}));
    }
    EXPECT_FALSE(ring.has_room());
    EXPECT_FALSE(ring.try_push(99));
    EXPECT_FALSE(ring.empty());
    for (int i = 0; i < 8; ++i) {
      ASSERT_TRUE(ring.try_pop(out));
      EXPECT_EQ(out, i);
    }
    EXPECT_TRUE(ring.empty());
  }
}

TEST(HandoverRing, OneSlotIsEnough) {
  HandoverRing<int> ring(1);
  int out = 0;
  for (int i = 1; i <= 10; ++i) {
    EXPECT_TRUE(ring.try_push(int{i}));
    EXPECT_FALSE(ring.try_push(0));
    ASSERT_TRUE(ring.try_pop(out));
    EXPECT_EQ(out, i);
    EXPECT_FALSE(ring.try_pop(out));
  }
}

TEST(HandoverRing, KeepsNothingOfWhatHasLeftAndTakesNothingThatFoundNoRoom) {
  HandoverRing<std::shared_ptr<int>> ring(1);
  const auto one = std::make_shared<int>(1);
  auto other = std::make_shared<int>(2);
  EXPECT_TRUE(ring.try_push(std::shared_ptr<int>(one)));
  EXPECT_FALSE(ring.try_push(std::move(other)));
  ASSERT_NE(other, nullptr);  // NOLINT(bugprone-use-after-move): what found no room is as it was
  {
    std::shared_ptr<int> out;
    ASSERT_TRUE(ring.try_pop(out));
    EXPECT_EQ(out, one);
  }
  EXPECT_EQ(one.use_count(), 1);
}

// One thread pushes, the other pops; a small ring, so that both ends meet often.
TEST(HandoverRing, AHundredThousandElementsArriveInOrder) {
  constexpr uint64_t count = 100'000;
  HandoverRing<std::unique_ptr<uint64_t>> ring(64);
  std::thread pushing([&] {
    for (uint64_t i = 0; i < count; ++i) {
      auto element = std::make_unique<uint64_t>(i);
      while (!ring.try_push(std::move(element))) std::this_thread::yield();
    }
  });
  std::unique_ptr<uint64_t> element;
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < count; ++i) {
    while (!ring.try_pop(element)) std::this_thread::yield();
    if (*element != i) ++wrong;
  }
  pushing.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(ring.empty());
}

TEST(OwnedBytes, AreLetGoOfOnce) {
  int dropped = 0;
  const auto drop = [](void* owner) { ++*static_cast<int*>(owner); };
  {
    OwnedBytes one("bytes", &dropped, drop);
    OwnedBytes other = std::move(one);
    EXPECT_EQ(other.bytes(), "bytes");
    EXPECT_EQ(one.bytes(), "");  // NOLINT(bugprone-use-after-move): that it is empty is what is asked
    OwnedBytes third;
    third = std::move(other);
    EXPECT_EQ(third.bytes(), "bytes");
    EXPECT_EQ(dropped, 0);
  }
  EXPECT_EQ(dropped, 1);
}

TEST(OwnedBytes, ACopyHasBytesOfItsOwn) {
  std::string text = "some bytes";
  const OwnedBytes copy = OwnedBytes::copy(text);
  text = "others";
  EXPECT_EQ(copy.bytes(), "some bytes");
  EXPECT_EQ(OwnedBytes::copy("").bytes(), "");
}

}  // namespace
}  // namespace signalbox
