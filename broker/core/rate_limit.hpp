// So many a second, and so many at once: a bucket of tokens that fills at an even rate.
//
// It is kept as one number, the time at which the bucket will be full again: each token taken moves that by the time
// that one takes to come back, and there is a token as long as it lies no further ahead than a whole bucket takes. So a
// limit that nobody uses costs eight bytes and no timer, and rate and size may change from one call to the next.
//
// Thread: its owner's. Errors: none. Bounds: the caller's, a_second up to 10^9.
// Tested by core/limits_test.cpp.
#pragma once

#include <cstdint>

namespace signalbox {

class RateLimit {
 public:
  // Takes a token of a bucket that holds `at_once` (1 or more) and gets `a_second` (1 or more) back. False: there is
  // none, and nothing has changed.
  [[nodiscard]] bool take(uint64_t now_ms, uint64_t a_second, uint64_t at_once) {
    const uint64_t now_ns = now_ms * 1'000'000;
    const uint64_t token_ns = 1'000'000'000 / a_second;
    const uint64_t from_ns = full_at_ns_ > now_ns ? full_at_ns_ : now_ns;
    if (from_ns - now_ns > (at_once - 1) * token_ns) return false;
    full_at_ns_ = from_ns + token_ns;
    return true;
  }

 private:
  uint64_t full_at_ns_ = 0;
};

}  // namespace signalbox
