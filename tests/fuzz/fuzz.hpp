// What the fuzzers share: their entries, and how a check fails.
//
// Each entry takes any bytes, compares what the protocol library makes of them with what msgpack-c does, and aborts
// with the reason and the input where the two differ. libfuzzer.cpp runs one of them as a fuzzer, replay_test.cpp all
// of them over the files in corpus/.
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

// Prints what is wrong, and the bytes at fault in hexadecimal; aborts.
[[noreturn]] void fail(const std::string& what, Bytes bytes);

inline void require(bool holds, const char* what, Bytes bytes) {
  if (!holds) fail(what, bytes);
}

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
