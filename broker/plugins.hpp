// The shared libraries that `plugins` in [broker] names, and the routers that they bring.
//
// A library is loaded for good: its routers, the texts in its RouterClass, what it registered with the C++ runtime, all
// that may be in use for as long as the process lives, and there is nothing to be had from taking it out.
//
// Thread: one, while starting up. Owns: no library; the dynamic loader has them. Errors: faults of the configuration,
// each at the library's path. Bounds: the list in the file, which is the operator's.
// Tested by tests/plugins, tests/install/test_router_plugin.py.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/configuration_faults.hpp"
#include "routers/registry.hpp"
#include "routers/setting.hpp"

namespace signalbox {

class Plugins {
 public:
  // Loads each library of `list` and adds its routers to `registry`. A relative path starts at `folder`, or, where that
  // is empty, at the process's working folder; no other place is searched.
  void load(const Setting& list, const std::string& folder, RouterRegistry& registry, FaultList& faults);

  // Where the file names the library that brought this router; nothing where none did.
  std::optional<Position> place_of(std::string_view router_class) const;
  // The libraries loaded, in the order of the list, as absolute paths.
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  void load_one(const Setting& item, const std::string& folder, RouterRegistry& registry, FaultList& faults);

  std::vector<std::string> paths_;
  std::vector<std::pair<std::string, Position>> places_;  // by a router's name
};

}  // namespace signalbox
