#include "worker/timestamp.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>

namespace signalbox {
namespace {

using namespace std::chrono;

TEST(Timestamp, IsUtcInVumisFormat) {
  const auto now = system_clock::now();
  const std::string text = timestamp_now();
  ASSERT_EQ(text.size(), std::string("2026-01-31 23:59:59.000000").size());
  std::tm parsed{};
  ASSERT_STREQ(strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &parsed), text.c_str() + 19);
  const auto difference = timegm(&parsed) - system_clock::to_time_t(now);
  EXPECT_GE(difference, 0);
  EXPECT_LE(difference, 60);
  EXPECT_EQ(text[19], '.');
  EXPECT_TRUE(std::all_of(text.begin() + 20, text.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

TEST(Timestamp, OfAGivenMoment) {
  const TimePoint time = sys_days(year(2024) / 2 / 29) + hours(23) + minutes(59) + seconds(58) + microseconds(70'809);
  EXPECT_EQ(to_timestamp(time), "2024-02-29 23:59:58.070809");
  EXPECT_EQ(to_timestamp(time + seconds(2)), "2024-03-01 00:00:00.070809") << "the next day";
  EXPECT_EQ(to_timestamp(time), "2024-02-29 23:59:58.070809") << "and back";
  EXPECT_EQ(to_timestamp(time + nanoseconds(999)), "2024-02-29 23:59:58.070809");
  EXPECT_EQ(to_timestamp(sys_days(year(1969) / 12 / 31) + microseconds(1)), "1969-12-31 00:00:00.000001");
}

TEST(Timestamp, WhatIsWrittenIsRead) {
  for (const auto offset : {0LL, 1LL, 999'999LL, 86'399'999'999LL, 1'709'251'199'123'456LL, -1LL, -86'400'000'001LL}) {
    const TimePoint time{microseconds(offset)};
    EXPECT_EQ(parse_timestamp(to_timestamp(time)), time) << offset;
  }
}

TEST(Timestamp, TheFractionAndTheZMayBeLeftOut) {
  const TimePoint second = sys_days(year(2024) / 3 / 1) + hours(12) + minutes(34) + seconds(56);
  EXPECT_EQ(parse_timestamp("2024-03-01 12:34:56"), second);
  EXPECT_EQ(parse_timestamp("2024-03-01 12:34:56Z"), second);
  EXPECT_EQ(parse_timestamp("2024-03-01 12:34:56.5"), second + milliseconds(500));
  EXPECT_EQ(parse_timestamp("2024-03-01 12:34:56.000007Z"), second + microseconds(7));
}

TEST(Timestamp, AnythingElseIsNone) {
  for (const auto text :
       {"", "2024", "yesterday", "2024-03-01", "2024-03-01T12:34:56", "2024-03-01 12:34", "2024-03-01 12:34:56.",
        "2024-03-01 12:34:56.1234567", "2024-03-01 12:34:56ZZ", "2024-03-01 12:34:56 ", "2024-02-30 12:34:56",
        "2024-13-01 12:34:56", "2024-03-01 24:34:56", "2024-03-01 12:60:56", "2024-03-01 12:34:60", "24-03-01 12:34:56",
        "-024-03-01 12:34:56", "9999-12-31 23:59:59", "0000-01-01 00:00:00"}) {
    EXPECT_FALSE(parse_timestamp(text)) << text;
  }
}

}  // namespace
}  // namespace signalbox
