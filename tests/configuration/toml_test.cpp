// From text to Settings: order, places, and texts that are no TOML.
#include <gtest/gtest.h>

#include "broker/configuration_toml.hpp"
#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

std::string place(Position where) {
  return std::to_string(where.line) + ':' + std::to_string(where.column);
}

// "key@key place=value place", in order, one level.
std::string outline(const Setting& table) {
  std::string text;
  for (const Setting& item : table.items) {
    if (!text.empty()) text += ' ';
    text += item.key;
    text += '@' + place(item.key_position);
    text += '=' + place(item.position);
  }
  return text;
}

Setting parsed(std::string_view text) {
  auto result = parse_toml(text);
  if (const Fault* fault = std::get_if<Fault>(&result)) throw std::runtime_error(fault->text);
  return std::get<Setting>(std::move(result));
}

TEST(Toml, KeepsTheOrderOfTheFile) {
  EXPECT_EQ(outline(parsed("z = 1\na = 2\nm = 3\n")), "z@1:1=1:5 a@2:1=2:5 m@3:1=3:5");
  EXPECT_EQ(outline(*parsed("t = {z = 1, a = 2}").find("t")), "z@1:6=1:10 a@1:13=1:17");
}

TEST(Toml, GivesThePlacesOfTablesAndTheirKeys) {
  const Setting file = parsed("[b]\n  z = 1\n[a.inner]\nx = 1\n");
  EXPECT_EQ(outline(file), "b@1:2=1:1 a@3:2=3:1");
  EXPECT_EQ(outline(*file.find("a")), "inner@3:4=3:1");
  const Setting list = *parsed("[[d]]\nx = 1\n [[d]]\nx = 2\n").find("d");
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(place(list.items[0].position), "1:1");
  EXPECT_EQ(place(list.items[1].position), "3:2");
}

TEST(Toml, CountsColumnsInCodePoints) {
  EXPECT_EQ(outline(*parsed("t = {\"ä€😀\" = 'ü', b = 2}").find("t")), "ä€😀@1:6=1:14 b@1:19=1:23");
}

TEST(Toml, KnowsEveryType) {
  const Setting file = parsed("a = 'x'\nb = -7\nc = 1.5\nd = true\ne = [1, 'y']\nf = {}\ng = 2024-01-01\n");
  EXPECT_EQ(file.find("a")->text, "x");
  EXPECT_EQ(file.find("b")->integer, -7);
  EXPECT_EQ(file.find("c")->real, 1.5);
  EXPECT_TRUE(file.find("d")->boolean);
  EXPECT_EQ(file.find("e")->items[1].text, "y");
  EXPECT_EQ(file.find("f")->type, Setting::Type::table);
  EXPECT_EQ(file.find("g")->type, Setting::Type::other);
  EXPECT_EQ(file.find("h"), nullptr);
  EXPECT_EQ(file.find("e")->find("a"), nullptr);
}

// Only the first break, whatever else is wrong; the words behind "not TOML: " are the library's.
TEST(Toml, ReportsTheFirstBreakOfWhatIsNoToml) {
  struct Broken {
    std::string text;
    std::string place;
  };
  const Broken all_broken[] = {{"a = 1\nb = é\nc = é\n", "2:5"},
                               {"x = \"ä\" y", "1:9"},
                               {"a = \"\xff\"\n", "1:5"},
                               {"a = 1\na = 2\nunknown = 3\n", "2:5"},
                               {"[broker\n", "1:8"}};
  for (const Broken& broken : all_broken) {
    const Lines lines = faults_of(broken.text);
    ASSERT_EQ(lines.size(), 1u) << broken.text;
    EXPECT_TRUE(lines[0].starts_with(broken.place + " not TOML: ")) << lines[0];
  }
}

}  // namespace
}  // namespace signalbox::testing
