#include "tests/configuration/fault_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>

namespace signalbox::testing {

namespace {

enum class Kind { fault, table_fault, warning, table_warning };

struct Expected {
  size_t line = 0;  // in Written::lines
  size_t column = 0;
  Kind kind = Kind::fault;
  std::string text;
};

// A case as it stands in its file.
struct Written {
  std::string title;
  std::set<std::string> words;  // behind the title
  std::vector<std::string> lines;
  std::vector<Expected> expected;
};

// A sound dispatcher, beside the one that a case is about.
const std::vector<std::string> another = {
    "[[dispatcher]]",
    "name = 'another'",
    "router_class = 'SimpleDispatchRouter'",
    "transport_names = ['another_transport']",
    "exposed_names = ['another_application']",
    "routing_mappings = {another_transport = 'another_application'}",
};

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Where a line is `^ error: …` and so on behind spaces and tabs.
std::optional<Expected> as_expected(std::string_view line) {
  static constexpr std::array<std::pair<std::string_view, Kind>, 4> kinds = {
      {{"^ error: ", Kind::fault},
       {"^ error at the table: ", Kind::table_fault},
       {"^ warning: ", Kind::warning},
       {"^ warning at the table: ", Kind::table_warning}}};
  const size_t caret = line.find_first_not_of(" \t");
  if (caret == std::string_view::npos) return std::nullopt;
  for (const auto& [mark, kind] : kinds) {
    if (!line.substr(caret).starts_with(mark)) continue;
    return Expected{
        .line = 0, .column = caret + 1, .kind = kind, .text = std::string(line.substr(caret + mark.size()))};
  }
  return std::nullopt;
}

// "<256 x>" is 256 times x, "<\e9>" the byte of that number.
std::string expanded(const std::string& line) {
  std::string text;
  for (size_t i = 0; i < line.size(); ++i) {
    size_t count = 0;
    char letter = 0;
    unsigned byte = 0;
    int size = 0;
    if (std::sscanf(line.c_str() + i, "<%3zu %c>%n", &count, &letter, &size) == 2 && size > 0) {
      text.append(count, letter);
    } else if (std::sscanf(line.c_str() + i, "<\\%2x>%n", &byte, &size) == 1 && size > 0) {
      text.push_back(static_cast<char>(byte));
    } else {
      text.push_back(line[i]);
      continue;
    }
    i += static_cast<size_t>(size) - 1;
  }
  return text;
}

Written as_written(const std::string& heading) {
  Written written;
  const size_t bracket = heading.find(" [");
  written.title = heading.substr(4, bracket == std::string::npos ? std::string::npos : bracket - 4);
  if (bracket != std::string::npos) {
    std::istringstream words(heading.substr(bracket + 2, heading.find(']') - bracket - 2));
    for (std::string word; words >> word;) written.words.insert(word);
  }
  return written;
}

std::vector<Written> read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Written> cases;
  size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.starts_with("=== ")) {
      cases.push_back(as_written(line));
    } else if (cases.empty()) {
      if (line.empty() || line.starts_with("#")) continue;
      throw std::runtime_error(path.string() + ':' + std::to_string(number) + ": a case begins with \"=== \"");
    } else if (auto expected = as_expected(line)) {
      Written& written = cases.back();
      if (written.lines.empty()) {
        throw std::runtime_error(path.string() + ':' + std::to_string(number) + ": a caret stands below a line");
      }
      expected->line = written.lines.size() - 1;
      written.expected.push_back(std::move(*expected));
    } else {
      cases.back().lines.push_back(expanded(line));
    }
  }
  if (cases.empty()) throw std::runtime_error(path.string() + ": there is no case in it");
  return cases;
}

std::string line_end(const Written& written) {
  return written.words.contains("crlf") ? "\r\n" : "\n";
}

// Adds what is expected, `lines_before` further down; a fault of the whole dispatcher at its table, if there is one.
void expect(const Written& written, size_t lines_before, const std::vector<size_t>& shifts, bool has_table,
            FaultCase& one) {
  for (const Expected& expected : written.expected) {
    const bool at_the_table = has_table && (expected.kind == Kind::table_fault || expected.kind == Kind::table_warning);
    const size_t line = at_the_table ? lines_before : lines_before + expected.line + 1;
    const size_t column = at_the_table ? 1 : expected.column + (expected.column > 1 ? shifts[expected.line] : 0);
    const bool is_warning = expected.kind == Kind::warning || expected.kind == Kind::table_warning;
    (is_warning ? one.warnings : one.faults)
        .push_back(std::to_string(line) + ':' + std::to_string(column) + ' ' + expected.text);
  }
}

FaultCase as_it_stands(const Written& written) {
  FaultCase one{.file = {}, .title = written.title, .toml = {}, .faults = {}, .warnings = {}};
  if (written.words.contains("bom")) one.toml = "\xef\xbb\xbf";
  for (const std::string& line : written.lines) one.toml += line + line_end(written);
  expect(written, 0, std::vector<size_t>(written.lines.size()), false, one);
  return one;
}

// "[broker]" stays where it is; "[transport_mappings]" becomes "[dispatcher.transport_mappings]".
bool belongs_to_the_dispatcher(std::string_view header) {
  for (std::string_view top : {"[broker", "[endpoint_defaults", "[endpoints", "[[peer"}) {
    if (header.starts_with(top) && (header[top.size()] == ']' || header[top.size()] == '.')) return false;
  }
  return header.starts_with('[');
}

FaultCase among_several(const Written& written, bool as_the_last) {
  static const std::string prefix = "dispatcher.";
  FaultCase one = {.file = {},
                   .title = written.title + (as_the_last ? " (the last of two)" : " (the first of two)"),
                   .toml = {},
                   .faults = {},
                   .warnings = {}};
  const auto add = [&](const std::string& line) { one.toml += line + line_end(written); };
  if (as_the_last) std::ranges::for_each(another, add);
  add("[[dispatcher]]");
  std::vector<size_t> shifts;
  for (std::string line : written.lines) {
    const bool shift = belongs_to_the_dispatcher(line);
    if (shift) line.insert(line.starts_with("[[") ? 2 : 1, prefix);
    add(line);
    shifts.push_back(shift ? characters(prefix) : 0);
  }
  if (!as_the_last) std::ranges::for_each(another, add);
  expect(written, 1 + (as_the_last ? another.size() : 0), shifts, true, one);
  return one;
}

}  // namespace

void PrintTo(const FaultCase& one, std::ostream* out) {
  *out << one.file << ": " << one.title << '\n' << one.toml;
}

std::vector<FaultCase> read_fault_files(const std::filesystem::path& folder) {
  std::vector<FaultCase> cases;
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".faults") files.insert(entry.path());
  }
  for (const std::filesystem::path& path : files) {
    for (const Written& written : read_file(path)) {
      cases.push_back(as_it_stands(written));
      cases.back().file = path.filename().string();
      if (written.words.contains("whole")) continue;
      for (const bool as_the_last : {false, true}) {
        cases.push_back(among_several(written, as_the_last));
        cases.back().file = path.filename().string();
      }
    }
  }
  return cases;
}

}  // namespace signalbox::testing
