// Randomness from the kernel: for what a peer must not guess.
//
// Thread: any. Errors: throws std::system_error where the kernel has none to give, which no Linux since 3.17 does.
#pragma once

#include <cstddef>

namespace signalbox {

void fill_random(void* bytes, size_t size);

}  // namespace signalbox
