// Routers that cannot be taken, or not be made: each breaks another promise.
#include <memory>
#include <stdexcept>

#include "routers/plugin.hpp"

namespace {

using namespace signalbox;

std::unique_ptr<Router> throw_exception(RouterSetup&) {
  throw std::runtime_error("the moon is full");
}

std::unique_ptr<Router> throw_number(RouterSetup&) {
  throw 7;
}

std::unique_ptr<Router> make_nothing(RouterSetup&) {
  return nullptr;
}

ListedNames throw_while_listing(SettingReader&) {
  throw std::runtime_error("the list is lost");
}

RouterClass router_class(const char* name, MakeRouter make, ListNames list_names = nullptr) {
  return {.name = name, .make = make, .keys = {}, .list_names = list_names};
}

}  // namespace

SIGNALBOX_ROUTER_PLUGIN([] { return router_class("ThrowingRouter", throw_exception); },
                        [] { return router_class("NumberRouter", throw_number); },
                        [] { return router_class("SilentRouter", make_nothing); },
                        [] { return router_class("ListlessRouter", make_nothing, throw_while_listing); },
                        [] { return router_class("SimpleDispatchRouter", make_nothing); },
                        [] { return router_class("", make_nothing); },
                        [] { return router_class("my.Router", make_nothing); },
                        [] { return router_class("UnmadeRouter", nullptr); });
