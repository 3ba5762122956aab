#include "broker/program/check_json.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

#include "broker/routes.hpp"

namespace signalbox {

namespace {

using Json = nlohmann::ordered_json;

// A text that says nothing is null.
Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json to_json(const std::string& file, const std::vector<Fault>& faults) {
  Json list = Json::array();
  for (const Fault& fault : faults) {
    list.push_back({{"file", file},
                    {"line", fault.where.line},
                    {"column", fault.where.column},
                    {"message", fault.text},
                    {"nearest", text_or_null(fault.nearest)}});
  }
  return list;
}

Json to_json(const RouteMap& map, const std::vector<MappedEndpoint>& endpoints) {
  Json list = Json::array();
  for (const MappedEndpoint& endpoint : endpoints) {
    list.push_back({{"name", endpoint.name},
                    {"relay", endpoint.relay},
                    {"joins", endpoint.joined ? Json(map.dispatchers[*endpoint.joined].name) : Json()}});
  }
  return list;
}

Json to_json(const RouteMap& map, const MappedDispatcher& dispatcher) {
  Json routes = Json::array();
  for (const Route& route : dispatcher.routes) {
    routes.push_back({{"what", route.what},
                      {"from", route.from},
                      {"when", text_or_null(route.condition)},
                      {"to", route.to},
                      {"rewrite", text_or_null(route.rewrite)}});
  }
  return {{"name", dispatcher.name},
          {"router_class", dispatcher.router_class},
          {"reply_tracking", dispatcher.reply_tracking},
          {"dead_letters", dispatcher.dead_letters},
          {"transports", to_json(map, dispatcher.transports)},
          {"applications", to_json(map, dispatcher.applications)},
          {"middleware", {{"entering", dispatcher.entering}, {"leaving", dispatcher.leaving}}},
          {"routes", std::move(routes)}};
}

}  // namespace

std::string check_json(const std::string& file, const ConfigurationResult& result) {
  Json out = {{"faults", to_json(file, result.faults)}, {"warnings", to_json(file, result.warnings)}};
  if (result.configuration != nullptr) {
    const RouteMap map = map_routes(*result.configuration);
    Json& dispatchers = out["dispatchers"] = Json::array();
    for (const MappedDispatcher& dispatcher : map.dispatchers) dispatchers.push_back(to_json(map, dispatcher));
    Json& joints = out["joints"] = Json::array();
    for (const MappedJoint& joint : map.joints) {
      joints.push_back({{"name", joint.name},
                        {"exposed_by", map.dispatchers[joint.exposed_by].name},
                        {"transport_of", map.dispatchers[joint.transport_of].name}});
    }
  }
  // A file's name, or a text in a fault, may hold bytes that are no UTF-8.
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace signalbox
