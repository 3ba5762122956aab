// The messages of a simulation: what was sent, and the bytes that each receiver must get.
//
// Each message begins with a key of our own, "n", that holds its serial number at a fixed width: so the model finds out
// in a few instructions which message lies where in a batch, and compares the rest byte by byte. The encoder is written
// by hand here, so that the core's rewriting is checked against something that shares no line with it.
//
// Thread: one. Owns: every message of the run, until its end.
// Tested by simulation_test.cpp.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/codes.hpp"
#include "protocol/message_view.hpp"
#include "routers/router.hpp"

namespace signalbox::simulation {

// What is wrong with a message that is to be refused alone.
enum class Flaw : uint8_t { none, no_id, odd_type, field_twice, wrong_type, key_no_text, too_deep, too_large };

// What a worker wants to say; the book makes the bytes of it.
struct Draft {
  EndpointId sender = 0;
  MessageKind kind = MessageKind::user_message;
  std::string id;           // message_id; of an event: user_message_id
  std::string in_reply_to;  // empty: none
  std::optional<std::string> transport_name;
  bool nil_transport_name = false;  // where it has none: nil rather than absent
  std::optional<std::string> to_addr;
  std::optional<std::string> from_addr;
  std::string first_words;  // of the content
  uint8_t helper = 0;       // helper_metadata: 0 absent, 1 nil, 2 an empty map, 3 a map with a key
  size_t content_bytes = 20;
  Flaw flaw = Flaw::none;
  bool poison = false;  // whoever receives it dies
};

struct Message {
  uint64_t serial = 0;
  Draft draft;
  std::string sent;                                              // as its sender sends it
  std::string queued;                                            // as a receiver must get it
  std::vector<std::pair<std::string_view, std::string>> fields;  // of `queued`: key and encoded value, in order
};

class MessageBook {
 public:
  // `fill_in` is the name that the broker puts into a transport_name that is nil or absent; empty: none.
  const Message& add(Draft draft, std::string_view fill_in);

  // Gives the next message added, if it is this one, so much content that it has `bytes` bytes; as near as it can.
  void fill_up(Draft& draft, size_t bytes) const;

  // Null for a number that was never given out.
  const Message* find(uint64_t serial) const;
  // The message that the bytes claim to begin with, by its serial number alone; null where there is none.
  const Message* at(Bytes bytes) const;
  uint64_t count() const { return messages_.size(); }

  // The bytes of `message` with helper_metadata.dead_letter set to the encoded value `dead_letter`.
  static std::string as_dead_letter(const Message& message, Bytes dead_letter);

 private:
  std::deque<Message> messages_;  // the message with serial n is at n - 1
};

// "id" and 7 make "id7".
std::string numbered(std::string_view prefix, uint64_t number);

// A MessagePack str in its shortest form.
void append_str(std::string& out, std::string_view text);

}  // namespace signalbox::simulation
