#include "protocol/rewrite.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/protocol/bytes.hpp"
#include "tests/protocol/oracle.hpp"

namespace signalbox {
namespace {

using Operation = Edit::Operation;
using Path = std::array<std::string_view, Edit::path_keys_max>;

std::string text(std::string_view words) {
  std::string out;
  append_text(out, words);
  return out;
}

// The message after the change, in the oracle's eyes right; "unchanged" where it does not fit.
std::string after(const std::string& message, Operation operation, const Path& path, const std::string& value = {}) {
  const Edit edit{operation, path, value};
  EXPECT_EQ(oracle::rewrite_difference(message, edit), "");
  std::string rewritten = message;
  if (!rewrite(rewritten, edit)) return "unchanged";
  return rewritten;
}

TEST(Rewrite, SetReplacesInPlace) {
  const std::string before = from_hex("83 a1 61 01 a1 62 a3 6f 6c 64 a1 63 03");
  EXPECT_EQ(after(before, Operation::set, {"b"}, text("longer")),
            from_hex("83 a1 61 01 a1 62 a6 6c 6f 6e 67 65 72 a1 63 03"));
  EXPECT_EQ(after(before, Operation::set, {"b"}, "\xc0"), from_hex("83 a1 61 01 a1 62 c0 a1 63 03"));
  EXPECT_EQ(after(before, Operation::set, {"c"}, text("")), from_hex("83 a1 61 01 a1 62 a3 6f 6c 64 a1 63 a0"));
}

TEST(Rewrite, SetAddsAtTheEnd) {
  EXPECT_EQ(after(from_hex("80"), Operation::set, {"a"}, "\x01"), from_hex("81 a1 61 01"));
  EXPECT_EQ(after(from_hex("81 a1 61 01"), Operation::set, {"b"}, "\x02"), from_hex("82 a1 61 01 a1 62 02"));
}

TEST(Rewrite, NilIsReplacedWhereItStands) {
  EXPECT_EQ(after(from_hex("82 a1 61 c0 a1 62 02"), Operation::set, {"a"}, "\x01"), from_hex("82 a1 61 01 a1 62 02"));
  EXPECT_EQ(after(from_hex("82 a1 61 c0 a1 62 02"), Operation::set, {"a", "x", "y"}, "\x01"),
            from_hex("82 a1 61 81 a1 78 81 a1 79 01 a1 62 02"));
  EXPECT_EQ(after(from_hex("82 a1 61 c0 a1 62 02"), Operation::push, {"a"}, "\x01"),
            from_hex("82 a1 61 91 01 a1 62 02"));
}

TEST(Rewrite, NestedMapsAreReachedAndAdded) {
  EXPECT_EQ(after(from_hex("82 a1 61 81 a1 78 01 a1 62 02"), Operation::set, {"a", "x"}, text("s")),
            from_hex("82 a1 61 81 a1 78 a1 73 a1 62 02"));
  // Added at the end of the inner map, before what follows it.
  EXPECT_EQ(after(from_hex("82 a1 61 81 a1 78 01 a1 62 02"), Operation::set, {"a", "y"}, "\x03"),
            from_hex("82 a1 61 82 a1 78 01 a1 79 03 a1 62 02"));
  EXPECT_EQ(after(from_hex("81 a1 61 01"), Operation::set, {"b", "c", "d", "e"}, "\x02"),
            from_hex("82 a1 61 01 a1 62 81 a1 63 81 a1 64 81 a1 65 02"));
}

TEST(Rewrite, APathThroughAnotherTypeDoesNotFit) {
  for (const char* value : {"01", "a1 78", "90", "c4 01 00", "c3"}) {
    const std::string before = from_hex("81 a1 61") + from_hex(value);
    EXPECT_EQ(after(before, Operation::set, {"a", "b"}, "\x01"), "unchanged");
    EXPECT_EQ(after(before, Operation::pop, {"a", "b"}), "unchanged");
    EXPECT_EQ(after(before, Operation::merge, {"a"}, "\x80"), "unchanged");
  }
  EXPECT_EQ(after(from_hex("81 a1 61 80"), Operation::push, {"a"}, "\x01"), "unchanged");
  EXPECT_EQ(after(from_hex("81 a1 61 80"), Operation::pop, {"a"}), "unchanged");
  EXPECT_EQ(after(from_hex("81 a1 61 80"), Operation::merge, {"a"}, "\x01"), "unchanged");
}

TEST(Rewrite, TheWholeMessageCanOnlyBeMergedInto) {
  const std::string before = from_hex("81 a1 61 01");
  EXPECT_EQ(after(before, Operation::merge, {}, from_hex("82 a1 61 02 a1 62 03")), from_hex("82 a1 61 02 a1 62 03"));
  EXPECT_EQ(after(before, Operation::set, {}, from_hex("80")), "unchanged");
  EXPECT_EQ(after(before, Operation::push, {}, "\x01"), "unchanged");
  EXPECT_EQ(after(before, Operation::pop, {}), "unchanged");
  std::string no_map = "\x01";
  EXPECT_FALSE(rewrite(no_map, {Operation::set, {"a"}, "\x01"}));
}

TEST(Rewrite, OfAKeyGivenTwiceTheFirstChanges) {
  EXPECT_EQ(after(from_hex("82 a1 61 01 a1 61 02"), Operation::set, {"a"}, "\x07"), from_hex("82 a1 61 07 a1 61 02"));
}

TEST(Rewrite, KeysAreFoundWhateverTheirHeads) {
  EXPECT_EQ(after(from_hex("82 07 01 d9 01 61 01"), Operation::set, {"a"}, "\x02"), from_hex("82 07 01 d9 01 61 02"));
  EXPECT_EQ(after(from_hex("81 c4 01 61 01"), Operation::set, {"a"}, "\x02"), from_hex("82 c4 01 61 01 a1 61 02"));
}

TEST(Rewrite, PushAndPop) {
  const std::string before = from_hex("82 a1 61 92 01 02 a1 62 02");
  const std::string pushed = from_hex("82 a1 61 93 01 02 a1 78 a1 62 02");
  EXPECT_EQ(after(before, Operation::push, {"a"}, text("x")), pushed);
  EXPECT_EQ(after(pushed, Operation::pop, {"a"}), before);
  EXPECT_EQ(after(from_hex("81 a1 61 90"), Operation::pop, {"a"}), from_hex("81 a1 61 90"));
  EXPECT_EQ(after(from_hex("81 a1 61 c0"), Operation::pop, {"a"}), from_hex("81 a1 61 c0"));
  EXPECT_EQ(after(from_hex("80"), Operation::pop, {"a", "b"}), from_hex("80"));
  EXPECT_EQ(after(from_hex("80"), Operation::push, {"a", "b"}, "\x01"), from_hex("81 a1 61 81 a1 62 91 01"));
  // A wide head stays wide.
  EXPECT_EQ(after(from_hex("81 a1 61 dc 00 01 07"), Operation::pop, {"a"}), from_hex("81 a1 61 dc 00 00"));
}

TEST(Rewrite, MergeIsDeep) {
  const std::string before = from_hex("82 a1 61 82 a1 78 01 a1 79 81 a1 70 01 a1 62 02");
  // {"x": 9, "y": {"q": 2}, "z": nil}
  const std::string patch = from_hex("83 a1 78 09 a1 79 81 a1 71 02 a1 7a c0");
  EXPECT_EQ(after(before, Operation::merge, {"a"}, patch),
            from_hex("82 a1 61 83 a1 78 09 a1 79 82 a1 70 01 a1 71 02 a1 7a c0 a1 62 02"));
  // A map in place of another value, and the other way round.
  EXPECT_EQ(after(before, Operation::merge, {"a"}, from_hex("82 a1 78 81 a1 70 01 a1 79 05")),
            from_hex("82 a1 61 82 a1 78 81 a1 70 01 a1 79 05 a1 62 02"));
  EXPECT_EQ(after(from_hex("80"), Operation::merge, {"a", "b"}, patch), from_hex("81 a1 61 81 a1 62") + patch);
  EXPECT_EQ(after(before, Operation::merge, {"a"}, from_hex("80")), before);
}

// A map or array with `count` entries or items, and one more: the head widens from 15 to 16 and from 65535 to 65536.
std::string map_with(size_t count) {
  std::string out = pack([&](auto& p) { p.pack_map(static_cast<uint32_t>(count)); });
  for (size_t i = 0; i < count; ++i) out += pack([&](auto& p) { p.pack(i).pack_nil(); });
  return out;
}

TEST(Rewrite, HeadsWidenAsMapsGrow) {
  for (const size_t count : {14U, 15U, 16U, 65'534U, 65'535U, 65'536U}) {
    std::string grown = map_with(count);
    ASSERT_TRUE(rewrite(grown, {Operation::set, {"a"}, "\x01"}));
    const std::string expected_head = pack([&](auto& p) { p.pack_map(static_cast<uint32_t>(count + 1)); });
    EXPECT_EQ(grown.substr(0, expected_head.size()), expected_head) << count;
    const size_t old_head = count <= 15 ? 1 : count <= 65'535 ? 3 : 5;
    EXPECT_EQ(grown.substr(expected_head.size()), map_with(count).substr(old_head) + from_hex("a1 61 01"));
  }
}

TEST(Rewrite, HeadsWidenAsArraysGrow) {
  for (const size_t count : {15U, 65'535U}) {
    const std::string head = count == 15 ? from_hex("9f") : from_hex("dc ff ff");
    const std::string wide = count == 15 ? from_hex("dc 00 10") : from_hex("dd 00 01 00 00");
    const std::string items(count, '\x07');
    std::string message = from_hex("82 a1 61") + head + items + from_hex("a1 62 01");
    const std::string before = message;
    ASSERT_TRUE(rewrite(message, {Operation::push, {"a"}, "\x08"}));
    EXPECT_EQ(message, from_hex("82 a1 61") + wide + items + "\x08" + from_hex("a1 62 01"));
    ASSERT_TRUE(rewrite(message, {Operation::pop, {"a"}, {}}));
    EXPECT_EQ(message.substr(3 + wide.size()), before.substr(3 + head.size()));
  }
}

TEST(Rewrite, AWideHeadNeedNotBeWidened) {
  EXPECT_EQ(after(from_hex("de 00 00"), Operation::set, {"a"}, "\x01"), from_hex("de 00 01 a1 61 01"));
  EXPECT_EQ(after(from_hex("df 00 00 00 00"), Operation::set, {"a"}, "\x01"), from_hex("df 00 00 00 01 a1 61 01"));
}

TEST(Rewrite, WithRoomToSpareNothingIsAllocated) {
  std::string message = from_hex("82 a1 61 c0 a1 62 02");
  message.reserve(200);
  const char* const place = message.data();
  ASSERT_TRUE(rewrite(message, {Operation::set, {"a"}, text("some text")}));
  ASSERT_TRUE(rewrite(message, {Operation::set, {"c", "d"}, text("some text")}));
  ASSERT_TRUE(rewrite(message, {Operation::push, {"e"}, text("some text")}));
  ASSERT_TRUE(rewrite(message, {Operation::merge, {"c"}, from_hex("81 a1 66 01")}));
  EXPECT_EQ(message.data(), place);
}

TEST(AppendText, TakesTheShortestHead) {
  for (const size_t bytes : {0U, 31U, 32U, 255U, 256U, 65'535U, 65'536U}) {
    const std::string words(bytes, 'x');
    EXPECT_EQ(text(words), pack([&](auto& p) { p.pack(words); })) << bytes;
  }
}

TEST(FindValue, FollowsAPath) {
  const std::string message = from_hex("82 a1 61 81 a1 78 93 01 02 03 a1 62 c0");
  EXPECT_EQ(find_value(message, {"a", "x"}), from_hex("93 01 02 03"));
  EXPECT_EQ(find_value(message, {"a", "x"}).data(), message.data() + 6);
  EXPECT_EQ(find_value(message, {"a"}), from_hex("81 a1 78 93 01 02 03"));
  EXPECT_EQ(find_value(message, {"b"}), from_hex("c0"));
  EXPECT_EQ(find_value(message, {"c"}), "");
  EXPECT_EQ(find_value(message, {"b", "x"}), "");
  EXPECT_EQ(find_value(message, {"a", "x", "y"}), "");
  EXPECT_EQ(find_value(message, {}), message);
}

}  // namespace
}  // namespace signalbox
