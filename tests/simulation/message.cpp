#include "tests/simulation/message.hpp"

#include <algorithm>

namespace signalbox::simulation {
namespace {

constexpr char nil = static_cast<char>(0xc0);
constexpr size_t serial_bytes = 8;

using Fields = std::vector<std::pair<std::string_view, std::string>>;

std::string str(std::string_view text) {
  std::string result;
  append_str(result, text);
  return result;
}

void append_map_header(std::string& out, size_t count) {
  if (count < 16) {
    out.push_back(static_cast<char>(0x80 + count));
  } else {
    out.push_back(static_cast<char>(0xde));
    out.push_back(static_cast<char>(count >> 8));
    out.push_back(static_cast<char>(count & 0xff));
  }
}

std::string serial_value(uint64_t serial) {
  std::string result(1, static_cast<char>(0xcf));
  for (int shift = 56; shift >= 0; shift -= 8) result.push_back(static_cast<char>(serial >> shift));
  return result;
}

std::string encode(const Fields& fields) {
  std::string result;
  append_map_header(result, fields.size());
  for (const auto& [key, value] : fields) {
    append_str(result, key);
    result += value;
  }
  return result;
}

// A value put in place of a nil one, or added at the end: the two rewrites that the protocol knows.
void put(Fields& fields, std::string_view key, std::string value) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == key; });
  if (found == fields.end()) {
    fields.emplace_back(key, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

const std::string* value_of(const Fields& fields, std::string_view key) {
  for (const auto& field : fields)
    if (field.first == key) return &field.second;
  return nullptr;
}

void add_flaw(Fields& fields, Flaw flaw) {
  switch (flaw) {
    case Flaw::none:
    case Flaw::too_large:
    case Flaw::key_no_text:
      break;
    case Flaw::no_id:
      std::erase_if(fields, [](const auto& field) { return field.first == "message_id" || field.first == "event_id"; });
      break;
    case Flaw::odd_type:
      put(fields, "message_type", str("status_event"));
      break;
    case Flaw::field_twice:
      fields.emplace_back("message_type", *value_of(fields, "message_type"));
      break;
    case Flaw::wrong_type:
      put(fields, "transport_name", std::string(1, '\x07'));
      break;
    case Flaw::too_deep:
      fields.emplace_back("deep", std::string(40, static_cast<char>(0x91)) + nil);
      break;
  }
}

Fields fields_of(const Draft& draft, uint64_t serial) {
  const bool event = draft.kind == MessageKind::event;
  Fields fields;
  fields.emplace_back("n", serial_value(serial));
  fields.emplace_back("message_type", str(event ? "event" : "user_message"));
  if (event) {
    fields.emplace_back("event_id", str(numbered("e", serial)));
    fields.emplace_back("event_type", str(serial % 2 == 0 ? "ack" : "delivery_report"));
    fields.emplace_back("user_message_id", str(draft.id));
  } else {
    fields.emplace_back("content", str(draft.first_words + std::string(draft.content_bytes, 'x')));
    fields.emplace_back("message_id", str(draft.id));
  }
  if (draft.transport_name) {
    fields.emplace_back("transport_name", str(*draft.transport_name));
  } else if (draft.nil_transport_name) {
    fields.emplace_back("transport_name", std::string(1, nil));
  }
  if (!draft.in_reply_to.empty()) fields.emplace_back("in_reply_to", str(draft.in_reply_to));
  if (draft.to_addr) fields.emplace_back("to_addr", str(*draft.to_addr));
  if (draft.from_addr) fields.emplace_back("from_addr", str(*draft.from_addr));
  if (draft.helper == 1) fields.emplace_back("helper_metadata", std::string(1, nil));
  if (draft.helper == 2) fields.emplace_back("helper_metadata", "\x80");
  if (draft.helper == 3) fields.emplace_back("helper_metadata", std::string("\x81\xa3own\x2a"));
  // Fields that the broker does not know, enough of them now and then for the map to outgrow its one-byte header.
  const uint64_t strangers = serial % 16 == 0 ? 12 : serial % 3;
  static constexpr std::string_view names[] = {"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", "ua", "ub"};
  for (uint64_t i = 0; i < strangers; ++i) fields.emplace_back(names[i], std::string(1, nil));
  add_flaw(fields, draft.flaw);
  return fields;
}

}  // namespace

std::string numbered(std::string_view prefix, uint64_t number) {
  std::string result(prefix);
  result += std::to_string(number);
  return result;
}

void append_str(std::string& out, std::string_view text) {
  if (text.size() < 32) {
    out.push_back(static_cast<char>(0xa0 + text.size()));
  } else if (text.size() < 256) {
    out.push_back(static_cast<char>(0xd9));
    out.push_back(static_cast<char>(text.size()));
  } else {
    out.push_back(static_cast<char>(0xda));
    out.push_back(static_cast<char>(text.size() >> 8));
    out.push_back(static_cast<char>(text.size() & 0xff));
  }
  out += text;
}

const Message& MessageBook::add(Draft draft, std::string_view fill_in) {
  Message& message = messages_.emplace_back();
  message.serial = messages_.size();
  message.fields = fields_of(draft, message.serial);
  message.sent = encode(message.fields);
  if (draft.flaw == Flaw::key_no_text) {
    // One more entry, whose key is a number: an encoder for text keys cannot say that, so it is added to the bytes.
    Fields fields = message.fields;
    fields.emplace_back("", std::string(1, nil));
    message.sent = encode(fields);
    message.sent[message.sent.size() - 2] = '\x05';
  }
  message.queued = message.sent;
  if (!fill_in.empty() && !draft.transport_name) {
    put(message.fields, "transport_name", str(fill_in));
    message.queued = encode(message.fields);
  }
  message.draft = std::move(draft);
  return message;
}

void MessageBook::fill_up(Draft& draft, size_t bytes) const {
  // Twice, since the content's own header grows with it.
  for (int i = 0; i < 2; ++i) {
    const size_t size = encode(fields_of(draft, messages_.size() + 1)).size();
    const size_t more = draft.content_bytes + bytes;
    draft.content_bytes = more > size ? more - size : 0;
  }
}

const Message* MessageBook::find(uint64_t serial) const {
  return serial == 0 || serial > messages_.size() ? nullptr : &messages_[serial - 1];
}

const Message* MessageBook::at(Bytes bytes) const {
  static constexpr std::string_view key = "\xa1n\xcf";
  if (bytes.empty()) return nullptr;
  const size_t start = static_cast<unsigned char>(bytes[0]) == 0xde ? 3 : 1;
  if (bytes.size() < start + key.size() + serial_bytes || bytes.substr(start, key.size()) != key) return nullptr;
  uint64_t serial = 0;
  for (size_t i = 0; i < serial_bytes; ++i)
    serial = serial << 8 | static_cast<unsigned char>(bytes[start + key.size() + i]);
  return find(serial);
}

std::string MessageBook::as_dead_letter(const Message& message, Bytes dead_letter) {
  Fields fields = message.fields;
  std::string entries;
  if (const std::string* helper = value_of(fields, "helper_metadata"); helper != nullptr && (*helper)[0] != nil)
    entries = helper->substr(1);
  std::string value(1, static_cast<char>(entries.empty() ? 0x81 : 0x82));
  value += entries;
  append_str(value, "dead_letter");
  value += dead_letter;
  put(fields, "helper_metadata", std::move(value));
  return encode(fields);
}

}  // namespace signalbox::simulation
