#include "broker/program/json_message.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <msgpack.hpp>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "broker/program/base64.hpp"
#include "protocol/limits.hpp"
#include "protocol/text.hpp"
#include "protocol/value.hpp"

namespace signalbox {
namespace {

using Json = nlohmann::ordered_json;
using Packer = msgpack::packer<msgpack::sbuffer>;

// A map in its "$map" form takes three levels of JSON; the last of them may hold one of the other forms.
constexpr size_t json_levels_max = 3 * limits::nesting_levels_max + 2;

constexpr uint64_t usual_nan_bits = 0x7ff8'0000'0000'0000;

Json form(const char* name, Json value) {
  Json object = Json::object();
  object[name] = std::move(value);
  return object;
}

// --- MessagePack to JSON

std::string hexadecimal(uint64_t bits) {
  std::string text(16, '0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = "0123456789abcdef"[bits >> (60 - 4 * i) & 15];
  return text;
}

Json json_of_real(double number) {
  if (std::isfinite(number)) return number;
  if (std::isinf(number)) return form("$float", number > 0 ? "inf" : "-inf");
  const auto bits = std::bit_cast<uint64_t>(number);
  return form("$float", bits == usual_nan_bits ? "nan" : hexadecimal(bits));
}

Json json_of_text(Bytes text) {
  if (is_utf8(text)) return text;
  return form("$str", to_base64(text));
}

Json json_of(const msgpack::object& value);

bool is_json_object(const msgpack::object_map& map) {
  std::vector<std::string_view> keys;
  keys.reserve(map.size);
  for (uint32_t i = 0; i < map.size; ++i) {
    const msgpack::object& key = map.ptr[i].key;
    if (key.type != msgpack::type::STR) return false;
    keys.emplace_back(key.via.str.ptr, key.via.str.size);
    if (!is_utf8(keys.back())) return false;
  }
  if (keys.size() == 1) return !keys.front().starts_with('$');
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) == keys.end();
}

Json json_of_map(const msgpack::object_map& map) {
  if (!is_json_object(map)) {
    Json entries = Json::array();
    for (uint32_t i = 0; i < map.size; ++i) {
      Json entry = Json::array();
      entry.push_back(json_of(map.ptr[i].key));
      entry.push_back(json_of(map.ptr[i].val));
      entries.push_back(std::move(entry));
    }
    return form("$map", std::move(entries));
  }
  Json object = Json::object();
  auto& entries = object.get_ref<Json::object_t&>();
  entries.reserve(map.size);
  // Past ordered_json's own insertion, which compares with every key before.
  for (uint32_t i = 0; i < map.size; ++i) {
    const msgpack::object_str& key = map.ptr[i].key.via.str;
    entries.emplace_back(std::string(key.ptr, key.size), json_of(map.ptr[i].val));
  }
  return object;
}

Json json_of(const msgpack::object& value) {
  switch (value.type) {
    case msgpack::type::BOOLEAN:
      return value.via.boolean;
    case msgpack::type::POSITIVE_INTEGER:
      return value.via.u64;
    case msgpack::type::NEGATIVE_INTEGER:
      return value.via.i64;
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64:
      return json_of_real(value.via.f64);
    case msgpack::type::STR:
      return json_of_text({value.via.str.ptr, value.via.str.size});
    case msgpack::type::BIN:
      return form("$bin", to_base64({value.via.bin.ptr, value.via.bin.size}));
    case msgpack::type::EXT: {
      Json parts = Json::array();
      parts.push_back(value.via.ext.type());
      parts.push_back(to_base64({value.via.ext.data(), value.via.ext.size}));
      return form("$ext", std::move(parts));
    }
    case msgpack::type::ARRAY: {
      Json array = Json::array();
      for (uint32_t i = 0; i < value.via.array.size; ++i) array.push_back(json_of(value.via.array.ptr[i]));
      return array;
    }
    case msgpack::type::MAP:
      return json_of_map(value.via.map);
    default:
      return nullptr;
  }
}

// --- JSON to MessagePack

// Takes what nlohmann's parser reads and makes the value of it: keys that stand twice included, which are found out
// later, where their place is known.
class JsonReader {
 public:
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(int64_t number) { return add(number); }
  bool number_unsigned(uint64_t number) { return add(number); }
  bool number_float(double number, const std::string& text) {
    // The parser makes a float of an integer that it cannot hold.
    if (text.find_first_of(".eE") == std::string::npos) return fail("the integer " + text + " is past 64 bits");
    return add(number);
  }
  bool string(std::string& text) { return add(std::move(text)); }
  bool binary(Json::binary_t&) { return fail("binary within JSON"); }  // in none of its text
  bool start_object(size_t) { return open(Json::object()); }
  bool start_array(size_t) { return open(Json::array()); }
  bool key(std::string& text) {
    open_.back()->get_ref<Json::object_t&>().emplace_back(std::move(text), nullptr);
    return true;
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while …"
    std::string_view text = error.what();
    const size_t place = text.find(": ");
    text.remove_prefix(place == std::string_view::npos ? 0 : place + 2);
    return fail("byte " + std::to_string(position) + ": " + std::string(text));
  }

