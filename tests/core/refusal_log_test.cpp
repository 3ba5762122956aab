#include "broker/core/refusal_log.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace signalbox {
namespace {

TEST(RefusalLog, KeepsNumbersCodesAndTextsThroughEverything) {
  struct Expected {
    Seq seq;
    RefusalCode code;
    std::string text;
  };
  RefusalLog log;
  std::deque<Expected> model;
  Seq seq = (Seq{1} << 32) - 500;  // its lower half wraps on the way
  uint64_t random = 3;
  for (int step = 0; step < 5000; ++step) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    if (random >> 62 != 0 || model.empty()) {
      seq += 1 + (random >> 40 & 7);
      const Expected next{seq, static_cast<RefusalCode>(random >> 50 & 3), std::to_string(random >> 58 & 1)};
      log.add(next.seq, next.code, next.text);
      model.push_back(next);
    } else {
      log.pop_front();
      model.pop_front();
    }
    ASSERT_EQ(log.size(), model.size());
    for (const size_t i : {size_t{0}, model.size() / 2, model.size() - 1}) {
      if (i >= model.size()) continue;
      ASSERT_EQ(log.seq(i), model[i].seq);
      ASSERT_EQ(log.code(i), model[i].code);
      ASSERT_EQ(log.text(i), model[i].text);
    }
  }
}

}  // namespace
}  // namespace signalbox
