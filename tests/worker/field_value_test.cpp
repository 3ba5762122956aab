#include "worker/field_value.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <msgpack.hpp>
#include <string>

namespace signalbox {
namespace {

using namespace std::string_view_literals;

TEST(FieldValue, ReadsWhatMsgpackWrites) {
  for (const int64_t number : {int64_t{0},
                               int64_t{1},
                               int64_t{127},
                               int64_t{128},
                               int64_t{255},
                               int64_t{256},
                               int64_t{65535},
                               int64_t{65536},
                               int64_t{4294967295},
                               int64_t{4294967296},
                               std::numeric_limits<int64_t>::max(),
                               int64_t{-1},
                               int64_t{-32},
                               int64_t{-33},
                               int64_t{-128},
                               int64_t{-129},
                               int64_t{-32768},
                               int64_t{-32769},
                               int64_t{-2147483648},
                               int64_t{-2147483649},
                               std::numeric_limits<int64_t>::min()}) {
    const EncodedScalar encoded = EncodedScalar::integer(number);
    EXPECT_EQ(as_integer(encoded.bytes()), number);
    EXPECT_EQ(as_real(encoded.bytes()), static_cast<double>(number));
    const auto handle = msgpack::unpack(encoded.bytes().data(), encoded.bytes().size());
    EXPECT_EQ(handle.get().as<int64_t>(), number);
  }
}

TEST(FieldValue, ReadsIntegersInWiderFormsThanNeeded) {
  EXPECT_EQ(as_integer("\xd0\x05"sv), 5);
  EXPECT_EQ(as_integer("\xd1\xff\xfb"sv), -5);
  EXPECT_EQ(as_integer("\xd2\x00\x00\x00\x05"sv), 5);
  EXPECT_EQ(as_integer("\xd3\xff\xff\xff\xff\xff\xff\xff\xfb"sv), -5);
  EXPECT_EQ(as_integer("\xcf\x00\x00\x00\x00\x00\x00\x00\x05"sv), 5);
  EXPECT_FALSE(as_integer("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"sv)) << "past what a signed number holds";
  EXPECT_EQ(as_real("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"sv), 18446744073709551615.0);
}

TEST(FieldValue, ReadsReals) {
  EXPECT_EQ(as_real("\xca\x3f\x00\x00\x00"sv), 0.5);
  for (const double number : {0.0, 1.0, -2.5, 1e300, std::numeric_limits<double>::infinity()}) {
    const EncodedScalar encoded = EncodedScalar::real(number);
    EXPECT_EQ(encoded.bytes().size(), 9u);
    EXPECT_EQ(as_real(encoded.bytes()), number);
    EXPECT_FALSE(as_integer(encoded.bytes()));
  }
  EXPECT_TRUE(std::isnan(as_real(EncodedScalar::real(std::nan("")).bytes()).value()));
}

TEST(FieldValue, ReadsTextAndBinaryOfEveryLength) {
  for (const size_t length : {0u, 1u, 31u, 32u, 255u, 256u, 65535u, 65536u}) {
    const std::string content(length, 'x');
    std::string text(text_head_bytes(length), '\0');
    EXPECT_EQ(write_text_head(text.data(), length), text.data() + text.size());
    text += content;
    EXPECT_EQ(as_text(text), content);
    std::string binary(binary_head_bytes(length), '\0');
    EXPECT_EQ(write_binary_head(binary.data(), length), binary.data() + binary.size());
    binary += content;
    EXPECT_EQ(as_binary(binary), content);
    msgpack::sbuffer expected;
    msgpack::packer<msgpack::sbuffer> packer(expected);
    packer.pack(content)
        .pack_bin(static_cast<uint32_t>(length))
        .pack_bin_body(content.data(), static_cast<uint32_t>(length));
    EXPECT_EQ(text + binary, std::string(expected.data(), expected.size()));
  }
  EXPECT_EQ(as_text("\xd9\x01x"sv), "x") << "in a wider head than needed";
}

TEST(FieldValue, AnotherTypeReadsAsNone) {
  for (const auto value : {""sv, "\xc0"sv, "\x91\x05"sv, "\x81\x01\x02"sv, "\xd4\x05x"sv, "\xc1"sv}) {
    EXPECT_EQ(as_text(value), "");
    EXPECT_FALSE(as_integer(value));
    EXPECT_FALSE(as_real(value));
    EXPECT_FALSE(as_boolean(value));
    EXPECT_FALSE(as_binary(value));
  }
  EXPECT_FALSE(as_boolean("\x01"sv));
  EXPECT_EQ(as_boolean(EncodedScalar::boolean(true).bytes()), true);
  EXPECT_EQ(as_boolean(EncodedScalar::boolean(false).bytes()), false);
  EXPECT_TRUE(is_nil(""));
  EXPECT_TRUE(is_nil(EncodedScalar::nil().bytes()));
  EXPECT_FALSE(is_nil("\x80"));
  EXPECT_TRUE(is_map("\x80"));
  EXPECT_FALSE(is_map("\x90"));
  EXPECT_FALSE(is_map(""));
}

}  // namespace
}  // namespace signalbox
