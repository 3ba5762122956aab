// Messages as choices make them: most are what the broker takes, some are wrong in one of the ways that it refuses.
//
// Thread: any. Errors: none. Bounds: about 2 KiB a message.
#pragma once

#include <string>

#include "tests/fuzz/choices.hpp"

namespace signalbox::fuzz {

// Appends one message. Ids and names come from short lists, so that messages refer to each other.
void append_made_message(std::string& out, Choices& choices);

// Any MessagePack value, a few levels deep at most.
void append_made_value(std::string& out, Choices& choices, unsigned levels = 3);

}  // namespace signalbox::fuzz
