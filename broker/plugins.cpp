#include "broker/plugins.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <new>
#include <variant>

#include "broker/configuration_values.hpp"
#include "broker/plugin_file.hpp"

namespace signalbox {

namespace {

// Absolute, so that the dynamic loader takes it as it is and searches nothing.
std::string absolute_path(const std::string& path, const std::string& folder) {
  return std::filesystem::absolute(std::filesystem::path(folder) / path).lexically_normal().string();
}

// What the library's own function lists; or, in the second, what is wrong.
std::pair<std::vector<RouterClass>, std::string> list_classes(void* library) {
  const auto list = reinterpret_cast<plugin::ListRouterClasses>(dlsym(library, plugin::list_symbol));
  if (list == nullptr) {
    return {{}, "is no router plugin: it lacks the symbol " + std::string(plugin::list_symbol)};
  }
  std::vector<RouterClass> classes;
  try {
    list(classes);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& exception) {
    return {{}, std::string("cannot say which routers it has: ") + exception.what()};
  } catch (...) {
    return {{}, "cannot say which routers it has: it throws something that is no std::exception"};
  }
  if (classes.empty()) return {{}, "brings no router"};
  return {std::move(classes), ""};
}

// What keeps a router out of the registry; empty: nothing does.
std::string fault_of(const RouterClass& router_class, const RouterRegistry& registry) {
  const std::string& name = router_class.name;
  if (name.empty()) return "brings a router without a name";
  if (name.find('.') != std::string::npos) {
    return "brings a router " + in_quotes(name) + ", whose name cannot be found: what stands before a dot is ignored";
  }
  if (registry.find(name) != nullptr) return "brings a router " + in_quotes(name) + ", and there is one already";
  if (router_class.make == nullptr) return "brings a router " + in_quotes(name) + " that cannot be made";
  return "";
}

}  // namespace

void Plugins::load(const Setting& list, const std::string& folder, RouterRegistry& registry, FaultList& faults) {
  if (!check_type(list, Setting::Type::array, "an array of paths", faults)) return;
  for (const Setting& item : list.items) {
    if (check_type(item, Setting::Type::text, "a path", faults)) load_one(item, folder, registry, faults);
  }
}

void Plugins::load_one(const Setting& item, const std::string& folder, RouterRegistry& registry, FaultList& faults) {
  if (item.text.empty() || item.text.find('\0') != std::string::npos) {
    return faults.fault(item.position, in_quotes(item.text) + " is no path");
  }
  const std::string path = absolute_path(item.text, folder);
  const auto fault = [&](const std::string& text) {
    faults.fault(item.position, "the plugin " + in_quotes(path) + ' ' + text);
  };
  if (std::ranges::find(paths_, path) != paths_.end()) return fault("is listed twice");
  const auto stamp = read_plugin_stamp(path);
  if (const auto* text = std::get_if<std::string>(&stamp)) return fault(*text);
  const std::string difference = difference_from_this_broker(std::get<PluginStamp>(stamp));
  if (!difference.empty()) return fault(difference);

  // All its symbols now, so that one that is missing is a fault here and not the end of a running broker. Its names are
  // its own: two libraries that hold the same ones do not meet.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) return fault(std::string("cannot be loaded: ") + dlerror());
  paths_.push_back(path);
  auto [classes, text] = list_classes(library);
  if (!text.empty()) return fault(text);
  for (RouterClass& router_class : classes) {
    text = fault_of(router_class, registry);
    if (!text.empty()) {
      fault(text);
      continue;
    }
    places_.emplace_back(router_class.name, item.position);
    registry.add(std::move(router_class));
  }
}

std::optional<Position> Plugins::place_of(std::string_view router_class) const {
  for (const auto& [name, place] : places_) {
    if (name == router_class) return place;
  }
  return std::nullopt;
}

}  // namespace signalbox
