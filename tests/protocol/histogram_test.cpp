// bench/compare/histogram.hpp beside sorted samples: every latency that a bench prints rests on it.
#include "bench/compare/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace signalbox::bench {
namespace {

// The least sample that at least `share` of all are not above.
uint64_t exact_quantile(const std::vector<uint64_t>& sorted, double share) {
  const auto wanted = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(wanted, 1) - 1];
}

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram histogram;
  EXPECT_EQ(histogram.total(), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.quantile(0.5), 0);
}

TEST(Histogram, IsExactBelow256) {
  Histogram histogram;
  for (uint64_t value = 0; value < 256; ++value) histogram.add(value);
  for (uint64_t value = 0; value < 256; ++value)
    EXPECT_EQ(histogram.quantile(static_cast<double>(value + 1) / 256), value);
}

TEST(Histogram, TakesEveryValue) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    for (const uint64_t value : {(uint64_t{1} << bits) - 1, uint64_t{1} << bits, (uint64_t{1} << bits) + 1}) {
      Histogram histogram;
      histogram.add(0);
      histogram.add(value);
      EXPECT_EQ(histogram.max(), value);
      EXPECT_EQ(histogram.quantile(1), value);
    }
  }
  Histogram histogram;
  histogram.add(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(histogram.quantile(0.5), std::numeric_limits<uint64_t>::max());
}

TEST(Histogram, IsWithinOnePartIn128OfSortedSamples) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20; ++round) {
    Histogram histogram;
    std::vector<uint64_t> samples;
    for (int i = 0; i < 2000; ++i) {
      samples.push_back(random() >> (random() % 64));
      histogram.add(samples.back());
    }
    std::sort(samples.begin(), samples.end());
    for (const double share : {0.001, 0.25, 0.5, 0.99, 0.999, 1.0}) {
      const uint64_t exact = exact_quantile(samples, share);
      EXPECT_GE(histogram.quantile(share), exact);
      EXPECT_LE(histogram.quantile(share) - exact, exact / 128);
    }
  }
}

TEST(Histogram, AddsUpWhatSeveralHaveCounted) {
  std::mt19937_64 random(2);
  Histogram whole;
  Histogram sum;
  for (int part = 0; part < 4; ++part) {
    Histogram counted;
    for (int i = 0; i < 500; ++i) {
      const uint64_t value = random() >> (random() % 64);
      whole.add(value);
      counted.add(value);
    }
    sum.add(counted);
  }
  EXPECT_EQ(sum.total(), whole.total());
  EXPECT_EQ(sum.max(), whole.max());
  for (const double share : {0.001, 0.25, 0.5, 0.99, 0.999, 1.0}) EXPECT_EQ(sum.quantile(share), whole.quantile(share));
}

}  // namespace
}  // namespace signalbox::bench
