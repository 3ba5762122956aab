#include "broker/core/segment.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace signalbox {
namespace {

TEST(SegmentPool, GivesAtLeastWhatIsAskedForAndKnowsWhatIsOut) {
  SegmentPool pool;
  for (const size_t bytes : {1UL, 1024UL, 1025UL, 5000UL, 32768UL, 40'000UL, 65'536UL, 65'537UL, 1'000'000UL}) {
    Block* const block = pool.take(bytes);
    EXPECT_GE(block->capacity, bytes);
    EXPECT_EQ(pool.bytes_in_use(), block->capacity);
    std::memset(block->data(), 0x55, block->capacity);
    ::signalbox::Run::drop(block);
    pool.collect();
    EXPECT_EQ(pool.bytes_in_use(), 0U);
  }
}

TEST(SegmentPool, UsesABlockAgain) {
  SegmentPool pool;
  Block* const first = pool.take(4096);
  ::signalbox::Run::drop(first);
  Block* const second = pool.take(4096);
  EXPECT_EQ(first, second);
  ::signalbox::Run::drop(second);
}

TEST(SegmentPool, ABlockLivesAsLongAsItsLastRun) {
  SegmentPool pool;
  Block* const block = pool.take(64);
  std::memcpy(block->data(), "hello", 5);
  {
    ::signalbox::Run run(block, {block->data(), 5});
    ::signalbox::Run::drop(block);  // the queue is done with it
    pool.collect();
    EXPECT_EQ(pool.bytes_in_use(), block->capacity);
    EXPECT_EQ(run.bytes(), "hello");
    const ::signalbox::Run moved = std::move(run);
    EXPECT_TRUE(run.empty());
    EXPECT_EQ(moved.bytes(), "hello");
  }
  pool.collect();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(SegmentPool, TakesBlocksBackFromOtherThreads) {
  SegmentPool pool;
  constexpr int rounds = 2000;
  std::atomic<Block*> box{nullptr};
  std::thread sender([&] {
    for (int i = 0; i < rounds; ++i) {
      Block* block = nullptr;
      while ((block = box.exchange(nullptr)) == nullptr) std::this_thread::yield();
      EXPECT_EQ(block->data()[0], 'x');
      ::signalbox::Run::drop(block);
    }
  });
  for (int i = 0; i < rounds; ++i) {
    Block* const block = pool.take(2048);
    block->data()[0] = 'x';
    while (box.load() != nullptr) std::this_thread::yield();
    box.store(block);
  }
  sender.join();
  pool.collect();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

}  // namespace
}  // namespace signalbox
