#include "worker/encoded_map.hpp"

#include <gtest/gtest.h>

#include <msgpack.hpp>
#include <string>
#include <utility>

#include "protocol/rewrite.hpp"

namespace signalbox {
namespace {

std::string text_entry(std::string_view key, std::string_view text) {
  std::string entry;
  append_text(entry, key);
  append_text(entry, text);
  return entry;
}

// A map16 with `fields` entries "0", "1", …, each its own name.
std::string many_fields(uint32_t fields) {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> packer(buffer);
  packer.pack_map(fields);
  for (uint32_t i = 0; i < fields; ++i) packer.pack(std::to_string(i)).pack(std::to_string(i));
  return {buffer.data(), buffer.size()};
}

TEST(EncodedMap, KeepsEveryByteOfWhatItTakes) {
  const std::string maps[] = {"\x81" + text_entry("a", "b"), std::string("\xde\0\x01", 3) + text_entry("a", "b"),
                              std::string("\xdf\0\0\0\x01", 5) + text_entry("a", "b"),
                              std::string("\x81\xd9\x01") + "a" + "\xda" + std::string("\0\x01", 2) + "b",
                              std::string("\x82\xa1") + "a" + "\x01\xa1" + "a" + "\x02"};
  for (const std::string& bytes : maps) {
    EncodedMap map;
    ASSERT_TRUE(map.assign(bytes));
    EXPECT_EQ(map.bytes(), bytes);
    EXPECT_EQ(map.key(0), "a");
    EXPECT_EQ(map.find("a"), 0u) << "of a key that is given twice the first";
  }
}

// The head that a key has need not be the shortest, and must not be taken for a part of it.
TEST(EncodedMap, FindsAKeyByWhatItSays) {
  EncodedMap map;
  ASSERT_TRUE(map.assign(std::string("\x84\xd9\x05") + "hello" + "\x01" + "\xa6" + "xhello" + "\x02" + "\xa6\x05" +
                         "hello" + "\x03\xa0\x04"));
  EXPECT_EQ(map.find("hello"), 0u);
  EXPECT_EQ(map.find("xhello"), 1u);
  EXPECT_EQ(map.find("\x05hello"), 2u);
  EXPECT_EQ(map.find(""), 3u);
  EXPECT_EQ(map.find("ello"), EncodedMap::none);
  EXPECT_EQ(map.find("hello "), EncodedMap::none);
  EXPECT_EQ(map.key(0), "hello");
  EXPECT_EQ(map.value(3), "\x04");
}

TEST(EncodedMap, FindsKeysOfEveryLength) {
  EncodedMap map;
  for (size_t length = 0; length < 300; ++length) map.append_value(std::string(length, 'k'), "\x07");
  for (size_t length = 0; length < 300; ++length) {
    ASSERT_EQ(map.find(std::string(length, 'k')), length);
    ASSERT_EQ(map.key(length), std::string(length, 'k'));
    std::string other(length, 'k');
    if (length > 0) other[length / 2] = 'o';
    ASSERT_EQ(map.find(other), length > 0 ? EncodedMap::none : 0u);
  }
}

TEST(EncodedMap, TheHeadGrowsAndShrinksWithTheCount) {
  EncodedMap map;
  const auto head = [&] { return static_cast<unsigned char>(map.bytes()[0]); };
  for (int i = 0; i < 15; ++i) map.append_text(std::to_string(i), "x");
  EXPECT_EQ(head(), 0x8f);
  map.append_text("15", "x");
  EXPECT_EQ(head(), 0xde);
  map.erase(3);
  EXPECT_EQ(head(), 0x8f);
  EXPECT_EQ(map.find("3"), EncodedMap::none);
  EXPECT_EQ(map.find("15"), 14u);
  while (map.size() > 0) map.erase(map.size() / 2);
  EXPECT_EQ(map.bytes(), "\x80");
  map.append_text("again", "x");
  EXPECT_EQ(map.bytes(), "\x81" + text_entry("again", "x"));
}

TEST(EncodedMap, HoldsMoreEntriesThanLieInside) {
  for (const uint32_t fields : {31u, 32u, 33u, 48u, 49u, 1000u, 65'535u, 65'536u}) {
    const std::string bytes = many_fields(fields);
    EncodedMap taken;
    ASSERT_TRUE(taken.assign(bytes));
    EncodedMap built;
    const uint32_t step = fields > 1000 ? 997 : 1;  // looking each up would take a while
    for (uint32_t i = 0; i < fields; ++i) built.append_text(std::to_string(i), std::to_string(i));
    EXPECT_EQ(built.bytes(), bytes);
    const EncodedMap copy = taken;
    const EncodedMap moved = std::move(taken);
    EXPECT_EQ(taken.size(), 0u);  // NOLINT(bugprone-use-after-move): left empty
    for (uint32_t i = 0; i < fields; i += step) {
      ASSERT_EQ(copy.find(std::to_string(i)), i);
      ASSERT_EQ(moved.value(i), copy.value(i));
    }
    built.erase(0);
    built.set_text(built.size() - 1, std::string(100, 'y'));
    EXPECT_EQ(built.find("1"), 0u);
    taken = built;
    EXPECT_EQ(taken.bytes(), built.bytes());
  }
}

TEST(EncodedMap, NoCountIsBelieved) {
  for (const char* const head : {"\xdf\xff\xff\xff\xff", "\xdf\x7f\xff\xff\xff", "\xde\xff\xff", "\x8f"}) {
    EncodedMap map;
    EXPECT_FALSE(map.assign(std::string(head) + std::string(12, '\xa0')));
    EXPECT_EQ(map.size(), 0u);
  }
  // Lengths of texts, binaries, extensions and arrays that lie.
  for (const char* const value :
       {"\xdb\xff\xff\xff\xff", "\xda\xff\xff", "\xd9\xff", "\xbf", "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\x01",
        "\xdd\xff\xff\xff\xff", "\xdc\xff\xff", "\xd8\x01", "\xcf", "\xc1"}) {
    EncodedMap map;
    EXPECT_FALSE(map.assign(std::string("\x81\xa1k") + value));
    EXPECT_FALSE(map.assign(std::string("\x81") + value + "\x01")) << "as a key";
  }
}

TEST(EncodedMap, ManyFieldsCutAnywhereAreRefused) {
  const std::string bytes = many_fields(300);
  EncodedMap map;
  for (size_t cut = 0; cut < bytes.size(); cut += 7) {
    const std::string exactly(bytes, 0, cut);  // its own block, so that a read past its end is noticed
    EXPECT_FALSE(map.assign(exactly));
  }
  EXPECT_TRUE(map.assign(bytes));
}

TEST(EncodedMap, IsUsedAgain) {
  EncodedMap map;
  ASSERT_TRUE(map.assign(many_fields(100)));
  ASSERT_TRUE(map.assign("\x81" + text_entry("a", "b")));
  EXPECT_EQ(map.find("a"), 0u);
  EXPECT_EQ(map.find("1"), EncodedMap::none);
  EXPECT_EQ(map.size(), 1u);
  ASSERT_FALSE(map.assign("\x81"));
  EXPECT_EQ(map.bytes(), "\x80");
  ASSERT_TRUE(map.assign("\x80"));
  EXPECT_EQ(map.bytes(), "\x80");
  map.append_text("c", "d");
  EXPECT_EQ(map.bytes(), "\x81" + text_entry("c", "d"));
}

TEST(EncodedMap, GrowsToItsBoundAndNoFurther) {
  EncodedMap map;
  map.append_text("a", "b");
  EXPECT_THROW(map.append("c", EncodedMap::bytes_max), std::length_error);
  EXPECT_THROW(map.append("c", EncodedMap::bytes_max + 1), std::length_error);
  EXPECT_THROW(map.append("c", SIZE_MAX), std::length_error);
  EXPECT_THROW(map.resize_value(0, EncodedMap::bytes_max), std::length_error);
  EXPECT_THROW(map.resize_value(0, SIZE_MAX), std::length_error);
  EXPECT_EQ(map.bytes(), "\x81" + text_entry("a", "b")) << "nothing has changed";
}

}  // namespace
}  // namespace signalbox
