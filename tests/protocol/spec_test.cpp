// protocol/SPEC.md held against the code: every ```hex block, and the tables that name types, codes, fields and
// defaults.
//
// A block begins with a comment, `# NAME  notation`: NAME is a frame type or BATCH, the notation what its bytes mean
// (JSON with h'…' for bin and nil for null; of a batch one map behind the other). The bytes must be what msgpack-c
// makes of the notation, what write() makes of the values in it, and what comes out when the bytes are parsed and
// written again.
#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <map>
#include <msgpack.hpp>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "protocol/header.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_view.hpp"

namespace signalbox {
namespace {

// --- the page --------------------------------------------------------------------------------------------------------

std::string page() {
  std::ifstream file(SIGNALBOX_SOURCE_DIR "/protocol/SPEC.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The lines from one heading up to the next of any level.
std::vector<std::string> section(const std::string& heading) {
  std::istringstream text(page());
  std::vector<std::string> lines;
  bool inside = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("## ") || line.starts_with("### ")) inside = line.ends_with(heading);
    if (inside) lines.push_back(line);
  }
  return lines;
}

// The cells of the tables in a section, row by row, without the head and without the backticks round a cell.
std::vector<std::vector<std::string>> rows(const std::string& heading) {
  std::vector<std::vector<std::string>> result;
  bool in_table = false;
  for (const std::string& line : section(heading)) {
    if (!line.starts_with('|')) in_table = false;
    if (!line.starts_with('|')) continue;
    if (line.starts_with("| ---")) in_table = true;
    if (!in_table || line.starts_with("| ---")) continue;
    std::vector<std::string> cells;
    for (size_t at = 1; at < line.size();) {
      const size_t end = line.find('|', at);
      std::string cell = line.substr(at, end - at);
      const auto drop = [&cell](char c) {
        while (cell.starts_with(c)) cell.erase(0, 1);
        while (cell.ends_with(c)) cell.pop_back();
      };
      drop(' ');
      if (cell.find('`', 1) == cell.size() - 1) drop('`');
      cells.push_back(cell);
      at = end + 1;
    }
    result.push_back(cells);
  }
  return result;
}

std::set<std::string> first_cells(const std::string& heading) {
  std::set<std::string> result;
  for (const auto& row : rows(heading)) result.insert(row.at(0));
  return result;
}

// --- the notation ----------------------------------------------------------------------------------------------------

// Encodes the values of a notation, one by one, with msgpack-c. Throws where it cannot be read.
class Notation {
 public:
  explicit Notation(std::string_view text) : rest_(text) {}

  bool at_end() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_[0])) != 0) rest_.remove_prefix(1);
    return rest_.empty();
  }

  std::string value() {
    if (at_end()) throw std::runtime_error("a value is missing");
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> packer(buffer);
    std::string inside;
    if (take("nil")) {
      packer.pack_nil();
    } else if (take("true")) {
      packer.pack_true();
    } else if (take("false")) {
      packer.pack_false();
    } else if (take("h'")) {
      const std::string bytes = binary();
      packer.pack_bin(static_cast<uint32_t>(bytes.size()));
      inside = bytes;
    } else if (rest_[0] == '"') {
      inside = text();
      packer.pack_str(static_cast<uint32_t>(inside.size()));
    } else if (take("[")) {
      packer.pack_array(members(']', false, inside));
    } else if (take("{")) {
      packer.pack_map(members('}', true, inside));
    } else {
      packer.pack_uint64(number());
    }
    return std::string(buffer.data(), buffer.size()) + inside;
  }

 private:
  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (at_end() || !take(token)) throw std::runtime_error("expected " + std::string(token));
  }
  char next() {
    if (rest_.empty()) throw std::runtime_error("the notation breaks off");
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }
  std::string binary() {
    std::string bytes;
    while (!take("'")) {
      const std::string digits{next(), next()};
      bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    }
    return bytes;
  }
  std::string text() {
    std::string characters;
    expect("\"");
    for (char c = next(); c != '"'; c = next()) characters += c == '\\' ? next() : c;
    return characters;
  }
  uint64_t number() {
    std::string digits;
    while (!rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_[0])) != 0) digits += next();
    return std::stoull(digits);
  }
  uint32_t members(char end, bool pairs, std::string& encoded) {
    uint32_t count = 0;
    for (; !at_end() && rest_[0] != end; ++count) {
      if (count > 0) expect(",");
      encoded += value();
      if (!pairs) continue;
      expect(":");
      encoded += value();
    }
    expect(std::string_view(&end, 1));
    return count;
  }

  std::string_view rest_;
};

struct Block {
  std::string name;
  std::string notation;
  std::string bytes;

