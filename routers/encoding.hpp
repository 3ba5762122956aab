// Encoding values that middleware makes, beyond texts (append_text) and the message's own bytes. msgpack-c writes them.
//
// Thread: any; no state. Tested by tagging and session cases of tests/routers.
#pragma once

#include <cstdint>
#include <string>

namespace signalbox {

void append_boolean(std::string& out, bool truth);
void append_integer(std::string& out, int64_t number);
void append_real(std::string& out, double number);
// The heads of containers; that many values, or pairs of them, have to follow.
void append_array_head(std::string& out, uint32_t items);
void append_map_head(std::string& out, uint32_t entries);

}  // namespace signalbox
