// Where the faults and warnings of a configuration are gathered, and the search for the name that was meant.
//
// Thread: one, while starting up. Bounds: names are compared for the first suggestions_max faults only, so that a large
// file that is wrong throughout is still answered at once.
// Tested by tests/configuration.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/configuration.hpp"

namespace signalbox {

class FaultList {
 public:
  void fault(Position where, std::string text);
  // Appends the nearest of `known`, where one is near.
  void unknown_name(Position where, std::string text, std::string_view name, const std::vector<std::string>& known);
  void warn(Position where, std::string text);

  bool empty() const { return faults_.empty(); }
  bool told_at(Position where) const;
  // In the order of the file, each once. The list is empty afterwards.
  std::vector<Fault> take_faults();
  std::vector<Fault> take_warnings();

 private:
  static constexpr int suggestions_max = 100;

  std::vector<Fault> faults_;
  std::vector<Fault> warnings_;
  int suggestions_left_ = suggestions_max;
};

// The one of `known` that `name` is most likely a misspelling of; nothing where none is near. Insertions, deletions,
// substitutions and swaps of neighbours are counted, in characters, and up to one for every three characters is near.
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& known);

// "A", "A or B", "A, B or C".
[[nodiscard]] std::string one_of(const std::vector<std::string>& words);

}  // namespace signalbox
