#include "broker/program/base64.hpp"

#include <cstdint>

namespace signalbox {
namespace {

constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string to_base64(Bytes bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const Bytes group = bytes.substr(at, 3);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
    for (size_t i = 0; i < 4; ++i) text += i <= group.size() ? digits[bits >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  for (size_t at = 0; at < text.size() - padding; ++at) {
    const size_t digit = digits.find(text[at]);
    if (digit == std::string_view::npos) return {};
    bits = bits << 6 | static_cast<uint32_t>(digit);
    const size_t bits_beyond = (at + 1) * 6 % 8;  // of this digit, for the byte after the one that it completes
    if (at % 4 != 0) bytes += static_cast<char>(static_cast<unsigned char>(bits >> bits_beyond));
  }
  // What the last digit has beyond the last byte says nothing, so it is zero.
  const uint32_t rest = padding == 2 ? bits & 15U : padding == 1 ? bits & 3U : 0;
  if (rest != 0) return {};
  return bytes;
}

}  // namespace signalbox
