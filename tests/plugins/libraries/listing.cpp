// A library whose list of routers does what LISTED says.
#include <stdexcept>

#include "routers/plugin.hpp"

extern "C" {
__attribute__((visibility("default"))) extern const signalbox::PluginStamp signalbox_plugin_stamp;
constinit const signalbox::PluginStamp signalbox_plugin_stamp = signalbox::plugin::stamp();
void signalbox_plugin_router_classes(std::vector<signalbox::RouterClass>& classes);
void signalbox_plugin_router_classes(std::vector<signalbox::RouterClass>&) {
  LISTED;
}
}
