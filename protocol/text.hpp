// Text that came from a peer: is it UTF-8, is it a legal name, and how it may reach a log or a screen.
#pragma once

#include <string>

#include "protocol/codes.hpp"

namespace signalbox {

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
