// The drawing of routes for Graphviz.
//
// A route between two endpoints is an edge between them. One that has "any" at an end, or a name that relays carry,
// runs by a node for the router, which is joined with every endpoint that it may stand for. All edges run from left to
// right, so that transports stand on the left; those of outbound messages are dashed and have their arrow at the tail.
// Nodes have invented names, so that what the configuration calls them is in labels alone, and is escaped there.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/check.hpp"
#include "broker/routes.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

// A double-quoted string of the language: a backslash begins an escape in it, and an ampersand an entity.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
    if (c == '&') out += "amp;";
  }
}

// Lines of a label, each centred.
std::string label(const std::vector<std::string>& lines) {
  std::string out = "\"";
  for (const std::string& line : lines) {
    if (line.empty()) continue;
    if (out.size() > 1) out += "\\n";
    append_escaped(out, printable(line));
  }
  return out + '"';
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : ", ").append(word);
  return text;
}

// Draws one dispatcher: the nodes at once, the edges into `edges`, since they come behind all clusters.
class DispatcherDrawing {
 public:
  DispatcherDrawing(const MappedDispatcher& dispatcher, uint32_t place)
      : dispatcher_(dispatcher), prefix_(std::string("d").append(std::to_string(place))), router_(prefix_ + "_router") {
    for (const MappedEndpoint& one : dispatcher.transports) transports_.emplace(one.name, node("_t", transports_));
    for (const MappedEndpoint& one : dispatcher.applications)
      applications_.emplace(one.name, node("_a", applications_));
  }

  // Its name, its router and its middleware.
  std::string title() const {
    const std::string pieces = joined(dispatcher_.entering);
    std::vector<std::string> lines = {dispatcher_.name, dispatcher_.router_class};
    if (dispatcher_.entering == dispatcher_.leaving && !pieces.empty()) {
      lines.push_back("middleware: " + pieces);
    } else if (!pieces.empty()) {
      lines.push_back("middleware, entering: " + pieces);
      lines.push_back("middleware, leaving: " + joined(dispatcher_.leaving));
    }
    return label(lines);
  }

  void append_nodes(std::string& out, const std::string& indent) const {
    append_column(out, indent, dispatcher_.transports, transports_);
    if (has_router_) out += indent + router_ + " [shape=ellipse, label=" + label({dispatcher_.router_class}) + "];\n";
    append_column(out, indent, dispatcher_.applications, applications_);
  }

  void draw_routes() {
    for (const Route& route : dispatcher_.routes) {
      if (route.what == "inbound") {
        draw_inbound(route);
      } else if (route.what == "outbound" || route.what == "reply") {
        draw_outbound(route);
      }
    }
  }
  const std::string& edges() const { return edges_; }

  std::string application(const std::string& name) const { return applications_.at(name); }
  std::string transport(const std::string& name) const { return transports_.at(name); }

 private:
  using Nodes = std::unordered_map<std::string, std::string>;

  std::string node(std::string_view side, const Nodes& before) const {
    return prefix_ + std::string(side) + std::to_string(before.size());
  }

  static void append_column(std::string& out, const std::string& indent, const std::vector<MappedEndpoint>& endpoints,
                            const Nodes& nodes) {
    if (endpoints.empty()) return;
    out += indent + "{ rank=same;\n";
    for (const MappedEndpoint& endpoint : endpoints) {
      out += indent + "  " + nodes.at(endpoint.name) + " [label=" + label({endpoint.name});
      if (endpoint.joined) out += ", shape=cds";
      if (endpoint.relay) out += ", peripheries=2";
      out += "];\n";
    }
    out += indent + "}\n";
  }

