// What several runs of the same thing come to: their median, and the least and the greatest of them.
//
// Thread: any; no state. Errors: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace signalbox::bench {

struct Spread {
  double median = 0;
  double low = 0;
  double high = 0;

  static Spread of(std::vector<double> values) {
    if (values.empty()) return {};
    std::sort(values.begin(), values.end());
    const size_t middle = values.size() / 2;
    const double median = values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    return {median, values.front(), values.back()};
  }
};

// "1,234,567", to the nearest whole number.
inline std::string grouped(double value) {
  std::string digits = std::to_string(static_cast<uint64_t>(value + 0.5));
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

inline std::string grouped(const Spread& spread) {
  return grouped(spread.low) + " - " + grouped(spread.high);
}

// A run beside which other programs, or the hypervisor, took more than this share of the machine is marked.
inline constexpr double disturbed_share = 0.08;

}  // namespace signalbox::bench
