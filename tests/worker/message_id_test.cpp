#include "worker/message_id.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace signalbox {
namespace {

bool is_hexadecimal(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return std::strchr("0123456789abcdef", c) != nullptr; });
}

TEST(MessageId, IdsAreRandomUuids) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = new_message_id();
    ASSERT_EQ(id.size(), 32u);
    ASSERT_TRUE(is_hexadecimal(id));
    ASSERT_EQ(id[12], '4');
    ASSERT_NE(std::string("89ab").find(id[16]), std::string::npos);
    ASSERT_TRUE(seen.insert(id).second);
  }
}

TEST(MessageId, AForkedChildMakesOtherIds) {
  EXPECT_EQ(new_message_id().size(), message_id_bytes);
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string id = new_message_id();
    _exit(write(pipe_ends[1], id.data(), id.size()) == 32 ? 0 : 1);
  }
  char id[32] = {};
  EXPECT_EQ(read(pipe_ends[0], id, sizeof id), 32);
  EXPECT_NE(std::string(id, sizeof id), new_message_id());
  int status = 1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

TEST(MessageId, ThreadsMakeDifferentOnes) {
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (auto& ids : made) {
    threads.emplace_back([&ids] {
      for (int i = 0; i < 2000; ++i) ids.push_back(new_message_id());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& ids : made) all.insert(ids.begin(), ids.end());
  EXPECT_EQ(all.size(), 8000u);
}

// Each digit of an id takes all the values that its place has, about equally often: ids that differ in a few places
// only would fill one corner of the routing memory.
TEST(MessageId, EveryDigitVaries) {
  constexpr int made = 4096;
  std::vector<std::vector<int>> counts(message_id_bytes, std::vector<int>(128));
  for (int i = 0; i < made; ++i) {
    const std::string id = new_message_id();
    for (size_t place = 0; place < id.size(); ++place) ++counts[place][static_cast<size_t>(id[place])];
  }
  for (size_t place = 0; place < message_id_bytes; ++place) {
    const std::string_view digits = place == 12 ? "4" : place == 16 ? "89ab" : "0123456789abcdef";
    const int expected = made / static_cast<int>(digits.size());
    for (const char digit : digits) {
      EXPECT_GT(counts[place][static_cast<size_t>(digit)], expected / 2) << digit << " at " << place;
    }
  }
}

}  // namespace
}  // namespace signalbox
