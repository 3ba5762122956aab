// Bytes for tests: from hexadecimal text, and MessagePack from msgpack-c.
#pragma once

#include <cstdint>
#include <msgpack.hpp>
#include <string>
#include <string_view>

namespace signalbox {

// "93 01 c0" as bytes; blanks are left out.
inline std::string from_hex(std::string_view text) {
  std::string digits;
  for (const char digit : text)
    if (digit != ' ' && digit != '\n') digits += digit;
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(static_cast<unsigned char>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

// What `pack` puts in: pack([](auto& p) { p.pack_array(1); p.pack(6); }).
template <typename Pack>
std::string pack(Pack put) {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> packer(buffer);
  put(packer);
  return {buffer.data(), buffer.size()};
}

// Arrays of one, `levels` within each other, round a nil.
inline std::string nested(unsigned levels) {
  return std::string(levels, '\x91') + "\xc0";
}

}  // namespace signalbox
