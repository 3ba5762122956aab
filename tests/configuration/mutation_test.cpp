// Every valid configuration of the documentation, the examples and the routers' cases, with something in it changed by
// chance, by seed. Whatever comes of it, the reader ends, and either takes the file or says at a place inside it what
// is wrong. What it says must not depend on how the settings came to it: the same tree built in code gets the same
// faults. What it takes the core must take too. And a known key that is misspelt must be found, with the key that was
// meant.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "broker/configuration_broker.hpp"
#include "broker/configuration_dispatcher.hpp"
#include "broker/configuration_toml.hpp"
#include "broker/core/core.hpp"
#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder, std::string_view extension) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == extension) paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  return paths;
}

// The ```toml blocks of a page.
std::vector<std::string> blocks_of(const std::string& page) {
  static constexpr std::string_view fence = "\n```toml\n";
  std::vector<std::string> blocks;
  for (size_t at = page.find(fence); at != std::string::npos; at = page.find(fence, at)) {
    at += fence.size();
    blocks.push_back(page.substr(at, page.find("\n```", at) + 1 - at));
  }
  return blocks;
}

void add_configurations(const Setting& setting, std::vector<std::string>& texts) {
  for (const Setting& item : setting.items) {
    if (item.key == "configuration") texts.push_back(item.text);
    add_configurations(item, texts);
  }
}

// Those without a fault: some blocks of the documentation are parts of a file, or need another one.
std::vector<std::string> valid_configurations() {
  const std::filesystem::path root = SIGNALBOX_SOURCE;
  std::vector<std::string> texts;
  for (const auto& path : files_in(root / "examples", ".toml")) texts.push_back(text_of(path));
  for (const auto& path : files_in(root / "docs", ".md"))
    std::ranges::copy(blocks_of(text_of(path)), std::back_inserter(texts));
  for (const char* folder : {"tests/routers/cases", "tests/routers/middleware_cases"}) {
    for (const auto& path : files_in(root / folder, ".toml")) {
      add_configurations(std::get<Setting>(parse_toml(text_of(path))), texts);
    }
  }
  std::erase_if(texts, [](const std::string& text) { return read(text).configuration == nullptr; });
  return texts;
}

const std::vector<std::string>& valid() {
  static const std::vector<std::string> texts = valid_configurations();
  return texts;
}

// How many characters each line has; the last one may be empty.
std::vector<size_t> line_lengths(std::string_view text) {
  std::vector<size_t> lengths = {0};
  for (const char c : text) {
    if (c == '\n') {
      lengths.push_back(0);
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++lengths.back();
    }
  }
  return lengths;
}

// A fault may stand behind the last character of a line, where something is missing.
bool is_inside(Position where, const std::vector<size_t>& lengths) {
  return where.line >= 1 && where.line <= lengths.size() && where.column >= 1 &&
         where.column <= lengths[where.line - 1] + 2;
}

struct NoOutput final : Output {
  Result send(ConnectionId, Bytes, Run) override { return Result::sent; }
};

