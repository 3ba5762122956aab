// What a comparison comes to: a table for people, budgets met or not, and every run as JSON.
//
// Thread: one. Errors: a file that cannot be written is an exception.
#pragma once

#include <string>
#include <vector>

#include "bench/end_to_end/run.hpp"

namespace signalbox::bench {

class Report {
 public:
  // Prints what it is measured on.
  void begin();
  // Prints the comparison's table.
  void add(Comparison comparison);
  // Prints the budgets that hold for what was added, each met or not met.
  void print_budgets() const;
  void write_json(const std::string& path) const;

 private:
  std::vector<Comparison> comparisons_;
};

}  // namespace signalbox::bench
