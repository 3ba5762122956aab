// What a core under load looks like: how many endpoints, workers and dispatchers, and what they move.
//
// Thread: any; no state. Tested by whoever makes a CoreHarness of it.
#pragma once

#include <string>
#include <string_view>

#include "bench/messages.hpp"
#include "protocol/limits.hpp"

namespace signalbox::bench {

// Pairs of endpoints, transport i mapped to application i, or to `fan_out` applications of its own, each of which gets
// every message. Each active pair has one worker on its transport and `instances` on each of its applications, which
// share what comes.
struct CoreShape {
  size_t pairs = 1;         // transports; with the applications, `endpoints()`
  size_t active = 1;        // pairs with workers
  size_t idle_workers = 0;  // one each on the applications behind the active ones, going round
  size_t message_bytes = vumi_message_bytes;
  uint64_t routing_memory_bytes = limits::routing_memory_bytes;
  uint64_t prefetch = limits::send_window_messages;
  size_t fan_out = 1;
  size_t instances = 1;
  size_t dispatchers = 1;  // SimpleDispatchRouters in a chain, joined for each pair. REQUIRES: fan_out 1 if more than 1
  size_t middleware = 0;   // pieces that rewrite an address, each time the message enters the first dispatcher

  size_t applications() const { return pairs * fan_out; }
  size_t endpoints() const { return pairs + applications(); }
  auto operator<=>(const CoreShape&) const = default;
};

inline std::string numbered_name(std::string_view stem, size_t i) {
  std::string text(stem);
  text.resize(stem.size() + 4);
  write_hexadecimal(text.data() + stem.size(), 4, i);
  return text;
}

inline std::string transport_of(const CoreShape& shape, size_t i) {
  return shape.pairs == 1 ? std::string(transport_name) : numbered_name(transport_name, i);
}

inline std::string application_of(const CoreShape& shape, size_t i) {
  return shape.applications() == 1 ? std::string(application_name) : numbered_name(application_name, i);
}

namespace detail {

inline std::string quoted(const std::string& name) {
  return '"' + name + '"';
}

// Name `i` between dispatcher `level` and the one before: a transport's, a joint's, or an application's.
inline std::string name_between(const CoreShape& shape, size_t level, size_t i) {
  if (level == 0) return transport_of(shape, i);
  if (level == shape.dispatchers) return application_of(shape, i);
  return numbered_name("joint" + std::to_string(level) + "_", i);
}

// Pieces that turn one sender's address into the next: as long as before, so that sizes still tell messages.
inline std::string middleware_tables(const CoreShape& shape) {
  std::string list;
  std::string tables;
  for (size_t i = 0; i < shape.middleware; ++i) {
    const std::string name = "piece" + std::to_string(i);
    list += "{" + name + " = \"AddressTranslationMiddleware\"}, ";
    tables += "[dispatcher." + name + ".outbound_map]\n\"+2782111222" + std::to_string(4 + i) + "\" = \"+2782111222" +
              std::to_string(3 + i) + "\"\n";
  }
  return "middleware = [" + list + "]\n" + tables;
}

inline std::string dispatcher(const CoreShape& shape, size_t level) {
  std::string before;
  std::string behind;
  std::string mappings;
  for (size_t i = 0; i < shape.pairs; ++i) {
    before += quoted(name_between(shape, level, i)) + ", ";
    std::string targets;
    for (size_t target = i * shape.fan_out; target < (i + 1) * shape.fan_out; ++target)
      targets += quoted(name_between(shape, level + 1, target)) + ", ";
    behind += targets;
    mappings += name_between(shape, level, i) + " = [" + targets + "]\n";
  }
  return "[[dispatcher]]\nname = \"level" + std::to_string(level) +
         "\"\nrouter_class = \"SimpleDispatchRouter\"\ntransport_names = [" + before + "]\nexposed_names = [" + behind +
         "]\n" + (level == 0 && shape.middleware > 0 ? middleware_tables(shape) : "") +
         "[dispatcher.routing_mappings]\n" + mappings;
}

}  // namespace detail

// As an operator would write it.
inline std::string core_configuration(const CoreShape& shape) {
  std::string text;
  for (size_t level = 0; level < shape.dispatchers; ++level) text += detail::dispatcher(shape, level);
  return text;
}

}  // namespace signalbox::bench
