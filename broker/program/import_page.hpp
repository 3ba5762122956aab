// The TOML that an import writes, with the remarks that belong to it: each is said to the user, and stands as a comment
// in the TOML next to what it is about.
//
// It also holds how a value of YAML is written: a word where a word is wanted, whatever YAML makes of it.
//
// Thread: one. Errors: remarks. Bounds: as large as what it is given. Tested by tests/program/import_test.py.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/program/toml_writer.hpp"
#include "broker/program/vumi_import.hpp"
#include "broker/program/vumi_keys.hpp"
#include "broker/program/yaml_document.hpp"

namespace signalbox {

class ImportPage {
 public:
  // Source `file` of the sources is read from here on.
  void begin_source(size_t file, std::string_view name);

  void remark(ImportRemark::Kind kind, Position where, std::string text);
  void note(const YamlNode& node, std::string text) {
    remark(ImportRemark::Kind::note, node.position, std::move(text));
  }
  void lost(Position where, std::string text) { remark(ImportRemark::Kind::lost, where, std::move(text)); }

  // Writes what was remarked since the last time, as comments.
  void flush_comments();
  // `key = value` on a line, or on several where it is a long list. REQUIRES: not null.
  void write_entry(const YamlNode& node, VumiValue value);
  // `[path]` and what is in it, tables within as tables of their own. REQUIRES: a map.
  void write_table(const std::vector<std::string>& path, const YamlNode& node, VumiValue value);

  TomlWriter& toml() { return toml_; }
  std::vector<ImportRemark>& remarks() { return remarks_; }

 private:
  void write_header(const std::vector<std::string>& path, const YamlNode& node);
  void write_key(const YamlNode& node, VumiValue value);
  void write_value(const YamlNode& node, VumiValue value);
  void write_scalar(const YamlNode& node, VumiValue value);
  void write_typed(const YamlNode& node, const YamlScalar& scalar);
  void write_pattern(const YamlNode& node);
  void write_list(const YamlNode& node, VumiValue value);
  void write_inline_table(const YamlNode& node, VumiValue value);
  void note_word(const YamlNode& node, Position where, std::string_view word);
  bool is_left_out(const YamlNode& item, VumiValue value);

  TomlWriter toml_;
  std::vector<ImportRemark> remarks_;
  size_t comments_from_ = 0;  // remarks from here on are no comments yet
  size_t file_ = 0;
  std::string name_;
  std::string entry_;            // the key under way
  std::set<std::string> noted_;  // entries of which it was said already that words are taken as words
  size_t lists_open_ = 0;
};

// A pattern of Python's in RE2's words, where the two say the same differently: \Z is \z, and {,3} is {0,3}.
[[nodiscard]] std::string pattern_from_python(std::string_view pattern);

}  // namespace signalbox
