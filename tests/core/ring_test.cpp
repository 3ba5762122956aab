#include "broker/core/ring.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

namespace signalbox {
namespace {

TEST(Ring, KeepsItsOrderWhileItGrowsAndMovesOn) {
  Ring<int> ring;
  std::deque<int> model;
  int next = 0;
  uint64_t random = 1;
  for (int step = 0; step < 10'000; ++step) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    if (random >> 63 || model.empty()) {
      ring.push_back(next);
      model.push_back(next++);
    } else {
      EXPECT_EQ(ring.front(), model.front());
      ring.pop_front();
      model.pop_front();
    }
    ASSERT_EQ(ring.size(), model.size());
    if (!model.empty()) {
      EXPECT_EQ(ring.back(), model.back());
      EXPECT_EQ(ring[model.size() / 2], model[model.size() / 2]);
    }
  }
}

TEST(Ring, RetainsWhatIsAskedFor) {
  Ring<int> ring;
  for (int i = 0; i < 5; ++i) ring.push_back(i);
  for (int i = 0; i < 3; ++i) ring.pop_front();
  for (int i = 5; i < 11; ++i) ring.push_back(i);  // wraps
  ring.retain([](int value) { return value % 2 == 0; });
  ASSERT_EQ(ring.size(), 4U);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(ring[i], static_cast<int>(4 + 2 * i));
}

TEST(Ring, LetsGoOfWhatIsPopped) {
  Ring<std::shared_ptr<int>> ring;
  const auto value = std::make_shared<int>(1);
  ring.push_back(value);
  ring.pop_front();
  EXPECT_EQ(value.use_count(), 1);
}

}  // namespace
}  // namespace signalbox
