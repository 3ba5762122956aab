// Random and mutated messages, from fixed seeds: the message view and the rewriting against msgpack-c.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>

#include "tests/protocol/oracle.hpp"
#include "tests/protocol/random_message.hpp"

namespace signalbox {
namespace {

std::string hexadecimal(Bytes bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char byte : bytes) {
    const auto number = static_cast<unsigned char>(byte);
    out += digits[number >> 4];
    out += digits[number & 0x0f];
  }
  return out;
}

std::map<Scan, int> compare(uint64_t seed, int rounds, bool mutated) {
  oracle::RandomMessages random(seed);
  std::map<Scan, int> outcomes;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = random.message();
    if (mutated) random.mutate(bytes);
    // What follows in the batch is none of this message's business.
    if (random.below(2) == 0) bytes += random.message();
    const std::string difference = oracle::scan_difference(bytes);
    EXPECT_EQ(difference, "") << "seed " << seed << " round " << round << ": " << hexadecimal(bytes);
    if (!difference.empty()) break;
    MessageView view;
    ++outcomes[view.scan(bytes)];
  }
  return outcomes;
}

TEST(RandomMessages, WholeOnesAreJudgedAsByTheOracle) {
  const std::map<Scan, int> outcomes = compare(1, 20'000, false);
  // The generator is no good if it makes only one sort.
  EXPECT_GT(outcomes.at(Scan::ok), 4'000);
  EXPECT_GT(outcomes.at(Scan::malformed), 4'000);
  EXPECT_EQ(outcomes.count(Scan::broken), 0U);
}

TEST(RandomMessages, MutatedOnesAreJudgedAsByTheOracle) {
  const std::map<Scan, int> outcomes = compare(2, 40'000, true);
  EXPECT_GT(outcomes.at(Scan::ok), 1'000);
  EXPECT_GT(outcomes.at(Scan::malformed), 1'000);
  EXPECT_GT(outcomes.at(Scan::broken), 1'000);
}

// Every cut of a message is broken, and every cut is told from the whole.
TEST(RandomMessages, EveryCutIsBroken) {
  oracle::RandomMessages random(3);
  for (int round = 0; round < 200; ++round) {
    const std::string whole = random.message();
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      MessageView view;
      // An own allocation, so that the address sanitizer sees what is read past the cut.
      const std::string cut = whole.substr(0, bytes);
      ASSERT_EQ(view.scan(cut), Scan::broken) << hexadecimal(cut);
    }
  }
}

TEST(RandomMessages, RewritingIsAsUnpackingAndChanging) {
  oracle::RandomMessages random(4);
  std::map<std::pair<Edit::Operation, bool>, int> outcomes;
  for (int round = 0; round < 40'000; ++round) {
    std::string message = random.message();
    if (oracle::boundary(message).levels > 32) continue;
    Edit edit;
    edit.operation = static_cast<Edit::Operation>(random.below(4));
    for (size_t i = 0; i < random.below(5); ++i) {
      edit.path[i] = i == 0 && random.below(2) == 0 ? "helper_metadata" : random.key();
    }
    const bool merges = edit.operation == Edit::Operation::merge;
    const std::string value = merges && random.below(8) != 0 ? random.patch(2) : random.value(2);
    if (merges && !oracle::is_plain_patch(value)) continue;
    edit.value = value;
    const std::string difference = oracle::rewrite_difference(message, edit);
    ASSERT_EQ(difference, "") << "round " << round << ": " << hexadecimal(message) << " value " << hexadecimal(value);
    ++outcomes[{edit.operation, rewrite(message, edit)}];
  }
  for (const auto operation :
       {Edit::Operation::set, Edit::Operation::push, Edit::Operation::pop, Edit::Operation::merge})
    for (const bool fits : {true, false}) EXPECT_GT((outcomes[{operation, fits}]), 100);
}

}  // namespace
}  // namespace signalbox
