#include "worker/message.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <iterator>
#include <limits>
#include <map>
#include <msgpack.hpp>
#include <string>
#include <utility>
#include <vector>

#include "protocol/message_view.hpp"

namespace signalbox {
namespace {

std::string reencoded(Bytes bytes) {
  Message message;
  EXPECT_TRUE(message.decode(bytes));
  return message.encoded();
}

TEST(Message, ANewUserMessageIsWhatVumiExpects) {
  const Message message = Message::user_message();
  EXPECT_TRUE(message.is_user_message());
  EXPECT_EQ(message.text("message_version"), "20110921");
  EXPECT_EQ(message.message_id().size(), 32u);
  for (const auto key : {"to_addr", "from_addr", "in_reply_to", "content", "session_event", "transport_name",
                         "transport_type", "group", "provider"}) {
    EXPECT_EQ(message.value(key), "\xc0") << key;
    EXPECT_FALSE(message.has(key)) << key;
  }
  for (const auto key : {"transport_metadata", "helper_metadata", "routing_metadata"}) {
    EXPECT_EQ(message.value(key), "\x80") << key;
  }
  EXPECT_EQ(message.fields(), 16u);
}

TEST(Message, IsOneThatTheBrokerTakes) {
  Message message = Message::user_message();
  message.set_from_addr("+27831234567").set_to_addr("*120#").set_content("hello");
  const std::string encoded = message.encoded();
  MessageView view;
  ASSERT_EQ(view.scan(encoded), Scan::ok);
  EXPECT_EQ(view.bytes(), encoded);
  EXPECT_EQ(view.text(Field::from_addr), "+27831234567");
  const std::string events[] = {message.ack("n1").encoded(), message.nack("no").encoded(),
                                message.delivery_report("delivered").encoded()};
  for (const std::string& event : events) {
    ASSERT_EQ(view.scan(event), Scan::ok) << view.fault();
    EXPECT_EQ(view.kind(), MessageKind::event);
    EXPECT_EQ(view.text(Field::user_message_id), message.message_id());
  }
}

TEST(Message, MsgpackReadsWhatItWrites) {
  Message message;
  message.set_text("content", "hello").set_integer("n", -5).set_nil("group").set_value("list", "\x92\x01\x02");
  const std::string encoded = message.encoded();
  const msgpack::object_handle handle = msgpack::unpack(encoded.data(), encoded.size());
  const auto map = handle.get().as<std::map<std::string, msgpack::object>>();
  EXPECT_EQ(map.size(), 4u);
  EXPECT_EQ(map.at("content").as<std::string>(), "hello");
  EXPECT_EQ(map.at("n").as<int>(), -5);
  EXPECT_TRUE(map.at("group").is_nil());
  EXPECT_EQ(map.at("list").as<std::vector<int>>(), (std::vector<int>{1, 2}));
}

TEST(Message, ChangesOneFieldAndKeepsTheOrder) {
  Message message;
  message.set_text("a", "1").set_text("b", "2").set_text("c", "3");
  message.set_text("b", "twenty").set_text("b", "x").set_text("c", "4");
  EXPECT_EQ(message.encoded(),
            "\x83\xa1"
            "a\xa1"
            "1\xa1"
            "b\xa1"
            "x\xa1"
            "c\xa1"
            "4");
  message.set_nil("b");
  EXPECT_FALSE(message.has("b"));
  EXPECT_EQ(message.text("b"), "");
  EXPECT_EQ(message.value("b"), "\xc0");
  EXPECT_EQ(message.value("d"), "") << "absent";
}

TEST(Message, TakesItsOwnTextForAnotherField) {
  Message message;
  message.set_text("a", std::string(200, 'z'));
  for (int i = 0; i < 20; ++i) message.set_text("copy " + std::to_string(i), message.text("a"));
  EXPECT_EQ(message.text("copy 19"), std::string(200, 'z'));
  message.set_text("a", message.text("a").substr(0, 3));
  EXPECT_EQ(message.text("a"), "zzz");
}

TEST(Message, TextOfEveryLength) {
  for (const size_t length : {0u, 1u, 31u, 32u, 255u, 256u, 65535u, 65536u}) {
    Message message;
    message.set_text("content", std::string(length, 'x'));
    EXPECT_EQ(message.content().size(), length);
    Message decoded;
    ASSERT_TRUE(decoded.decode(message.encoded()));
    EXPECT_EQ(decoded.content(), std::string(length, 'x'));
  }
}

TEST(Message, IntegersOfEveryWidth) {
  for (const int64_t number : {int64_t{0}, int64_t{-1}, int64_t{127}, int64_t{-32}, int64_t{-33}, int64_t{65536},
                               std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    Message message;
    message.set_integer("n", number);
    EXPECT_EQ(message.integer("n"), number);
  }
  Message message;
  message.set_value("float", Bytes("\xcb\x3f\xf0\0\0\0\0\0\0", 9)).set_value("list", "\x91\x05");
  message.set_value("large", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
  EXPECT_FALSE(message.integer("float"));
  EXPECT_FALSE(message.integer("large")) << "past what a signed number holds";
  EXPECT_FALSE(message.integer("list"));
  EXPECT_FALSE(message.integer("absent"));
}

TEST(Message, KeepsEveryValueOfEveryType) {
  const std::string values[] = {std::string("\xc0"),
                                std::string("\xc2"),
                                std::string("\xc3"),
                                std::string("\xff"),
                                std::string("\xcc\x80"),
                                std::string("\xca\x3f\x80\0\0", 5),
                                std::string("\xcb\x3f\xf0\0\0\0\0\0\0", 9),
                                std::string("\xa2hi"),
                                std::string("\xc4\x02\xff\0", 4),
                                std::string("\xd4\x05x"),
                                std::string("\xc7\0\x05", 3),
                                std::string("\xc7\x03\x05xyz"),
                                std::string("\x93\x01\xa1x\x80"),
                                std::string("\x82\x01\x02\xa1k\x91\xc0")};
  for (const std::string& value : values) {
    const std::string encoded = "\x81\xa1v" + value;
    EXPECT_EQ(reencoded(encoded), encoded);
  }
}

TEST(Message, RefusesWhatIsNoMessage) {
  std::string deep = "\x81\xa1x";
  for (int i = 0; i < 32; ++i) deep += '\x91';
  const std::string broken[] = {"",
                                "\x81",
                                "\x81\xa1x",
                                "\x93\x01\x02\x03",
                                "\xa1x",
                                "\x80\x80",
                                "\x81\x01\x02",
                                "\x81\x91\xa1x\x01",
                                "\xc1",
                                std::string("\xdf\xff\xff\xff\xff"),
                                deep + "\x01"};
  for (const std::string& bytes : broken) {
    Message message;
    message.set_text("before", "x");
    EXPECT_FALSE(message.decode(bytes)) << testing::PrintToString(bytes);
    EXPECT_EQ(message.fields(), 0u);
    EXPECT_EQ(message.encoded(), "\x80");
  }
  deep.pop_back();
  Message message;
  EXPECT_TRUE(message.decode(deep + "\x01")) << "32 levels are allowed";
}

TEST(Message, EveryShortenedMessageIsRefused) {
  const std::string whole = Message::user_message().reply("x").encoded();
  Message message;
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) EXPECT_FALSE(message.decode(Bytes(whole).substr(0, bytes)));
  EXPECT_TRUE(message.decode(whole));
}

TEST(Message, AReplyFindsItsWayBack) {
  Message original = Message::user_message();
  original.set_from_addr("+27831234567").set_to_addr("*120#").set_content("hello");
  original.set_transport_name("smpp_transport").set_transport_type("ussd").set_endpoint_name("billing");
  original.set_text("group", "#friends").set_text("provider", "vodacom").set_text("session_event", "new");
  original.set_value("transport_metadata", "\x81\xa1t\x01").set_value("helper_metadata", "\x81\xa1h\x02");

  const Message reply = original.reply("hello yourself");
  EXPECT_EQ(reply.to_addr(), "+27831234567");
  EXPECT_EQ(reply.from_addr(), "*120#");
  EXPECT_EQ(reply.content(), "hello yourself");
  EXPECT_EQ(reply.in_reply_to(), original.message_id());
  EXPECT_NE(reply.message_id(), original.message_id());
  EXPECT_EQ(reply.transport_name(), "smpp_transport");
  EXPECT_EQ(reply.transport_type(), "ussd");
  EXPECT_EQ(reply.endpoint_name(), "billing");
  EXPECT_EQ(reply.group(), "#friends");
  EXPECT_EQ(reply.provider(), "vodacom");
  EXPECT_EQ(reply.value("transport_metadata"), "\x81\xa1t\x01");
  EXPECT_EQ(reply.value("helper_metadata"), "\x81\xa1h\x02");
  EXPECT_FALSE(reply.has("session_event"));
  EXPECT_EQ(original.reply("bye", Message::Session::close).session_event(), "close");
}

TEST(Message, AReplyToAMessageWithNextToNothing) {
  Message original;
  original.set_text("message_type", "user_message").set_text("message_id", "m1");
  const Message reply = original.reply("hello");
  EXPECT_EQ(reply.in_reply_to(), "m1");
  EXPECT_FALSE(reply.has("to_addr"));
  EXPECT_EQ(reply.endpoint_name(), "");
}

TEST(Message, AReplyToAGroupGoesToNobodyInIt) {
  Message original = Message::user_message();
  original.set_from_addr("thandi").set_to_addr("bot").set_group("#friends");
  const Message reply = original.reply_group("hello all", Message::Session::close);
  EXPECT_EQ(reply.value("to_addr"), "\xc0");
  EXPECT_EQ(reply.from_addr(), "bot");
  EXPECT_EQ(reply.group(), "#friends");
  EXPECT_EQ(reply.content(), "hello all");
  EXPECT_EQ(reply.session_event(), "close");
  original.set_nil("group");
  EXPECT_EQ(original.reply_group("hello").to_addr(), "thandi") << "there is no group";
}

TEST(Message, AReplyCarriesValuesOfAnySize) {
  Message original = Message::user_message();
  original.set_message_id(std::string(255, 'i')).set_from_addr(std::string(300, 'f')).set_to_addr("");
  original.set_text({"helper_metadata", "long"}, std::string(70'000, 'h')).set_endpoint_name(std::string(40, 'e'));
  const Message reply = original.reply(std::string(40, 'c'));
  EXPECT_EQ(reply.to_addr(), original.from_addr());
  EXPECT_EQ(reply.value("from_addr"), "\xa0") << "an empty address is not nil";
  EXPECT_EQ(reply.in_reply_to(), original.message_id());
  EXPECT_EQ(reply.value("helper_metadata"), original.value("helper_metadata"));
  EXPECT_EQ(reply.endpoint_name(), std::string(40, 'e'));
  EXPECT_EQ(reply.content(), std::string(40, 'c'));
  MessageView view;
  ASSERT_EQ(view.scan(reply.bytes()), Scan::ok) << view.fault();
  EXPECT_EQ(view.endpoint_name(), std::string(40, 'e'));
}

TEST(Message, ReachesIntoMaps) {
  Message message = Message::user_message();
  message.set_text({"helper_metadata", "tag", "campaign"}, "june").set_integer({"helper_metadata", "tag", "run"}, 7);
  message.set_boolean({"helper_metadata", "urgent"}, true).set_real({"helper_metadata", "price"}, 0.25);
  EXPECT_EQ(message.text({"helper_metadata", "tag", "campaign"}), "june");
  EXPECT_EQ(message.integer({"helper_metadata", "tag", "run"}), 7);
  EXPECT_EQ(message.boolean({"helper_metadata", "urgent"}), true);
  EXPECT_EQ(message.real({"helper_metadata", "price"}), 0.25);
  message.set_text({"helper_metadata", "tag", "campaign"}, "July is longer").set_nil({"helper_metadata", "price"});
  EXPECT_EQ(message.text({"helper_metadata", "tag", "campaign"}), "July is longer");
  EXPECT_EQ(message.integer({"helper_metadata", "tag", "run"}), 7) << "what lies beside stays";
  EXPECT_TRUE(message.has({"helper_metadata", "tag"}));
  EXPECT_FALSE(message.has({"helper_metadata", "price"}));
  EXPECT_EQ(message.value({"helper_metadata", "price"}), "\xc0");
  EXPECT_EQ(message.value({"helper_metadata", "absent", "x"}), "");
  EXPECT_EQ(message.value({"message_id", "x"}), "") << "a text holds nothing";
  EXPECT_EQ(message.text({"message_type"}), "user_message") << "a path of one key";
  EXPECT_EQ(message.fields(), 16u);
}

TEST(Message, MakesRoomForMapsOnTheWay) {
  Message message;
  message.set_text({"new", "a", "b", "c", "d", "e"}, "deep").set_text("text", "in the way").set_nil("nil");
  message.set_integer({"text", "x"}, 1).set_integer({"nil", "x"}, 2).set_integer({"new", "a", "b", "c", "y"}, 3);
  EXPECT_EQ(message.text({"new", "a", "b", "c", "d", "e"}), "deep");
  EXPECT_EQ(message.value("text"), "\x81\xa1x\x01");
  EXPECT_EQ(message.value("nil"), "\x81\xa1x\x02");
  EXPECT_EQ(message.integer({"new", "a", "b", "c", "y"}), 3);
  Message again;
  EXPECT_TRUE(again.decode(message.bytes()));
  EXPECT_EQ(again, message);
}

TEST(Message, TheEndpointLeavesTheRestOfRoutingMetadata) {
  Message message = Message::user_message();
  message.set_text({"routing_metadata", "other"}, "kept").set_endpoint_name("billing").set_endpoint_name("b");
  EXPECT_EQ(message.endpoint_name(), "b");
  EXPECT_EQ(message.text({"routing_metadata", "other"}), "kept");
}

TEST(Message, TruthRealsAndBinary) {
  Message message;
  message.set_boolean("yes", true).set_boolean("no", false).set_real("half", 0.5).set_real("two", 2);
  message.set_binary("bytes", Bytes("\xff\0\x01", 3)).set_binary("none", "");
  EXPECT_EQ(message.boolean("yes"), true);
  EXPECT_EQ(message.boolean("no"), false);
  EXPECT_EQ(message.real("half"), 0.5);
  EXPECT_EQ(message.real("two"), 2.0);
  EXPECT_EQ(message.value("two").size(), 9u) << "a real stays one";
  EXPECT_EQ(message.binary("bytes"), Bytes("\xff\0\x01", 3));
  EXPECT_EQ(message.binary("none"), "");
  EXPECT_FALSE(message.binary("half"));
  EXPECT_FALSE(message.boolean("bytes"));
  EXPECT_EQ(message.text("bytes"), "");
  const std::string encoded = message.encoded();
  const msgpack::object_handle handle = msgpack::unpack(encoded.data(), encoded.size());
  const auto map = handle.get().as<std::map<std::string, msgpack::object>>();
  EXPECT_TRUE(map.at("yes").as<bool>());
  EXPECT_EQ(map.at("half").as<double>(), 0.5);
  EXPECT_EQ(map.at("bytes").via.bin.size, 3u);
}

TEST(Message, TellsItsTime) {
  Message message = Message::user_message();
  const auto now = std::chrono::system_clock::now();
  ASSERT_TRUE(message.time());
  EXPECT_LE(*message.time(), now);
  EXPECT_GE(*message.time(), now - std::chrono::minutes(1));
  const TimePoint then = std::chrono::sys_days(std::chrono::year(2024) / 3 / 1) + std::chrono::microseconds(5);
  message.set_time(then);
  EXPECT_EQ(message.timestamp(), "2024-03-01 00:00:00.000005");
  EXPECT_EQ(message.time(), then);
  EXPECT_FALSE(message.set_text("timestamp", "yesterday").time());
}

TEST(Message, ListsItsFieldsInOrder) {
  Message message;
  message.set_text("a", "1").set_integer("b", 2).set_nil("c").remove("a").remove("absent").set_text("a", "4");
  std::string keys;
  for (const auto [key, value] : message) {
    keys += key;
    EXPECT_EQ(value, message.value(key));
  }
  EXPECT_EQ(keys, "bca");
  EXPECT_EQ(message.field(2).key, "a");
  EXPECT_EQ(as_text(message.field(2).value), "4");
  EXPECT_EQ(std::distance(message.begin(), message.end()), 3);
}

TEST(Message, IsCopiedAndMoved) {
  Message original = Message::user_message();
  original.set_content("hello");
  Message copy = original;
  EXPECT_EQ(copy, original);
  copy.set_content("something else");
  EXPECT_NE(copy, original);
  EXPECT_EQ(original.content(), "hello");
  const Message moved = std::move(copy);
  EXPECT_EQ(moved.content(), "something else");
  EXPECT_EQ(copy.fields(), 0u);  // NOLINT(bugprone-use-after-move): left without fields
  copy.set_text("again", "usable");
  EXPECT_EQ(copy.text("again"), "usable");
}

TEST(Message, ShowsItselfToPeople) {
  Message message;
  message.set_text("content", "hello").set_integer({"helper_metadata", "n"}, -5).set_nil("group");
  EXPECT_EQ(message.to_text(), R"({"content":"hello","helper_metadata":{"n":-5},"group":null})");
  EXPECT_EQ(Message().to_text(), "{}");
}

TEST(Message, EventsSayWhatTheyAreAbout) {
  Message original = Message::user_message();
  original.set_message_id("m1").set_transport_name("somebody_else");
  const Message ack = original.ack("network-7");
  EXPECT_TRUE(ack.is_event());
  EXPECT_EQ(ack.event_type(), "ack");
  EXPECT_EQ(ack.user_message_id(), "m1");
  EXPECT_EQ(ack.sent_message_id(), "network-7");
  EXPECT_EQ(ack.event_id().size(), 32u);
  EXPECT_FALSE(ack.has("transport_name")) << "the broker knows who sends it";
  EXPECT_EQ(original.nack("no such number").nack_reason(), "no such number");
  EXPECT_EQ(original.delivery_report("failed").delivery_status(), "failed");
  EXPECT_EQ(original.delivery_report("failed").event_type(), "delivery_report");
}

}  // namespace
}  // namespace signalbox
