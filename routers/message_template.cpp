// Idea: all but the expanded texts is the same for every message, so it is encoded once, in stretches between them.
#include "routers/message_template.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "protocol/limits.hpp"
#include "protocol/rewrite.hpp"
#include "protocol/text.hpp"
#include "routers/encoding.hpp"

namespace signalbox {

namespace {

constexpr std::array<std::string_view, 5> untouchable = {"message_type", "message_id", "in_reply_to", "user_message_id",
                                                         "event_id"};
constexpr std::array<std::string_view, 4> texts = {"transport_name", "to_addr", "from_addr", "content"};
constexpr std::array<std::string_view, 2> maps = {"helper_metadata", "routing_metadata"};

template <typename Names>
bool names(const Names& all, std::string_view one) {
  return std::ranges::find(all, one) != all.end();
}

}  // namespace

class MessageTemplate::Reader {
 public:
  Reader(SettingReader& reader, const CapturingPattern& pattern) : reader_(reader), pattern_(pattern) {}

  void read(const Setting& message) {
    for (const Setting& field : message.items) check_field(field);
    add_table(message, 1);
    parts_.push_back({std::move(bytes_), std::nullopt});
  }
  std::vector<Part> take() { return std::move(parts_); }

 private:
  void check_field(const Setting& field) {
    if (names(untouchable, field.key)) {
      reader_.fault(field.key_position, field.key + " is not for a template to change: it says which message this is");
    } else if (names(texts, field.key)) {
      check_type(field, Setting::Type::text, "a string");
    } else if (names(maps, field.key)) {
      check_type(field, Setting::Type::table, "a table");
      const Setting* endpoint = field.key == "routing_metadata" ? field.find("endpoint_name") : nullptr;
      if (endpoint != nullptr) check_type(*endpoint, Setting::Type::text, "a string");
    }
  }

  void check_type(const Setting& field, Setting::Type type, std::string_view what) {
    if (field.type == type) return;
    reader_.fault(field.position, field.key + " must be " + std::string(what) + " in a message, not " +
                                      std::string(to_string(field.type)));
  }

  void add_table(const Setting& table, uint32_t level) {
    append_map_head(bytes_, static_cast<uint32_t>(table.items.size()));
    for (const Setting& entry : table.items) {
      append_text(bytes_, entry.key);
      add(entry, level, true);
    }
  }

  // `level` is that of the table or array that it stands in.
  void add(const Setting& value, uint32_t level, bool expands) {
    const bool nests = value.type == Setting::Type::table || value.type == Setting::Type::array;
    if (nests && level == limits::nesting_levels_max) {
      reader_.fault(value.position,
                    "a message nests at most " + std::to_string(limits::nesting_levels_max) + " levels deep");
      return append_map_head(bytes_, 0);
    }
    switch (value.type) {
      case Setting::Type::text:
        return expands ? add_template(value) : append_text(bytes_, value.text);
      case Setting::Type::integer:
        return append_integer(bytes_, value.integer);
      case Setting::Type::real:
        return append_real(bytes_, value.real);
      case Setting::Type::boolean:
        return append_boolean(bytes_, value.boolean);
      case Setting::Type::array:
        append_array_head(bytes_, static_cast<uint32_t>(value.items.size()));
        for (const Setting& item : value.items) add(item, level + 1, false);
        return;
      case Setting::Type::table:
        if (expands) return add_table(value, level + 1);
        append_map_head(bytes_, static_cast<uint32_t>(value.items.size()));
        for (const Setting& entry : value.items) {
          append_text(bytes_, entry.key);
          add(entry, level + 1, false);
        }
        return;
      case Setting::Type::other:
        reader_.fault(value.position, "a message holds no dates: write this one as a string");
    }
  }

  void add_template(const Setting& value) {
    GroupTemplate text;
    const std::string fault = text.parse(value.text, pattern_);
    if (!fault.empty()) reader_.fault(value.position, "the template " + in_quotes(value.text) + " is wrong: " + fault);
    parts_.push_back({std::move(bytes_), std::move(text)});
    bytes_.clear();
  }

  SettingReader& reader_;
  const CapturingPattern& pattern_;
  std::vector<Part> parts_;
  std::string bytes_;  // since the last template
};

void MessageTemplate::read(SettingReader& reader, const Setting& table, const CapturingPattern& pattern) {
  Reader reading(reader, pattern);
  reading.read(table);
  parts_ = reading.take();
}

std::optional<std::string> MessageTemplate::expanded(const CapturingPattern& matched) const {
  std::string encoded;
  std::string text;
  for (const Part& part : parts_) {
    encoded += part.bytes;
    if (!part.text) continue;
    text.clear();
    part.text->append_expanded(text, matched);
    if (!is_utf8(text)) return std::nullopt;
    append_text(encoded, text);
  }
  return encoded;
}

}  // namespace signalbox
