#include "tests/protocol/random_message.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace signalbox::oracle {
namespace {

constexpr std::array<std::string_view, 21> keys = {"message_type",
                                                   "message_id",
                                                   "in_reply_to",
                                                   "transport_name",
                                                   "to_addr",
                                                   "from_addr",
                                                   "content",
                                                   "routing_metadata",
                                                   "helper_metadata",
                                                   "user_message_id",
                                                   "event_id",
                                                   "event_type",
                                                   "timestamp",
                                                   "group",
                                                   "provider",
                                                   "session_event",
                                                   "endpoint_name",
                                                   "message_version",
                                                   "transport_type",
                                                   "tag",
                                                   "a"};

constexpr std::array<std::string_view, 4> texts_that_are_no_utf8 = {"\xff", "caf\xc3", "\xed\xa0\x80", "\xc0\xaf"};

void put_big_endian(std::string& out, uint64_t number, unsigned bytes) {
  while (bytes-- > 0) out += static_cast<char>(static_cast<unsigned char>(number >> (8 * bytes)));
}

}  // namespace

std::string_view RandomMessages::key() {
  return keys[below(keys.size())];
}

// The head of a text, binary, array or map ('t', 'b', 'a', 'm'), often wider than it need be.
void RandomMessages::put_head(std::string& out, char kind, uint32_t count) {
  const uint32_t fixed_max = kind == 't' ? 31 : kind == 'b' ? 0 : 15;
  const bool has_one_byte = kind == 't' || kind == 'b';
  unsigned width = below(4) == 0 ? static_cast<unsigned>(below(4)) : 0;
  if (width == 0 && (kind == 'b' || count > fixed_max)) width = 1;
  if (width == 1 && (!has_one_byte || count > 0xff)) width = 2;
  if (width == 2 && count > 0xffff) width = 3;
  const auto tags = [&]() -> std::array<unsigned, 4> {
    if (kind == 't') return {0xa0U | count, 0xd9, 0xda, 0xdb};
    if (kind == 'b') return {0, 0xc4, 0xc5, 0xc6};
    if (kind == 'a') return {0x90U | count, 0, 0xdc, 0xdd};
    return {0x80U | count, 0, 0xde, 0xdf};
  }();
  out += static_cast<char>(static_cast<unsigned char>(tags[width]));
  if (width > 0) put_big_endian(out, count, 1U << (width - 1));
}

void RandomMessages::put_text(std::string& out, std::string_view text) {
  put_head(out, 't', static_cast<uint32_t>(text.size()));
  out += text;
}

std::string RandomMessages::text() {
  if (below(60) == 0) return std::string{texts_that_are_no_utf8[below(texts_that_are_no_utf8.size())]};
  const uint64_t length = below(20) == 0 ? below(400) : below(40);
  std::string text;
  while (text.size() < length)
    text += below(12) == 0 ? "\xe2\x82\xac" : std::string(1, static_cast<char>('a' + below(26)));
  return text;
}

std::string RandomMessages::value(unsigned levels) {
  std::string out;
  switch (below(levels == 0 ? 8 : 10)) {
    case 0:
      return "\xc0";
    case 1:
      return below(2) == 0 ? "\xc2" : "\xc3";
    case 2:
      return std::string(1, static_cast<char>(static_cast<unsigned char>(below(0x80))));
    case 3: {
      const unsigned width = static_cast<unsigned>(below(4));
      out += static_cast<char>(static_cast<unsigned char>((below(2) == 0 ? 0xccU : 0xd0U) + width));
      put_big_endian(out, random_(), 1U << width);
      return out;
    }
    case 4: {
      const bool wide = below(2) == 0;
      out += wide ? '\xcb' : '\xca';
      put_big_endian(out, 0x3ff8000000000000U >> (wide ? 0 : 32), wide ? 8 : 4);
      return out;
    }
    case 5: {
      const unsigned width = static_cast<unsigned>(below(5));
      out += static_cast<char>(static_cast<unsigned char>(0xd4U + width));
      out.append(1 + (size_t{1} << width), '\x07');
      return out;
    }
    case 6: {
      const std::string bytes = text();
      put_head(out, 'b', static_cast<uint32_t>(bytes.size()));
      return out + bytes;
    }
    case 7:
      put_text(out, text());
      return out;
    case 8: {
      const auto count = static_cast<uint32_t>(below(5));
      put_head(out, 'a', count);
      for (uint32_t i = 0; i < count; ++i) out += value(levels - 1);
      return out;
    }
    default: {
      const auto count = static_cast<uint32_t>(below(5));
      put_head(out, 'm', count);
      for (uint32_t i = 0; i < count; ++i) {
        if (below(8) == 0) {
          out += value(levels - 1);
        } else {
          put_text(out, key());
        }
        out += value(levels - 1);
      }
      return out;
    }
  }
}

