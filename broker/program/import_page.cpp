#include "broker/program/import_page.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

constexpr size_t line_columns_max = 100;

bool is_digit(char letter) {
  return letter >= '0' && letter <= '9';
}

bool is_scalar(const YamlNode& node) {
  return node.kind == YamlNode::Kind::text;
}

// What a list takes on one line, roughly: quotes and commas counted, escapes not.
size_t columns_of(const YamlNode& node) {
  size_t columns = node.key.size() + node.text.size() + 6;
  for (const YamlNode& item : node.items) columns += columns_of(item);
  return columns;
}

VumiValue value_within(VumiValue value, const YamlNode& item) {
  if (value == VumiValue::pieces) return VumiValue::fields;
  return value == VumiValue::fields ? vumi_value_of(item.key) : value;
}

std::string_view kind_word(ImportRemark::Kind kind) {
  return kind == ImportRemark::Kind::lost ? "no counterpart: " : "";
}

}  // namespace

std::string pattern_from_python(std::string_view pattern) {
  std::string written;
  bool in_class = false;
  for (size_t place = 0; place < pattern.size(); ++place) {
    const char letter = pattern[place];
    if (letter == '\\' && place + 1 < pattern.size()) {
      const char escaped = pattern[++place];
      written += letter;
      written += escaped == 'Z' && !in_class ? 'z' : escaped;
      continue;
    }
    if (letter == '{' && !in_class && place > 0 && pattern.substr(place, 2) == "{,") {
      size_t end = place + 2;
      while (end < pattern.size() && is_digit(pattern[end])) ++end;
      if (end > place + 2 && end < pattern.size() && pattern[end] == '}') {
        written += "{0";
        continue;
      }
    }
    if (letter == '[' && !in_class) {
      in_class = true;
      written += letter;
      // The first letter of a class belongs to it, a bracket too.
      if (pattern.substr(place + 1, 1) == "^") written += pattern[++place];
      if (pattern.substr(place + 1, 1) == "]") written += pattern[++place];
      continue;
    }
    if (letter == ']') in_class = false;
    written += letter;
  }
  return written;
}

void ImportPage::begin_source(size_t file, std::string_view name) {
  file_ = file;
  name_ = name;
}

void ImportPage::remark(ImportRemark::Kind kind, Position where, std::string text) {
  remarks_.push_back({{file_, where}, kind, std::move(text)});
}

void ImportPage::flush_comments() {
  for (; comments_from_ < remarks_.size(); ++comments_from_) {
    const ImportRemark& remark = remarks_[comments_from_];
    toml_.from(remark.where);
    toml_.comment(name_ + ":" + std::to_string(remark.where.position.line) + ": " +
                  std::string(kind_word(remark.kind)) + remark.text);
  }
}

// --- entries and tables ----------------------------------------------------------------------------------------------

void ImportPage::write_entry(const YamlNode& node, VumiValue value) {
  entry_ = node.key;
  write_key(node, VumiValue::typed);
  toml_.raw(" = ");
  write_value(node, value);
  toml_.end_line();
}

void ImportPage::write_header(const std::vector<std::string>& path, const YamlNode& node) {
  toml_.blank_line();
  flush_comments();
  toml_.from({file_, node.key_position});
  toml_.raw("[");
  for (size_t part = 0; part < path.size(); ++part) {
    if (part > 0) toml_.raw(".");
    toml_.key(path[part]);
  }
  toml_.raw("]\n");
}

void ImportPage::write_table(const std::vector<std::string>& path, const YamlNode& node, VumiValue value) {
  entry_ = path.back();
  const bool holds_tables_alone = !node.items.empty() && std::ranges::all_of(node.items, [](const YamlNode& item) {
    return item.kind == YamlNode::Kind::map;
  });
  if (!holds_tables_alone) write_header(path, node);
  for (const YamlNode& item : node.items) {
    if (item.kind == YamlNode::Kind::map || is_left_out(item, value)) continue;
    write_key(item, value);
    toml_.raw(" = ");
    write_value(item, value_within(value, item));
    toml_.end_line();
  }
  flush_comments();
  for (const YamlNode& item : node.items) {
    if (item.kind != YamlNode::Kind::map || is_left_out(item, value)) continue;
    std::vector<std::string> inner = path;
    inner.push_back(item.key);
    write_table(inner, item, value_within(value, item));
  }
}

// Null is no value in TOML. Where a key may be missing it is missing then; elsewhere vumi made something of it.
bool ImportPage::is_left_out(const YamlNode& item, VumiValue value) {
  if (item.kind == YamlNode::Kind::null && value == VumiValue::fields) {
    note(item, in_quotes(item.key) + " is null: left out");
    return true;
  }
  if (item.kind != YamlNode::Kind::null && !item.key_is_null) return false;
  lost(item.position, item.key_is_null ? "a key that is null" : in_quotes(item.key) + " is null: left out");
  return true;
}

// --- values ----------------------------------------------------------------------------------------------------------