  std::vector<std::string> values() const {
    std::vector<std::string> encoded;
    for (Notation rest(notation); !rest.at_end();) encoded.push_back(rest.value());
    return encoded;
  }
};

std::vector<Block> blocks() {
  std::vector<Block> result;
  std::istringstream text(page());
  bool inside = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("```")) {
      inside = line == "```hex";
      if (inside) result.emplace_back();
    } else if (inside && line.starts_with('#')) {
      Block& block = result.back();
      std::istringstream words(line.substr(1));
      if (block.name.empty()) words >> block.name;
      std::string rest;
      std::getline(words, rest);
      block.notation += rest + "\n";
    } else if (inside) {
      std::istringstream numbers(line);
      numbers >> std::hex;
      unsigned number = 0;
      while (numbers >> number) result.back().bytes += static_cast<char>(number);
      if (!numbers.eof()) throw std::runtime_error("no hex: " + line);
    }
  }
  return result;
}

// --- documented values as frames -------------------------------------------------------------------------------------

Bytes text_of(const msgpack::object& value) {
  if (value.type == msgpack::type::STR) return {value.via.str.ptr, value.via.str.size};
  if (value.type == msgpack::type::BIN) return {value.via.bin.ptr, value.via.bin.size};
  if (value.type != msgpack::type::NIL) throw std::runtime_error("neither text, bin nor nil");
  return {};
}

std::map<std::string, msgpack::object> map_of(const msgpack::object& value) {
  return value.as<std::map<std::string, msgpack::object>>();
}

Limits limits_of(const msgpack::object& value) {
  auto map = map_of(value);
  return {map.at("heartbeat_ms").as<uint64_t>(),
          map.at("max_message_bytes").as<uint64_t>(),
          map.at("max_batch_bytes").as<uint64_t>(),
          map.at("send_window").as<uint64_t>(),
          map.at("send_window_bytes").as<uint64_t>(),
          map.at("max_prefetch").as<uint64_t>(),
          map.at("durable").as<bool>(),
          map.at("broker").as<std::string>()};
}

Hello hello_of(const std::vector<msgpack::object>& e) {
  Hello hello;
  hello.version = e.at(1).as<uint64_t>();
  hello.role = text_of(e.at(2)) == "transport" ? Role::transport : Role::application;
  hello.name = text_of(e.at(3));
  for (const auto& [key, value] : map_of(e.at(4))) {
    if (key == "session") {
      hello.session = text_of(value);
    } else if (key == "confirmed") {
      hello.confirmed = value.as<uint64_t>();
    } else if (key == "prefetch") {
      hello.prefetch = value.as<uint64_t>();
    } else if (key == "client") {
      hello.client = text_of(value);
    } else if (key == "instance") {
      hello.instance = text_of(value);
    } else {
      throw std::runtime_error("no option of HELLO: " + key);
    }
  }
  return hello;
}

// The header that write() makes of the elements that the page gives.
std::string written(const std::string& name, const std::vector<msgpack::object>& e) {
  const auto number = [&e](size_t i) { return e.at(i).as<uint64_t>(); };
  std::string out;
  if (name == "HELLO") write(out, hello_of(e));
  if (name == "SEND") write(out, Send{number(1)});
  if (name == "ACK") {
    const auto also = e.size() > 2 ? e.at(2).as<std::vector<uint64_t>>() : std::vector<uint64_t>();
    write_ack(out, number(1), also.data(), also.size());
  }
  if (name == "NACK") write(out, Nack{number(1), text_of(e.at(2)), e.at(3).as<bool>()});
  if (name == "FLOW") write(out, Flow{number(1)});
  if (name == "PING") write(out, Ping{});
  if (name == "PONG") write(out, Pong{});
  if (name == "BYE") write(out, Bye{text_of(e.at(1))});
  if (name == "WELCOME") write(out, Welcome{number(1), text_of(e.at(2)), number(3), limits_of(e.at(4))});
  if (name == "DELIVER") write(out, Deliver{number(1), e.at(2).as<bool>()});
  if (name == "CONFIRM") write(out, Confirm{number(1)});
  if (name == "REFUSE") write(out, Refuse{number(1), text_of(e.at(2)), text_of(e.at(3))});
  if (name == "ERROR") write(out, ErrorFrame{text_of(e.at(1)), text_of(e.at(2))});
  return out;
}

// A parsed frame, written again.
template <typename Frames>
std::string rewritten(const Frames& frames) {
  std::string out;
  const auto write_one = [&out](const auto& frame) {
    if constexpr (std::is_same_v<std::decay_t<decltype(frame)>, Ack>) {
      std::vector<Seq> also;
      for (SeqList list = frame.also; list.size() > 0;) also.push_back(list.take());
      write_ack(out, frame.upto, also.data(), also.size());
    } else {
      write(out, frame);
    }
  };
  std::visit(write_one, frames);
  return out;
}

