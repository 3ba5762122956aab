// The one source of chance in a simulation: xoshiro256**, seeded by splitmix64.
//
// Its own, because the standard library's distributions differ from one library to the next, and a seed that was
// printed on one machine must replay on every other.
//
// Thread: one. Owns: 32 bytes of state.
// Tested by simulation_test.cpp (fixed numbers for a fixed seed).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace signalbox::simulation {

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
      word = mixed ^ (mixed >> 31);
    }
  }

  uint64_t next() {
    const uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  // 0 to bound - 1. REQUIRES: bound > 0. The bias of the remainder does not matter here.
  uint64_t below(uint64_t bound) { return next() % bound; }
  // Both ends included.
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool chance(uint64_t per_mille) { return below(1000) < per_mille; }

  // Where it stands, and back there.
  const std::array<uint64_t, 4>& state() const { return state_; }
  void restore(const std::array<uint64_t, 4>& state) { state_ = state; }

  std::string bytes(size_t count) {
    std::string result;
    while (result.size() < count) result.push_back(static_cast<char>(next() >> 56));
    return result;
  }

 private:
  static uint64_t rotate(uint64_t value, int by) { return (value << by) | (value >> (64 - by)); }

  std::array<uint64_t, 4> state_{};
};

}  // namespace signalbox::simulation
