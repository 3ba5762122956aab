// A dispatcher's middleware: the list that says which pieces there are and in what order they run, and each piece made
// from the table of options that has its name.
//
// Read in two steps, as its dispatcher is: names first, so that the options' tables are known for what they are; pieces
// when all that they may ask for is there.
//
// Thread: one, while starting up. Owns: the list as read; borrows the dispatcher's Setting, the registry and the
// faults. Tested by tests/configuration/middleware_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/configuration_faults.hpp"
#include "broker/core/settings.hpp"
#include "routers/middleware_registry.hpp"

namespace signalbox {

class MiddlewareReader {
 public:
  MiddlewareReader(const Setting& dispatcher, const MiddlewareRegistry& registry, FaultList& faults)
      : dispatcher_(dispatcher), registry_(registry), faults_(faults) {}

  // Reads the list, a dispatcher's setting. `taken`: keys of the dispatcher, which name no piece.
  void read_list(const Setting& list, const std::vector<std::string>& taken);
  // The names in the list: keys of the dispatcher's table that are nobody else's.
  const std::vector<std::string>& names() const { return names_; }

  // Makes the pieces, and puts them into the dispatcher with the orders in which they run. `place` is the dispatcher's.
  void make(DispatcherSettings& dispatcher, Position place, uint64_t max_users, StateStore& state);

 private:
  struct Listed {
    std::string name;
    const MiddlewareClass* made_of = nullptr;
    int64_t consume_priority = 0;
    int64_t publish_priority = 0;
  };

  void read_item(const Setting& item, const std::vector<std::string>& taken);
  bool check_piece_name(const Setting& entry, const std::vector<std::string>& taken);
  void read_class(const Setting& setting, Listed& listed);
  void read_table(const Setting& table, Listed& listed);

  const Setting& dispatcher_;
  const MiddlewareRegistry& registry_;
  FaultList& faults_;
  std::vector<Listed> listed_;  // what can be made, in order
  std::vector<std::string> names_;
};

// Places of pieces with these priorities, in the order in which they run: on entering by their priorities, ties as
// listed; on leaving the list reversed, and then by their priorities. The lower ones first.
[[nodiscard]] std::vector<size_t> entering_order(const std::vector<int64_t>& consume_priorities);
[[nodiscard]] std::vector<size_t> leaving_order(const std::vector<int64_t>& publish_priorities);

}  // namespace signalbox