std::string RandomMessages::patch(unsigned levels) {
  std::vector<std::string_view> chosen(keys.begin(), keys.end());
  std::shuffle(chosen.begin(), chosen.end(), random_);
  chosen.resize(below(6));
  std::string out;
  put_head(out, 'm', static_cast<uint32_t>(chosen.size()));
  for (const std::string_view name : chosen) {
    put_text(out, name);
    if (levels > 0 && below(2) == 0) {
      out += patch(levels - 1);
    } else {
      std::string scalar = value(0);
      out += scalar;
    }
  }
  return out;
}

std::string RandomMessages::routing_metadata() {
  std::string out;
  const auto count = static_cast<uint32_t>(below(3));
  put_head(out, 'm', count);
  for (uint32_t i = 0; i < count; ++i) {
    put_text(out, below(2) == 0 ? "endpoint_name" : key());
    if (below(8) == 0) {
      out += value(2);
    } else {
      put_text(out, text());
    }
  }
  return out;
}

std::string RandomMessages::good_value(std::string_view key, bool is_event) {
  std::string out;
  if (key == "message_type") {
    put_text(out, is_event ? "event" : "user_message");
  } else if (key == "event_type") {
    constexpr std::array<std::string_view, 3> types = {"ack", "nack", "delivery_report"};
    put_text(out, types[below(types.size())]);
  } else if (key == "message_id" || key == "user_message_id") {
    put_text(out, std::string(below(20) == 0 ? 250 + below(12) : 1 + below(40), 'i'));
  } else if (key == "routing_metadata") {
    return routing_metadata();
  } else if (key == "helper_metadata") {
    return below(3) == 0 ? "\xc0" : patch(2);
  } else if (key == "event_id" || below(4) != 0) {
    put_text(out, text());
  } else {
    return "\xc0";
  }
  return out;
}

std::string RandomMessages::message() {
  const bool is_event = below(3) == 0;
  std::vector<std::pair<std::string, std::string>> fields;
  for (const std::string_view name : keys) {
    const bool is_required = name == "message_type" || name == (is_event ? "user_message_id" : "message_id") ||
                             (is_event && (name == "event_id" || name == "event_type"));
    if (!is_required && below(3) == 0) continue;
    std::string encoded;
    put_text(encoded, name);
    fields.emplace_back(encoded, good_value(name, is_event));
  }
  if (below(3) == 0) {
    const size_t chosen = below(fields.size());
    switch (below(5)) {
      case 0:
        fields[chosen].second = value(3);
        break;
      case 1:
        fields.erase(fields.begin() + static_cast<ptrdiff_t>(chosen));
        break;
      case 2: {
        const auto copy = fields[chosen];
        fields.push_back(copy);
        break;
      }
      case 3:
        fields[chosen].first = value(1);
        break;
      default:
        fields[chosen].second = std::string(29 + below(6), '\x91') + "\x01";
        break;
    }
  }
  std::shuffle(fields.begin(), fields.end(), random_);
  std::string out;
  put_head(out, 'm', static_cast<uint32_t>(fields.size()));
  for (const auto& [name, encoded] : fields) out += name + encoded;
  return out;
}

void RandomMessages::mutate(std::string& bytes) {
  for (uint64_t changes = 1 + below(3); changes > 0; --changes) {
    const size_t at = below(bytes.size() + 1);
    switch (below(5)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << below(8)));
        break;
      case 2:
        if (at < bytes.size()) bytes[at] = static_cast<char>(static_cast<unsigned char>(random_()));
        break;
      case 3:
        bytes.insert(at, 1, static_cast<char>(static_cast<unsigned char>(random_())));
        break;
      default:
        bytes.insert(at, bytes.substr(below(bytes.size() + 1), below(20)));
        break;
    }
  }
}

}  // namespace signalbox::oracle
