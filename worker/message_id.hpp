// Ids for new messages, as vumi makes them: the 32 hexadecimal digits of a random UUID, version 4.
//
// Thread: any. Owns: 4 KiB of the kernel's random bytes for each thread, one system call for 512 ids. A forked child
// must not hand out what its parent will, so a fork empties them. Errors: none. Bounds: that memory. Tested by
// message_id_test.cpp.
#pragma once

#include <cstddef>
#include <string>

namespace signalbox {

inline constexpr size_t message_id_bytes = 32;

// Writes message_id_bytes bytes at `at`.
void write_message_id(char* at);
[[nodiscard]] std::string new_message_id();

}  // namespace signalbox
