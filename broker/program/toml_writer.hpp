// TOML as text, and for each piece of it where in another file it came from.
//
// Keys are quoted where TOML asks for it, and texts stand in single quotes where that spares backslashes.
//
// Thread: one. Errors: none. Bounds: as large as what it is given. Tested by tests/program/import_test.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routers/setting.hpp"

namespace signalbox {

// Where something stands in one of several files.
struct SourcePlace {
  size_t file = 0;
  Position position;
};

class TomlWriter {
 public:
  // What is written from here on came from there.
  void from(SourcePlace source);
  void raw(std::string_view text);  // as it stands
  void key(std::string_view key);
  void text(std::string_view text);
  void comment(std::string_view text);  // lines of its own, wrapped; control characters escaped
  void end_line() { raw("\n"); }
  // An empty line, unless one stands there already or nothing does.
  void blank_line();

  size_t column() const { return column_; }
  const std::string& written() const { return written_; }
  // Where what stands at this place came from: that of the last piece which begins there or before.
  SourcePlace source_of(Position place) const;

 private:
  struct Piece {
    Position begin;
    SourcePlace source;
  };

  std::string written_;
  std::vector<Piece> pieces_;  // in the order of the text
  uint32_t line_ = 1;
  uint32_t column_ = 1;  // code points
};

}  // namespace signalbox
