#include "worker/message.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <functional>
#include <limits>
#include <map>
#include <msgpack.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "protocol/message_view.hpp"

namespace signalbox {
namespace {

bool is_hexadecimal(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return std::strchr("0123456789abcdef", c) != nullptr; });
}

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

TEST(Message, WhatItDecodesMeansTheSame) {
  std::mt19937 random(20110921);
  const auto below = [&](uint32_t bound) { return std::uniform_int_distribution<uint32_t>(0, bound - 1)(random); };
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> packer(buffer);
  const std::function<void(int)> pack = [&](int levels) {
    switch (below(levels > 0 ? 10 : 8)) {
      case 0:
        packer.pack_nil();
        break;
      case 1:
        packer.pack(below(2) == 0);
        break;
      case 2:
        packer.pack(static_cast<uint64_t>(random()) << below(33));
        break;
      case 3:
        packer.pack(-static_cast<int64_t>(random()));
        break;
      case 4:
        packer.pack(static_cast<double>(random()) / 7);
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
        for (uint32_t i = 0; i < size; ++i) pack(levels - 1);
        break;
      }
      default: {
        const uint32_t size = below(5);
        packer.pack_map(size);
        for (uint32_t i = 0; i < 2 * size; ++i) pack(levels - 1);
      }
    }
  };
  for (int i = 0; i < 2000; ++i) {
    buffer.clear();
    const uint32_t fields = below(40);
    packer.pack_map(fields);
    for (uint32_t field = 0; field < fields; ++field) {
      packer.pack("field " + std::to_string(field));
      pack(4);
    }
    const std::string original(buffer.data(), buffer.size());
    const std::string again = reencoded(original);
    const auto expected = msgpack::unpack(original.data(), original.size());
    const auto actual = msgpack::unpack(again.data(), again.size());
    ASSERT_EQ(actual.get(), expected.get()) << "message " << i;
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

TEST(Message, IdsAreRandomUuids) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = new_message_id();
    ASSERT_EQ(id.size(), 32u);
    ASSERT_TRUE(is_hexadecimal(id));
    ASSERT_EQ(id[12], '4');
    ASSERT_NE(std::string("89ab").find(id[16]), std::string::npos);
    ASSERT_TRUE(seen.insert(id).second);
  }
}

TEST(Message, AForkedChildMakesOtherIds) {
  new_message_id();
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string id = new_message_id();
    _exit(write(pipe_ends[1], id.data(), id.size()) == 32 ? 0 : 1);
  }
  char id[32] = {};
  EXPECT_EQ(read(pipe_ends[0], id, sizeof id), 32);
  EXPECT_NE(std::string(id, sizeof id), new_message_id());
  int status = 1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

TEST(Message, TimestampsAreUtcInVumisFormat) {
  const auto now = std::chrono::system_clock::now();
  const std::string text = timestamp_now();
  ASSERT_EQ(text.size(), std::string("2026-01-31 23:59:59.000000").size());
  std::tm parsed{};
  ASSERT_STREQ(strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &parsed), text.c_str() + 19);
  const auto difference = timegm(&parsed) - std::chrono::system_clock::to_time_t(now);
  EXPECT_GE(difference, 0);
  EXPECT_LE(difference, 60);
  EXPECT_EQ(text[19], '.');
  EXPECT_TRUE(std::all_of(text.begin() + 20, text.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

}  // namespace
}  // namespace signalbox
