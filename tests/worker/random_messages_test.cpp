// Random messages, and random changes to them, with msgpack-c for an oracle: whatever Message does, msgpack-c reads
// from its bytes what a plain list of keys and values says.
#include <gtest/gtest.h>

#include <algorithm>
#include <msgpack.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "worker/message.hpp"

namespace signalbox {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;  // a key as text, a value as encoded

class RandomMessages : public testing::Test {
 protected:
  uint32_t below(uint32_t bound) { return std::uniform_int_distribution<uint32_t>(0, bound - 1)(random_); }

  std::string key() {
    static const char* const usual[] = {"content", "to_addr", "from_addr", "helper_metadata", "message_id"};
    if (below(3) == 0) return usual[below(5)];
    if (below(20) == 0) return std::string(below(400), 'k');
    return "field " + std::to_string(below(60));
  }

  std::string value() {
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> packer(buffer);
    pack(packer, 4);
    return {buffer.data(), buffer.size()};
  }

  void pack(msgpack::packer<msgpack::sbuffer>& packer, int levels) {
    switch (below(levels > 0 ? 10 : 8)) {
      case 0:
        packer.pack_nil();
        break;
      case 1:
        packer.pack(below(2) == 0);
        break;
      case 2:
        packer.pack(static_cast<uint64_t>(random_()) << below(33));
        break;
      case 3:
        packer.pack(-static_cast<int64_t>(random_()));
        break;
      case 4:
        packer.pack(static_cast<double>(random_()) / 7);
        break;
      case 5:
        packer.pack(std::string(below(300), 'x'));
        break;
      case 6:
        packer.pack(std::vector<char>(below(40), '\x80'));
        break;
      case 7:
        packer.pack_ext(3, 7).pack_ext_body("abc", 3);
        break;
      case 8: {
        const uint32_t size = below(5);
        packer.pack_array(size);
        for (uint32_t i = 0; i < size; ++i) pack(packer, levels - 1);
        break;
      }
      default: {
        const uint32_t size = below(5);
        packer.pack_map(size);
        for (uint32_t i = 0; i < 2 * size; ++i) pack(packer, levels - 1);
      }
    }
  }

  std::mt19937 random_{20110921};
};

std::string encoded(const Entries& entries) {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> packer(buffer);
  packer.pack_map(static_cast<uint32_t>(entries.size()));
  for (const auto& [key, value] : entries) {
    packer.pack(key);
    buffer.write(value.data(), value.size());
  }
  return {buffer.data(), buffer.size()};
}

std::string* find(Entries& entries, const std::string& key) {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first == key; });
  return found == entries.end() ? nullptr : &found->second;
}

void expect_same(const Message& message, const Entries& entries) {
  ASSERT_EQ(message.bytes(), encoded(entries));
  ASSERT_EQ(message.fields(), entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    ASSERT_EQ(message.field(i).key, entries[i].first);
    ASSERT_EQ(message.field(i).value, entries[i].second);
    ASSERT_EQ(message.value(entries[i].first), entries[i].second);
  }
}

// What msgpack-c reads of a value, as Message's readers tell it.
void expect_read_alike(const Message& message, const msgpack::object& key, const msgpack::object& value) {
  const auto name = key.as<std::string>();
  ASSERT_EQ(message.has(name), !value.is_nil());
  ASSERT_EQ(message.boolean(name).has_value(), value.type == msgpack::type::BOOLEAN);
  ASSERT_EQ(message.binary(name).has_value(), value.type == msgpack::type::BIN);
  ASSERT_EQ(message.text(name), value.type == msgpack::type::STR ? value.as<std::string>() : "");
  switch (value.type) {
    case msgpack::type::BOOLEAN:
      ASSERT_EQ(message.boolean(name), value.as<bool>());
      break;
    case msgpack::type::BIN:
      ASSERT_EQ(message.binary(name)->size(), value.via.bin.size);
      break;
    case msgpack::type::FLOAT64:
      ASSERT_EQ(message.real(name), value.as<double>());
      break;
    case msgpack::type::NEGATIVE_INTEGER:
      ASSERT_EQ(message.integer(name), value.as<int64_t>());
      break;
    case msgpack::type::POSITIVE_INTEGER:
      ASSERT_EQ(message.integer(name).has_value(), value.via.u64 <= static_cast<uint64_t>(INT64_MAX));
      ASSERT_EQ(message.real(name), static_cast<double>(value.via.u64));
      break;
    default:
      ASSERT_FALSE(message.integer(name));
  }
}