void check_faults(const std::string& text, const ConfigurationResult& result) {
  EXPECT_EQ(result.configuration == nullptr, !result.faults.empty());
  const std::vector<size_t> lengths = line_lengths(text);
  for (const std::vector<Fault>* list : {&result.faults, &result.warnings}) {
    Position before = {0, 0};
    for (const Fault& fault : *list) {
      EXPECT_TRUE(is_inside(fault.where, lengths)) << fault.where.line << ':' << fault.where.column;
      EXPECT_FALSE(fault.text.empty());
      EXPECT_FALSE(std::ranges::any_of(fault.text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
          << "a fault is one line: " << fault.text;
      EXPECT_FALSE(std::tie(fault.where.line, fault.where.column) < std::tie(before.line, before.column));
      before = fault.where;
    }
  }
}

// The same tree without its places, as a program would build it.
void check_that_code_gets_the_same(const std::string& text, const ConfigurationResult& result) {
  const auto parsed = parse_toml(text);
  if (const Fault* broken = std::get_if<Fault>(&parsed)) {
    EXPECT_EQ(as_lines(result.faults), as_lines({*broken})) << "only the first break";
    return;
  }
  const ConfigurationResult in_code = read_configuration(std::get<Setting>(parsed), RouterRegistry());
  EXPECT_EQ(in_code.faults.empty(), result.faults.empty());
  // A key and its value are one place there, so what is said of both is said once.
  EXPECT_LE(in_code.faults.size(), result.faults.size());
  for (size_t i = 0; i < result.faults.size(); ++i) {
    const bool ends_alike = std::ranges::any_of(
        in_code.faults, [&](const Fault& fault) { return fault.text.ends_with(result.faults[i].text); });
    EXPECT_TRUE(ends_alike) << result.faults[i].text;
  }
}

void check(const std::string& text) {
  SCOPED_TRACE(text);
  ConfigurationResult result = read(text);
  check_faults(text, result);
  check_that_code_gets_the_same(text, result);
  if (result.configuration == nullptr) return;
  NoOutput output;
  const Core core(std::move(result.configuration->settings), output);
  core.check_invariants();
}

// A place to change: a word, a string with its quotes, or a single sign.
struct Token {
  size_t begin = 0;
  size_t size = 0;
};

bool is_of_a_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || c == '_' || c == '-' || byte >= 0x80;
}

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    if (text[i] == '"' || text[i] == '\'') {
      while (end < text.size() && text[end] != text[i] && text[end] != '\n') ++end;
      end = std::min(end + 1, text.size());
    } else if (is_of_a_word(text[i])) {
      while (end < text.size() && is_of_a_word(text[end])) ++end;
    }
    if (text[i] != ' ') tokens.push_back({i, end - i});
    i = end;
  }
  return tokens;
}

class Mutation {
 public:
  explicit Mutation(uint32_t seed) : random_(seed) {}

  std::string operator()(std::string text) {
    for (size_t changes = 1 + below(3); changes > 0 && !text.empty(); --changes) {
      below(4) == 0 ? change_a_line(text) : change_a_token(text);
    }
    return text;
  }

  size_t below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }

 private:
  void change_a_line(std::string& text) {
    const size_t middle = below(text.size());
    const size_t begin = text.rfind('\n', middle) + 1;  // npos + 1 is 0
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    if (begin >= end) return;
    const std::string line = text.substr(begin, end - begin);
    switch (below(3)) {
      case 0:
        text.erase(begin, line.size());
        break;
      case 1:
        text.insert(begin, line);
        break;
      default:
        text.erase(begin, line.size());
        text.insert(below(text.size() + 1), line);
    }
  }

  void change_a_token(std::string& text) {
    static const std::vector<std::string> others = {"0",
                                                    "-1",
                                                    "1.5",
                                                    "true",
                                                    "\"\"",
                                                    "'a/b'",
                                                    "\"\\u0000\"",
                                                    "'é😀'",
                                                    "[]",
                                                    "{}",
                                                    "nan",
                                                    "1979-05-27",
                                                    "''",
                                                    "\t",
                                                    "9223372036854775807",
                                                    "'('",
                                                    "[[dispatcher]]\n",
                                                    "[broker]\n",
                                                    "\r\n",
                                                    "\xff",
                                                    "'dead_letters'",
                                                    ".",
                                                    "a.b",
                                                    "[",
                                                    "}",
                                                    "=",
                                                    "#",
                                                    "'''",
                                                    "\"\"\""};
    const std::vector<Token> tokens = tokens_of(text);
    if (tokens.empty()) return;
    const Token one = tokens[below(tokens.size())];
    const Token two = tokens[below(tokens.size())];
    const size_t inside = one.begin + below(one.size);
    switch (below(6)) {
      case 0:
        text.erase(one.begin, one.size);
        break;
      case 1:
        text.insert(one.begin, text.substr(one.begin, one.size) + ' ');
        break;
      case 2:
        text.replace(one.begin, one.size, text.substr(two.begin, two.size));
        break;
      case 3:
        text.replace(one.begin, one.size, others[below(others.size())]);
        break;
      case 4:
        text.erase(inside, 1);
        break;
      default:
        text.insert(inside, 1, static_cast<char>('a' + below(26)));
    }
  }

  std::mt19937 random_;
};

TEST(Mutations, StartFromManyConfigurations) {
  EXPECT_GE(valid().size(), 50u);
  for (const std::string& text : valid()) check(text);
}

