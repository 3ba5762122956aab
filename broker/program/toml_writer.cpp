#include "broker/program/toml_writer.hpp"

#include <algorithm>
#include <cstdio>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

constexpr size_t comment_columns_max = 118;

bool is_bare_key(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '_' || letter == '-';
  });
}

bool is_control(char letter) {
  return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f;
}

std::string quoted(std::string_view text) {
  const bool escapes = text.find_first_of("\\\"") != std::string_view::npos;
  if (escapes && text.find('\'') == std::string_view::npos && std::ranges::none_of(text, is_control))
    return std::string("'").append(text).append("'");
  std::string written = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      written += '\\';
      written += letter;
    } else if (letter == '\n') {
      written += "\\n";
    } else if (letter == '\t') {
      written += "\\t";
    } else if (is_control(letter)) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(static_cast<unsigned char>(letter)));
      written += escape;
    } else {
      written += letter;
    }
  }
  return written + '"';
}

}  // namespace

void TomlWriter::from(SourcePlace source) {
  pieces_.push_back({{line_, column_}, source});
}

void TomlWriter::raw(std::string_view text) {
  written_ += text;
  for (const char letter : text) {
    if (letter == '\n') {
      ++line_;
      column_ = 1;
    } else if ((static_cast<unsigned char>(letter) & 0xc0) != 0x80) {
      ++column_;
    }
  }
}

void TomlWriter::key(std::string_view key) {
  raw(is_bare_key(key) ? std::string(key) : quoted(key));
}

void TomlWriter::text(std::string_view text) {
  raw(quoted(text));
}

void TomlWriter::comment(std::string_view text) {
  std::string clean;
  for (const char letter : text) clean += is_control(letter) ? ' ' : letter;
  std::string_view rest = clean;
  while (!rest.empty()) {
    size_t end = rest.size();
    if (end > comment_columns_max) {
      end = rest.rfind(' ', comment_columns_max);
      if (end == std::string_view::npos || end == 0) end = std::min(rest.find(' ', comment_columns_max), rest.size());
    }
    raw("# ");
    raw(rest.substr(0, end));
    end_line();
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void TomlWriter::blank_line() {
  if (!written_.empty() && !written_.ends_with("\n\n")) end_line();
}

SourcePlace TomlWriter::source_of(Position place) const {
  const auto after = std::ranges::upper_bound(
      pieces_, place,
      [](Position left, Position right) {
        return left.line != right.line ? left.line < right.line : left.column < right.column;
      },
      &Piece::begin);
  return after == pieces_.begin() ? SourcePlace{} : std::prev(after)->source;
}

}  // namespace signalbox
