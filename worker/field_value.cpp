#include "worker/field_value.hpp"

#include <bit>
#include <cstring>
#include <msgpack.hpp>

#include "protocol/value.hpp"

namespace signalbox {
namespace {

using value::Head;
using value::Type;

Head head_of(Bytes value) {
  return value::read_head(value.data(), value.data() + value.size());
}

char* write_byte(char* at, size_t byte) {
  *at = static_cast<char>(byte);
  return at + 1;
}

char* write_length(char* at, size_t length, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) at = write_byte(at, length >> shift & 0xff);
  return at;
}

// The number behind a tag; `bytes` is 0 where the tag itself is the number.
int64_t signed_payload(const char* payload, uint32_t bytes) {
  switch (bytes) {
    case 0:
      return static_cast<int8_t>(payload[-1]);
    case 1:
      return static_cast<int8_t>(*payload);
    case 2:
      return static_cast<int16_t>(value::load<uint16_t>(payload));
    case 4:
      return static_cast<int32_t>(value::load<uint32_t>(payload));
    default:
      return static_cast<int64_t>(value::load<uint64_t>(payload));
  }
}

}  // namespace

bool is_nil(Bytes value) {
  return value.empty() || value::tag_at(value.data()).type == Type::nil;
}

bool is_map(Bytes value) {
  return head_of(value).type == Type::map;
}

std::string_view as_long_text(Bytes value) {
  const Head head = head_of(value);
  if (head.type != Type::text) return {};
  return {head.payload, head.count};
}

std::optional<int64_t> as_integer(Bytes value) {
  const Head head = head_of(value);
  if (head.type == Type::signed_integer) return signed_payload(head.payload, head.count);
  if (head.type != Type::unsigned_integer) return std::nullopt;
  uint64_t number = 0;
  if (value::read_unsigned(value.data(), value.data() + value.size(), number) == nullptr) return std::nullopt;
  if (number > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::optional<double> as_real(Bytes value) {
  const Head head = head_of(value);
  if (head.type == Type::real && head.count == 8) return std::bit_cast<double>(value::load<uint64_t>(head.payload));
  if (head.type == Type::real) return static_cast<double>(std::bit_cast<float>(value::load<uint32_t>(head.payload)));
  if (const auto number = as_integer(value)) return static_cast<double>(*number);
  uint64_t large = 0;
  if (value::read_unsigned(value.data(), value.data() + value.size(), large) == nullptr) return std::nullopt;
  return static_cast<double>(large);
}

std::optional<bool> as_boolean(Bytes value) {
  if (head_of(value).type != Type::boolean) return std::nullopt;
  return value[0] == '\xc3';
}

std::optional<Bytes> as_binary(Bytes value) {
  const Head head = head_of(value);
  if (head.type != Type::binary) return std::nullopt;
  return Bytes(head.payload, head.count);
}

void EncodedScalar::write(const char* data, size_t bytes) {
  std::memcpy(bytes_.data() + size_, data, bytes);
  size_ += bytes;
}

EncodedScalar EncodedScalar::nil() {
  EncodedScalar scalar;
  msgpack::packer<EncodedScalar>(scalar).pack_nil();
  return scalar;
}

EncodedScalar EncodedScalar::boolean(bool flag) {
  EncodedScalar scalar;
  msgpack::packer<EncodedScalar>(scalar).pack(flag);
  return scalar;
}

EncodedScalar EncodedScalar::integer(int64_t number) {
  EncodedScalar scalar;
  msgpack::packer<EncodedScalar>(scalar).pack_int64(number);
  return scalar;
}

// msgpack-c would pack a number without a fraction as an integer, and so give the field another type.
EncodedScalar EncodedScalar::real(double number) {
  EncodedScalar scalar;
  scalar.size_ = scalar.bytes_.size();
  write_length(write_byte(scalar.bytes_.data(), 0xcb), std::bit_cast<uint64_t>(number), 8);
  return scalar;
}

char* write_long_text_head(char* at, size_t bytes) {
  if (bytes <= 0xff) return write_length(write_byte(at, 0xd9), bytes, 1);
  if (bytes <= 0xffff) return write_length(write_byte(at, 0xda), bytes, 2);
  return write_length(write_byte(at, 0xdb), bytes, 4);
}

size_t binary_head_bytes(size_t bytes) {
  return bytes <= 0xff ? 2 : bytes <= 0xffff ? 3 : 5;
}

char* write_binary_head(char* at, size_t bytes) {
  if (bytes <= 0xff) return write_length(write_byte(at, 0xc4), bytes, 1);
  if (bytes <= 0xffff) return write_length(write_byte(at, 0xc5), bytes, 2);
  return write_length(write_byte(at, 0xc6), bytes, 4);
}

}  // namespace signalbox
