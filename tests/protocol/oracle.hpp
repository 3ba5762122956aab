// msgpack-c as the second opinion: what the message view and the rewriting say is compared with what it says.
//
// Everything here is naive on purpose: bytes are unpacked into objects, rules are read off them one by one, and nothing
// is shared with the product but the types that name a result. Each check returns what differs, in words; empty:
// nothing. Used by the tests beside it and by the fuzzers.
//
// msgpack-c's own ways that this has to know: its parser goes on behind a value only if asked (the offset tells where
// it ended); it would reserve memory for counts that lie, so only what its parser found whole is unpacked.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "protocol/message_view.hpp"
#include "protocol/rewrite.hpp"

namespace signalbox::oracle {

// The value at the start of some bytes.
struct Boundary {
  bool whole = false;
  size_t bytes = 0;
  unsigned levels = 0;  // arrays and maps within each other; 0: neither
};
Boundary boundary(Bytes bytes);

// The entries of the whole map at the start of `bytes`, each key and value as encoded.
std::vector<std::pair<Bytes, Bytes>> entries(Bytes map);

// MessageView::scan and map_bytes against what msgpack-c finds in the same bytes.
std::string scan_difference(Bytes bytes);

// rewrite() against the same change of unpacked objects; and what lies outside the change is the same byte for byte.
// REQUIRES: `message` is one whole map of at most 32 levels, edit.value one whole value.
std::string rewrite_difference(Bytes message, const Edit& edit);

// A merge of a map with keys that are no text, or that come twice, says nothing about what wins.
bool is_plain_patch(Bytes value);

}  // namespace signalbox::oracle