void ImportPage::write_key(const YamlNode& node, VumiValue value) {
  toml_.from({file_, node.key_position});
  toml_.key(node.key);
  if (value != VumiValue::texts && value != VumiValue::patterns) return;
  YamlNode key;
  key.kind = YamlNode::Kind::text;
  key.plain = node.key_is_plain;
  key.text = node.key;
  if (scalar_of(key).type != YamlScalar::Type::text) note_word(key, node.key_position, node.key);
}

void ImportPage::write_value(const YamlNode& node, VumiValue value) {
  toml_.from({file_, node.position});
  switch (node.kind) {
    case YamlNode::Kind::null:
      toml_.text("");
      break;
    case YamlNode::Kind::text:
      write_scalar(node, value);
      break;
    case YamlNode::Kind::list:
      write_list(node, value);
      break;
    case YamlNode::Kind::map:
      write_inline_table(node, value);
      break;
  }
}

void ImportPage::write_scalar(const YamlNode& node, VumiValue value) {
  const YamlScalar scalar = scalar_of(node);
  switch (value) {
    case VumiValue::patterns:
      write_pattern(node);
      return;
    case VumiValue::typed:
      write_typed(node, scalar);
      return;
    case VumiValue::boolean:
      if (scalar.type == YamlScalar::Type::boolean) return write_typed(node, scalar);
      return toml_.text(node.text);
    case VumiValue::number: {
      YamlNode number = node;
      number.plain = true;  // vumi takes "600" for a number as well
      const YamlScalar read = scalar_of(number);
      if (read.type == YamlScalar::Type::integer || read.type == YamlScalar::Type::real)
        return write_typed(number, read);
      return toml_.text(node.text);
    }
    case VumiValue::fields:
    case VumiValue::pieces:
    case VumiValue::texts:
      break;
  }
  if (scalar.type != YamlScalar::Type::text) note_word(node, node.position, node.text);
  toml_.text(node.text);
}

void ImportPage::note_word(const YamlNode& node, Position where, std::string_view word) {
  if (!noted_.emplace(std::to_string(file_) + " " + entry_).second) return;
  const YamlScalar::Type type = scalar_of(node).type;
  const std::string_view what = type == YamlScalar::Type::boolean ? "a boolean"
                                : type == YamlScalar::Type::date  ? "a date"
                                                                  : "a number";
  remark(ImportRemark::Kind::note, where,
         printable(entry_) + ": " + std::string(word) + " is " + std::string(what) +
             " in YAML; it is taken as the text that it looks like, and so are others like it");
}

void ImportPage::write_typed(const YamlNode& node, const YamlScalar& scalar) {
  if (scalar.type == YamlScalar::Type::integer) {
    toml_.raw(std::to_string(scalar.integer));
  } else if (scalar.type == YamlScalar::Type::boolean) {
    toml_.raw(scalar.boolean ? "true" : "false");
  } else if (scalar.type != YamlScalar::Type::real) {
    toml_.text(node.text);
  } else if (std::isnan(scalar.real)) {
    toml_.raw("nan");
  } else if (std::isinf(scalar.real)) {
    toml_.raw(scalar.real < 0 ? "-inf" : "inf");
  } else {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, scalar.real).ptr;
    const std::string written(digits, end);
    toml_.raw(written.find_first_of(".e") == std::string::npos ? written + ".0" : written);
  }
}

void ImportPage::write_pattern(const YamlNode& node) {
  const std::string pattern = pattern_from_python(node.text);
  if (pattern != node.text) note(node, "the pattern " + in_quotes(node.text) + " is written as " + in_quotes(pattern));
  toml_.text(pattern);
}

void ImportPage::write_list(const YamlNode& node, VumiValue value) {
  const bool has_tables = std::ranges::any_of(node.items, [](const YamlNode& item) { return !is_scalar(item); });
  // Within another list or an inline table all has to stay on the line.
  const bool is_tall =
      lists_open_ == 0 && !node.items.empty() && (has_tables || toml_.column() + columns_of(node) > line_columns_max);
  ++lists_open_;
  toml_.raw(is_tall ? "[\n" : "[");
  bool first = true;
  for (const YamlNode& item : node.items) {
    if (item.kind == YamlNode::Kind::null) {
      lost(item.position, "null in a list: left out");
      continue;
    }
    if (is_tall) {
      toml_.raw("  ");
    } else if (!first) {
      toml_.raw(", ");
    }
    first = false;
    write_value(item, value);
    if (is_tall) toml_.raw(",\n");
  }
  toml_.raw("]");
  --lists_open_;
}

void ImportPage::write_inline_table(const YamlNode& node, VumiValue value) {
  ++lists_open_;
  toml_.raw("{");
  bool first = true;
  for (const YamlNode& item : node.items) {
    if (is_left_out(item, value)) continue;
    if (!first) toml_.raw(", ");
    first = false;
    write_key(item, value);
    toml_.raw(" = ");
    write_value(item, value_within(value, item));
  }
  toml_.raw("}");
  --lists_open_;
}

}  // namespace signalbox
