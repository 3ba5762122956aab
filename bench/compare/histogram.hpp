// Times counted in buckets whose width grows with the time: exact below 256 ns, within one part in 128 above, whatever
// the range. A run of any length takes the same memory, and noting a time costs an addition.
//
// A value's bucket is its highest eight bits and their place: eight bits name a value below 256 exactly, each further
// power of two has 128 buckets. Sorted samples would be exact, but grow with the run.
//
// Thread: one. Errors: none. Bounds: 64-bit values, 7,424 buckets. Tested by tests/protocol/histogram_test.cpp.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace signalbox::bench {

class Histogram {
 public:
  Histogram() : counts_(bucket_count) {}

  void add(uint64_t value) {
    ++counts_[bucket_of(value)];
    ++total_;
    max_ = std::max(max_, value);
  }
  // All that another one has counted.
  void add(const Histogram& other) {
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) counts_[bucket] += other.counts_[bucket];
    total_ += other.total_;
    max_ = std::max(max_, other.max_);
  }
  uint64_t total() const { return total_; }
  uint64_t max() const { return max_; }

  // The least value that at least `share` of all are not above, within the width of its bucket; 0 if there are none.
  // REQUIRES: 0 < share <= 1.
  uint64_t quantile(double share) const {
    const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(total_)));
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      seen += counts_[bucket];
      if (seen >= wanted && seen > 0) return std::min(highest_of(bucket), max_);
    }
    return max_;
  }

 private:
  static constexpr unsigned exact_bits = 8;
  static constexpr size_t half = size_t{1} << (exact_bits - 1);
  static constexpr size_t bucket_count = (64 - exact_bits + 2) * half;

  static size_t bucket_of(uint64_t value) {
    const auto bits = static_cast<unsigned>(std::bit_width(value));
    const unsigned shift = bits > exact_bits ? bits - exact_bits : 0;
    return shift * half + static_cast<size_t>(value >> shift);
  }
  // The highest value of the bucket.
  static uint64_t highest_of(size_t bucket) {
    const size_t shift = bucket < 2 * half ? 0 : bucket / half - 1;
    return (static_cast<uint64_t>(bucket - shift * half + 1) << shift) - 1;
  }

  std::vector<uint64_t> counts_;
  uint64_t total_ = 0;
  uint64_t max_ = 0;
};

}  // namespace signalbox::bench
