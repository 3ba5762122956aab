// Which router_class names which router. The built-in ones are there from the start; an embedding program adds its own.
//
// Thread: one, while starting up. Tested by registry_test.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "routers/router.hpp"

namespace signalbox {

struct RouterClass {
  std::string name;                   // as in router_class, without a module path
  MakeRouter make = nullptr;
  std::vector<std::string> keys;      // the dispatcher keys that it reads, so that `check` can say whose a stray key is
};

class RouterRegistry {
 public:
  // With every built-in router.
  RouterRegistry();

  // Replaces one of the same name.
  void add(RouterClass router_class);
  // By name, or by a module path that ends in ".name"; null where there is none.
  const RouterClass* find(std::string_view router_class) const;
  const std::vector<RouterClass>& all() const { return classes_; }

 private:
  std::vector<RouterClass> classes_;
};

}  // namespace signalbox
