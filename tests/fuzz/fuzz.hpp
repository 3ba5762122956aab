// What the fuzzers share: their entries, and how a check fails.
//
// Each entry takes any bytes and aborts, with the reason and what is at fault, where something does not hold: the first
// three compare what the protocol library makes of the bytes with what msgpack-c does, the others say at their heads
// what must be true. libfuzzer.cpp runs one of them as a fuzzer, replay_test.cpp all of them over the files in corpus/.
#pragma once

#include <cstring>
#include <memory>
#include <string>

#include "protocol/codes.hpp"

namespace signalbox::fuzz {

// The header frames: parsing, and writing what was parsed.
void header(Bytes input);
// A batch: MessageView::scan and map_bytes, message by message.
void body(Bytes input);
// A message and an edit of it, both made from the input: rewrite and find_value.
void rewriting(Bytes input);
// The text of a configuration file; a valid one runs a core.
void configuration(Bytes input);
// What people type as a message: JSON to MessagePack and back, and `explain` of it.
void json(Bytes input);
// A vumi dispatcher's YAML.
void importing(Bytes input);
// The worker library's Message.
void message(Bytes input);
// The worker library against a broker that says whatever it likes.
void worker(Bytes input);
// The core among peers who do.
void core(Bytes input);

// Prints what is wrong, and the bytes at fault in hexadecimal; aborts.
[[noreturn]] void fail(const std::string& what, Bytes bytes);

inline void require(bool holds, const char* what, Bytes bytes) {
  if (!holds) fail(what, bytes);
}

// A control character, of ASCII or beyond, that is none of `allowed`.
bool has_controls(Bytes text, Bytes allowed);

// A copy of its own on the heap, with nothing behind it: the address sanitizer sees the first byte read too far.
class Exact {
 public:
  explicit Exact(Bytes bytes) : size_(bytes.size()), data_(new char[bytes.size()]) {
    if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  Bytes bytes() const { return {data_.get(), size_}; }

 private:
  size_t size_;
  std::unique_ptr<char[]> data_;
};

}  // namespace signalbox::fuzz