// As the page writes numbers: 5000, 16,384.
std::string with_separators(uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 5) return digits;
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

// --- the tests -------------------------------------------------------------------------------------------------------

const std::map<std::string, FrameType> types = {
    {"HELLO", FrameType::hello},     {"SEND", FrameType::send},       {"ACK", FrameType::ack},
    {"NACK", FrameType::nack},       {"FLOW", FrameType::flow},       {"PING", FrameType::ping},
    {"PONG", FrameType::pong},       {"BYE", FrameType::bye},         {"WELCOME", FrameType::welcome},
    {"DELIVER", FrameType::deliver}, {"CONFIRM", FrameType::confirm}, {"REFUSE", FrameType::refuse},
    {"ERROR", FrameType::error}};

TEST(Spec, ShowsEveryTypeOfFrameAndBatches) {
  std::set<std::string> due = {"BATCH"};
  for (const auto& [name, type] : types) due.insert(name);
  std::set<std::string> shown;
  for (const Block& block : blocks()) shown.insert(block.name);
  EXPECT_EQ(shown, due);
}

TEST(Spec, BytesAreWhatTheNotationSays) {
  for (const Block& block : blocks()) {
    SCOPED_TRACE(block.name + block.notation);
    std::string encoded;
    for (const std::string& value : block.values()) encoded += value;
    EXPECT_EQ(encoded, block.bytes);
    EXPECT_TRUE(block.name == "BATCH" || block.values().size() == 1) << "a header is one array";
  }
}

TEST(Spec, HeadersAreWrittenAsShown) {
  for (const Block& block : blocks()) {
    if (block.name == "BATCH") continue;
    SCOPED_TRACE(block.name + block.notation);
    const msgpack::object_handle shown = msgpack::unpack(block.bytes.data(), block.bytes.size());
    EXPECT_EQ(written(block.name, shown->as<std::vector<msgpack::object>>()), block.bytes);
  }
}

TEST(Spec, HeadersAreReadAsShownByWhomTheyAreSentTo) {
  std::map<std::string, std::string> senders;
  for (const auto& row : rows("2.3 All types")) senders[row.at(1)] = row.at(2);
  for (const Block& block : blocks()) {
    if (block.name == "BATCH") continue;
    SCOPED_TRACE(block.name + block.notation);
    const std::string sender = senders[block.name];
    const auto from_worker = parse_worker_frame(block.bytes, limits::max_prefetch);
    const auto from_broker = parse_broker_frame(block.bytes);
    EXPECT_EQ(from_worker.has_value(), sender == "worker" || sender == "both");
    EXPECT_EQ(from_broker.has_value(), sender == "broker" || sender == "both");
    if (from_worker) {
      EXPECT_EQ(rewritten(*from_worker), block.bytes);
    }
    if (from_broker) {
      EXPECT_EQ(rewritten(*from_broker), block.bytes);
    }
  }
}

TEST(Spec, MessagesAreReadAsShown) {
  for (const Block& block : blocks()) {
    if (block.name != "BATCH") continue;
    SCOPED_TRACE(block.notation);
    Bytes rest = block.bytes;
    for (const std::string& encoded : block.values()) {
      MessageView view;
      ASSERT_EQ(view.scan(rest), Scan::ok) << view.fault();
      EXPECT_EQ(view.bytes(), encoded);
      EXPECT_EQ(map_bytes(rest), encoded.size());
      const msgpack::object_handle shown = msgpack::unpack(encoded.data(), encoded.size());
      const auto fields = map_of(shown.get());
      EXPECT_EQ(view.kind() == MessageKind::event, text_of(fields.at("message_type")) == "event");
      for (size_t i = 0; i < field_count; ++i) {
        const auto field = static_cast<Field>(i);
        const auto found = fields.find(std::string(to_string(field)));
        ASSERT_EQ(view.has(field), found != fields.end()) << to_string(field);
        if (found != fields.end()) {
          EXPECT_EQ(view.text(field), text_of(found->second)) << to_string(field);
        }
      }
      rest.remove_prefix(encoded.size());
    }
    EXPECT_TRUE(rest.empty());
  }
}

TEST(Spec, TheTableOfTypes) {
  const auto table = rows("2.3 All types");
  ASSERT_EQ(table.size(), types.size());
  for (const auto& row : table) {
    ASSERT_TRUE(types.contains(row.at(1))) << row.at(1);
    const auto number = std::to_string(static_cast<unsigned>(types.at(row.at(1))));
    EXPECT_EQ(row.at(0), number);
    EXPECT_TRUE(row.at(3) == "[" + number + "]" || row.at(3).starts_with("[" + number + ",")) << row.at(3);
  }
}

