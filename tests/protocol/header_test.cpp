#include "protocol/header.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "protocol/limits.hpp"
#include "tests/protocol/bytes.hpp"
#include "tests/protocol/oracle.hpp"

namespace signalbox {
namespace {

constexpr uint64_t max_also = 4;

std::optional<WorkerFrame> worker(std::string_view hex) {
  static std::string bytes;  // what a parsed frame points into
  bytes = from_hex(hex);
  return parse_worker_frame(bytes, max_also);
}

template <typename Frame>
Frame as(const std::optional<WorkerFrame>& frame) {
  EXPECT_TRUE(frame.has_value() && std::holds_alternative<Frame>(*frame));
  return frame.has_value() && std::holds_alternative<Frame>(*frame) ? std::get<Frame>(*frame) : Frame{};
}

// [1, 1, "transport", "sms", options], the options put in by `put`.
template <typename Put>
std::string hello_with(Put put) {
  return pack([&](auto& p) {
    p.pack_array(5);
    p.pack(1);
    p.pack(1);
    p.pack("transport");
    p.pack("sms");
    put(p);
  });
}

std::string hello_with_option(std::string_view key, std::string_view value_hex) {
  std::string bytes = hello_with([&](auto& p) {
    p.pack_map(1);
    p.pack(key);
  });
  return bytes + from_hex(value_hex);
}

TEST(WorkerHeader, SmallFrames) {
  EXPECT_EQ(as<Send>(worker("92 02 01")).first_seq, 1U);
  EXPECT_EQ(as<Flow>(worker("92 05 00")).prefetch, 0U);
  EXPECT_EQ(as<Flow>(worker("92 05 cd 03 e8")).prefetch, 1000U);
  as<Ping>(worker("91 06"));
  as<Pong>(worker("91 07"));
  EXPECT_EQ(as<Bye>(worker("92 08 c0")).reason, "");
  EXPECT_EQ(as<Bye>(worker("91 08")).reason, "");
  EXPECT_EQ(as<Bye>(worker("92 08 a3 62 79 65")).reason, "bye");
}

TEST(WorkerHeader, IntegersOfAnyWidthAndArraysOfAnyHead) {
  EXPECT_EQ(as<Send>(worker("92 cc 02 cf 00 00 00 00 00 00 00 09")).first_seq, 9U);
  EXPECT_EQ(as<Send>(worker("dc 00 02 d1 00 02 d3 00 00 00 00 00 00 00 09")).first_seq, 9U);
  EXPECT_EQ(as<Send>(worker("dd 00 00 00 02 02 09")).first_seq, 9U);
  EXPECT_EQ(as<Send>(worker("92 02 cf ff ff ff ff ff ff ff ff")).first_seq, UINT64_MAX);
}

TEST(WorkerHeader, NumbersThatAreNone) {
  for (const char* hex : {"92 02 ff", "92 02 d0 ff", "92 02 ca 3f 80 00 00", "92 02 cb 3f f0 00 00 00 00 00 00",
                          "92 02 c3", "92 02 c0", "92 02 a1 31", "92 02 00", "91 02", "92 05 c2", "92 05 ff", "91 05",
                          "92 ff 01", "92 c3 01", "91 ca 40 c0 00 00"})
    EXPECT_FALSE(worker(hex)) << hex;
}

TEST(WorkerHeader, OnlyTypesThatAWorkerSends) {
  for (unsigned type = 0; type < 300; ++type) {
    const bool is_worker_type = type >= 1 && type <= 8;
    const std::string bytes = pack([&](auto& p) {
      p.pack_array(1);
      p.pack(type);
    });
    // Of the types that need elements none parses without them; these three need none.
    const bool needs_none = type == 6 || type == 7 || type == 8;
    EXPECT_EQ(parse_worker_frame(bytes, max_also).has_value(), is_worker_type && needs_none) << type;
  }
  for (const char* hex : {"92 09 01", "92 10 01", "92 15 01", "93 11 01 c2", "92 12 01", "92 cd 01 02 01",
                          "92 cf 00 00 00 01 00 00 00 02 01"})
    EXPECT_FALSE(worker(hex)) << hex;
}

TEST(WorkerHeader, OneWholeArrayAndNothingBehindIt) {
  for (const char* hex : {"", "90", "92 02", "92 02 01 00", "92 02 01 c0", "82 02 01", "02", "c0", "c1", "93 02 01 c1",
                          "dd ff ff ff ff 02 01", "93 02 01 db ff ff ff ff", "93 02 01 df ff ff ff ff", "91 92 02 01"})
    EXPECT_FALSE(worker(hex)) << hex;
}

TEST(WorkerHeader, ElementsPastThoseKnownAreIgnoredIfWhole) {
  EXPECT_EQ(as<Send>(worker("94 02 05 c0 81 01 92 02 03")).first_seq, 5U);
  as<Ping>(worker("92 06 a1 78"));
  EXPECT_EQ(as<Ack>(worker("94 03 05 90 c3")).upto, 5U);
  EXPECT_FALSE(worker("93 02 05 92 01"));
}

TEST(WorkerHeader, DepthIsBounded) {
  // The header's own array is level 1.
  EXPECT_TRUE(parse_worker_frame("\x92\x06" + nested(31), max_also));
  EXPECT_FALSE(parse_worker_frame("\x92\x06" + nested(32), max_also));
  EXPECT_FALSE(parse_worker_frame("\x92\x06" + nested(100'000), max_also));
}

TEST(WorkerHeader, SizeIsBounded) {
  const auto padded = [](size_t bytes) {
    return pack([&](auto& p) {
      p.pack_array(2);
      p.pack(6);
      p.pack_bin(static_cast<uint32_t>(bytes));
      p.pack_bin_body(std::string(bytes, 'x').data(), static_cast<uint32_t>(bytes));
    });
  };
  EXPECT_TRUE(parse_worker_frame(padded(limits::header_bytes_max - 7), max_also));
  EXPECT_FALSE(parse_worker_frame(padded(limits::header_bytes_max - 6), max_also));
}

TEST(WorkerHeader, Ack) {
  const Ack plain = as<Ack>(worker("92 03 05"));
  EXPECT_EQ(plain.upto, 5U);
  EXPECT_EQ(plain.also.size(), 0U);
  SeqList also = as<Ack>(worker("93 03 00 94 07 cc 09 cd 01 00 d0 01")).also;
  std::vector<Seq> numbers;
  while (also.size() > 0) numbers.push_back(also.take());
  EXPECT_EQ(numbers, (std::vector<Seq>{7, 9, 256, 1}));
  for (const char* hex : {"93 03 05 c0", "93 03 05 01", "93 03 05 91 c0", "93 03 05 91 ff", "93 03 05 92 01 a1 32",
                          "93 03 05 80", "91 03", "92 03 c0", "93 03 00 95 01 02 03 04 05"})
    EXPECT_FALSE(worker(hex)) << hex;
}

TEST(WorkerHeader, TheLongestAckThatMayBeSentIsRead) {
  std::vector<Seq> also(limits::max_prefetch);
  for (size_t i = 0; i < also.size(); ++i) also[i] = UINT64_MAX - i;
  std::string header;
  write_ack(header, UINT64_MAX, also.data(), also.size());
  const auto frame = parse_worker_frame(header, limits::max_prefetch);
  ASSERT_TRUE(frame);
  SeqList read = std::get<Ack>(*frame).also;
  ASSERT_EQ(read.size(), also.size());
  for (const Seq number : also) ASSERT_EQ(read.take(), number);
}

TEST(WorkerHeader, Nack) {
  const Nack nack = as<Nack>(worker("94 04 07 a4 66 75 6c 6c c3"));
  EXPECT_EQ(nack.seq, 7U);
  EXPECT_EQ(nack.reason, "full");
  EXPECT_TRUE(nack.requeue);
  EXPECT_FALSE(as<Nack>(worker("94 04 07 c0 c2")).requeue);
  for (const char* hex : {"92 04 07", "93 04 07 c0", "94 04 07 c0 01", "94 04 07 c0 c0", "94 04 07 01 c2",
                          "94 04 c0 c0 c2", "94 04 07 c4 01 78 c2"})
    EXPECT_FALSE(worker(hex)) << hex;
}

TEST(WorkerHeader, HelloOptions) {
  const std::string bytes = hello_with([](auto& p) {
    p.pack_map(9);
    p.pack("session");
    p.pack_bin(16);
    p.pack_bin_body("0123456789abcdef", 16);
    p.pack("confirmed");
    p.pack(uint64_t{70'000});
    p.pack("prefetch");
    p.pack(10);
    p.pack("client");
    p.pack("demo 1.0");
    p.pack("instance");
    p.pack("left");
    p.pack("features");
    p.pack(std::vector<std::string>{"later"});
    p.pack("unknown");
    p.pack(1.5);
    p.pack(7);
    p.pack("a key that is no text is an unknown one");
    p.pack("client_version");
    p.pack_nil();
  });
  const Hello hello = as<Hello>(parse_worker_frame(bytes, max_also));
  EXPECT_EQ(hello.version, 1U);
  EXPECT_EQ(hello.role, Role::transport);
  EXPECT_EQ(hello.name, "sms");
  EXPECT_EQ(hello.session, "0123456789abcdef");
  EXPECT_EQ(hello.confirmed, 70'000U);
  EXPECT_EQ(hello.prefetch, 10U);
  EXPECT_EQ(hello.client, "demo 1.0");
  EXPECT_EQ(hello.instance, "left");
}

TEST(WorkerHeader, HelloWithoutOptionsHasTheDefaults) {
  const std::string bytes = pack([](auto& p) {
    p.pack_array(4);
    p.pack(1);
    p.pack(1);
    p.pack("application");
    p.pack("a/b");  // no legal name: that is for the broker to answer
  });
  const Hello hello = as<Hello>(parse_worker_frame(bytes, max_also));
  EXPECT_EQ(hello.role, Role::application);
  EXPECT_EQ(hello.name, "a/b");
  EXPECT_EQ(hello.session, "");
  EXPECT_EQ(hello.confirmed, 0U);
  EXPECT_EQ(hello.prefetch, limits::default_prefetch);
}

TEST(WorkerHeader, HelloOptionsHaveTheirTypes) {
  const auto fits = [](std::string_view key, std::string_view hex) {
    return parse_worker_frame(hello_with_option(key, hex), max_also).has_value();
  };
  for (const char* key : {"session", "confirmed", "prefetch", "client", "instance", "features", "unknown"})
    EXPECT_TRUE(fits(key, "c0")) << key << " nil is as if left out";
  EXPECT_TRUE(fits("features", "90"));
  EXPECT_TRUE(fits("unknown", "81 01 02"));
  EXPECT_FALSE(fits("session", "c4 0f 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65"));
  EXPECT_FALSE(fits("session", "c4 00"));
  EXPECT_FALSE(fits("session", "b0 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66"));
  EXPECT_FALSE(fits("confirmed", "ff"));
  EXPECT_FALSE(fits("confirmed", "a1 31"));
  EXPECT_FALSE(fits("prefetch", "cb 3f f0 00 00 00 00 00 00"));
  EXPECT_FALSE(fits("client", "01"));
  EXPECT_FALSE(fits("client", "c4 01 78"));
  EXPECT_FALSE(fits("instance", "90"));
  EXPECT_FALSE(fits("features", "a1 78"));
  EXPECT_FALSE(fits("features", "92 a1 78 01"));
}

TEST(WorkerHeader, HelloElementsHaveTheirTypes) {
  for (const char* hex : {
           "91 01",                                            // nothing
           "92 01 01",                                         // no role
           "93 01 01 a9 74 72 61 6e 73 70 6f 72 74",           // no name
           "94 01 01 a6 72 6f 75 74 65 72 a1 61",              // an unknown role
           "94 01 01 00 a1 61",                                // a role that is no text
           "94 01 01 a9 74 72 61 6e 73 70 6f 72 74 01",        // a name that is no text
           "94 01 01 a9 74 72 61 6e 73 70 6f 72 74 c4 01 61",  // nor bytes
           "95 01 01 a9 74 72 61 6e 73 70 6f 72 74 a1 61 c0",  // options that are no map
           "95 01 01 a9 74 72 61 6e 73 70 6f 72 74 a1 61 90",
           "94 01 c0 a9 74 72 61 6e 73 70 6f 72 74 a1 61",  // a version that is no number
       })
    EXPECT_FALSE(worker(hex)) << hex;
}

TEST(WorkerHeader, AnotherVersionIsReadNoFurther) {
  for (const char* hex : {"92 01 02", "94 01 02 01 c0", "92 01 00"}) {
    const Hello hello = as<Hello>(worker(hex));
    EXPECT_NE(hello.version, 1U);
    EXPECT_FALSE(hello.role.has_value());
    EXPECT_EQ(hello.name, "");
  }
  // But it is one whole array.
  EXPECT_FALSE(worker("93 01 02"));
}

TEST(WorkerHeader, OldSpecRawIsText) {
  // raw16 where str8 would do, as old packers write it.
  EXPECT_EQ(as<Bye>(worker("92 08 da 00 03 62 79 65")).reason, "bye");
}

TEST(BrokerHeader, WelcomeKnowsWhatItReadsAndIgnoresTheRest) {
  const std::string bytes = pack([](auto& p) {
    p.pack_array(6);
    p.pack(16);
    p.pack(1);
    p.pack_nil();
    p.pack(9);
    p.pack_map(3);
    p.pack("send_window");
    p.pack(100);
    p.pack("from_the_future");
    p.pack(true);
    p.pack(3);
    p.pack_nil();
    p.pack("surplus");
  });
  const auto frame = parse_broker_frame(bytes);
  ASSERT_TRUE(frame);
  const Welcome& welcome = std::get<Welcome>(*frame);
  EXPECT_EQ(welcome.session, "");
  EXPECT_EQ(welcome.last_seq, 9U);
  EXPECT_EQ(welcome.limits.send_window, 100U);
  // What is not said has the protocol's default.
  EXPECT_EQ(welcome.limits.heartbeat_ms, limits::heartbeat_ms);
  EXPECT_EQ(welcome.limits.max_prefetch, limits::max_prefetch);
}

TEST(BrokerHeader, WrongOnes) {
  for (const char* hex : {"", "90", "92 02 01", "93 11 00 c2", "93 11 01 01", "92 11 01", "92 12 c0", "92 14 01",
                          "91 13", "93 13 01 02", "95 10 01 c0 00 c0", "95 10 01 a1 78 00 80", "92 12 01 00",
                          "92 09 01", "95 10 01 c0 00 81 a7 64 75 72 61 62 6c 65 01"})
    EXPECT_FALSE(parse_broker_frame(from_hex(hex))) << hex;
}

TEST(Header, WritingAndReadingAgree) {
  std::string out = "what was there before";
  const auto worker_frame = [&] { return parse_worker_frame(out, max_also); };
  const auto broker_frame = [&] { return parse_broker_frame(out); };

  Hello hello;
  hello.role = Role::application;
  hello.name = "app";
  hello.session = "0123456789abcdef";
  hello.confirmed = 3;
  hello.prefetch = 0;
  hello.client = "c";
  hello.instance = "i";
  write(out, hello);
  const Hello read_hello = std::get<Hello>(worker_frame().value());
  EXPECT_EQ(read_hello.role, Role::application);
  EXPECT_EQ(read_hello.session, hello.session);
  EXPECT_EQ(read_hello.confirmed, 3U);
  EXPECT_EQ(read_hello.prefetch, 0U);
  EXPECT_EQ(read_hello.instance, "i");

  write(out, Nack{7, "why", true});
  EXPECT_EQ(std::get<Nack>(worker_frame().value()).reason, "why");
  write(out, Nack{7, "", false});
  EXPECT_EQ(out, from_hex("94 04 07 c0 c2"));
  write(out, Bye{});
  EXPECT_EQ(out, from_hex("92 08 c0"));
  write(out, Flow{500});
  EXPECT_EQ(std::get<Flow>(worker_frame().value()).prefetch, 500U);

  Welcome welcome;
  welcome.session = "0123456789abcdef";
  welcome.last_seq = 12;
  welcome.limits = {1, 2, 3, 4, 5, 6, true, "signalbox 0.1.0"};
  write(out, welcome);
  const Welcome read_welcome = std::get<Welcome>(broker_frame().value());
  EXPECT_EQ(read_welcome.session, welcome.session);
  EXPECT_EQ(read_welcome.last_seq, 12U);
  EXPECT_EQ(read_welcome.limits.heartbeat_ms, 1U);
  EXPECT_EQ(read_welcome.limits.max_message_bytes, 2U);
  EXPECT_EQ(read_welcome.limits.max_batch_bytes, 3U);
  EXPECT_EQ(read_welcome.limits.send_window, 4U);
  EXPECT_EQ(read_welcome.limits.send_window_bytes, 5U);
  EXPECT_EQ(read_welcome.limits.max_prefetch, 6U);
  EXPECT_TRUE(read_welcome.limits.durable);
  EXPECT_EQ(read_welcome.limits.broker, "signalbox 0.1.0");

  write(out, Deliver{UINT64_MAX, true});
  EXPECT_EQ(std::get<Deliver>(broker_frame().value()).first_seq, UINT64_MAX);
  EXPECT_TRUE(std::get<Deliver>(broker_frame().value()).redelivered);
  write(out, Confirm{300});
  EXPECT_EQ(std::get<Confirm>(broker_frame().value()).upto, 300U);
  write(out, Refuse{4, "no_route", "no rule takes it"});
  EXPECT_EQ(std::get<Refuse>(broker_frame().value()).code, "no_route");
  EXPECT_EQ(std::get<Refuse>(broker_frame().value()).text, "no rule takes it");
  write(out, ErrorFrame{"gap", "3 is missing"});
  EXPECT_EQ(std::get<ErrorFrame>(broker_frame().value()).text, "3 is missing");
  write(out, Pong{});
  EXPECT_TRUE(std::holds_alternative<Pong>(broker_frame().value()));
}

TEST(Header, WritingKeepsTheCapacity) {
  std::string out;
  out.reserve(512);
  const char* const place = out.data();
  write(out, Confirm{UINT64_MAX});
  write(out, Deliver{UINT64_MAX, false});
  write(out, Refuse{UINT64_MAX, "queue_full", std::string(200, 'x')});
  EXPECT_EQ(out.data(), place);
}

// No header that the parser takes is one that msgpack-c finds broken, too deep or with bytes behind it.
TEST(Header, WhatIsReadIsWholeForTheOracle) {
  std::mt19937_64 random(5);
  int read = 0;
  const std::vector<std::string> seeds = {from_hex("92 02 01"), from_hex("93 03 05 92 07 09"),
                                          from_hex("94 04 07 a1 78 c3"), from_hex("92 08 a1 78"),
                                          hello_with_option("features", "91 a1 78")};
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes = seeds[random() % seeds.size()];
    for (uint64_t changes = random() % 4; changes > 0; --changes)
      bytes[random() % bytes.size()] = static_cast<char>(static_cast<unsigned char>(random()));
    if (random() % 8 == 0) bytes.resize(random() % (bytes.size() + 1));
    if (!parse_worker_frame(bytes, max_also) && !parse_broker_frame(bytes)) continue;
    ++read;
    const oracle::Boundary found = oracle::boundary(bytes);
    ASSERT_TRUE(found.whole && found.bytes == bytes.size() && found.levels <= 32);
  }
  EXPECT_GT(read, 5'000);
}

TEST(Codes, AreAsOnTheWire) {
  EXPECT_EQ(to_string(ErrorCode::none), "");
  const std::array<std::string_view, 11> errors = {
      "version", "malformed", "unknown_endpoint", "not_permitted", "not_registered", "taken_over",
      "gap",     "window",    "too_large",        "too_many",      "internal"};
  for (size_t i = 0; i < errors.size(); ++i) EXPECT_EQ(to_string(static_cast<ErrorCode>(i + 1)), errors[i]);
  const std::array<std::string_view, 7> refusals = {"malformed",     "too_large",  "no_route", "unknown_endpoint",
                                                    "not_permitted", "queue_full", "internal"};
  for (size_t i = 0; i < refusals.size(); ++i) EXPECT_EQ(to_string(static_cast<RefusalCode>(i)), refusals[i]);
  EXPECT_EQ(to_string(Role::transport), "transport");
  EXPECT_EQ(to_string(Role::application), "application");
}

}  // namespace
}  // namespace signalbox
