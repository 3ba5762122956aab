#include "routers/middleware_registry.hpp"

#include "routers/built_in_middleware.hpp"

namespace signalbox {

MiddlewareRegistry::MiddlewareRegistry() {
  for (const auto built_in :
       {logging_middleware, address_translation_middleware, tagging_middleware, static_provider_setting_middleware,
        address_prefix_provider_setting_middleware, session_length_middleware}) {
    add(built_in());
  }
}

void MiddlewareRegistry::add(MiddlewareClass middleware_class) {
  for (MiddlewareClass& known : classes_) {
    if (known.name == middleware_class.name) {
      known = std::move(middleware_class);
      return;
    }
  }
  classes_.push_back(std::move(middleware_class));
}

const MiddlewareClass* MiddlewareRegistry::find(std::string_view class_name) const {
  const std::string_view name = class_name.substr(class_name.rfind('.') + 1);  // npos + 1 is 0
  for (const MiddlewareClass& known : classes_) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

}  // namespace signalbox
