// Runs the case files of middleware_cases: what each piece makes of messages, as data.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <variant>

#include "broker/configuration_toml.hpp"
#include "tests/routers/middleware_harness.hpp"

namespace signalbox::testing {
namespace {

struct Step {
  std::string it;
  std::string what;
  std::string pass;
  std::string connector;
  int64_t at_s = 0;
  Json message;
  Json becomes;  // the fields that are other afterwards
};

struct Group {
  std::string file;
  std::string name;
  std::string middleware;
  std::string options;
  bool goes_on = false;  // each case goes on where the one before it ended
  std::vector<Step> steps;
};

void PrintTo(const Group& group, std::ostream* out) {
  *out << group.file << ": " << group.name;
}

std::string text_at(const Setting& table, std::string_view key) {
  const Setting* setting = table.find(key);
  return setting == nullptr ? "" : setting->text;
}

Json json_at(const Setting& table, std::string_view key) {
  const Setting* setting = table.find(key);
  return setting == nullptr ? Json::object() : Json::parse(setting->text);
}

Direction direction_of(const std::string& what) {
  if (what == "inbound") return Direction::inbound;
  if (what == "event") return Direction::event;
  if (what == "outbound") return Direction::outbound;
  throw std::runtime_error("what must be inbound, event or outbound, not " + what);
}

Group read_group(const std::string& file, const Setting& table) {
  Group group{.file = file,
              .name = text_at(table, "name"),
              .middleware = text_at(table, "middleware"),
              .options = text_at(table, "options"),
              .goes_on = table.find("goes_on") != nullptr,
              .steps = {}};
  for (const Setting& entry : table.find("case")->items) {
    const Setting* at = entry.find("at");
    group.steps.push_back({.it = text_at(entry, "it"),
                           .what = text_at(entry, "what"),
                           .pass = text_at(entry, "pass"),
                           .connector = text_at(entry, "connector"),
                           .at_s = at == nullptr ? 0 : at->integer,
                           .message = json_at(entry, "message"),
                           .becomes = json_at(entry, "becomes")});
  }
  return group;
}

std::vector<Group> all_groups() {
  std::vector<Group> groups;
  for (const auto& entry : std::filesystem::directory_iterator(SIGNALBOX_MIDDLEWARE_CASES)) {
    std::ifstream stream(entry.path());
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    const auto file = parse_toml(text);
    if (const Fault* fault = std::get_if<Fault>(&file))
      throw std::runtime_error(to_line(entry.path().string(), *fault));
    for (const Setting& table : std::get<Setting>(file).find("group")->items)
      groups.push_back(read_group(entry.path().stem(), table));
  }
  return groups;
}

class MiddlewareCase : public ::testing::TestWithParam<Group> {};

void check(MiddlewareHarness& harness, const Step& step, Pass pass) {
  const Direction direction = direction_of(step.what);
  const Json before = whole_message(direction, step.message);
  Json expected = before;
  expected.update(step.becomes);
  const Time now{.monotonic_ms = static_cast<uint64_t>(step.at_s + 1'000'000) * 1000, .wall_us = step.at_s * 1'000'000};
  EXPECT_EQ(harness.pass(pass, direction, step.connector, before, now), expected)
      << step.it << (pass == Pass::entering ? " (entering)" : " (leaving)");
}

// A case without `pass` says what happens on each of the two.
TEST_P(MiddlewareCase, MakesOfMessagesWhatItSays) {
  const Group& group = GetParam();
  auto harness = std::make_unique<MiddlewareHarness>(group.middleware, group.options);
  ASSERT_FALSE(group.steps.empty());
  for (const Step& step : group.steps) {
    for (const Pass pass : {Pass::entering, Pass::leaving}) {
      if (!step.pass.empty() && (step.pass == "entering") != (pass == Pass::entering)) continue;
      if (!group.goes_on) harness = std::make_unique<MiddlewareHarness>(group.middleware, group.options);
      check(*harness, step, pass);
    }
  }
}

std::string test_name(const ::testing::TestParamInfo<Group>& info) {
  std::string name = info.param.file + '_' + info.param.name;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name + '_' + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(CaseFiles, MiddlewareCase, ::testing::ValuesIn(all_groups()), test_name);

}  // namespace
}  // namespace signalbox::testing