  // With the route's condition and rewrite, if it has any, for a label.
  void edge(const std::string& left, const std::string& right, const Route& route, std::string_view style) {
    std::string attributes(style);
    if (!route.condition.empty() || !route.rewrite.empty()) {
      attributes.append(attributes.empty() ? "" : ", ")
          .append("label=")
          .append(label({route.condition, route.rewrite}));
    }
    edges_.append("  ").append(left).append(" -> ").append(right);
    edges_.append(attributes.empty() ? "" : " [").append(attributes).append(attributes.empty() ? ";\n" : "];\n");
  }

  // An edge without words between an endpoint and the router; one is enough.
  void spoke(const std::string& left, const std::string& right, bool outbound) {
    const std::string text = "  " + left + " -> " + right + (outbound ? " [dir=back, style=dashed];\n" : ";\n");
    if (spokes_.insert(text).second) edges_ += text;
  }

  // To an application, or where the router turns a message round, to a transport. What it takes in turn or refuses is
  // no endpoint.
  void draw_inbound(const Route& route) {
    const auto application = applications_.find(route.to);
    const auto back = transports_.find(route.to);
    if (application == applications_.end() && back == transports_.end()) return;
    const bool turns = application == applications_.end();
    const std::string& right = turns ? back->second : application->second;
    const auto from = transports_.find(route.from);
    const std::string_view style = turns ? "constraint=false" : "";
    if (from != transports_.end()) return edge(from->second, right, route, style);
    has_router_ = true;
    Route named = route;
    const bool any = route.from == "any";
    if (!any) named.condition = "transport_name is " + in_quotes(route.from) + ", " + route.condition;
    for (const MappedEndpoint& one : dispatcher_.transports) {
      if (any || one.relay) spoke(transports_.at(one.name), router_, false);
    }
    edge(router_, right, named, style);
  }

  void draw_outbound(const Route& route) {
    if (route.to.starts_with("refused: ") || route.to == "discarded") return;
    const auto transport = transports_.find(route.to);
    const auto from = applications_.find(route.from);
    constexpr std::string_view back = "dir=back, style=dashed";
    if (transport != transports_.end() && from != applications_.end()) {
      return edge(transport->second, from->second, route, back);
    }
    has_router_ = true;
    for (const MappedEndpoint& one : dispatcher_.applications) {
      if (route.from == "any" || route.from == one.name) spoke(router_, applications_.at(one.name), true);
    }
    if (transport != transports_.end()) return edge(transport->second, router_, route, back);
    for (const MappedEndpoint& one : dispatcher_.transports) spoke(transports_.at(one.name), router_, true);
  }

  const MappedDispatcher& dispatcher_;
  const std::string prefix_;
  const std::string router_;
  Nodes transports_;  // by name
  Nodes applications_;
  std::string edges_;
  std::set<std::string> spokes_;
  bool has_router_ = false;
};

}  // namespace

std::string routes_drawing(const Configuration& configuration) {
  const RouteMap map = map_routes(configuration);
  const bool several = map.dispatchers.size() > 1;
  std::string out =
      "digraph signalbox {\n"
      "  rankdir=LR;\n"
      "  newrank=true;\n"
      "  node [shape=box];\n";
  std::vector<DispatcherDrawing> drawings;
  drawings.reserve(map.dispatchers.size());
  for (uint32_t place = 0; place < map.dispatchers.size(); ++place) {
    DispatcherDrawing& drawing = drawings.emplace_back(map.dispatchers[place], place);
    drawing.draw_routes();
    if (several) out += "  subgraph cluster_" + std::to_string(place) + " {\n";
    out += std::string(several ? "    " : "  labelloc=t;\n  ") + "label=" + drawing.title() + ";\n";
    drawing.append_nodes(out, several ? "    " : "  ");
    if (several) out += "  }\n";
  }
  for (const DispatcherDrawing& drawing : drawings) out += drawing.edges();
  for (const MappedJoint& joint : map.joints) {
    out += "  " + drawings[joint.exposed_by].application(joint.name) + " -> " +
           drawings[joint.transport_of].transport(joint.name) + " [dir=both, style=bold];\n";
  }
  return out + "}\n";
}

}  // namespace signalbox
