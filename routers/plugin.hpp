// Routers of one's own in a shared library, which `plugins = ["libmy_router.so"]` in [broker] loads:
//
//   #include "routers/plugin.hpp"
//   signalbox::RouterClass my_router() { return {.name = "MyRouter", .make = make, .keys = {"my_key"}}; }
//   SIGNALBOX_ROUTER_PLUGIN(my_router);
//
// The library talks C++ with the broker: its routers get and give objects of the types in routers/router.hpp. So both
// have to agree on what these types are, bit by bit. What they agree on stands in a stamp, plain data that the broker
// reads from the file before it loads it. A library with another stamp is refused, and none of its code has run.
//
// Thread: none. Errors: a static constructor of the library must not throw; all else may, until a router is made.
// docs/writing-a-router.md shows how to build one; docs/decisions/plugins.md says why it is so.
// Tested by tests/plugins, tests/install/test_router_plugin.py.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "routers/router.hpp"

namespace signalbox {

// The interface of routers/router.hpp and of all that it includes. One more with each change there that a library
// built before would not survive: a function that becomes virtual, moves or goes, a member, a meaning.
// tests/plugins/interface.txt has what this number stands for.
inline constexpr uint32_t router_interface_version = 1;

// What a library was built with. The version comes first, whatever the rest becomes.
struct PluginStamp {
  uint32_t interface_version = router_interface_version;
  uint32_t layout = 0;             // of the types that both sides share, as the compiler laid them out
  char standard_library[24] = {};  // whose std::string and std::vector these are; ends with a null byte
};

// For SIGNALBOX_ROUTER_PLUGIN and the broker.
namespace plugin {

// Which of the standard libraries, and of their incompatible modes.
constexpr std::string_view standard_library() {
#if defined(_LIBCPP_VERSION)
  return "libc++";
#elif defined(_GLIBCXX_DEBUG)
  return "libstdc++, debug mode";
#elif defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI
  return "libstdc++";
#else
  return "libstdc++ before C++11";
#endif
}

// Not proof that two layouts are the same, but a member more or less is seen.
constexpr uint32_t layout() {
  uint32_t digest = 2166136261;
  for (const size_t size : {sizeof(Decision), sizeof(Edit), sizeof(Edits), sizeof(Field), sizeof(Followed),
                            sizeof(Incoming), sizeof(ListedName), sizeof(ListedNames), sizeof(MessageView),
                            sizeof(Position), sizeof(RefusalCode), sizeof(Route), sizeof(RouterClass), sizeof(Setting),
                            sizeof(StateTableSettings), sizeof(Decision::Target), sizeof(Time)}) {
    digest = (digest ^ static_cast<uint32_t>(size)) * 16777619;
  }
  return digest;
}

constexpr PluginStamp stamp() {
  PluginStamp stamp;
  stamp.layout = layout();
  const std::string_view library = standard_library();
  for (size_t i = 0; i < library.size(); ++i) stamp.standard_library[i] = library[i];
  return stamp;
}

using MakeRouterClass = RouterClass (*)();
using ListRouterClasses = void (*)(std::vector<RouterClass>& classes);
inline constexpr const char* stamp_symbol = "signalbox_plugin_stamp";
inline constexpr const char* list_symbol = "signalbox_plugin_router_classes";

}  // namespace plugin

}  // namespace signalbox

// Once in a library, at namespace scope: the functions that make its router classes, one or more.
#define SIGNALBOX_ROUTER_PLUGIN(...)                                                                   \
  extern "C" {                                                                                         \
  __attribute__((visibility("default"))) extern const ::signalbox::PluginStamp signalbox_plugin_stamp; \
  constinit const ::signalbox::PluginStamp signalbox_plugin_stamp = ::signalbox::plugin::stamp();      \
  __attribute__((visibility("default"))) void signalbox_plugin_router_classes(                         \
      std::vector<::signalbox::RouterClass>& classes);                                                 \
  void signalbox_plugin_router_classes(std::vector<::signalbox::RouterClass>& classes) {               \
    const std::initializer_list<::signalbox::plugin::MakeRouterClass> all = {__VA_ARGS__};             \
    for (const ::signalbox::plugin::MakeRouterClass make_class : all) classes.push_back(make_class()); \
  }                                                                                                    \
  }                                                                                                    \
  static_assert(true)
