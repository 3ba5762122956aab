// One encoded value read as what a program wants it to be, and written.
//
// Thread: any; no state. Errors: a value of another type, and no bytes at all, read as empty. Bounds: none; nothing is
// allocated. Tested by field_value_test.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/codes.hpp"

namespace signalbox {

// REQUIRES of all: `value` is empty or exactly one well-formed MessagePack value.
[[nodiscard]] bool is_nil(Bytes value);  // no value at all is nil too
[[nodiscard]] bool is_map(Bytes value);
// What is no text reads as empty text. Texts and binaries point into `value`.
[[nodiscard]] std::string_view as_long_text(Bytes value);
[[nodiscard]] inline std::string_view as_text(Bytes value) {
  const bool is_short = !value.empty() && (static_cast<unsigned char>(value[0]) & 0xe0) == 0xa0;
  return is_short ? value.substr(1) : as_long_text(value);
}
[[nodiscard]] std::optional<int64_t> as_integer(Bytes value);  // empty also where it does not fit
[[nodiscard]] std::optional<double> as_real(Bytes value);      // an integer is one too
[[nodiscard]] std::optional<bool> as_boolean(Bytes value);
[[nodiscard]] std::optional<Bytes> as_binary(Bytes value);

// An encoded number or truth value, which fits in here.
class EncodedScalar {
 public:
  static EncodedScalar nil();
  static EncodedScalar boolean(bool flag);
  static EncodedScalar integer(int64_t number);  // in as few bytes as it takes
  static EncodedScalar real(double number);      // always a double, even without a fraction

  Bytes bytes() const { return {bytes_.data(), size_}; }
  void write(const char* data, size_t bytes);  // for msgpack-c's packer

 private:
  std::array<char, 9> bytes_{};
  size_t size_ = 0;
};

// The head of a text or binary of `bytes` bytes is written at `at`, and the place behind it returned; as many bytes as
// the second function says. REQUIRES: at most 4 GiB.
char* write_long_text_head(char* at, size_t bytes);
inline char* write_text_head(char* at, size_t bytes) {
  if (bytes > 31) return write_long_text_head(at, bytes);
  *at = static_cast<char>(0xa0 | bytes);
  return at + 1;
}
constexpr size_t text_head_bytes(size_t bytes) {
  return bytes <= 31 ? 1 : bytes <= 0xff ? 2 : bytes <= 0xffff ? 3 : 5;
}
char* write_binary_head(char* at, size_t bytes);
size_t binary_head_bytes(size_t bytes);

}  // namespace signalbox
