// Runs the case files in the core: what a message refers to has really been sent before, and what the broker remembers
// is its real memory. tests/wire/test_router_cases.py runs the same files against the real program.
#include <gtest/gtest.h>

#include "tests/routers/case_file.hpp"
#include "tests/routers/core_harness.hpp"

namespace signalbox::testing {
namespace {

class RouterCase : public ::testing::TestWithParam<Case> {};

void run(CoreHarness& core, const Step& step) {
  SCOPED_TRACE(step.it);
  core.set_live(step.live);
  for (const std::string& sender : step.followed) {
    const std::string went = core.send(sender, step.earlier, step.now);
    ASSERT_FALSE(went.starts_with("refused ") || went == "discarded") << "the earlier message: " << went;
  }
  const std::string went = core.send(step.from, step.message, step.now);
  // A refusal may go on behind what the case gives; targets must be those, and no more.
  if (step.goes.starts_with("refused ")) {
    EXPECT_EQ(went.substr(0, step.goes.size()), step.goes) << "whole: " << went;
  } else {
    EXPECT_EQ(went, step.goes);
  }
  for (const CoreHarness::Copy& copy : core.copies()) EXPECT_EQ(copy.message, step.arrives) << copy.target;
}

TEST_P(RouterCase, GoesWhereItSays) {
  ASSERT_EQ(GetParam().fault, "");
  CoreHarness core(GetParam().configuration);
  for (const Step& step : GetParam().steps) {
    run(core, step);
    if (HasFatalFailure()) return;
  }
}

std::string test_name(const ::testing::TestParamInfo<Case>& info) {
  std::string name = info.param.file + '_' + (info.param.steps.empty() ? "is_at_fault" : info.param.steps.front().it);
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name + '_' + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(CaseFiles, RouterCase, ::testing::ValuesIn(read_case_files(SIGNALBOX_ROUTER_CASES)),
                         test_name);

}  // namespace
}  // namespace signalbox::testing
