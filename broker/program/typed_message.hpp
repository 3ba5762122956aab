// A message typed by hand has the fields that somebody cared to type; this adds those that vumi's messages have
// besides.
//
// Thread: any; no state. Owns: nothing. Errors: none; what cannot be completed stays as it is, and the broker says what
// it lacks. Tested by tests/program/typed_message_test.cpp.
#pragma once

#include <string>

namespace signalbox {

// Adds to `encoded`, one MessagePack map, behind its own fields: without a message_type that of a user message; to a
// user message those of Message::user_message(), with an id and the time; to an event an id, the time and what else
// vumi's events have, save what it is about and what it says. A field that is there stays, nil too. A map with a key
// that is no text stays as it is.
void fill_in(std::string& encoded);

}  // namespace signalbox
