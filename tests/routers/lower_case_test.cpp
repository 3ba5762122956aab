// Lower-casing beside Python's, whose str.lower() is what keywords went by before: every character there is, and words
// in which the neighbours of a character count. lower_case_table.py has written the table down.
#include "routers/lower_case.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace signalbox {
namespace {

std::string utf8(uint32_t point) {
  const auto byte = [](uint32_t value) { return static_cast<char>(value); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xc0 | point >> 6), byte(0x80 | (point & 0x3f))};
  if (point < 0x10000) return {byte(0xe0 | point >> 12), byte(0x80 | (point >> 6 & 0x3f)), byte(0x80 | (point & 0x3f))};
  return {byte(0xf0 | point >> 18), byte(0x80 | (point >> 12 & 0x3f)), byte(0x80 | (point >> 6 & 0x3f)),
          byte(0x80 | (point & 0x3f))};
}

std::string utf8(const std::string& hexadecimal) {
  std::istringstream points(hexadecimal);
  std::string text;
  for (uint32_t point = 0; points >> std::hex >> point;) text += utf8(point);
  return text;
}

std::map<std::string, std::string> python_table() {
  std::ifstream file(SIGNALBOX_LOWER_CASE_TABLE);
  std::map<std::string, std::string> table;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const size_t equals = line.find(" = ");
    table[utf8(line.substr(0, equals))] = utf8(line.substr(equals + 3));
  }
  return table;
}

TEST(LowerCase, IsPythonsForEveryCharacter) {
  const auto table = python_table();
  ASSERT_GT(table.size(), 1800u);
  LowerCase lower_case;
  size_t changed = 0;
  for (uint32_t point = 0; point <= 0x10ffff; ++point) {
    if (point >= 0xd800 && point <= 0xdfff) continue;  // half a character each, which UTF-8 does not have
    const std::string character = utf8(point);
    const auto entry = table.find(character);
    const std::string wanted = entry == table.end() ? character : entry->second;
    ASSERT_EQ(lower_case(character), wanted) << std::hex << point;
    if (wanted != character) ++changed;
  }
  EXPECT_GT(changed, 1300u);
}

TEST(LowerCase, IsPythonsForWords) {
  LowerCase lower_case;
  for (const auto& [word, wanted] : python_table()) {
    ASSERT_EQ(lower_case(word), wanted) << word;
    // Its length and what stood in the buffer before have no part in it.
    const std::string longer = std::string(300, 'X') + ' ' + word;
    ASSERT_EQ(lower_case(longer), std::string(300, 'x') + ' ' + wanted) << word;
  }
}

TEST(LowerCase, GivesBackTheTextItselfWhereNothingChanges) {
  LowerCase lower_case;
  const std::string text = "stop 123 #*\t";
  EXPECT_EQ(lower_case(text).data(), text.data());
  EXPECT_EQ(lower_case(""), "");
}

TEST(LowerCase, AsciiKeepsAllButItsCapitals) {
  std::string all;
  std::string wanted;
  for (char c = 0; c < 127; ++c) {
    all += c;
    wanted += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  EXPECT_EQ(LowerCase()(all), wanted);
}

// The character that grows most: two bytes become three.
TEST(LowerCase, HasRoomForATextThatGrows) {
  LowerCase lower_case;
  std::string text;
  std::string wanted;
  for (int i = 0; i < 100'000; ++i) {
    text += "\u023A\u0130";
    wanted += "\u2C65i\u0307";
  }
  EXPECT_EQ(lower_case(text), wanted);
}

TEST(LowerCase, LeavesBytesThatAreNoUtf8) {
  LowerCase lower_case;
  EXPECT_EQ(lower_case("A\xff\xc3"), "a\xff\xc3");
}

}  // namespace
}  // namespace signalbox
