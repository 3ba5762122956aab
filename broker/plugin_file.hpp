// A shared library looked at as a file, before it is loaded: loading runs its static constructors, and code that was
// built for another interface must not run at all.
//
// So this reads the ELF file itself: the table of exported symbols, and in it the one that routers/plugin.hpp puts
// there. Everything in the file may be wrong; nothing of it is believed beyond the file's length.
//
// Thread: any; no state. Owns: nothing. Errors: a file that is no plugin for this program gives words that say so.
// Bounds: the file's own length. Tested by tests/plugins.
#pragma once

#include <string>
#include <variant>

#include "routers/plugin.hpp"

namespace signalbox {

// The stamp of the library at `path`, or what is wrong with the file, to be put behind its name: "is no shared
// library".
[[nodiscard]] std::variant<PluginStamp, std::string> read_plugin_stamp(const std::string& path);

// What keeps a library with that stamp out, in the same form; empty: nothing does.
[[nodiscard]] std::string difference_from_this_broker(const PluginStamp& stamp);

}  // namespace signalbox
