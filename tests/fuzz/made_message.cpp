#include "tests/fuzz/made_message.hpp"

#include <msgpack.hpp>
#include <string_view>
#include <utility>
#include <vector>

namespace signalbox::fuzz {
namespace {

constexpr std::array<std::string_view, 8> ids = {"m0", "m1", "m2", "m3", "m4", "m5", "", "a much longer message id"};
constexpr std::array<std::string_view, 8> names = {"sms", "ussd", "carrier", "survey", "helper", "core", "", "nobody"};
constexpr std::array<std::string_view, 8> addresses = {"+27831234567", "+27821110000", "12345", "*120*7#", "99", "",
                                                       "u\xc3\xa9",    "12345/x"};
constexpr std::array<std::string_view, 8> contents = {"hello", "VOTE yes", "stop",         "help me",
                                                      "",      "  ",       "\xe2\x82\xac", "7"};
constexpr std::array<std::string_view, 4> event_types = {"ack", "nack", "delivery_report", "seen"};
constexpr std::array<std::string_view, 4> session_events = {"new", "resume", "close", "other"};
constexpr std::array<size_t, 4> padding_bytes = {40, 300, 395, 2100};

class Fields {
 public:
  void text(std::string_view key, std::string_view value) {
    std::string encoded;
    msgpack::packer<Fields::Sink> packer(sink_.into(encoded));
    packer.pack_str(static_cast<uint32_t>(value.size()))
        .pack_str_body(value.data(), static_cast<uint32_t>(value.size()));
    fields_.emplace_back(std::string(key), std::move(encoded));
  }
  void nil(std::string_view key) { fields_.emplace_back(std::string(key), std::string(1, '\xc0')); }
  void value(std::string_view key, Choices& choices) {
    std::string encoded;
    append_made_value(encoded, choices);
    fields_.emplace_back(std::string(key), std::move(encoded));
  }
  bool empty() const { return fields_.empty(); }
  void drop(size_t place) { fields_.erase(fields_.begin() + static_cast<std::ptrdiff_t>(place % fields_.size())); }

  void append_to(std::string& out) const {
    Sink sink;
    msgpack::packer<Sink> packer(sink.into(out));
    packer.pack_map(static_cast<uint32_t>(fields_.size()));
    for (const auto& [key, encoded] : fields_) {
      packer.pack_str(static_cast<uint32_t>(key.size())).pack_str_body(key.data(), static_cast<uint32_t>(key.size()));
      out += encoded;
    }
  }

 private:
  struct Sink {
    std::string* out = nullptr;
    Sink& into(std::string& target) {
      out = &target;
      return *this;
    }
    void write(const char* data, size_t bytes) { out->append(data, bytes); }
  };

  Sink sink_;
  std::vector<std::pair<std::string, std::string>> fields_;
};

// One field more, or one that is not as it should be.
void add_field(Fields& fields, Choices& choices) {
  switch (choices.below(14)) {
    case 0:
      return fields.text("in_reply_to", choices.of(ids));
    case 1:
      return fields.text("transport_name", choices.of(names));
    case 2:
      return fields.text("to_addr", choices.of(addresses));
    case 3:
      return fields.text("from_addr", choices.of(addresses));
    case 4:
      return fields.text("content", choices.of(contents));
    case 5:
      return fields.text("session_event", choices.of(session_events));
    case 6:
      return fields.text("padding", std::string(choices.of(padding_bytes), 'p'));
    case 7:
      return fields.value("helper_metadata", choices);
    case 8:
      return fields.value("routing_metadata", choices);
    case 9:
      return fields.nil("transport_name");
    case 10:
      return fields.nil("in_reply_to");
    case 11:
      return fields.value("content", choices);
    case 12:
      return fields.text("provider", choices.of(names));
    default:
      return fields.value(choices.of(contents), choices);
  }
}

}  // namespace

void append_made_value(std::string& out, Choices& choices, unsigned levels) {
  static constexpr std::array<std::string_view, 6> keys = {"endpoint_name", "tag", "go", "hops", "session", ""};
  const unsigned choice = choices.take();
  const unsigned count = (choice >> 4) % 5;
  switch (choice % (levels > 0 ? 12 : 10)) {
    case 0:
      out += '\xc0';
      break;
    case 1:
      out += '\xc3';
      break;
    case 2:
    case 3:
      out += static_cast<char>(choice >> 4);
      break;
    case 4:
    case 5:
    case 6: {
      const std::string_view text = choices.of(names);
      out += static_cast<char>(0xa0 | text.size());
      out += text;
      break;
    }
    case 7:
      out += '\xcb';
      out.append(8, static_cast<char>(choices.take()));
      break;
    case 8:
      out += std::string("\xc4\x02", 2) + std::string(2, static_cast<char>(choices.take()));
      break;
    case 9:
      out += std::string("\xd4\x05", 2) + static_cast<char>(choices.take());
      break;
    case 10:
      out += static_cast<char>(0x90 | count);
      for (unsigned i = 0; i < count; ++i) append_made_value(out, choices, levels - 1);
      break;
    default:
      out += static_cast<char>(0x80 | count);
      for (unsigned i = 0; i < count; ++i) {
        const std::string_view key = choices.of(keys);
        out += static_cast<char>(0xa0 | key.size());
        out += key;
        append_made_value(out, choices, levels - 1);
      }
  }
}

void append_made_message(std::string& out, Choices& choices) {
  const unsigned first = choices.take();
  Fields fields;
  if (first % 4 == 0) {
    fields.text("message_type", "event");
    fields.text("event_id", choices.of(ids));
    fields.text("event_type", choices.of(event_types));
    fields.text("user_message_id", choices.of(ids));
  } else {
    fields.text("message_type", "user_message");
    fields.text("message_id", choices.of(ids));
  }
  for (unsigned more = (first >> 2) % 8; more > 0; --more) add_field(fields, choices);
  if (first >= 0xf0) fields.drop(choices.take());
  std::string encoded;
  fields.append_to(encoded);
  if (first >= 0xfc) spoil(encoded, choices);
  out += encoded;
}

}  // namespace signalbox::fuzz
