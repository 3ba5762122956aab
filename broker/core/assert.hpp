// Assertions that stay on in release builds: a bug ends the process, with its place, before it can lose a message in
// silence. What a peer sends never reaches one.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace signalbox {

[[noreturn]] inline void assertion_failed(const char* expression, const char* why, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s: %s\n", file, line, expression, why);
  std::abort();
}

}  // namespace signalbox

#define SIGNALBOX_ASSERT(expression, why) \
  (static_cast<bool>(expression) ? void(0) : ::signalbox::assertion_failed(#expression, why, __FILE__, __LINE__))
