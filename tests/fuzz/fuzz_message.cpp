// The worker library's Message: taken over from bytes as msgpack-c reads them, then changed field by field as the input
// says. Beside it goes a plain list of keys and encoded values, and after each change both must be the same.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "protocol/limits.hpp"
#include "protocol/rewrite.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/made_message.hpp"
#include "tests/protocol/oracle.hpp"
#include "worker/message.hpp"

namespace signalbox::fuzz {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;  // a key as text, a value as encoded

constexpr size_t changes_max = 200;
constexpr std::array<std::string_view, 8> keys = {"content", "to_addr", "helper_metadata",  "message_id",
                                                  "tag",     "",        "routing_metadata", "endpoint_name"};

bool is_text(Bytes value) {
  const auto tag = static_cast<unsigned char>(value[0]);
  return (tag & 0xe0) == 0xa0 || (tag >= 0xd9 && tag <= 0xdb);
}

Bytes text_in(Bytes value) {
  const auto tag = static_cast<unsigned char>(value[0]);
  return value.substr((tag & 0xe0) == 0xa0 ? 1 : 1 + (size_t{1} << (tag - 0xd9)));
}

Entries entries_of(Bytes map) {
  Entries all;
  for (const auto& [key, value] : oracle::entries(map)) all.emplace_back(text_in(key), value);
  return all;
}

// Bytes of the message at the start, as msgpack-c and a loop find it; 0: there is none.
size_t message_at(Bytes bytes) {
  const oracle::Boundary found = oracle::boundary(bytes);
  if (!found.whole || found.levels == 0 || found.levels > limits::nesting_levels_max) return 0;
  const auto tag = static_cast<unsigned char>(bytes[0]);
  if ((tag & 0xf0) != 0x80 && tag != 0xde && tag != 0xdf) return 0;
  for (const auto& [key, value] : oracle::entries(bytes.substr(0, found.bytes)))
    if (!is_text(key)) return 0;
  return found.bytes;
}

void same(const Message& message, const Entries& entries) {
  const Bytes bytes = message.bytes();
  require(message.fields() == entries.size(), "another number of fields", bytes);
  require(entries_of(bytes) == entries, "other bytes than fields", bytes);
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto& [key, value] = entries[i];
    require(message.field(i).key == key && message.field(i).value == value, "another field", bytes);
    const auto first = std::ranges::find(entries, key, &Entries::value_type::first);
    require(message.value(key) == first->second, "not the first of its key", bytes);
    require(message.text(key) == (is_text(first->second) ? text_in(first->second) : Bytes()), "another text", bytes);
    (void)message.integer(key);
    (void)message.real(key);
    (void)message.boolean(key);
    (void)message.binary(key);
  }
}

void set(Entries& entries, std::string_view key, std::string value) {
  const auto found = std::ranges::find(entries, key, &Entries::value_type::first);
  if (found == entries.end()) {
    entries.emplace_back(key, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

void change_within(Message& message, Choices& choices) {
  const std::string_view outer = choices.of(keys);
  const std::string_view inner = choices.of(keys);
  if (outer.empty() || inner.empty()) return;
  const Bytes text = choices.bytes(choices.below(40));
  message.set_text({outer, inner}, text);
  require(message.text({outer, inner}) == text, "set within, and not found", message.bytes());
}

// What follows from a message is a message.
void check_answers(const Message& message) {
  for (const Message& answer : {message.reply("x"), message.reply_group("y", Message::Session::close), message.ack("1"),
                                message.nack("2"), message.delivery_report("delivered")}) {
    require(message_at(answer.bytes()) == answer.bytes().size(), "an answer that is no message", message.bytes());
    const bool is_reply = answer.is_user_message();
    require((is_reply ? answer.in_reply_to() : answer.user_message_id()) == message.message_id(),
            "an answer to another", message.bytes());
  }
  (void)message.to_text();
  (void)message.time();
}

void change(Message& message, Entries& entries, Choices& choices) {
  const unsigned choice = choices.take();
  const std::string_view key = choices.of(keys);
  switch (choice % 8) {
    case 0: {
      const std::string text(choices.bytes(choices.below(80)));
      message.set_text(key, text);
      std::string encoded;
      append_text(encoded, text);
      return set(entries, key, encoded);
    }
    case 1: {
      std::string value;
      append_made_value(value, choices);
      message.set_value(key, value);
      return set(entries, key, value);
    }
    case 2: {
      message.remove(key);
      const auto found = std::ranges::find(entries, key, &Entries::value_type::first);
      if (found != entries.end()) entries.erase(found);
      return;
    }
    case 3:
      message.set_integer(key, static_cast<int64_t>(choices.number()));
      return set(entries, key, std::string(message.value(key)));
    case 4:
      // A part of the message itself.
      if (entries.empty()) return;
      message.set_value(key, message.field(choice / 8 % entries.size()).value);
      return set(entries, key, std::string(entries[choice / 8 % entries.size()].second));
    case 5:
      change_within(message, choices);
      entries = entries_of(message.bytes());
      return;
    case 6:
      return check_answers(message);
    default: {
      Message copy = message;
      same(copy, entries);
      copy.set_text("added to the copy", key);
      message = std::move(copy);
      return set(entries, "added to the copy", std::string(message.value("added to the copy")));
    }
  }
}

}  // namespace

void message(Bytes input) {
  Choices choices(input);
  const size_t taken_over = choices.take() * 4;
  const Exact exact(choices.bytes(taken_over));
  const Bytes bytes = exact.bytes();
  const size_t expected = message_at(bytes);
  Message message;
  require(message.decode_first(bytes) == expected, "another first message", bytes);
  require(message.decode(bytes) == (expected != 0 && expected == bytes.size()), "a message, or none", bytes);
  Entries entries;
  if (message.fields() > 0) entries = entries_of(bytes);
  same(message, entries);
  for (size_t changes = 0; changes < changes_max && !choices.done(); ++changes) {
    change(message, entries, choices);
    same(message, entries);
  }
}

}  // namespace signalbox::fuzz
