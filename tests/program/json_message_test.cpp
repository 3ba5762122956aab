// JSON <-> MessagePack: what each type looks like, that nothing is lost both ways together, and what is no message.
#include "broker/program/json_message.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <msgpack.hpp>

#include "broker/program/base64.hpp"
#include "protocol/limits.hpp"
#include "tests/protocol/bytes.hpp"
#include "tests/protocol/random_message.hpp"

namespace signalbox {
namespace {

std::string json_of(Bytes encoded) {
  std::string json;
  const std::string fault = append_json(json, encoded);
  return fault.empty() ? json : "fault: " + fault;
}

std::string bytes_of(std::string_view json) {
  std::string bytes;
  const std::string fault = append_message_pack(bytes, json);
  EXPECT_EQ(fault, "") << json;
  return bytes;
}

std::string fault_of(std::string_view json) {
  std::string bytes = "as it was";
  const std::string fault = append_message_pack(bytes, json);
  EXPECT_EQ(bytes, "as it was") << json;
  return fault;
}

TEST(JsonMessage, EveryTypeHasItsForm) {
  const struct {
    const char* hex;
    const char* json;
  } cases[] = {
      {"c0", "null"},
      {"c3", "true"},
      {"00", "0"},
      {"e0", "-32"},
      {"cf ffffffffffffffff", "18446744073709551615"},
      {"d3 8000000000000000", "-9223372036854775808"},
      {"cb 3ff0000000000000", "1.0"},
      {"cb 8000000000000000", "-0.0"},
      {"cb 3fb999999999999a", "0.1"},
      {"cb 0000000000000001", "5e-324"},
      {"cb 7fefffffffffffff", "1.7976931348623157e+308"},
      {"cb 7ff0000000000000", R"({"$float":"inf"})"},
      {"cb fff0000000000000", R"({"$float":"-inf"})"},
      {"cb 7ff8000000000000", R"({"$float":"nan"})"},
      {"cb fff8000000000001", R"({"$float":"fff8000000000001"})"},
      {"a0", R"("")"},
      {"a5 68c3a96c6f", "\"h\xc3\xa9lo\""},
      {"a4 00 0a 22 5c", R"("\u0000\n\"\\")"},
      {"a4 7f c2 9b 41", R"("\u007f\u009bA")"},
      {"a2 c2a0", "\"\xc2\xa0\""},
      {"a1 ff", R"({"$str":"/w=="})"},
      {"c4 00", R"({"$bin":""})"},
      {"c4 03 000102", R"({"$bin":"AAEC"})"},
      {"d4 ff 61", R"({"$ext":[-1,"YQ=="]})"},
      {"c7 00 7f", R"({"$ext":[127,""]})"},
      {"c7 03 80 616263", R"({"$ext":[-128,"YWJj"]})"},
      {"93 01 90 80", "[1,[],{}]"},
      {"82 a1 62 01 a1 61 02", R"({"b":1,"a":2})"},
      {"82 a1 24 01 a1 61 02", R"({"$":1,"a":2})"},
      {"81 a4 2462696e 01", R"({"$map":[["$bin",1]]})"},
      {"81 01 02", R"({"$map":[[1,2]]})"},
      {"81 c0 81 c4 01 ff c0", R"({"$map":[[null,{"$map":[[{"$bin":"/w=="},null]]}]]})"},
      {"82 a1 61 01 a1 61 02", R"({"$map":[["a",1],["a",2]]})"},
      {"81 a1 ff 01", R"({"$map":[[{"$str":"/w=="},1]]})"},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(json_of(from_hex(each.hex)), each.json);
    EXPECT_EQ(bytes_of(each.json), from_hex(each.hex)) << each.json;
  }
}

TEST(JsonMessage, WhatPeopleType) {
  EXPECT_EQ(bytes_of(" { \"content\" : \"hi\" , \"n\" : -1 }\r"), from_hex("82 a7 636f6e74656e74 a2 6869 a1 6e ff"));
  EXPECT_EQ(bytes_of(R"("\u00e9\ud83d\ude00")"), from_hex("a6 c3a9 f09f9880"));
  EXPECT_EQ(bytes_of("1e3"), from_hex("cb 408f400000000000"));
  EXPECT_EQ(bytes_of("200"), from_hex("cc c8"));
  EXPECT_EQ(bytes_of(R"({"$map":[]})"), from_hex("80"));
  EXPECT_EQ(bytes_of(R"({"$ext":[0,"AAAAAA=="]})"), from_hex("d6 00 00000000"));
}

TEST(JsonMessage, AFloatOf32BitsKeepsItsValue) {
  EXPECT_EQ(json_of(from_hex("ca 3dcccccd")), "0.10000000149011612");
  EXPECT_EQ(bytes_of("0.10000000149011612"), from_hex("cb 3fb99999a0000000"));
  EXPECT_EQ(json_of(from_hex("ca ff800000")), R"({"$float":"-inf"})");
}

TEST(JsonMessage, FaultsSayWhatAndWhere) {
  const struct {
    const char* json;
    const char* says;
  } cases[] = {
      {"", "byte 1"},
      {"{\"a\":}", "byte 6"},
      {"{} {}", "byte 4"},
      {"\"\xff\"", "byte 2"},
      {"\"\\ud800\"", "byte 8"},
      {"[1, 18446744073709551616]", "the integer 18446744073709551616 is past 64 bits"},
      {"-9223372036854775809", "the integer -9223372036854775809 is past 64 bits"},
      {"1e999", "byte 5"},
      {"NaN", "byte 1"},
      {R"({"a":{"b":[0,{"c":1,"d":2,"c":3}]}})", "a.b[1]: the key 'c' stands twice"},
      {R"({"tag":{"$blob":""}})", "tag.$blob: no such form; a map with this one key is written"},
      {R"([{"$bin":"YQ"}])", "[0].$bin: base64 text is wanted"},
      {R"({"$bin":"YR=="})", "$bin: base64 text is wanted"},
      {R"({"$bin":"Y Q="})", "$bin: base64 text is wanted"},
      {R"({"$bin":"YQ==YQ=="})", "$bin: base64 text is wanted"},
      {R"({"$bin":"===="})", "$bin: base64 text is wanted"},
      {R"({"$str":7})", "$str: base64 text is wanted"},
      {R"({"$ext":[128,""]})", "$ext: [type, base64 text] is wanted"},
      {R"({"$ext":[-129,""]})", "$ext: [type, base64 text] is wanted"},
      {R"({"$ext":[18446744073709551615,""]})", "$ext: [type, base64 text] is wanted"},
      {R"({"$ext":[1.0,""]})", "$ext: [type, base64 text] is wanted"},
      {R"({"$ext":[1]})", "$ext: [type, base64 text] is wanted"},
      {R"({"$ext":"AA=="})", "$ext: [type, base64 text] is wanted"},
      {R"({"$float":"1.0"})", "$float: \"nan\""},
      {R"({"$float":"3ff0000000000000"})", "$float: \"nan\""},
      {R"({"$float":"7ff800000000000"})", "$float: \"nan\""},
      {R"({"$float":null})", "$float: \"nan\""},
      {R"({"$map":{"a":1}})", "$map: an array of [key, value] is wanted"},
      {R"({"$map":[["a",1],["b"]]})", "$map[1]: [key, value] is wanted"},
      {R"({"$map":[["a",{"$bin":0}]]})", "$map[0].$bin: base64 text is wanted"},
  };
  for (const auto& each : cases) {
    const std::string fault = fault_of(each.json);
    EXPECT_EQ(fault.rfind(each.says, 0), 0u) << each.json << "\n" << fault;
  }
}

TEST(JsonMessage, LevelsAreBounded) {
  const auto arrays = [](size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  EXPECT_EQ(json_of(nested(limits::nesting_levels_max)).size(), 2 * limits::nesting_levels_max + 4);
  EXPECT_EQ(json_of(nested(limits::nesting_levels_max + 1)), "fault: more than 32 levels");
  EXPECT_FALSE(bytes_of(arrays(limits::nesting_levels_max)).empty());
  EXPECT_NE(fault_of(arrays(limits::nesting_levels_max + 1)).find("more than 32 levels"), std::string::npos);
  EXPECT_EQ(fault_of(std::string(1'000'000, '[')), "more than 98 levels");
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(fault_of(objects), "more than 98 levels");
  // Maps with keys that are no text are the deepest in JSON, and a form at the bottom is deeper still.
  std::string maps;
  for (size_t i = 0; i < limits::nesting_levels_max; ++i) maps += "\x81\xc0";
  maps += from_hex("d4 01 61");
  EXPECT_EQ(bytes_of(json_of(maps)), maps);
}

TEST(JsonMessage, BytesThatAreNotOneValueAreNone) {
  for (const char* hex : {"", "c1", "01 02", "92 01", "a5 68", "df ffffffff", "dd ffffffff", "c6 ffffffff 00"})
    EXPECT_EQ(json_of(from_hex(hex)), "fault: not one whole MessagePack value") << hex;
}

// Everything that append_json writes is within json_bytes_per_byte_max of what it was given, the worst cases too.
TEST(JsonMessage, TheTextIsBounded) {
  const std::string worst[] = {std::string("\x91\x81\xc0\xc0", 4), std::string("\xa1\xff", 2),
                               std::string("\xd4\x80\x00", 3),     std::string("\xa1\x01", 2),
                               std::string("\xc4\x00", 2),         from_hex("cb fff8000000000001"),
                               from_hex("d3 8000000000000000")};
  for (const std::string& each : worst) {
    std::string array("\xdd\x00\x00\x03\xe8", 5);
    for (int i = 0; i < 1000; ++i) array += each;
    EXPECT_LE(json_of(array).size(), json_bytes_per_byte_max * array.size()) << json_of(each);
  }
}

// Maps that are keys and values of maps, and at their ends texts of one byte that is no UTF-8.
TEST(JsonMessage, TheTextOfMapsWithinMapsIsBounded) {
  std::string map("\xa1\xff", 2);
  for (int levels = 1; levels <= 14; ++levels) {
    map = "\x81" + map + map;
    EXPECT_LE(json_of(map).size(), json_bytes_per_byte_max * map.size()) << levels;
  }
  EXPECT_GT(json_of(map).size(), 9 * map.size()) << "it is the worst that there is";
}

// Deep equality of what msgpack-c reads, in which a float of 32 bits is the same as one of 64, and NaNs are compared by
// their bits.
bool same(const msgpack::object& a, const msgpack::object& b) {
  const auto is_float = [](const msgpack::object& value) {
    return value.type == msgpack::type::FLOAT32 || value.type == msgpack::type::FLOAT64;
  };
  if (is_float(a) && is_float(b)) return std::bit_cast<uint64_t>(a.via.f64) == std::bit_cast<uint64_t>(b.via.f64);
  if (a.type != b.type) return false;
  if (a.type == msgpack::type::ARRAY) {
    if (a.via.array.size != b.via.array.size) return false;
    for (uint32_t i = 0; i < a.via.array.size; ++i)
      if (!same(a.via.array.ptr[i], b.via.array.ptr[i])) return false;
    return true;
  }
  if (a.type == msgpack::type::MAP) {
    if (a.via.map.size != b.via.map.size) return false;
    for (uint32_t i = 0; i < a.via.map.size; ++i)
      if (!same(a.via.map.ptr[i].key, b.via.map.ptr[i].key) || !same(a.via.map.ptr[i].val, b.via.map.ptr[i].val))
        return false;
    return true;
  }
  // msgpack-c's own comparison hands the null pointers of empty ones to memcmp.
  const auto bytes = [](const msgpack::object& value) -> Bytes {
    if (value.type == msgpack::type::STR) return {value.via.str.ptr, value.via.str.size};
    if (value.type == msgpack::type::BIN) return {value.via.bin.ptr, value.via.bin.size};
    return {value.via.ext.ptr, value.via.ext.size + size_t{1}};  // the type is the first of them
  };
  if (a.type == msgpack::type::STR || a.type == msgpack::type::BIN || a.type == msgpack::type::EXT)
    return bytes(a) == bytes(b);
  return a == b;
}

TEST(JsonMessage, RandomValuesComeBackAsTheyWere) {
  oracle::RandomMessages random(20'260'131);
  for (int i = 0; i < 20'000; ++i) {
    const std::string before = random.value(5);
    const std::string json = json_of(before);
    ASSERT_EQ(json.find('\n'), std::string::npos);
    ASSERT_LE(json.size(), json_bytes_per_byte_max * before.size() + 64);
    const std::string after = bytes_of(json);
    const msgpack::object_handle one = msgpack::unpack(before.data(), before.size());
    const msgpack::object_handle other = msgpack::unpack(after.data(), after.size());
    ASSERT_TRUE(same(one.get(), other.get())) << json;
    ASSERT_EQ(json_of(after), json);
  }
}

TEST(JsonMessage, RandomBytesAndTextsAreHandledOrRefused) {
  oracle::RandomMessages random(7);
  uint64_t good = 0;
  uint64_t bad = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = random.message();
    std::string text = json_of(bytes);
    random.mutate(bytes);
    std::string json;
    if (append_json(json, bytes).empty()) {
      EXPECT_EQ(json_of(bytes_of(json)), json);
      ++good;
    }
    random.mutate(text);
    std::string encoded;
    if (!append_message_pack(encoded, text).empty()) {
      EXPECT_EQ(encoded, "");
      ++bad;
    }
  }
  EXPECT_GT(good, 1000u);
  EXPECT_GT(bad, 1000u);
}

TEST(Base64, EveryLengthComesBack) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(to_base64("foob"), "Zm9vYg==");
  std::string bytes;
  for (unsigned i = 0; i < 512; ++i) {
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    bytes += static_cast<char>(static_cast<unsigned char>(i * 37));
  }
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zm9v=", "=", "==", "Zg==Zg==", "Z\n==", "Zm-v"})
    EXPECT_FALSE(from_base64(text)) << text;
}

}  // namespace
}  // namespace signalbox
