#include "broker/program/yaml_document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

constexpr std::string_view standard_tag = "tag:yaml.org,2002:";

Position position_of(const YAML::Mark& mark) {
  if (mark.line < 0 || mark.column < 0) return {};
  return {static_cast<uint32_t>(mark.line) + 1, static_cast<uint32_t>(mark.column) + 1};
}

struct Size {
  size_t values = 0;
  size_t text_bytes = 0;
};

Size size_of(const YamlNode& node) {
  Size size{1, node.text.size()};
  for (const YamlNode& item : node.items) {
    const Size inner = size_of(item);
    size.values += inner.values;
    size.text_bytes += inner.text_bytes + item.key.size();
  }
  return size;
}

// Puts the tree together as its parts are met. Throws YamlFault; parse_yaml() catches it.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(YamlFile& file) : file_(file) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // Of what can begin no document (",a") the library makes one empty document after the other, and gets no further.
    if (mark.pos == document_at_) throw YamlFault{position_of(mark), "this is no YAML: nothing begins like this"};
    document_at_ = mark.pos;
    anchors_.clear();
    root_ = YamlNode{};
  }
  void OnDocumentEnd() override { file_.documents.push_back(std::move(root_)); }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.position = position_of(mark);
    take(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw YamlFault{position_of(mark), "an alias of what it stands in"};
    const Size size = size_of(found->second);
    count(size, position_of(mark));
    YamlNode copy = found->second;
    add(std::move(copy));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.kind = YamlNode::Kind::text;
    node.position = position_of(mark);
    node.plain = tag == "?" || (tag.starts_with(standard_tag) && tag != std::string(standard_tag) + "str");
    check_tag(tag, node.position);
    if (!is_utf8(value)) throw YamlFault{node.position, "a text that is no UTF-8"};
    node.text = value;
    take(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    begin(YamlNode::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    begin(YamlNode::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { end(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    bool has_key = false;
    YamlNode key;
  };

  static void check_tag(const std::string& tag, Position where) {
    if (tag.empty() || tag == "?" || tag == "!" || tag.starts_with(standard_tag)) return;
    throw YamlFault{where, "the tag " + printable(tag) + " is not read: write what it stands for in its place"};
  }

  void begin(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    Open open;
    open.node.kind = kind;
    open.node.position = position_of(mark);
    open.anchor = anchor;
    check_tag(tag, open.node.position);
    if (open_.size() == yaml_depth_max)
      throw YamlFault{open.node.position,
                      "maps and lists stand in one another more than " + std::to_string(yaml_depth_max) + " deep"};
    open_.push_back(std::move(open));
  }

  void end() {
    Open open = std::move(open_.back());
    open_.pop_back();
    if (open.node.kind == YamlNode::Kind::map) settle_keys(open.node);
    take(std::move(open.node), open.anchor);
  }

  // A value that is complete.
  void take(YamlNode node, YAML::anchor_t anchor) {
    count({1, node.text.size()}, node.position);
    if (anchor != YAML::NullAnchor) {
      node.anchored = true;
      count(size_of(node), node.position);  // the copy that aliases are made from
      anchors_.insert_or_assign(anchor, node);
    }
    add(std::move(node));
  }

  void add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& open = open_.back();
    open.node.anchored = open.node.anchored || node.anchored;
    if (open.node.kind == YamlNode::Kind::map && !open.has_key) {
      if (node.kind == YamlNode::Kind::list || node.kind == YamlNode::Kind::map)
        throw YamlFault{node.position, "a key has to be a word, not a map or a list"};
      open.key = std::move(node);
      open.has_key = true;
      return;
    }
    if (open.has_key) {
      node.key = std::move(open.key.text);
      node.key_position = open.key.position;
      node.key_is_plain = open.key.plain;
      node.key_is_null = open.key.kind == YamlNode::Kind::null;
      open.has_key = false;
    }
    if (depth_of(node) + open_.size() > yaml_depth_max)
      throw YamlFault{node.position, "an alias nests deeper than " + std::to_string(yaml_depth_max)};
    open.node.items.push_back(std::move(node));
  }

  static size_t depth_of(const YamlNode& node) {
    if (!node.anchored) return 0;  // what was read in place was measured as it began
    size_t deepest = 0;
    for (const YamlNode& item : node.items) deepest = std::max(deepest, depth_of(item));
    return deepest + (node.items.empty() ? 0 : 1);
  }

  void count(Size size, Position where) {
    values_ += size.values;
    text_bytes_ += size.text_bytes;
    if (values_ > yaml_values_max)
      throw YamlFault{where, "there are more than " + std::to_string(yaml_values_max) + " values, aliases included"};
    if (text_bytes_ > yaml_text_bytes_max)
      throw YamlFault{
          where, "there are more than " + std::to_string(yaml_text_bytes_max) + " bytes of text, aliases included"};
  }

  // Merges what `<<` names, and keeps one entry a key: the first one's place, the last one's value.
  void settle_keys(YamlNode& map) {
    std::vector<YamlNode> merged;
    std::vector<YamlNode> own;
    for (YamlNode& item : map.items) {
      if (item.key == "<<" && item.key_is_plain) {
        merge(item, merged);
      } else {
        own.push_back(std::move(item));
      }
    }
    map.items.clear();
    struct Entry {
      size_t place;
      bool is_own;
    };
    std::unordered_map<std::string, Entry> entries;
    const auto put = [&](YamlNode& item, bool is_own) {
      const std::string key = item.key_is_null ? std::string("\0", 1) : item.key;  // no text of a file has this byte
      const auto [entry, is_new] = entries.emplace(key, Entry{map.items.size(), is_own});
      if (is_new) {
        map.items.push_back(std::move(item));
        return;
      }
      if (is_own && entry->second.is_own)
        file_.notes.push_back({item.key_position, in_quotes(item.key) + " stands twice: the last one counts"});
      entry->second.is_own = is_own;
      map.items[entry->second.place] = std::move(item);
    };
    for (YamlNode& item : merged) put(item, false);
    for (YamlNode& item : own) put(item, true);
  }

  static void merge(YamlNode& source, std::vector<YamlNode>& merged) {
    if (source.kind == YamlNode::Kind::map) {
      for (YamlNode& item : source.items) merged.push_back(std::move(item));
      return;
    }
    if (source.kind != YamlNode::Kind::list) throw YamlFault{source.position, "<< merges a map, or a list of maps"};
    for (auto map = source.items.rbegin(); map != source.items.rend(); ++map) {
      if (map->kind != YamlNode::Kind::map) throw YamlFault{map->position, "<< merges a map, or a list of maps"};
      for (YamlNode& item : map->items) merged.push_back(std::move(item));
    }
  }

  YamlFile& file_;
  YamlNode root_;
  int document_at_ = -1;  // where in the text this one begins
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, YamlNode> anchors_;
  size_t values_ = 0;
  size_t text_bytes_ = 0;
};

// --- words -----------------------------------------------------------------------------------------------------------

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  for (const std::string_view known : words)
    if (word == known) return true;
  return false;
}

// Digits of one base; empty or strange digits: false.
bool read_digits(const std::string& digits, int base, bool negative, YamlScalar& scalar) {
  uint64_t magnitude = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  constexpr auto largest = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (digits.empty() || error != std::errc{} || stop != digits.data() + digits.size() || magnitude > largest)
    return false;
  scalar.type = YamlScalar::Type::integer;
  scalar.integer = negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
  return true;
}

bool read_sexagesimal(std::string_view word, bool negative, YamlScalar& scalar) {
  int64_t value = 0;
  for (size_t part = 0; !word.empty(); ++part) {
    const size_t end = std::min(word.find(':'), word.size());
    if (end == 0 || end > (part == 0 ? 9U : 2U) || value > 1'000'000'000) return false;
    int64_t number = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + end, number);
    if (error != std::errc{} || stop != word.data() + end || (part > 0 && number > 59)) return false;
    value = value * 60 + number;
    if (end + 1 == word.size()) return false;
    word.remove_prefix(std::min(end + 1, word.size()));
  }
  scalar.type = YamlScalar::Type::integer;
  scalar.integer = negative ? -value : value;
  return true;
}

bool read_integer(std::string_view word, YamlScalar& scalar) {
  const bool negative = word.starts_with('-');
  if (negative || word.starts_with('+')) word.remove_prefix(1);
  if (word.empty() || word[0] < '0' || word[0] > '9') return false;
  if (word.find(':') != std::string_view::npos) return word[0] != '0' && read_sexagesimal(word, negative, scalar);
  std::string digits;
  for (const char letter : word)
    if (letter != '_') digits += letter;
  if (digits.starts_with("0x")) return read_digits(digits.substr(2), 16, negative, scalar);
  if (digits.starts_with("0b")) return read_digits(digits.substr(2), 2, negative, scalar);
  if (digits.size() > 1 && digits[0] == '0') return read_digits(digits, 8, negative, scalar);
  return read_digits(digits, 10, negative, scalar);
}

bool read_real(std::string_view word, YamlScalar& scalar) {
  const bool negative = word.starts_with('-');
  if (negative || word.starts_with('+')) word.remove_prefix(1);
  if (is_one_of(word, {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"})) {
    scalar.type = YamlScalar::Type::real;
    scalar.real = word[1] == 'n' || word[1] == 'N' ? std::numeric_limits<double>::quiet_NaN()
                                                   : std::numeric_limits<double>::infinity() * (negative ? -1 : 1);
    return true;
  }
  if (word.find('.') == std::string_view::npos || word == ".") return false;
  const std::string digits = std::string(word[0] == '.' ? "0" : "").append(word);
  if (digits[0] < '0' || digits[0] > '9') return false;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), scalar.real);
  if (error != std::errc{} || stop != digits.data() + digits.size()) return false;
  scalar.type = YamlScalar::Type::real;
  if (negative) scalar.real = -scalar.real;
  return true;
}

// 2013-03-08, with or without a time behind it.
bool is_date(std::string_view word) {
  if (word.size() < 10) return false;
  for (size_t place = 0; place < 10; ++place) {
    const bool is_dash = place == 4 || place == 7;
    if (is_dash ? word[place] != '-' : word[place] < '0' || word[place] > '9') return false;
  }
  return word.size() == 10 || word[10] == ' ' || word[10] == 'T' || word[10] == 't';
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view name) const {
  if (kind != Kind::map) return nullptr;
  for (const YamlNode& item : items)
    if (!item.key_is_null && item.key == name) return &item;
  return nullptr;
}

std::variant<YamlFile, YamlFault> parse_yaml(const std::string& text) {
  if (text.size() > yaml_bytes_max)
    return YamlFault{{}, "the file has more than " + std::to_string(yaml_bytes_max) + " bytes"};
  YamlFile file;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder(file);
    while (parser.HandleNextDocument(builder)) continue;
  } catch (const YamlFault& fault) {
    return fault;
  } catch (const YAML::Exception& error) {
    return YamlFault{position_of(error.mark), "this is no YAML: " + printable(error.msg)};
  }
  return file;
}

YamlScalar scalar_of(const YamlNode& node) {
  YamlScalar scalar;
  const std::string_view word = node.text;
  if (!node.plain || word.empty()) return scalar;
  const bool is_true = is_one_of(word, {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"});
  if (is_true || is_one_of(word, {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) {
    scalar.type = YamlScalar::Type::boolean;
    scalar.boolean = is_true;
  } else if (is_date(word)) {
    scalar.type = YamlScalar::Type::date;
  } else if (!read_integer(word, scalar)) {
    if (!read_real(word, scalar)) scalar.type = YamlScalar::Type::text;
  }
  return scalar;
}

}  // namespace signalbox
