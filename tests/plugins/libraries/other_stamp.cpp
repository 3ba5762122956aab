// A library that was built for another broker, in what CHANGE says. Where any of its code runs, the program is gone.
#include <cstdlib>

#include "routers/plugin.hpp"

namespace {

constexpr signalbox::PluginStamp other_stamp() {
  signalbox::PluginStamp stamp = signalbox::plugin::stamp();
  CHANGE;
  return stamp;
}

struct RunsWhenLoaded {
  RunsWhenLoaded() { std::abort(); }
};
const RunsWhenLoaded runs_when_loaded;

}  // namespace

extern "C" {
__attribute__((visibility("default"))) extern const signalbox::PluginStamp signalbox_plugin_stamp;
constinit const signalbox::PluginStamp signalbox_plugin_stamp = other_stamp();
}