TEST(Spec, TheTablesOfCodes) {
  std::set<std::string> errors;
  for (auto code = static_cast<unsigned>(ErrorCode::version); code <= static_cast<unsigned>(ErrorCode::internal);
       ++code)
    errors.insert(std::string(to_string(static_cast<ErrorCode>(code))));
  EXPECT_EQ(first_cells("7.1 ERROR"), errors);
  std::set<std::string> refusals;
  for (unsigned code = 0; code <= static_cast<unsigned>(RefusalCode::internal); ++code)
    refusals.insert(std::string(to_string(static_cast<RefusalCode>(code))));
  EXPECT_EQ(first_cells("7.2 REFUSE"), refusals);
}

TEST(Spec, TheTableOfFields) {
  std::string cells;
  for (const std::string& cell : first_cells("8.1 The fields that the broker reads")) cells += "`" + cell + "`";
  for (size_t i = 0; i < field_count; ++i)
    EXPECT_NE(cells.find("`" + std::string(to_string(static_cast<Field>(i))) + "`"), std::string::npos) << i;
}

TEST(Spec, TheDefaultsOfWelcome) {
  const std::map<std::string, std::string> defaults = {
      {"heartbeat_ms", with_separators(limits::heartbeat_ms)},
      {"max_message_bytes", with_separators(limits::max_message_bytes)},
      {"max_batch_bytes", with_separators(limits::max_batch_bytes)},
      {"send_window", with_separators(limits::send_window_messages)},
      {"send_window_bytes", with_separators(limits::send_window_bytes)},
      {"max_prefetch", with_separators(limits::max_prefetch)},
      {"ack_timeout_ms", ""},
      {"durable", "false"},
      {"features", "[]"},
      {"broker", ""}};
  std::map<std::string, std::string> shown;
  for (const auto& row : rows("3.2 WELCOME")) shown[row.at(0)] = row.at(2);
  EXPECT_EQ(shown, defaults);

  std::map<std::string, std::string> options;
  for (const auto& row : rows("3.1 HELLO")) options[row.at(0)] = row.at(3);
  EXPECT_EQ(options["prefetch"], with_separators(limits::default_prefetch));
}

TEST(Spec, TheOtherDefaults) {
  const std::map<std::string, std::string> defaults = {
      {"max_registrations", with_separators(limits::max_registrations)},
      {"max_registrations_a_second", with_separators(limits::max_registrations_a_second)},
      {"max_sessions", with_separators(limits::max_sessions)},
      {"session_ttl", with_separators(limits::session_ttl_s) + " s"},
      {"max_unsettled_bytes", with_separators(limits::max_unsettled_bytes / limits::mebibyte) + " MiB"},
      {"drain_ms", with_separators(limits::drain_ms)},
      {"max_messages`, `max_bytes", with_separators(limits::queue_messages) + ", " +
                                        with_separators(limits::queue_bytes / limits::mebibyte) + " MiB"},
      {"overflow`, `block_ms", "`\"block\"`, " + with_separators(limits::block_ms)},
      {"max_deliveries", with_separators(limits::max_deliveries)},
      {"redeliver_ms", with_separators(limits::redeliver_ms)},
      {"expire_routing_memory", with_separators(limits::expire_routing_memory_s) + " s"},
      {"routing_memory_bytes", with_separators(limits::routing_memory_bytes / limits::mebibyte) + " MiB"},
      {"a name; `message_id` and `user_message_id`", with_separators(limits::name_bytes_max) + " bytes"},
      {"a session id", with_separators(limits::session_id_bytes) + " bytes"},
      {"nesting of a header or a message", with_separators(limits::nesting_levels_max) + " levels"},
      {"a header", with_separators(limits::header_bytes_max / limits::mebibyte) + " MiB"},
      {"over `max_batch_bytes` before the connection ends without a word",
       with_separators(limits::oversize_grace_bytes / limits::kibibyte) + " KiB"},
      {"the longest wait before a NACKed message comes again", with_separators(limits::redeliver_ms_max / 1000) + " s"},
      {"copies of one message", with_separators(limits::targets_max) + "; beyond: REFUSE `internal`"}};
  std::map<std::string, std::string> shown;
  for (const auto& row : rows("7.4 Limits and defaults")) {
    std::string key = row.at(0);
    if (key.starts_with('`') && key.ends_with('`')) key = key.substr(1, key.size() - 2);
    shown[key] = row.at(1);
  }
  for (const auto& [key, value] : defaults) EXPECT_EQ(shown[key], value) << key;
}

}  // namespace
}  // namespace signalbox
