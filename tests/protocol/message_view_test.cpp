#include "protocol/message_view.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "protocol/rewrite.hpp"
#include "tests/protocol/bytes.hpp"
#include "tests/protocol/oracle.hpp"

namespace signalbox {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

std::string text(std::string_view words) {
  std::string out;
  append_text(out, words);
  return out;
}

const std::string nil = "\xc0";
const std::string number = "\x07";
const std::string empty_map = "\x80";

// A map of text keys and encoded values.
std::string map_of(const Entries& entries) {
  std::string out = pack([&](auto& p) { p.pack_map(static_cast<uint32_t>(entries.size())); });
  for (const auto& [key, value] : entries) out += text(key) + value;
  return out;
}

Entries user_message() {
  return {{"message_type", text("user_message")}, {"message_id", text("id 1")}};
}
Entries event() {
  return {{"message_type", text("event")},
          {"user_message_id", text("id 1")},
          {"event_id", text("e 1")},
          {"event_type", text("ack")}};
}

Entries with(Entries entries, const std::string& key, const std::string& value) {
  entries.emplace_back(key, value);
  return entries;
}

Entries without(Entries entries, const std::string& key) {
  std::erase_if(entries, [&](const auto& entry) { return entry.first == key; });
  return entries;
}

Entries replaced(const Entries& entries, const std::string& key, const std::string& value) {
  return with(without(entries, key), key, value);
}

// The fault of a message; "" for a good one. The oracle has to agree on the verdict.
std::string fault(const std::string& bytes) {
  MessageView view;
  const Scan scan = view.scan(bytes);
  EXPECT_EQ(oracle::scan_difference(bytes), "");
  EXPECT_EQ(scan == Scan::ok, view.fault().empty());
  EXPECT_NE(scan, Scan::broken);
  return std::string{view.fault()};
}
std::string fault(const Entries& entries) {
  return fault(map_of(entries));
}

TEST(MessageView, UserMessageShowsItsFields) {
  const std::string bytes = map_of({{"timestamp", text("2024-03-01 12:34:56")},
                                    {"message_id", text("id 1")},
                                    {"to_addr", text("+27831234567")},
                                    {"from_addr", nil},
                                    {"content", text("caf\xc3\xa9")},
                                    {"in_reply_to", text("")},
                                    {"routing_metadata", map_of({{"x", number}, {"endpoint_name", text("default")}})},
                                    {"helper_metadata", map_of({{"a", nil}})},
                                    {"message_type", text("user_message")}});
  MessageView view;
  ASSERT_EQ(view.scan(bytes), Scan::ok) << view.fault();
  EXPECT_EQ(view.bytes(), bytes);
  EXPECT_EQ(view.kind(), MessageKind::user_message);
  EXPECT_EQ(view.text(Field::message_id), "id 1");
  EXPECT_EQ(view.value(Field::message_id), text("id 1"));
  EXPECT_EQ(view.text(Field::content), "caf\xc3\xa9");
  EXPECT_EQ(view.endpoint_name(), "default");
  EXPECT_EQ(view.value(Field::helper_metadata), map_of({{"a", nil}}));
  // There and empty, there and nil, not there.
  EXPECT_TRUE(view.has(Field::in_reply_to));
  EXPECT_EQ(view.text(Field::in_reply_to), "");
  EXPECT_FALSE(view.has(Field::from_addr));
  EXPECT_EQ(view.value(Field::from_addr), nil);
  EXPECT_EQ(view.text(Field::from_addr), "");
  EXPECT_FALSE(view.has(Field::transport_name));
  EXPECT_EQ(view.value(Field::transport_name), "");
}

TEST(MessageView, EventShowsItsFields) {
  MessageView view;
  const std::string bytes = map_of(with(event(), "transport_name", text("sms")));
  ASSERT_EQ(view.scan(bytes), Scan::ok) << view.fault();
  EXPECT_EQ(view.kind(), MessageKind::event);
  EXPECT_EQ(view.text(Field::user_message_id), "id 1");
  EXPECT_EQ(view.text(Field::event_type), "ack");
  EXPECT_EQ(view.text(Field::transport_name), "sms");
}

TEST(MessageView, IsReusedWithoutLeftovers) {
  const std::string rich = map_of(with(with(user_message(), "content", text("hello")), "routing_metadata",
                                       map_of({{"endpoint_name", text("default")}})));
  const std::string poor = map_of(event());
  MessageView view;
  ASSERT_EQ(view.scan(rich), Scan::ok);
  ASSERT_EQ(view.scan(poor), Scan::ok);
  EXPECT_FALSE(view.has(Field::content));
  EXPECT_EQ(view.value(Field::message_id), "");
  EXPECT_EQ(view.endpoint_name(), "");
  ASSERT_EQ(view.scan(""), Scan::broken);
  EXPECT_NE(view.fault(), "");
  ASSERT_EQ(view.scan(rich), Scan::ok);
  EXPECT_EQ(view.fault(), "");
}

TEST(MessageView, WalksABatch) {
  const std::string first = map_of(user_message());
  const std::string wrong = map_of({{"message_type", number}});
  const std::string last = map_of(event());
  const std::string batch = first + wrong + last;
  Bytes left = batch;
  std::vector<Scan> outcomes;
  MessageView view;
  while (!left.empty()) {
    EXPECT_EQ(oracle::scan_difference(left), "");
    outcomes.push_back(view.scan(left));
    ASSERT_NE(outcomes.back(), Scan::broken);
    left.remove_prefix(view.bytes().size());
  }
  EXPECT_EQ(outcomes, (std::vector<Scan>{Scan::ok, Scan::malformed, Scan::ok}));
}

TEST(MessageView, RequiredFields) {
  for (const Entries& whole : {user_message(), event()}) {
    EXPECT_EQ(fault(whole), "");
    for (const auto& [key, value] : whole) {
      EXPECT_EQ(fault(without(whole, key)), key + " is missing");
      EXPECT_EQ(fault(replaced(whole, key, nil)), key + " is missing");
      EXPECT_EQ(fault(replaced(whole, key, number)), key + " is no text");
      EXPECT_EQ(fault(replaced(whole, key, empty_map)), key + " is no text");
      EXPECT_EQ(fault(with(whole, key, value)), key + " is given twice");
      EXPECT_NE(fault(replaced(whole, key, text("\xff"))), "");
    }
  }
}

TEST(MessageView, OptionalFieldsOfTheirKind) {
  const std::vector<std::string> texts_of_user_message = {"in_reply_to", "transport_name", "to_addr", "from_addr",
                                                          "content"};
  for (const std::string& key : texts_of_user_message) {
    EXPECT_EQ(fault(with(user_message(), key, nil)), "");
    EXPECT_EQ(fault(with(user_message(), key, text("x"))), "");
    EXPECT_EQ(fault(with(user_message(), key, number)), key + " is no text");
    EXPECT_EQ(fault(with(user_message(), key, "\xc4\x01x")), key + " is no text");
    EXPECT_EQ(fault(with(user_message(), key, empty_map)), key + " is no text");
    EXPECT_EQ(fault(with(user_message(), key, text("\xc3("))), key + " is not UTF-8");
    EXPECT_EQ(fault(with(user_message(), key, text(std::string(300, 'x') + "\xff"))), key + " is not UTF-8");
    EXPECT_EQ(fault(with(with(user_message(), key, nil), key, nil)), key + " is given twice");
  }
  for (const std::string key : {"routing_metadata", "helper_metadata"}) {
    for (const Entries& whole : {user_message(), event()}) {
      EXPECT_EQ(fault(with(whole, key, nil)), "");
      EXPECT_EQ(fault(with(whole, key, empty_map)), "");
      EXPECT_EQ(fault(with(whole, key, text("x"))), key + " is no map");
      EXPECT_EQ(fault(with(whole, key, "\x90")), key + " is no map");
      EXPECT_EQ(fault(with(with(whole, key, empty_map), key, nil)), key + " is given twice");
    }
  }
}

TEST(MessageView, FieldsOfTheOtherKindAreNotJudgedAndNotShown) {
  Entries entries = event();
  for (const std::string key : {"message_id", "in_reply_to", "to_addr", "from_addr", "content"}) {
    entries = with(with(entries, key, number), key, text("\xff"));
  }
  const std::string bytes = map_of(entries);
  EXPECT_EQ(fault(bytes), "");
  MessageView view;
  ASSERT_EQ(view.scan(bytes), Scan::ok);
  EXPECT_FALSE(view.has(Field::content));
  EXPECT_EQ(view.value(Field::content), "");
  EXPECT_EQ(view.text(Field::content), "");
  entries = user_message();
  for (const std::string key : {"user_message_id", "event_id", "event_type"}) entries = with(entries, key, number);
  EXPECT_EQ(fault(entries), "");
  // The kind may be told last.
  std::reverse(entries.begin(), entries.end());
  EXPECT_EQ(fault(entries), "");
}

TEST(MessageView, ValuesThatAreBounded) {
  EXPECT_EQ(fault(replaced(user_message(), "message_id", text(""))), "message_id is empty");
  EXPECT_EQ(fault(replaced(user_message(), "message_id", text(std::string(255, 'x')))), "");
  EXPECT_EQ(fault(replaced(user_message(), "message_id", text(std::string(256, 'x')))),
            "message_id is longer than 255 bytes");
  EXPECT_EQ(fault(replaced(event(), "user_message_id", text(""))), "user_message_id is empty");
  EXPECT_EQ(fault(replaced(event(), "user_message_id", text(std::string(256, 'x')))),
            "user_message_id is longer than 255 bytes");
  EXPECT_EQ(fault(replaced(event(), "event_id", text(""))), "");
  for (const char* type : {"ack", "nack", "delivery_report"})
    EXPECT_EQ(fault(replaced(event(), "event_type", text(type))), "");
  EXPECT_EQ(fault(replaced(event(), "event_type", text("acks"))),
            "event_type is neither ack, nack nor delivery_report");
  for (const char* type : {"status_event", "failure_message", "", "user_messag\xff"})
    EXPECT_EQ(fault(replaced(user_message(), "message_type", text(type))),
              "message_type is neither user_message nor event");
}

TEST(MessageView, EndpointName) {
  const auto with_metadata = [](const Entries& inner) {
    return fault(with(user_message(), "routing_metadata", map_of(inner)));
  };
  EXPECT_EQ(with_metadata({{"endpoint_name", nil}}), "");
  EXPECT_EQ(with_metadata({{"endpoint_name", text("x")}, {"endpoint_namf", number}}), "");
  EXPECT_EQ(with_metadata({{"endpoint_name", number}}), "endpoint_name is no text");
  EXPECT_EQ(with_metadata({{"endpoint_name", empty_map}}), "endpoint_name is no text");
  EXPECT_EQ(with_metadata({{"endpoint_name", text("x")}, {"endpoint_name", text("x")}}),
            "endpoint_name is given twice");
  EXPECT_EQ(with_metadata({{"endpoint_name", text("\xff")}}), "endpoint_name is not UTF-8");
  // Keys within a nested map may be anything; at the top they are text.
  const std::string number_key =
      "\x82\x07\x07\xad"
      "endpoint_name"
      "\xa1x";
  EXPECT_EQ(fault(with(user_message(), "routing_metadata", number_key)), "");
}

TEST(MessageView, KeysAtTheTopAreText) {
  for (const std::string& key :
       std::vector<std::string>{number, nil, std::string("\xc4\x01x"), empty_map, std::string("\x91\x01")}) {
    const std::string bytes = "\x83" + map_of(user_message()).substr(1) + key + number;
    EXPECT_EQ(fault(bytes), "a key is no text");
  }
}

TEST(MessageView, EveryHeadOfEveryWidth) {
  // The same message with each text as str8, str16 and str32, and each map as map16 and map32.
  const auto wide = [](const std::string& words, int width) {
    const auto size = static_cast<char>(static_cast<unsigned char>(words.size()));
    if (width == 1) return std::string("\xd9") + size + words;
    if (width == 2) return std::string("\xda\x00", 2) + size + words;
    return std::string("\xdb\x00\x00\x00", 4) + size + words;
  };
  for (const int width : {1, 2, 3}) {
    const std::string head = width < 3 ? std::string("\xde\x00\x03", 3) : std::string("\xdf\x00\x00\x00\x03", 5);
    const std::string inner = width < 3 ? std::string("\xde\x00\x01", 3) : std::string("\xdf\x00\x00\x00\x01", 5);
    const std::string bytes = head + wide("message_type", width) + wide("user_message", width) +
                              wide("message_id", width) + wide("i", width) + wide("routing_metadata", width) + inner +
                              wide("endpoint_name", width) + wide("e", width);
    EXPECT_EQ(fault(bytes), "");
    MessageView view;
    ASSERT_EQ(view.scan(bytes), Scan::ok);
    EXPECT_EQ(view.text(Field::message_id), "i");
    EXPECT_EQ(view.endpoint_name(), "e");
  }
}

TEST(MessageView, DepthIsBoundedAndTheEndFoundAllTheSame) {
  for (const std::string key : {"x", "helper_metadata", "routing_metadata", "content"}) {
    const bool is_metadata = key.ends_with("metadata");
    for (const unsigned levels : {30U, 31U, 32U, 40U, 100'000U}) {
      // The message is level 1, its value level 2.
      const std::string value = is_metadata ? "\x81\x01" + nested(levels - 1) : nested(levels);
      const std::string bytes = map_of(with(user_message(), key, value));
      MessageView view;
      const std::string batch = bytes + "behind";
      const Scan scan = view.scan(batch);
      EXPECT_EQ(scan == Scan::ok, levels <= 31 && key != "content") << key << levels;
      EXPECT_EQ(view.bytes(), bytes);
      if (levels > 31) {
        EXPECT_EQ(view.fault(), "nesting is deeper than 32 levels");
      }
    }
  }
  // A key can be deep too.
  const std::string bytes = "\x83" + map_of(user_message()).substr(1) + nested(32) + nil;
  EXPECT_EQ(fault(bytes), "nesting is deeper than 32 levels");
}

TEST(MessageView, BrokenBytes) {
  const std::string whole = map_of(user_message());
  for (const std::string& bytes :
       std::vector<std::string>{"", "\xc1", "\x90", "\xc0", "\xa1x", "\x81\xc1", "\x81\xc1\x01", "\x81\x01\xc1",
                                "\x81\xa1x\xc1", "\x81\xa1x", "\x81", from_hex("de ff ff"), from_hex("df ff ff ff ff"),
                                from_hex("df ff ff ff ff") + whole.substr(1),
                                "\x81\xa7"
                                "content\xdb\xff\xff\xff\xff",
                                "\x81\xb0routing_metadata\x8f", "\x81\xafhelper_metadata\x81\xc1\x01",
                                "\x81\xb0routing_metadata\x81\xad"
                                "endpoint_name\xa9x",
                                whole.substr(0, whole.size() - 1)}) {
    MessageView view;
    EXPECT_EQ(view.scan(bytes), Scan::broken);
    EXPECT_NE(view.fault(), "");
    EXPECT_EQ(view.bytes(), "");
    EXPECT_EQ(map_bytes(bytes), std::nullopt);
    EXPECT_EQ(oracle::scan_difference(bytes), "");
  }
}

TEST(MessageView, MapBytesAsksForNoMessage) {
  EXPECT_EQ(map_bytes(from_hex("80 80")), 1U);
  EXPECT_EQ(map_bytes(from_hex("81 01 02 c1")), 3U);
  EXPECT_EQ(map_bytes("\x81\x01" + nested(1000)), 1003U);
  EXPECT_EQ(map_bytes(from_hex("90")), std::nullopt);
}

TEST(Field, NamesAreKeys) {
  EXPECT_EQ(to_string(Field::message_type), "message_type");
  EXPECT_EQ(to_string(Field::routing_metadata), "routing_metadata");
  EXPECT_EQ(to_string(Field::event_type), "event_type");
}

}  // namespace
}  // namespace signalbox
