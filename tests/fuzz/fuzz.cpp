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

}  // namespace signalbox::fuzz
