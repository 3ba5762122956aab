// Every sentence that says what is a fault of a configuration, in files that show the fault and its place.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/configuration/fault_file.hpp"

namespace signalbox::testing {
namespace {

const std::vector<FaultCase>& cases() {
  static const std::vector<FaultCase> all = read_fault_files(SIGNALBOX_FAULT_FILES);
  return all;
}

// What is expected, with … for words that are another's, such as those of the TOML library.
bool fits(std::string_view line, std::string_view expected) {
  static constexpr std::string_view gap = "…";
  const size_t at = expected.find(gap);
  if (at == std::string_view::npos) return line == expected;
  const std::string_view end = expected.substr(at + gap.size());
  return line.size() >= at + end.size() && line.starts_with(expected.substr(0, at)) && line.ends_with(end);
}

// The lines, with those that fit written as they are expected.
Lines as_expected(Lines lines, const Lines& expected) {
  for (size_t i = 0; i < std::min(lines.size(), expected.size()); ++i) {
    if (fits(lines[i], expected[i])) lines[i] = expected[i];
  }
  return lines;
}

TEST(FaultsBySentence, AreReportedAtTheirPlaces) {
  for (const FaultCase& one : cases()) {
    SCOPED_TRACE(::testing::PrintToString(one));
    const ConfigurationResult result = read(one.toml);
    EXPECT_EQ(as_expected(as_lines(result.faults), one.faults), one.faults);
    EXPECT_EQ(as_expected(as_lines(result.warnings), one.warnings), one.warnings);
    EXPECT_EQ(result.configuration == nullptr, !one.faults.empty());
  }
}

// A case that is there twice is a case that somebody meant to change.
TEST(FaultFiles, HaveEachCaseOnce) {
  std::set<std::string> seen;
  for (const FaultCase& one : cases()) {
    EXPECT_TRUE(seen.insert(one.toml).second) << one.title;
    EXPECT_FALSE(one.faults.empty() && one.warnings.empty() && !one.title.starts_with("no fault: ")) << one.title;
  }
}

}  // namespace
}  // namespace signalbox::testing
