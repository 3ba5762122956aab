#include "tests/fuzz/fuzz.hpp"

#include <cstdio>
#include <cstdlib>

namespace signalbox::fuzz {

void fail(const std::string& what, Bytes bytes) {
  std::fprintf(stderr, "%s\n", what.c_str());
  for (const char byte : bytes) std::fprintf(stderr, "%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
  std::fprintf(stderr, "\n");
  std::abort();
}

bool has_controls(Bytes text, Bytes allowed) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (is_c1 || ((byte < 0x20 || byte == 0x7f) && allowed.find(text[i]) == Bytes::npos)) return true;
  }
  return false;
}

}  // namespace signalbox::fuzz
