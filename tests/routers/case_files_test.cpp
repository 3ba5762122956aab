// Runs the case files: router behaviour as data, one test for each case.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <variant>

#include "broker/configuration_toml.hpp"
#include "tests/routers/router_harness.hpp"

namespace signalbox::testing {
namespace {

struct Case {
  std::string file;
  std::string it;
  std::string configuration;
  Sample sample;
  std::string goes;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.file << ": " << one.it;
}

std::string text_at(const Setting& table, std::string_view key) {
  const Setting* setting = table.find(key);
  return setting == nullptr ? "" : setting->text;
}

Direction direction_of(const std::string& what) {
  if (what == "inbound") return Direction::inbound;
  if (what == "event") return Direction::event;
  if (what == "outbound") return Direction::outbound;
  throw std::runtime_error("what must be inbound, event or outbound, not " + what);
}

void read_cases(const std::filesystem::path& path, std::vector<Case>& cases) {
  std::ifstream stream(path);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  const auto file = parse_toml(text);
  if (const Fault* fault = std::get_if<Fault>(&file)) throw std::runtime_error(to_line(path.string(), *fault));
  for (const Setting& group : std::get<Setting>(file).find("group")->items) {
    for (const Setting& entry : group.find("case")->items) {
      Case one{.file = path.stem(),
               .it = text_at(entry, "it"),
               .configuration = text_at(group, "configuration"),
               .sample = {},
               .goes = text_at(entry, "goes")};
      one.sample.direction = direction_of(text_at(entry, "what"));
      one.sample.from = text_at(entry, "from");
      one.sample.followed = text_at(entry, "followed");
      if (const Setting* name = entry.find("transport_name")) one.sample.transport_name = name->text;
      cases.push_back(std::move(one));
    }
  }
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto& entry : std::filesystem::directory_iterator(SIGNALBOX_ROUTER_CASES)) read_cases(entry.path(), cases);
  return cases;
}

class RouterCase : public ::testing::TestWithParam<Case> {};

TEST_P(RouterCase, GoesWhereItSays) {
  const Case& one = GetParam();
  RouterHarness harness(one.configuration);
  const std::string went = harness.decide(one.sample);
  // A refusal may go on behind what the case gives; targets must be those, and no more.
  if (one.goes.starts_with("refused ")) {
    EXPECT_EQ(went.substr(0, one.goes.size()), one.goes) << one.it << "\nwhole: " << went;
  } else {
    EXPECT_EQ(went, one.goes) << one.it;
  }
}

std::string test_name(const ::testing::TestParamInfo<Case>& info) {
  std::string name = info.param.file + '_' + info.param.it;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name + '_' + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(CaseFiles, RouterCase, ::testing::ValuesIn(all_cases()), test_name);

}  // namespace
}  // namespace signalbox::testing
