// Random messages from a seed: good ones, and such as break one rule or several, in every encoding that MessagePack
// has.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "protocol/codes.hpp"

namespace signalbox::oracle {

class RandomMessages {
 public:
  explicit RandomMessages(uint64_t seed) : random_(seed) {}

  // A message that keeps all rules but for some that it may break; always one whole map.
  std::string message();
  // Any value at all, of at most `levels` levels.
  std::string value(unsigned levels);
  // A map with text keys, each once.
  std::string patch(unsigned levels);
  // One of the keys that messages have.
  std::string_view key();
  // Cuts, flips, doubles or inserts bytes.
  void mutate(std::string& bytes);

  uint64_t below(uint64_t limit) { return random_() % limit; }

 private:
  std::string text();
  void put_head(std::string& out, char kind, uint32_t count);
  void put_text(std::string& out, std::string_view text);
  std::string good_value(std::string_view key, bool is_event);
  std::string routing_metadata();

  std::mt19937_64 random_;
};

}  // namespace signalbox::oracle
