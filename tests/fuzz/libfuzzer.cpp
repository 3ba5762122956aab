// What libFuzzer calls. SIGNALBOX_FUZZ_ENTRY names the entry that this program is for.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  signalbox::fuzz::SIGNALBOX_FUZZ_ENTRY({reinterpret_cast<const char*>(data), size});
  return 0;
}
