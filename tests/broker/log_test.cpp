#include "broker/log.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "broker/fault_report.hpp"
#include "broker/message_log.hpp"

namespace signalbox {
namespace {

// A log into memory.
class LogTest : public testing::Test {
 protected:
  ~LogTest() override {
    std::fclose(stream_);
    std::free(data_);
  }
  // What was written, without the times.
  std::vector<std::string> lines() {
    std::fflush(stream_);
    std::vector<std::string> found;
    std::string text(data_, size_);
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = text.find('\n', begin);
      const std::string line = text.substr(begin, end - begin);
      EXPECT_EQ(line.at(23), 'Z') << line;
      found.push_back(line.substr(25));
      begin = end + 1;
    }
    return found;
  }

  char* data_ = nullptr;
  size_t size_ = 0;
  std::FILE* stream_ = open_memstream(&data_, &size_);
  Log log_{stream_};
};

TEST_F(LogTest, OneLineWithTimeLevelEventAndFields) {
  log_.info("listening", {{"endpoints", "tcp://127.0.0.1:5570"}, {"descriptors", 1024}});
  log_.error("failed");
  EXPECT_EQ(lines(), (std::vector<std::string>{"info listening endpoints=tcp://127.0.0.1:5570 descriptors=1024",
                                               "error failed"}));
}

TEST_F(LogTest, NothingInAValueBeginsALineOfItsOwn) {
  log_.warn("odd", {{"text", "a b"}, {"empty", ""}, {"control", "x\ny\x1b[2J"}, {"quote", "say \"\\\""}});
  EXPECT_EQ(
      lines(),
      (std::vector<std::string>{R"(warning odd text="a b" empty="" control="x\x0ay\x1b[2J" quote="say \"\\\"")"}));
}

TEST_F(LogTest, TimesAreUtcWithMilliseconds) {
  EXPECT_EQ(utc_text(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(utc_text(1'741'528'931'310'999), "2025-03-09T14:02:11.310Z");
}

TEST_F(LogTest, FaultsAreOneLineACodeAndSecondWithTheirCount) {
  FaultReport report;
  Counters counters;
  LinkCounters link;
  report.look(counters, link, 10'000, log_);
  EXPECT_TRUE(lines().empty());

  counters.refusals[static_cast<size_t>(RefusalCode::no_route)] = 1'000'000;
  counters.errors[static_cast<size_t>(ErrorCode::gap)] = 2;
  link.foreign_frames = 7;
  report.look(counters, link, 10'999, log_);
  EXPECT_TRUE(lines().empty()) << "less than a second after the last look";
  report.look(counters, link, 11'000, log_);
  const std::vector<std::string> first = {"warning errors code=gap count=2 total=2",
                                          "warning refusals code=no_route count=1000000 total=1000000",
                                          "warning foreign_frames count=7 total=7"};
  EXPECT_EQ(lines(), first);

  counters.refusals[static_cast<size_t>(RefusalCode::no_route)] += 5;
  report.look(counters, link, 12'000, log_);
  report.look(counters, link, 13'000, log_);
  ASSERT_EQ(lines().size(), 4u);
  EXPECT_EQ(lines().back(), "warning refusals code=no_route count=5 total=1000005");
}

TEST_F(LogTest, FaultsOfTheLastSecondAreReportedAtTheEnd) {
  FaultReport report;
  Counters counters;
  const LinkCounters link;
  report.look(counters, link, 10'000, log_);
  counters.refusals[static_cast<size_t>(RefusalCode::no_route)] = 3;
  report.look(counters, link, 10'001, log_);
  EXPECT_TRUE(lines().empty());
  report.finish(counters, link, log_);
  EXPECT_EQ(lines(), std::vector<std::string>{"warning refusals code=no_route count=3 total=3"});
}

// Every fault there is, a million times in each millisecond of ten seconds.
TEST_F(LogTest, AFloodOfEveryFaultWritesSoManyLinesASecondAndNoMore) {
  FaultReport report;
  Counters counters;
  LinkCounters link;
  size_t before = 0;
  for (uint64_t now_ms = 0; now_ms < 10'000; ++now_ms) {
    for (uint64_t& error : counters.errors) error += 1'000'000;
    for (uint64_t& refusal : counters.refusals) refusal += 1'000'000;
    for (uint64_t* counter :
         {&counters.connections_lost, &counters.expired, &counters.ack_timeouts, &counters.ambiguous_ids,
          &counters.memory_evicted, &counters.state_evicted, &counters.sessions_evicted, &link.foreign_frames,
          &link.surplus_parts, &link.refused_keys}) {
      *counter += 1'000'000;
    }
    report.look(counters, link, now_ms, log_);
    if (now_ms % 1000 != 0) continue;
    const size_t written = lines().size();
    EXPECT_LE(written - before, FaultReport::lines_a_second_max);
    EXPECT_GT(written, before);
    before = written;
  }
  EXPECT_EQ(lines().size(), 10 * FaultReport::lines_a_second_max) << "each has its line in each second";
}

TEST_F(LogTest, MessagesHaveSoManyLinesASecondAndWhatIsLeftOutIsCounted) {
  BrokerMessageLog messages(&log_);
  const auto flood = [&](int count) {
    for (int i = 0; i < count; ++i) messages.message(MessageLog::Level::info, {{"direction", "inbound"}});
  };
  const size_t lines_before = lines().size();
  messages.turn(5000, 10);
  flood(1'000'000);
  EXPECT_EQ(lines().size() - lines_before, 10u);
  EXPECT_EQ(lines().back(), "info message direction=inbound");
  EXPECT_EQ(messages.left_out(), 999'990u);

  messages.turn(5100, 10);
  EXPECT_EQ(lines().back(), "warning messages_not_logged count=999990 total=999990");
  flood(5);
  EXPECT_EQ(lines().size() - lines_before, 12u) << "a tenth of a second brings one line";
  messages.turn(5200, 10);
  EXPECT_EQ(lines().back(), "info message direction=inbound") << "what is left out is said once a second";
  messages.turn(6100, 10);
  EXPECT_EQ(lines().back(), "warning messages_not_logged count=4 total=999994");
  messages.turn(7100, 10);
  EXPECT_EQ(lines().size() - lines_before, 13u) << "and not where nothing was";
}

}  // namespace
}  // namespace signalbox
