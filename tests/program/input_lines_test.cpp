// Lines out of pipes and files: whole, cut anywhere, without an end, too long, and never waiting by itself.
#include "broker/program/input_lines.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace signalbox {
namespace {

// Both ends of a pipe.
class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  }
  ~Pipe() {
    close(ends_[0]);
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reader() const { return ends_[0]; }
  void write(std::string_view text) const {
    EXPECT_EQ(::write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void close_writer() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2];
};

// "1:text", or "1!" for one that is too long; all that are at hand.
std::vector<std::string> lines_at_hand(InputLines& lines) {
  std::vector<std::string> all;
  while (const auto line = lines.next())
    all.push_back(std::to_string(line->number) + (line->is_too_long ? "!" : ":" + std::string(line->text)));
  return all;
}

using Texts = std::vector<std::string>;

TEST(InputLines, LinesComeWholeHoweverTheyAreCut) {
  Pipe pipe;
  InputLines lines(pipe.reader());
  EXPECT_FALSE(lines.is_readable());
  pipe.write("one\n\ntw");
  EXPECT_TRUE(lines.is_readable());
  lines.read_more();
  EXPECT_EQ(lines_at_hand(lines), (Texts{"1:one", "2:"}));
  EXPECT_FALSE(lines.is_readable());
  pipe.write("o");
  lines.read_more();
  EXPECT_EQ(lines_at_hand(lines), Texts{});
  pipe.write("\nthree");
  lines.read_more();
  EXPECT_EQ(lines_at_hand(lines), (Texts{"3:two"}));
  pipe.close_writer();
  EXPECT_TRUE(lines.is_readable());
  EXPECT_FALSE(lines.is_used_up());
  lines.read_more();
  EXPECT_TRUE(lines.ended());
  EXPECT_FALSE(lines.is_used_up());
  EXPECT_EQ(lines_at_hand(lines), (Texts{"4:three"}));
  EXPECT_TRUE(lines.is_used_up());
  EXPECT_EQ(lines.fault(), "");
}

TEST(InputLines, AnEndAtTheEndIsNoFurtherLine) {
  Pipe pipe;
  InputLines lines(pipe.reader());
  pipe.write("one\n");
  pipe.close_writer();
  while (!lines.ended()) lines.read_more();
  EXPECT_EQ(lines_at_hand(lines), (Texts{"1:one"}));
  EXPECT_TRUE(lines.is_used_up());
}

// Returns the size of the longest text given out.
size_t read_to_the_end(InputLines& lines, Texts& numbers) {
  size_t longest = 0;
  while (!lines.is_used_up()) {
    while (const auto line = lines.next()) {
      numbers.push_back(std::to_string(line->number) + (line->is_too_long ? "!" : ""));
      longest = std::max(longest, line->text.size());
    }
    lines.read_more();
  }
  return longest;
}

TEST(InputLines, ALineThatIsTooLongIsPassedAndKeptNowhere) {
  for (const bool has_end : {true, false}) {
    std::string path = testing::TempDir() + "signalbox_lines_XXXXXX";
    const int file = mkstemp(path.data());
    ASSERT_GE(file, 0);
    unlink(path.c_str());
    const std::string longest(InputLines::line_bytes_max, 'x');
    for (const std::string& text : {std::string("a\n"), longest, std::string("\n"), longest, std::string("y\n"),
                                    longest, longest, std::string(has_end ? "\nb\n" : "")})
      ASSERT_EQ(write(file, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ASSERT_EQ(lseek(file, 0, SEEK_SET), 0);
    InputLines lines(file);
    Texts numbers;
    EXPECT_EQ(read_to_the_end(lines, numbers), InputLines::line_bytes_max);
    EXPECT_EQ(numbers, has_end ? (Texts{"1", "2", "3!", "4!", "5"}) : (Texts{"1", "2", "3!", "4!"}));
    close(file);
  }
}

TEST(InputLines, WhatCannotBeReadHasEndedWithAReason) {
  const int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(folder, 0);
  InputLines lines(folder);
  lines.read_more();
  EXPECT_TRUE(lines.is_used_up());
  EXPECT_NE(lines.fault(), "");
  close(folder);
}

}  // namespace
}  // namespace signalbox
