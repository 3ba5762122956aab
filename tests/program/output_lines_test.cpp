// Lines into pipes: all of them, to a reader that is slow, that has stopped, that has gone.
#include "broker/program/output_lines.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <thread>

#include "broker/stop_signal.hpp"

namespace signalbox {
namespace {

class OutputLinesTest : public testing::Test {
 protected:
  OutputLinesTest() {
    signal(SIGPIPE, SIG_IGN);
    if (pipe2(ends_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  }
  ~OutputLinesTest() override {
    close_reader();
    close(ends_[1]);
  }
  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  std::string read_bytes(size_t count) const {
    std::string text(count, '\0');
    size_t got = 0;
    while (got < count) {
      const ssize_t some = read(ends_[0], text.data() + got, count - got);
      if (some <= 0) break;
      got += static_cast<size_t>(some);
    }
    text.resize(got);
    return text;
  }

  int ends_[2];
  StopSignal stop_;
};

// More than a pipe holds.
std::string much() {
  std::string text;
  for (int i = 0; text.size() < 1'000'000; ++i) text += std::to_string(i) + "\n";
  return text;
}

TEST_F(OutputLinesTest, AllOfItReachesASlowReader) {
  OutputLines lines(ends_[1]);
  EXPECT_TRUE(lines.is_pipe());
  const std::string text = much();
  lines.text() = text;
  std::string got;
  std::thread reader([&] { got = read_bytes(text.size()); });
  EXPECT_TRUE(lines.flush(stop_.fd()));
  reader.join();
  EXPECT_TRUE(got == text);
  EXPECT_EQ(lines.size(), 0u);
}

TEST_F(OutputLinesTest, AReaderThatStandsStillCannotKeepItFromStopping) {
  OutputLines lines(ends_[1]);
  const std::string text = much();
  lines.text() = text;
  std::thread stopper([this] {
    (void)read_bytes(1);  // it is at work
    stop_.request();
  });
  EXPECT_FALSE(lines.flush(stop_.fd()));
  stopper.join();
  EXPECT_FALSE(lines.is_closed());
  EXPECT_GT(lines.size(), 0u);
  // What was not written is there still, byte for byte.
  const size_t left = lines.size();
  EXPECT_TRUE(text.ends_with(lines.text()));
  EXPECT_EQ(read_bytes(text.size() - left - 1), text.substr(1, text.size() - left - 1));
}

TEST_F(OutputLinesTest, AStopDoesNotKeepFromAReaderWhatItTakes) {
  OutputLines lines(ends_[1]);
  lines.text() = "last words\n";
  stop_.request();
  EXPECT_TRUE(lines.flush(stop_.fd()));
  EXPECT_EQ(read_bytes(11), "last words\n");
}

TEST_F(OutputLinesTest, AReaderThatHasGoneIsNoticed) {
  OutputLines lines(ends_[1]);
  lines.look_for_reader();
  EXPECT_FALSE(lines.is_closed());
  close_reader();
  lines.look_for_reader();
  EXPECT_TRUE(lines.is_closed());

  OutputLines writing(ends_[1]);
  writing.text() = "nobody reads this\n";
  EXPECT_FALSE(writing.flush(stop_.fd()));
  EXPECT_TRUE(writing.is_closed());
  EXPECT_EQ(writing.fault(), "Broken pipe");
}

}  // namespace
}  // namespace signalbox
