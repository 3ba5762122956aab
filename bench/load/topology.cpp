#include "bench/load/topology.hpp"

#include <cstdio>
#include <sstream>

#include "bench/messages.hpp"

namespace signalbox::bench {
namespace {

template <typename Name>
std::string quoted_list(size_t count, Name name) {
  std::string list = "[";
  for (size_t i = 0; i < count; ++i) list += (i == 0 ? "\"" : ", \"") + name(i) + '"';
  return list + ']';
}

}  // namespace

std::string Topology::transport_name_of(size_t index) const {
  if (transports == 1) return std::string(transport_name);
  char name[8];
  std::snprintf(name, sizeof name, "t%03u", static_cast<unsigned>(index % transports_max));
  return name;
}

std::string Topology::application_name_of(size_t index) const {
  if (applications == 1) return std::string(application_name);
  char name[8];
  std::snprintf(name, sizeof name, "a%02u", static_cast<unsigned>(index % applications_max));
  return name;
}

std::string Topology::content_start(size_t application) const {
  return applications == 1 ? "No. " : application_name_of(application) + ' ';
}

std::string configuration(const Topology& topology, const BrokerSettings& settings, const std::string& endpoint) {
  const auto transport = [&](size_t i) { return topology.transport_name_of(i); };
  const auto application = [&](size_t i) { return topology.application_name_of(i); };
  std::ostringstream out;
  out << "router_class = \"" << (topology.applications == 1 ? "SimpleDispatchRouter" : "ContentKeywordRouter") << "\"\n"
      << "transport_names = " << quoted_list(topology.transports, transport) << "\n"
      << "exposed_names = " << quoted_list(topology.applications, application) << "\n";
  if (topology.applications > 1) out << "dispatcher_name = \"load\"\n";
  out << "\n[broker]\nendpoint = \"" << endpoint << "\"\nsend_window = " << settings.window << "\n\n";
  if (topology.applications == 1) {
    out << "[routing_mappings]\n";
    for (size_t i = 0; i < topology.transports; ++i) out << transport(i) << " = \"" << application(0) << "\"\n";
  } else {
    out << "[keyword_mappings]\n";
    for (size_t i = 0; i < topology.applications; ++i) out << application(i) << " = \"" << application(i) << "\"\n";
    // Replies go back by the routing memory: no message of a run is from this address.
    out << "\n[transport_mappings]\nnobody = \"" << transport(0) << "\"\n";
  }
  for (size_t i = 0; i < topology.applications && !settings.overflow.empty(); ++i) {
    out << "\n[endpoints." << application(i) << "]\noverflow = \"" << settings.overflow << "\"\n";
    if (settings.queue_messages != 0) out << "max_messages = " << settings.queue_messages << "\n";
  }
  return out.str();
}

}  // namespace signalbox::bench
