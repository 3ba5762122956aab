// CURVE keys: 32 bytes; where people see them 40 characters of Z85; in a file of their own one such line.
//
// Both sides read them, so this stands with the protocol. What a key is good for, and the cipher, is ZeroMQ's.
//
// Thread: any. Errors: values; a fault never holds a character of a secret. Bounds: key_file_bytes_max.
// Tested by tests/authentication/keys_test.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "protocol/codes.hpp"

namespace signalbox {

inline constexpr size_t key_bytes = 32;
inline constexpr size_t key_characters = 40;
inline constexpr size_t key_file_bytes_max = 4096;

// The key that `text` writes; nothing where it is not 40 characters of Z85.
[[nodiscard]] std::optional<std::string> key_from_text(std::string_view text);

// REQUIRES: `key` is key_bytes long.
[[nodiscard]] std::string text_of_key(Bytes key);

// Overwrites the bytes in a way that no compiler leaves out.
void wipe(std::string& secret);

// A secret key. Its memory is wiped when it goes; copies that others make of it (ZeroMQ, a TOML file's text) are not.
class SecretKey {
 public:
  SecretKey() = default;  // none
  // REQUIRES: key_bytes.
  explicit SecretKey(Bytes key);
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  ~SecretKey();

  explicit operator bool() const { return is_given_; }
  Bytes bytes() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::array<char, key_bytes> bytes_{};
  bool is_given_ = false;
};

// What a key's file holds: `text`, 40 characters, or `fault`, what is wrong with the file in words that follow its
// name.
struct KeyFile {
  std::string text;
  std::string fault;
};

// The key in a file, which is its first line; lines before it that begin with '#' are left out. A file of a secret that
// every user of the host may read or write is a fault.
[[nodiscard]] KeyFile read_key_file(const std::string& path, bool is_secret);

}  // namespace signalbox