TEST_F(RandomMessages, WhatIsTakenReadsAsMsgpackReadsIt) {
  for (int i = 0; i < 2000; ++i) {
    Entries entries;
    for (uint32_t fields = below(40); fields > 0; --fields) {
      const std::string name = key();
      if (find(entries, name) == nullptr) entries.emplace_back(name, value());
    }
    const std::string bytes = encoded(entries);
    Message message;
    ASSERT_TRUE(message.decode(bytes));
    expect_same(message, entries);
    const msgpack::object_handle handle = msgpack::unpack(bytes.data(), bytes.size());
    const msgpack::object_map map = handle.get().via.map;
    for (uint32_t field = 0; field < map.size; ++field)
      expect_read_alike(message, map.ptr[field].key, map.ptr[field].val);
    if (HasFatalFailure()) FAIL() << "message " << i;
  }
}

TEST_F(RandomMessages, ChangesDoWhatAPlainListDoes) {
  for (int run = 0; run < 60; ++run) {
    Message message;
    Entries entries;
    for (int step = 0; step < 100; ++step) {
      const std::string name = key();
      std::string* const there = find(entries, name);
      const auto expect = [&](std::string encoded_value) {
        there != nullptr ? void(*there = std::move(encoded_value)) : void(entries.emplace_back(name, encoded_value));
      };
      switch (below(8)) {
        case 0:
          message.remove(name);
          std::erase_if(entries, [&](const auto& entry) { return entry.first == name; });
          break;
        case 1: {
          Message other = message;
          message = std::move(other);
          break;
        }
        case 2:
          if (!entries.empty()) {  // a part of itself, of another field or its own
            const std::string source = entries[below(static_cast<uint32_t>(entries.size()))].first;
            const std::string copied(message.value(source));
            message.set_value(name, message.value(source));
            expect(copied);
          }
          break;
        case 3:
          if (message.decode(encoded(entries))) break;
          FAIL() << "its own bytes are no message";
        default: {
          std::string set = value();
          if (below(2) == 0) {
            const std::string text(below(300), 't');
            message.set_text(name, text);
            msgpack::sbuffer buffer;
            msgpack::pack(buffer, text);
            set.assign(buffer.data(), buffer.size());
          } else {
            message.set_value(name, set);
          }
          expect(set);
        }
      }
      expect_same(message, entries);
      if (HasFatalFailure()) FAIL() << "run " << run << ", step " << step;
    }
  }
}

// Whatever single byte of a message is wrong: it is refused, or it is a message still, and all of it can be read.
TEST_F(RandomMessages, AnyByteMayBeWrong) {
  const std::string whole = Message::user_message().set_text({"helper_metadata", "a", "b"}, "c").encoded();
  for (size_t place = 0; place < whole.size(); ++place) {
    for (const int step : {1, 0x1f, 0x40, 0x80, static_cast<int>(below(256))}) {
      std::string bytes = whole;
      bytes[place] = static_cast<char>(bytes[place] + step);
      Message message;
      if (!message.decode(bytes)) {
        ASSERT_EQ(message.fields(), 0u);
        continue;
      }
      ASSERT_EQ(message.bytes(), bytes);
      size_t read = 0;
      for (const auto [name, field] : message) read += as_text(field).size() + name.size() + field.size();
      ASSERT_LE(read, 2 * bytes.size());
      message.set_text(message.field(0).key, "changed").set_text({"helper_metadata", "a"}, "changed too");
      ASSERT_EQ(as_text(message.field(0).value), "changed");
      Message again;
      ASSERT_TRUE(again.decode(message.bytes()));
    }
  }
}

}  // namespace
}  // namespace signalbox
