// Which router_class names which router, and which class which middleware. The built-in ones are there from the start;
// an embedding program adds its own.
//
// Thread: one, while starting up. Tested by registry_test.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "routers/middleware_registry.hpp"
#include "routers/router.hpp"

namespace signalbox {

class RouterRegistry {
 public:
  // With every built-in router.
  RouterRegistry();

  // Replaces one of the same name.
  void add(RouterClass router_class);
  // By name, or by a module path that ends in ".name"; null where there is none.
  const RouterClass* find(std::string_view router_class) const;
  const std::vector<RouterClass>& all() const { return classes_; }

  // The routers that read this dispatcher key, by name.
  std::vector<std::string> readers_of(std::string_view key) const;

  MiddlewareRegistry& middleware() { return middleware_; }
  const MiddlewareRegistry& middleware() const { return middleware_; }

 private:
  std::vector<RouterClass> classes_;
  MiddlewareRegistry middleware_;
};

}  // namespace signalbox
