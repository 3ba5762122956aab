// The corpora as plain tests, in every build: each file once through the entry that it belongs to.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "tests/fuzz/fuzz.hpp"

namespace signalbox::fuzz {
namespace {

void replay(const char* folder, void (*entry)(Bytes)) {
  size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(SIGNALBOX_CORPUS) / folder)) {
    SCOPED_TRACE(file.path().filename().string());
    std::ifstream in(file.path(), std::ios::binary);
    ASSERT_TRUE(in.is_open());
    const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    entry(Exact(bytes).bytes());
    ++files;
  }
  std::cout << folder << ": " << files << " files replayed\n";
  EXPECT_GT(files, 0U) << "an empty corpus tests nothing";
}

TEST(Replay, Header) {
  replay("fuzz_header", header);
}
TEST(Replay, Body) {
  replay("fuzz_body", body);
}
TEST(Replay, Rewrite) {
  replay("fuzz_rewrite", rewriting);
}
TEST(Replay, Configuration) {
  replay("fuzz_configuration", configuration);
}
TEST(Replay, Json) {
  replay("fuzz_json", json);
}
TEST(Replay, Import) {
  replay("fuzz_import", importing);
}
TEST(Replay, Message) {
  replay("fuzz_message", message);
}
TEST(Replay, Worker) {
  replay("fuzz_worker", worker);
}
TEST(Replay, Core) {
  replay("fuzz_core", core);
}

}  // namespace
}  // namespace signalbox::fuzz
