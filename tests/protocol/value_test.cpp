#include "protocol/value.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "protocol/limits.hpp"
#include "tests/protocol/bytes.hpp"
#include "tests/protocol/oracle.hpp"

namespace signalbox {
namespace {

std::optional<size_t> end_of(Bytes bytes) {
  const char* const behind = value::skip(bytes.data(), bytes.data() + bytes.size());
  if (behind == nullptr) return std::nullopt;
  return static_cast<size_t>(behind - bytes.data());
}

TEST(Value, EveryTagEndsWhereTheOracleSays) {
  for (unsigned tag = 0; tag < 256; ++tag) {
    for (size_t behind = 0; behind < 40; ++behind) {
      for (const char filling : {'\x00', '\x01', '\xc1', '\xc0'}) {
        const std::string bytes =
            std::string(1, static_cast<char>(static_cast<unsigned char>(tag))) + std::string(behind, filling);
        const oracle::Boundary expected = oracle::boundary(bytes);
        ASSERT_EQ(end_of(bytes), expected.whole ? std::optional(expected.bytes) : std::nullopt) << tag << " " << behind;
      }
    }
  }
}

TEST(Value, CountsThatLieAreNotBelieved) {
  for (const char* head : {"df ff ff ff ff", "dd ff ff ff ff", "de ff ff", "dc ff ff", "8f", "9f", "db ff ff ff ff",
                           "c6 ff ff ff ff", "c9 ff ff ff ff 01"})
    EXPECT_EQ(end_of(from_hex(head) + std::string(14, '\x01')), std::nullopt) << head;
  // Counts within counts, whose sum would not fit 32 bits, at a depth where only the sum is kept.
  std::string bytes = std::string(40, '\x91');
  for (int i = 0; i < 20; ++i) bytes += from_hex("df ff ff ff ff");
  EXPECT_EQ(end_of(bytes), std::nullopt);
}

TEST(Value, DepthIsToldAndPassedAtAnyDepth) {
  for (const unsigned levels : {1U, 2U, 31U, 32U, 33U, 34U, 64U, 65U, 1'000'000U}) {
    const std::string bytes = nested(levels);
    const value::End end = value::skip(bytes.data(), bytes.data() + bytes.size(), 1);
    EXPECT_EQ(end.behind, bytes.data() + bytes.size()) << levels;
    EXPECT_EQ(end.too_deep, levels > limits::nesting_levels_max) << levels;
    EXPECT_EQ(end_of(bytes.substr(0, bytes.size() - 1)), std::nullopt);
  }
  // An empty map is a level too.
  const std::string bytes = std::string(32, '\x91') + "\x80";
  EXPECT_TRUE(value::skip(bytes.data(), bytes.data() + bytes.size(), 1).too_deep);
  EXPECT_FALSE(value::skip(bytes.data() + 1, bytes.data() + bytes.size(), 1).too_deep);
}

TEST(Value, NumbersOfAnyWidthButNoneBelowZero) {
  const auto number_of = [](std::string_view hex) -> std::optional<uint64_t> {
    const std::string bytes = from_hex(hex);
    uint64_t number = 0;
    if (value::read_unsigned(bytes.data(), bytes.data() + bytes.size(), number) == nullptr) return std::nullopt;
    return number;
  };
  for (const char* seven : {"07", "cc 07", "cd 00 07", "ce 00 00 00 07", "cf 00 00 00 00 00 00 00 07", "d0 07",
                            "d1 00 07", "d2 00 00 00 07", "d3 00 00 00 00 00 00 00 07"})
    EXPECT_EQ(number_of(seven), 7U) << seven;
  EXPECT_EQ(number_of("cf ff ff ff ff ff ff ff ff"), UINT64_MAX);
  EXPECT_EQ(number_of("cc ff"), 255U);
  for (const char* no : {"ff", "e0", "d0 ff", "d1 80 00", "d2 ff ff ff ff", "d3 80 00 00 00 00 00 00 00", "c0", "c2",
                         "c3", "ca 3f 80 00 00", "cb 3f f0 00 00 00 00 00 00", "a1 31", "90", "cd 00", "cc", ""})
    EXPECT_EQ(number_of(no), std::nullopt) << no;
}

}  // namespace
}  // namespace signalbox
