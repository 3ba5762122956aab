#include "protocol/message_scanner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/rewrite.hpp"
#include "tests/protocol/oracle.hpp"
#include "tests/protocol/random_message.hpp"
#include "tests/protocol/same_view.hpp"

namespace signalbox {
namespace {

using oracle::RandomMessages;
using Entries = std::vector<std::pair<std::string, std::string>>;  // a key as text, a value as encoded

const std::string nil = "\xc0";
const std::string empty_map = "\x80";

std::string text(std::string_view words) {
  std::string out;
  append_text(out, words);
  return out;
}

std::string map_of(const Entries& entries) {
  std::string out("\xde\0", 2);
  out += static_cast<char>(entries.size());
  for (const auto& [key, value] : entries) out += text(key) + value;
  return out;
}

Entries user_message() {
  return {{"message_type", text("user_message")},
          {"timestamp", text("2024-03-01 12:34:56.789012")},
          {"message_id", text("00112233445566778899aabbccddeeff")},
          {"to_addr", text("+27831234567")},
          {"in_reply_to", nil},
          {"content", text("How much airtime left")},
          {"transport_name", text("smpp")},
          {"helper_metadata", empty_map},
          {"routing_metadata", empty_map},
          {"group", nil}};
}

Entries event() {
  return {{"message_type", text("event")},
          {"event_type", text("ack")},
          {"event_id", text("0011")},
          {"user_message_id", text("00112233445566778899aabbccddeeff")},
          {"transport_name", text("smpp")}};
}

Entries replaced(Entries entries, std::string_view key, const std::string& value) {
  for (auto& [name, encoded] : entries)
    if (name == key) encoded = value;
  return entries;
}

// On the heap with nothing behind it and nothing before it, so that the address sanitizer sees the first byte read too
// far.
class Exact {
 public:
  explicit Exact(Bytes bytes) : size_(bytes.size()), data_(new char[bytes.size()]) {
    if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  Bytes bytes() const { return {data_.get(), size_}; }

 private:
  size_t size_;
  std::unique_ptr<char[]> data_;
};

// What the scanner says of the message at the start of `bytes`, against the plain scan. Empty: the same.
std::string difference(MessageScanner& scanner, Bytes bytes) {
  const Exact exact(bytes);
  MessageView plain;
  MessageView view;
  const Scan expected = plain.scan(exact.bytes());
  if (scanner.scan(exact.bytes(), view) != expected) return "outcome";
  return view_difference(view, plain, expected);
}

// Does a stencil made from `first` fit `second`, with a hinge at the values that `hinges` says? What does not fit its
// own message, or says something else of the second one than the plain scan, fails the test.
bool fits(Bytes first, Bytes second, Stencil::Hinges hinges) {
  Stencil stencil;
  MessageView plain;
  MessageView view;
  {
    const Exact exact(first);
    if (plain.scan(exact.bytes()) != Scan::ok || !stencil.make(plain, hinges)) return false;
    EXPECT_TRUE(stencil.fits(exact.bytes(), view));
    EXPECT_EQ(view_difference(view, plain, Scan::ok), "");
    EXPECT_TRUE(stencil.begins(exact.bytes()));
  }
  const Exact exact(second);
  const Scan scan = plain.scan(exact.bytes());
  if (!stencil.fits(exact.bytes(), view)) return false;
  EXPECT_EQ(scan, Scan::ok) << plain.fault();
  if (scan == Scan::ok) {
    EXPECT_EQ(view_difference(view, plain, scan), "");
  }
  return scan == Scan::ok;
}

bool fits(const Entries& first, const Entries& second, Stencil::Hinges hinges = 0) {
  return fits(map_of(first), map_of(second), hinges);
}

// The hinge at the value of `key`.
Stencil::Hinges at(const Entries& entries, std::string_view key) {
  const auto found = std::ranges::find(entries, key, [](const auto& entry) { return std::string_view(entry.first); });
  return Stencil::Hinges{1} << (found - entries.begin());
}

TEST(Stencil, OtherBytesOfTheSameLengthFit) {
  for (const auto& [key, value] : Entries{{"timestamp", text("2025-12-31 01:02:03.000004")},
                                          {"message_id", text("ffeeddccbbaa99887766554433221100")},
                                          {"to_addr", text("+27839999999")},
                                          {"content", text("How much airtime LEFT")},
                                          {"transport_name", text("ussd")},
                                          {"timestamp", text("caf\xe9 caf\xe9 caf\xe9 caf\xe9 caf\xe9!!")}}) {
    EXPECT_TRUE(fits(user_message(), replaced(user_message(), key, value))) << key;
  }
  EXPECT_TRUE(fits(event(), replaced(event(), "event_id", text("1100"))));
}

TEST(Stencil, OtherLengthsAndTypesFitAtAHinge) {
  const Entries message = user_message();
  const Entries others = {{"message_id", text("x")},
                          {"message_id", text(std::string(255, 'x'))},
                          {"to_addr", nil},
                          {"to_addr", text("")},
                          {"to_addr", text("caf\xc3\xa9")},
                          {"in_reply_to", text("ffeeddccbbaa99887766554433221100")},
                          {"content", text(std::string(16, 'x'))},
                          {"content", text(std::string(100, 'x'))},
                          {"content", text(std::string(70'000, 'x'))},
                          {"content", text(std::string(31, 'x') + "\xe2\x82\xac")},
                          {"helper_metadata", nil},
                          {"helper_metadata", "\x81" + text("a") + "\x91\x05"},
                          {"routing_metadata", "\x81" + text("endpoint_name") + text("default")},
                          {"routing_metadata", nil},
                          {"group", text("everybody")},
                          {"group", "\x07"},
                          {"group", "\x93\x01\x02\x03"},
                          {"timestamp", nil}};
  for (const auto& [key, value] : others) {
    EXPECT_FALSE(fits(message, replaced(message, key, value))) << key;
    EXPECT_TRUE(fits(message, replaced(message, key, value), at(message, key))) << key;
    // Whatever else is one, in front of it or behind it.
    const Stencil::Hinges all = 0x3fe;
    EXPECT_TRUE(fits(message, replaced(message, key, value), all)) << key;
    EXPECT_TRUE(fits(replaced(message, key, value), message, all)) << key;
  }
  for (const char* type : {"nack", "delivery_report"})
    EXPECT_TRUE(fits(event(), replaced(event(), "event_type", text(type)), at(event(), "event_type")));
}

// A message with a fault is the plain scan's, which has words for it.
TEST(Stencil, NoFaultFits) {
  const Entries message = user_message();
  for (const auto& [key, value] :
       Entries{{"message_type", text("user_messagf")},
               {"message_id", nil},
               {"message_id", text("")},
               {"message_id", text(std::string(256, 'x'))},
               {"message_id", "\x07"},
               {"to_addr", text("+2783123456\xff")},
               {"to_addr", empty_map},
               {"content", text("\xe9ow much airtime left")},
               {"content", text(std::string(32, 'x') + "\xff" + std::string(60, 'x'))},
               {"content", text("\xff" + std::string(300, 'x'))},
               {"content", text(std::string(300, 'x') + "\xff")},
               {"content", "\xda\xff\xff"},
               {"in_reply_to", "\x07"},
               {"helper_metadata", text("x")},
               {"helper_metadata", "\x81\x07" + std::string(40, '\x91') + nil},
               {"routing_metadata", "\x81" + text("endpoint_name") + "\x07"},
               {"routing_metadata", "\x81" + text("endpoint_name") + text("\xff")},
               {"routing_metadata", "\x82" + text("endpoint_name") + text("a") + text("endpoint_name") + text("a")},
               {"group", std::string(40, '\x91') + nil},
               {"group", "\xc1"}}) {
    EXPECT_FALSE(fits(message, replaced(message, key, value))) << key;
    EXPECT_FALSE(fits(message, replaced(message, key, value), at(message, key))) << key;
  }
  EXPECT_FALSE(fits(event(), replaced(event(), "event_type", text("seen")), at(event(), "event_type")));
  EXPECT_FALSE(fits(event(), replaced(event(), "event_type", nil), at(event(), "event_type")));
  EXPECT_FALSE(fits(event(), replaced(event(), "event_id", nil), at(event(), "event_id")));
}

TEST(Stencil, OtherKeysDoNotFit) {
  const Entries message = user_message();
  for (size_t i = 0; i < message.size(); ++i) {
    Entries other = message;
    other[i].first.back() ^= 1;
    EXPECT_FALSE(fits(message, other, 0x3fe));
    other = message;
    other.erase(other.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_FALSE(fits(message, other, 0x3fe));
    other = message;
    std::swap(other[i], other[(i + 1) % other.size()]);
    EXPECT_FALSE(fits(message, other, 0x3fe));
  }
}

// A key of so many bytes, its head among them.
std::string key_of(size_t bytes) {
  std::string key;
  if (bytes <= 32) {
    key += static_cast<char>(0xa0 + bytes - 1);
  } else if (bytes <= 257) {
    key += {'\xd9', static_cast<char>(bytes - 2)};
  } else {
    key += {'\xda', static_cast<char>((bytes - 3) >> 8), static_cast<char>((bytes - 3) & 0xff)};
  }
  for (size_t i = 0; key.size() < bytes; ++i) key += static_cast<char>('a' + i % 23);
  return key;
}

// Pieces of every length, compared by the block, by the vector and with the last vector over the one before it: no byte
// may be passed over. The long piece comes first, between two hinges, or last.
TEST(Stencil, EveryByteOfAPieceCounts) {
  const std::string needed = text("message_type") + text("user_message") + text("message_id") + text("1");
  Stencil stencil;
  MessageView view;
  for (size_t bytes = 2; bytes <= 300; ++bytes) {
    const std::string key = key_of(bytes);
    struct Case {
      std::string before;
      std::string after;
      Stencil::Hinges hinges;
    };
    for (const auto& [before, after, hinges] :
         {Case{"\x84", nil + text("b") + nil + needed, 3}, Case{"\x84" + text("b") + nil, nil + needed, 3},
          Case{"\x84" + needed + text("b") + nil, nil, 4}}) {
      const std::string whole = before + key + after;
      ASSERT_EQ(view.scan(whole), Scan::ok) << view.fault();
      ASSERT_TRUE(stencil.make(view, hinges));
      ASSERT_TRUE(stencil.fits(whole, view));
      for (size_t i = 0; i < bytes; ++i) {
        for (const int flipped : {0x01, 0x20, 0x80}) {
          std::string other = whole;
          other[before.size() + i] = static_cast<char>(other[before.size() + i] ^ flipped);
          // Behind it is enough of what would fit, whatever the head of the key says now.
          ASSERT_FALSE(stencil.fits(other + whole, view)) << "byte " << i << " of " << bytes;
        }
      }
    }
  }
}

// The masks too: a text that may be any other of its length, and no other byte than ASCII.
TEST(Stencil, EveryByteOfAJudgedTextMayBeAnotherAndMustBeAscii) {
  Stencil stencil;
  MessageView view;
  for (size_t bytes = 1; bytes <= 120; ++bytes) {
    const std::string content(bytes, 'x');
    std::string whole = map_of(replaced(user_message(), "content", text(content)));
    const size_t from = whole.rfind(content);  // its length may be an x as well
    ASSERT_EQ(view.scan(whole), Scan::ok) << view.fault();
    ASSERT_TRUE(stencil.make(view, 0));
    for (size_t i = from; i < from + bytes; ++i) {
      whole[i] = '\x7f';
      ASSERT_TRUE(stencil.fits(whole, view)) << i - from << " of " << bytes;
      whole[i] = '\x80';
      ASSERT_FALSE(stencil.fits(whole, view)) << i - from << " of " << bytes;
      whole[i] = 'x';
    }
  }
}

// The first hinges may come before there are 16 bytes to compare.
TEST(Stencil, HingesMayComeEarly) {
  for (const std::string key : {"a", "content", "to_addr", "helper_metadata"}) {
    const auto message = [&](const std::string& first, const std::string& second) {
      std::string bytes = "\x84" + text(key) + first + text("b") + second;
      return bytes + text("message_type") + text("user_message") + text("message_id") + text("1");
    };
    const std::string short_one = message(nil, nil);
    const bool is_map = key == "helper_metadata";
    for (const std::string& value : {nil, is_map ? empty_map : text(""), is_map ? "\x81\x01\x02" : text("caf\xc3\xa9"),
                                     is_map ? "\x81\x01" + text(std::string(300, 'x')) : text(std::string(300, 'x'))}) {
      for (const std::string& second : {nil, text(""), text("xy"), text(std::string(70'000, 'x'))}) {
        const std::string other = message(value, second);
        EXPECT_TRUE(fits(short_one, other, 3)) << key;
        EXPECT_TRUE(fits(other, short_one, 3)) << key;
        EXPECT_FALSE(fits(other, short_one.substr(0, short_one.size() - 1), 3)) << key;
      }
    }
    if (key == "content" || key == "to_addr") {
      EXPECT_FALSE(fits(short_one, message(text("\xff"), nil), 3));
      EXPECT_FALSE(fits(short_one, message("\x07", nil), 3));
    }
    for (size_t bytes = 0; bytes < short_one.size(); ++bytes)
      EXPECT_FALSE(fits(short_one, short_one.substr(0, bytes), 3)) << key;
  }
}

TEST(Stencil, EveryCutOfWhatFitsDoesNot) {
  const std::string whole = map_of(user_message());
  for (const Stencil::Hinges hinges : {0, 0x3fe, 0x200, 0x30}) {
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) EXPECT_FALSE(fits(whole, whole.substr(0, bytes), hinges));
    EXPECT_TRUE(fits(whole, whole + "\xff", hinges));
  }
}

// Beyond its bounds there is none.
TEST(Stencil, IsBounded) {
  const auto has_one = [](const std::string& bytes, Stencil::Hinges hinges) {
    Stencil stencil;
    MessageView view;
    EXPECT_EQ(view.scan(bytes), Scan::ok) << view.fault();
    const bool made = stencil.make(view, hinges);
    EXPECT_EQ(stencil.fits(bytes, view), made);
    return made;
  };
  const auto with_fields = [](size_t count, size_t value_bytes) {
    Entries entries = user_message();
    while (entries.size() < count) entries.emplace_back("x", text(std::string(value_bytes, 'x')));
    return map_of(entries);
  };
  EXPECT_TRUE(has_one(with_fields(Stencil::entries_max, 1), 0));
  EXPECT_FALSE(has_one(with_fields(Stencil::entries_max + 1, 1), 0));
  EXPECT_FALSE(has_one(with_fields(Stencil::entries_max, 30), 0));
  EXPECT_TRUE(has_one(with_fields(30, 1), ((Stencil::Hinges{1} << Stencil::hinges_max) - 1) << 1));
  EXPECT_FALSE(has_one(with_fields(30, 1), ((Stencil::Hinges{1} << (Stencil::hinges_max + 1)) - 1) << 1));
  EXPECT_FALSE(has_one(with_fields(10, 1), 1)) << "message_type decides about all others";
  EXPECT_TRUE(has_one(map_of(replaced(user_message(), "group", text(std::string(3000, 'x')))), 0));
  // A first piece that is longer than all comparisons.
  const std::string rest = text("message_type") + text("user_message") + text("message_id") + text("1");
  EXPECT_FALSE(has_one("\x83" + text(std::string(2000, 'k')) + nil + rest, 1));
  const Stencil none{};
  MessageView view;
  EXPECT_FALSE(none.fits(map_of(user_message()), view));
  EXPECT_FALSE(none.begins(map_of(user_message())));
  EXPECT_EQ(none.hinges_for(map_of(user_message())), 0U);
}

TEST(Stencil, HingesAreWhereValuesDiffer) {
  const Entries message = user_message();
  Stencil stencil;
  MessageView view;
  const std::string bytes = map_of(message);
  ASSERT_EQ(view.scan(bytes), Scan::ok);
  ASSERT_TRUE(stencil.make(view, at(message, "to_addr")));
  const auto hinges_for = [&](std::string_view key, const std::string& value) {
    return stencil.hinges_for(map_of(replaced(message, key, value)));
  };
  EXPECT_EQ(hinges_for("content", text("x")), at(message, "to_addr") | at(message, "content"));
  EXPECT_EQ(hinges_for("content", nil), at(message, "to_addr") | at(message, "content"));
  EXPECT_EQ(hinges_for("timestamp", "\x07"), at(message, "to_addr") | at(message, "timestamp"));
  EXPECT_EQ(hinges_for("group", empty_map), at(message, "to_addr") | at(message, "group"));
  EXPECT_EQ(stencil.hinges_for(bytes), 0U);
  EXPECT_EQ(stencil.hinges_for(map_of(event())), 0U);
  Entries other = replaced(message, "content", text("x"));
  other[1].first = "timestamq";
  EXPECT_EQ(stencil.hinges_for(map_of(other)), 0U) << "another key in front of it";
}

// A message with the keys of `base`, in their order, and the values of others.
std::string like(Bytes base, RandomMessages& random) {
  const std::string donor = random.message();
  const auto ours = oracle::entries(base);
  const auto theirs = oracle::entries(donor);
  std::string out(base.substr(0, static_cast<size_t>(ours.empty() ? 1 : ours[0].first.data() - base.data())));
  for (const auto& [key, value] : ours) {
    out += key;
    const auto same = std::ranges::find(theirs, key, [](const auto& entry) { return entry.first; });
    const uint64_t choice = random.below(30);
    if (choice == 0) {
      out += random.value(2);
    } else if (choice < 8 && same != theirs.end()) {
      out += same->second;
    } else {
      out += value;
    }
  }
  return out;
}

TEST(Stencil, WhatFitsIsWhatThePlainScanSays) {
  RandomMessages random(11);
  int fitted = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string first = random.message();
    std::string second = like(first, random);
    if (random.below(4) == 0) random.mutate(second);
    const Stencil::Hinges hinges = random.below(3) == 0 ? 0 : random.below(1 << 12);
    fitted += fits(first, second, hinges);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  EXPECT_GT(fitted, 1'000);
}

TEST(MessageScanner, SaysOfAnyTrafficWhatThePlainScanSays) {
  for (uint64_t seed = 20; seed < 24; ++seed) {
    RandomMessages random(seed);
    MessageScanner scanner;
    std::vector<std::string> bases(3);
    std::map<std::string, int> outcomes;
    for (int round = 0; round < 10'000; ++round) {
      std::string& base = bases[random.below(bases.size())];
      if (base.empty() || random.below(500) == 0) base = random.message();
      std::string bytes = like(base, random);
      if (random.below(16) == 0) random.mutate(bytes);
      if (random.below(3) == 0) bytes += random.message();
      ASSERT_EQ(difference(scanner, bytes), "") << "seed " << seed << " round " << round;
    }
  }
}

// Stencils are there all the time, so that each message is seen both ways.
TEST(MessageScanner, SaysOfSimilarTrafficWhatThePlainScanSays) {
  RandomMessages random(30);
  MessageScanner scanner;
  for (int round = 0; round < 40'000; ++round) {
    const bool is_event = random.below(8) == 0;
    Entries entries = is_event ? event() : user_message();
    entries = replaced(entries, "to_addr", text(std::string(random.below(20), '7')));
    if (random.below(3) != 0) entries = replaced(entries, "content", text(std::string(random.below(300), 'x')));
    if (random.below(4) == 0) entries = replaced(entries, "in_reply_to", text(std::string(32, 'f')));
    if (random.below(50) == 0) entries.emplace_back("session_id", text("77"));
    std::string bytes = map_of(entries);
    if (random.below(200) == 0) bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    if (random.below(100) == 0) bytes.resize(random.below(bytes.size()));
    ASSERT_EQ(difference(scanner, bytes), "") << "round " << round;
  }
  EXPECT_EQ(scanner.pause_messages(), 0U) << "it should have been worth it";
}

TEST(MessageScanner, GivesUpForAWhileWhereNothingIsAlike) {
  MessageScanner scanner;
  MessageView view;
  size_t number = 0;
  const auto unlike = [&] {
    Entries entries = user_message();
    for (auto& [key, value] : entries)
      if (key == "group" || key == "timestamp") key = "k" + std::to_string(++number);
    return map_of(entries);
  };
  const auto messages_until_pause = [&] {
    int messages = 0;
    for (; scanner.pause_messages() == 0 && messages < 10'000; ++messages) {
      const std::string bytes = unlike();
      EXPECT_EQ(scanner.scan(bytes, view), Scan::ok);
    }
    return messages;
  };
  EXPECT_LT(messages_until_pause(), 100);
  uint32_t before = 0;
  for (int i = 0; i < 5; ++i) {
    const uint32_t pause = scanner.pause_messages();
    EXPECT_GT(pause, before) << "each is longer than the one before";
    before = pause;
    for (uint32_t j = 0; j < pause; ++j) EXPECT_EQ(scanner.scan(unlike(), view), Scan::ok);
    EXPECT_EQ(scanner.pause_messages(), 0U);
    EXPECT_LT(messages_until_pause(), 20);
  }
  // Then all are alike.
  const std::string same = map_of(user_message());
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(scanner.scan(same, view), Scan::ok);
  EXPECT_EQ(scanner.pause_messages(), 0U);
}

}  // namespace
}  // namespace signalbox
