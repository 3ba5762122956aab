#include "protocol/text.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "protocol/limits.hpp"

namespace signalbox {
namespace {

TEST(Utf8, AcceptsWhatUnicodeAllows) {
  for (const char* text :
       {"", "a", "12345678", "123456789", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "1234567\xc3\xa9"})
    EXPECT_TRUE(is_utf8(text)) << text;
  EXPECT_TRUE(is_utf8(Bytes("a\0b", 3)));
}

TEST(Utf8, RefusesAllElse) {
  const std::vector<std::string> wrong = {"\x80",              // a continuation alone
                                          "\xc0\x80",          // overlong
                                          "\xc1\xbf",          // overlong
                                          "\xe0\x9f\xbf",      // overlong
                                          "\xf0\x8f\xbf\xbf",  // overlong
                                          "\xed\xa0\x80",      // a surrogate
                                          "\xed\xbf\xbf",      // a surrogate
                                          "\xf4\x90\x80\x80",  // past U+10FFFF
                                          "\xf5\x80\x80\x80",
                                          "\xff",
                                          "\xfe",
                                          "\xc3",
                                          "\xe2\x82",
                                          "\xf0\x9f\x98",
                                          "\xc3(",
                                          "\xe2\x28\xa1",
                                          "\xe2\x82\x28"};
  for (const std::string& bytes : wrong) {
    EXPECT_FALSE(is_utf8(bytes)) << bytes;
    // Wherever the words of the fast path begin and end.
    for (size_t before = 0; before < 20; ++before)
      for (size_t behind = 0; behind < 20; ++behind)
        ASSERT_FALSE(is_utf8(std::string(before, 'x') + bytes + std::string(behind, 'y')));
  }
}

TEST(Utf8, AsciiIsToldAtEveryLength) {
  for (size_t length = 0; length < 40; ++length) {
    std::string text(length, 'x');
    EXPECT_TRUE(is_ascii(text));
    for (size_t i = 0; i < length; ++i) {
      text[i] = '\x80';
      EXPECT_FALSE(is_ascii(text)) << length << " " << i;
      text[i] = 'x';
    }
  }
}

TEST(Name, IsBoundedTextWithoutControlsAndSlash) {
  EXPECT_TRUE(is_name("sms"));
  EXPECT_TRUE(is_name("\xc3\xa9t\xc3\xa9 2"));
  EXPECT_TRUE(is_name(std::string(255, 'n')));
  EXPECT_FALSE(is_name(std::string(256, 'n')));
  EXPECT_FALSE(is_name(""));
  EXPECT_FALSE(is_name("a/b"));
  EXPECT_FALSE(is_name("a\nb"));
  EXPECT_FALSE(is_name(Bytes("a\0b", 3)));
  EXPECT_FALSE(is_name("a\x7f"));
  EXPECT_FALSE(is_name("a\xc2\x85"));
  EXPECT_TRUE(is_name("a\xc2\xa0"));
  EXPECT_FALSE(is_name("a\xff"));
}

TEST(Printable, EscapesWhatEndsALineOrTurnsItAround) {
  EXPECT_EQ(printable("a\xe2\x80\xa8"
                      "b\xe2\x80\xa9"),
            "a\\xe2\\x80\\xa8b\\xe2\\x80\\xa9");
  EXPECT_EQ(printable("\xe2\x80\xae!"), "\\xe2\\x80\\xae!");
  EXPECT_EQ(printable("\xe2\x80\x8e\xe2\x80\xaa\xe2\x81\xa6\xe2\x81\xa9\xd8\x9c"),
            "\\xe2\\x80\\x8e\\xe2\\x80\\xaa\\xe2\\x81\\xa6\\xe2\\x81\\xa9\\xd8\\x9c");
  // Their neighbours stand as they are.
  for (const char* text : {"\xe2\x80\x8d", "\xe2\x80\x90", "\xe2\x80\xa7", "\xe2\x80\xaf", "\xe2\x81\xa5",
                           "\xe2\x81\xaa", "\xd8\x9b", "\xd8\x9d", "\xe2\x82\xae"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, EscapesWhatWouldMoveACursor) {
  EXPECT_EQ(printable("client 1.0 \xe2\x82\xac"), "client 1.0 \xe2\x82\xac");
  EXPECT_EQ(printable("a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
  EXPECT_EQ(printable("\xc2\x9b!"), "\\xc2\\x9b!");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable(std::string(300, 'x')), std::string(limits::peer_text_bytes_max, 'x'));
  const std::string almost(limits::peer_text_bytes_max - 1, 'x');
  EXPECT_EQ(printable(almost + "\xc3\xa9"), almost);
  EXPECT_EQ(printable(almost.substr(1) + "\xc3\xa9z"), almost.substr(1) + "\xc3\xa9");
  EXPECT_LE(printable(std::string(1000, '\n')).size(), 4 * limits::peer_text_bytes_max);
}

// Of every length a difference at every place, and both texts on the heap with nothing behind them, so that the address
// sanitizer sees a byte read too far.
TEST(SameText, LooksAtEveryByteAndNoFurther) {
  for (size_t bytes = 0; bytes <= 40; ++bytes) {
    const auto text = std::make_unique<char[]>(bytes);
    for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i % 26);
    const Bytes a(text.get(), bytes);
    for (size_t other_bytes = 0; other_bytes <= 40; ++other_bytes) {
      const auto other = std::make_unique<char[]>(other_bytes);
      for (size_t i = 0; i < other_bytes; ++i) other[i] = static_cast<char>('a' + i % 26);
      const Bytes b(other.get(), other_bytes);
      EXPECT_EQ(same_text(a, b), bytes == other_bytes);
      if (bytes != other_bytes) continue;
      for (size_t i = 0; i < bytes; ++i) {
        for (const int flipped : {0x01, 0x80}) {
          other[i] = static_cast<char>(text[i] ^ flipped);
          EXPECT_FALSE(same_text(a, b)) << "byte " << i << " of " << bytes;
          EXPECT_FALSE(same_text(b, a)) << "byte " << i << " of " << bytes;
          other[i] = text[i];
        }
      }
    }
  }
  EXPECT_TRUE(same_text(Bytes(), ""));
  // Two differences do not cancel each other out.
  EXPECT_FALSE(same_text("abcdefgh",
                         "ab\x43\x44"
                         "efgh"));
  EXPECT_FALSE(same_text("aaaaaaaabbbbbbbb", "bbbbbbbbaaaaaaaa"));
  EXPECT_FALSE(same_text("abc", "bac"));
}

}  // namespace
}  // namespace signalbox
