// Which class of the configuration's `middleware` list is which piece. The built-in ones are there from the start; an
// embedding program adds its own.
//
// Thread: one, while starting up. Tested by registry_test.cpp, tests/configuration/middleware_test.cpp.
#pragma once

#include <string_view>
#include <vector>

#include "routers/middleware.hpp"

namespace signalbox {

class MiddlewareRegistry {
 public:
  // With every built-in one.
  MiddlewareRegistry();

  // Replaces one of the same name.
  void add(MiddlewareClass middleware_class);
  // By name, or by a module path that ends in ".name"; null where there is none.
  const MiddlewareClass* find(std::string_view class_name) const;
  const std::vector<MiddlewareClass>& all() const { return classes_; }

 private:
  std::vector<MiddlewareClass> classes_;
};

}  // namespace signalbox
