// Text that came from a peer: is it UTF-8, is it a legal name, and how it may reach a log or a screen.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "protocol/codes.hpp"

namespace signalbox {

// Whether they are the same. For names and other short texts on the way of every message: up to 16 bytes are compared
// without a call.
[[nodiscard]] inline bool same_text(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  if (a.size() > 16) return a == b;
  const auto differs = [&]<typename Word>(Word) {
    const auto word = [](const char* at) {
      Word read;
      std::memcpy(&read, at, sizeof read);
      return read;
    };
    const size_t last = a.size() - sizeof(Word);  // overlaps the first, unless there are two whole words
    return ((word(a.data()) ^ word(b.data())) | (word(a.data() + last) ^ word(b.data() + last))) != 0;
  };
  if (a.size() >= 8) return !differs(uint64_t{});
  if (a.size() >= 4) return !differs(uint32_t{});
  if (a.size() >= 2) return !differs(uint16_t{});
  return a.empty() || a.front() == b.front();
}

// No byte has its high bit set.
[[nodiscard]] bool is_ascii(Bytes text);

// Well-formed UTF-8 as Unicode has it: no surrogates, no overlong forms, nothing past U+10FFFF. Fast where all is
// ASCII.
[[nodiscard]] bool is_utf8(Bytes text);

// 1 to limits::name_bytes_max bytes of UTF-8 without control characters (C0, DEL, C1) and '/'.
[[nodiscard]] bool is_name(Bytes text);

// At most limits::peer_text_bytes_max bytes of it, cut between characters. Control characters, Unicode's own line
// breaks and marks of direction, and bytes that are no UTF-8 become \xNN, so that no peer writes a second log line,
// moves a cursor or turns what stands behind its text around.
[[nodiscard]] std::string printable(Bytes text);

}  // namespace signalbox
