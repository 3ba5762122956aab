// Numbers that look random, cheaper than the memory that they choose.
//
// Thread: one. Bounds: none.
#pragma once

#include <cstdint>

namespace signalbox::bench {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}

  // REQUIRES: bound < 2^32.
  uint64_t below(uint64_t bound) {
    state_ = state_ * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
    return (state_ >> 32) * bound >> 32;
  }

 private:
  uint64_t state_;
};

}  // namespace signalbox::bench