  const Json& value() const { return root_; }
  const std::string& fault() const { return fault_; }

 private:
  bool fail(std::string text) {
    fault_ = std::move(text);
    return false;
  }

  Json& place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& around = *open_.back();
    if (around.is_array()) {
      around.push_back(std::move(value));
      return around.back();
    }
    return around.get_ref<Json::object_t&>().back().second = std::move(value);
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (open_.size() == json_levels_max) return fail("more than " + std::to_string(json_levels_max) + " levels");
    open_.push_back(&place(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;  // from the root to what is being read; what is around does not change, so they hold
  std::string fault_;
};

// Packs one value. On an error it says what is wrong, and on the way back each level puts its part of the place before.
class Writer {
 public:
  explicit Writer(msgpack::sbuffer& buffer) : buffer_(buffer), packer_(buffer) {}

  // `level`: the one that an array or a map here would be on.
  [[nodiscard]] bool put(const Json& value, uint32_t level) {
    switch (value.type()) {
      case Json::value_t::null:
        packer_.pack_nil();
        return true;
      case Json::value_t::boolean:
        packer_.pack(value.get<bool>());
        return true;
      case Json::value_t::number_integer:
        packer_.pack(value.get<int64_t>());
        return true;
      case Json::value_t::number_unsigned:
        packer_.pack(value.get<uint64_t>());
        return true;
      case Json::value_t::number_float:
        put_double(value.get<double>());
        return true;
      case Json::value_t::string:
        put_text(value.get_ref<const std::string&>());
        return true;
      case Json::value_t::array:
        return put_array(value, level);
      case Json::value_t::object:
        return put_object(value.get_ref<const Json::object_t&>(), level);
      default:
        return fail("no value that a message can have");
    }
  }

  std::string fault() const { return place_.empty() ? fault_ : place_ + ": " + fault_; }

 private:
  bool fail(std::string text) {
    fault_ = std::move(text);
    return false;
  }
  bool fail_below(const std::string& part) {
    place_.insert(0, part + (place_.empty() || place_.front() == '[' ? "" : "."));
    return false;
  }
  bool fail_below(size_t index) { return fail_below(std::string("[").append(std::to_string(index)).append("]")); }
  bool within_levels(uint32_t level) {
    return level <= limits::nesting_levels_max ||
           fail("more than " + std::to_string(limits::nesting_levels_max) + " levels");
  }

  // msgpack-c would pack 1.0 as the integer 1.
  void put_double(double number) {
    constexpr unsigned float_64_tag = 0xcb;
    const auto bits = std::bit_cast<uint64_t>(number);
    char bytes[9] = {static_cast<char>(float_64_tag)};
    for (size_t i = 0; i < 8; ++i) bytes[1 + i] = static_cast<char>(static_cast<unsigned char>(bits >> (56 - 8 * i)));
    buffer_.write(bytes, sizeof bytes);
  }

  void put_text(std::string_view text) {
    packer_.pack_str(static_cast<uint32_t>(text.size()));
    packer_.pack_str_body(text.data(), static_cast<uint32_t>(text.size()));
  }

  bool put_array(const Json& array, uint32_t level) {
    if (!within_levels(level)) return false;
    packer_.pack_array(static_cast<uint32_t>(array.size()));
    for (size_t i = 0; i < array.size(); ++i)
      if (!put(array[i], level + 1)) return fail_below(i);
    return true;
  }

  bool put_object(const Json::object_t& object, uint32_t level) {
    if (object.size() == 1 && object.front().first.starts_with('$')) {
      return put_form(object.front().first, object.front().second, level) || fail_below(object.front().first);
    }
    if (!within_levels(level)) return false;
    if (const std::string* twice = key_twice(object)) return fail("the key '" + *twice + "' stands twice");
    packer_.pack_map(static_cast<uint32_t>(object.size()));
    for (const auto& [key, value] : object) {
      put_text(key);
      if (!put(value, level + 1)) return fail_below(key);
    }
    return true;
  }

  static const std::string* key_twice(const Json::object_t& object) {
    std::vector<const std::string*> keys;
    keys.reserve(object.size());
    for (const auto& entry : object) keys.push_back(&entry.first);
    std::sort(keys.begin(), keys.end(), [](const auto* a, const auto* b) { return *a < *b; });
    const auto twice =
        std::adjacent_find(keys.begin(), keys.end(), [](const auto* a, const auto* b) { return *a == *b; });
    return twice == keys.end() ? nullptr : *twice;
  }

  bool put_form(const std::string& name, const Json& value, uint32_t level) {
    if (name == "$bin" || name == "$str") return put_bytes(name, value);
    if (name == "$ext") return put_extension(value);
    if (name == "$float") return put_float(value);
    if (name == "$map") return put_map(value, level);
    return fail("no such form; a map with this one key is written {\"$map\": [[\"" + name + "\", value]]}");
  }

  bool put_bytes(const std::string& name, const Json& value) {
    const std::optional<std::string> bytes = decoded(value);
    if (!bytes) return fail("base64 text is wanted, with its padding");
    const auto count = static_cast<uint32_t>(bytes->size());
    if (name == "$bin") {
      packer_.pack_bin(count);
      packer_.pack_bin_body(bytes->data(), count);
    } else {
      put_text(*bytes);
    }
    return true;
  }

  bool put_extension(const Json& value) {
    const bool is_pair = value.is_array() && value.size() == 2 && value[0].is_number_integer();
    const std::optional<std::string> bytes = is_pair ? decoded(value[1]) : std::nullopt;
    // An unsigned one past 127 is read as signed here, and must not look like a type then.
    const bool is_type = is_pair && (!value[0].is_number_unsigned() || value[0].get<uint64_t>() <= 127) &&
                         value[0].get<int64_t>() >= -128;
    if (!bytes || !is_type) return fail("[type, base64 text] is wanted, the type from -128 to 127");
    packer_.pack_ext(bytes->size(), static_cast<int8_t>(value[0].get<int64_t>()));
    packer_.pack_ext_body(bytes->data(), static_cast<uint32_t>(bytes->size()));
    return true;
  }

  bool put_float(const Json& value) {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    uint64_t bits = usual_nan_bits;
    if (text == "inf" || text == "-inf") {
      const double infinity = std::numeric_limits<double>::infinity();
      bits = std::bit_cast<uint64_t>(text == "inf" ? infinity : -infinity);
    } else if (text != "nan") {
      const char* const end = text.data() + text.size();
      const auto read = std::from_chars(text.data(), end, bits, 16);
      const bool is_nan = text.size() == 16 && read.ptr == end && std::isnan(std::bit_cast<double>(bits));
      if (!is_nan) return fail("\"nan\", \"inf\", \"-inf\" or the 16 hexadecimal digits of a NaN are wanted");
    }
    put_double(std::bit_cast<double>(bits));
    return true;
  }

  bool put_map(const Json& entries, uint32_t level) {
    if (!within_levels(level)) return false;
    if (!entries.is_array()) return fail("an array of [key, value] is wanted");
    packer_.pack_map(static_cast<uint32_t>(entries.size()));
    for (size_t i = 0; i < entries.size(); ++i) {
      const Json& entry = entries[i];
      const bool is_pair = entry.is_array() && entry.size() == 2;
      if (!is_pair) fault_ = "[key, value] is wanted";
      if (!is_pair || !put(entry[0], level + 1) || !put(entry[1], level + 1)) return fail_below(i);
    }
    return true;
  }

  static std::optional<std::string> decoded(const Json& value) {
    return value.is_string() ? from_base64(value.get_ref<const std::string&>()) : std::nullopt;
  }

  msgpack::sbuffer& buffer_;
  Packer packer_;
  std::string place_;
  std::string fault_;
};

}  // namespace

// nlohmann escapes the control characters below U+0020. Those from U+007F to U+009F move cursors too.
void append_escaped(std::string& out, std::string_view json) {
  for (size_t at = 0; at < json.size(); ++at) {
    const auto byte = static_cast<unsigned char>(json[at]);
    const bool is_delete = byte == 0x7f;
    const bool is_c1 = byte == 0xc2 && static_cast<unsigned char>(json[at + 1]) < 0xa0;  // well-formed, so one follows
    if (is_delete || is_c1) {
      out += "\\u00" + hexadecimal(static_cast<unsigned char>(json[is_c1 ? ++at : at])).substr(14);
    } else {
      out += json[at];
    }
  }
}

std::string append_json(std::string& out, Bytes encoded) {
  const char* const end = encoded.data() + encoded.size();
  const value::End last = value::skip(encoded.data(), end, 1);
  if (last.behind != end) return "not one whole MessagePack value";
  if (last.too_deep) return "more than " + std::to_string(limits::nesting_levels_max) + " levels";
  // Nothing is copied: the texts are read where they lie.
  const auto borrow = [](msgpack::type::object_type, size_t, void*) { return true; };
  const msgpack::object_handle handle = msgpack::unpack(encoded.data(), encoded.size(), borrow);
  append_escaped(out, json_of(handle.get()).dump());
  return {};
}

std::string append_message_pack(std::string& out, std::string_view json) {
  JsonReader reader;
  if (!Json::sax_parse(json.begin(), json.end(), &reader)) return reader.fault();
  msgpack::sbuffer buffer;
  Writer writer(buffer);
  if (!writer.put(reader.value(), 1)) return writer.fault();
  out.append(buffer.data(), buffer.size());
  return {};
}

}  // namespace signalbox