TEST(Mutations, AreTakenOrRefusedAtAPlace) {
  size_t refused = 0;
  constexpr uint32_t seeds = 4000;
  for (uint32_t seed = 0; seed < seeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    const std::string text = Mutation(seed)(valid()[seed % valid().size()]);
    check(text);
    if (read(text).configuration == nullptr) ++refused;
  }
  // Most are wrong, and not all.
  EXPECT_GT(refused, seeds / 2);
  EXPECT_LT(refused, seeds - seeds / 20);
}

// The keys that the reader knows, with their places in the text.
void add_known_keys(const Setting& table, const std::set<std::string>& known, std::vector<const Setting*>& found) {
  for (const Setting& item : table.items) {
    if (known.contains(item.key)) found.push_back(&item);
  }
}

std::vector<const Setting*> known_keys(const Setting& file) {
  std::set<std::string> of_a_dispatcher(DispatcherReader::common_keys().begin(), DispatcherReader::common_keys().end());
  for (const RouterClass& router : registry().all()) of_a_dispatcher.insert(router.keys.begin(), router.keys.end());
  std::vector<const Setting*> found;
  add_known_keys(file, of_a_dispatcher, found);
  const std::set<std::string> of_the_broker(broker_keys().begin(), broker_keys().end());
  const std::set<std::string> of_an_endpoint(endpoint_keys().begin(), endpoint_keys().end());
  if (const Setting* broker = file.find("broker")) add_known_keys(*broker, of_the_broker, found);
  if (const Setting* defaults = file.find("endpoint_defaults")) add_known_keys(*defaults, of_an_endpoint, found);
  if (const Setting* endpoints = file.find("endpoints")) {
    for (const Setting& endpoint : endpoints->items) add_known_keys(endpoint, of_an_endpoint, found);
  }
  if (const Setting* dispatchers = file.find("dispatcher")) {
    for (const Setting& dispatcher : dispatchers->items) add_known_keys(dispatcher, of_a_dispatcher, found);
  }
  return found;
}

// A table that is opened in several places has its key there too.
bool stands_once(const std::string& text, const std::string& key) {
  const size_t first = text.find(key);
  return first != std::string::npos && text.find(key, first + 1) == std::string::npos;
}

TEST(Mutations, OfAKnownKeyAreFoundWithTheKeyThatWasMeant) {
  size_t tried = 0;
  for (const std::string& text : valid()) {
    const auto parsed = parse_toml(text);
    for (const Setting* item : known_keys(std::get<Setting>(parsed))) {
      if (!stands_once(text, item->key)) continue;
      std::string misspelt = item->key;
      misspelt.insert(misspelt.size() / 2, "q");
      std::string changed = text;
      changed.replace(text.find(item->key), item->key.size(), misspelt);
      const Lines lines = faults_of(changed);
      const std::string begin = std::to_string(item->key_position.line) + ':' +
                                std::to_string(item->key_position.column) + " unknown key \"" + misspelt + '"';
      const std::string end = "; did you mean \"" + item->key + "\"?";
      EXPECT_TRUE(std::ranges::any_of(
          lines, [&](const std::string& line) { return line.starts_with(begin) && line.ends_with(end); }))
          << changed << ::testing::PrintToString(lines);
      ++tried;
    }
  }
  EXPECT_GT(tried, 200u);
}

// The library's tables lie in one another, and so do ours: what goes deep must be refused, and not end the program.
TEST(Mutations, OfGreatDepthAreRefused) {
  for (const size_t depth : {size_t{100}, size_t{10'000}, size_t{1'000'000}}) {
    std::string dotted, opened;
    for (size_t i = 0; i < depth; ++i) dotted += "a.";
    for (size_t i = 0; i < depth; ++i) opened += "{a=";
    for (const std::string& text : {dotted + "a = 1\n", '[' + dotted + "a]\n", "x = {" + dotted + "a = 1}\n",
                                    "x = " + opened + "\n", "x = " + std::string(depth, '[') + "\n"}) {
      const ConfigurationResult result = read(text);
      EXPECT_FALSE(result.faults.empty());
      check_faults(text, result);
    }
  }
}

}  // namespace
}  // namespace signalbox::testing
