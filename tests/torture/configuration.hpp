// The broker's configuration in a torture run, as it is at one moment: what a reload changes, and what it may not.
//
// Thread: any. Owns: texts. Errors: exceptions, where the file cannot be written.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace signalbox::torture {

struct KeyPair {
  std::string public_key;
  std::string secret_key;
};
KeyPair make_key_pair();

struct Configuration {
  uint16_t port = 0;
  uint64_t broker = 1;  // its number
  uint64_t drain_ms = 6000;

  // What reloads change.
  bool has_guest = true;
  bool guest_has_key = true;
  uint64_t bucket_messages = 2000;
  uint64_t monitor_messages = 5000;
  uint64_t basin_messages = 300;  // its receiver has 200 of them in hand
  uint64_t brief_ttl_ms = 300;
  uint64_t dated_ttl_ms = 500;

  // By endpoint and "broker"; empty: nobody has a key.
  std::map<std::string, KeyPair> keys = {};

  std::string text() const;
};

// Replaces the file in one step, so that nobody reads half of it.
void write_file(const std::string& path, const std::string& text);

}  // namespace signalbox::torture
