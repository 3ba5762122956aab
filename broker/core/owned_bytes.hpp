// Bytes that go from thread to thread with what holds them: a copy of their own, or a message of the link's.
//
// Thread: any, one at a time; whoever has it last lets go of the bytes. Owns: the bytes. Errors: none.
// Tested by lanes_test.cpp.
#pragma once

#include <string>
#include <utility>

#include "protocol/codes.hpp"

namespace signalbox {

class OwnedBytes {
 public:
  using Drop = void (*)(void* owner);

  OwnedBytes() = default;
  // `bytes` hold until `drop` is called with `owner`, once.
  OwnedBytes(Bytes bytes, void* owner, Drop drop) : bytes_(bytes), owner_(owner), drop_(drop) {}
  static OwnedBytes copy(Bytes bytes) {
    if (bytes.empty()) return {};
    auto* const text = new std::string(bytes);
    return {*text, text, [](void* owner) { delete static_cast<std::string*>(owner); }};
  }
  OwnedBytes(OwnedBytes&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), owner_(other.owner_), drop_(std::exchange(other.drop_, nullptr)) {}
  OwnedBytes& operator=(OwnedBytes&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(owner_, other.owner_);
    std::swap(drop_, other.drop_);
    return *this;
  }
  OwnedBytes(const OwnedBytes&) = delete;
  OwnedBytes& operator=(const OwnedBytes&) = delete;
  ~OwnedBytes() {
    if (drop_ != nullptr) drop_(owner_);
  }

  Bytes bytes() const { return bytes_; }

 private:
  Bytes bytes_;
  void* owner_ = nullptr;
  Drop drop_ = nullptr;
};

}  // namespace signalbox
