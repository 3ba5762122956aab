// An input read as choices: each entry that plays something through takes one byte after the other and does what it
// says, so that any input is a sequence of sensible steps, and a small change of it is a small change of the sequence.
//
// Thread: any. Errors: none; behind the end of the input every choice is 0.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "protocol/codes.hpp"

namespace signalbox::fuzz {

class Choices {
 public:
  explicit Choices(Bytes input) : rest_(input) {}

  bool done() const { return rest_.empty(); }
  Bytes rest() const { return rest_; }

  unsigned take() {
    if (rest_.empty()) return 0;
    const unsigned byte = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }
  unsigned below(unsigned bound) { return take() % bound; }
  // A small number mostly; of any size and close to every power of two at times.
  uint64_t number() {
    const unsigned first = take();
    if (first < 0xc0) return first;
    return (uint64_t{1} << (first & 0x3f)) + take() - 1;
  }
  // The next bytes as they are, at most so many.
  Bytes bytes(size_t count) {
    const Bytes taken = rest_.substr(0, std::min(count, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  template <typename Value, size_t count>
  const Value& of(const std::array<Value, count>& values) {
    return values[take() % count];
  }

 private:
  Bytes rest_;
};

// Breaks what was well-formed: a byte becomes another, the end is cut off, or something follows.
inline void spoil(std::string& encoded, Choices& choices) {
  const unsigned way = choices.take();
  if (encoded.empty() || way % 3 == 0) {
    encoded += static_cast<char>(choices.take());
  } else if (way % 3 == 1) {
    encoded[choices.take() % encoded.size()] = static_cast<char>(choices.take());
  } else {
    encoded.resize(encoded.size() - 1 - choices.take() % encoded.size());
  }
}

}  // namespace signalbox::fuzz
