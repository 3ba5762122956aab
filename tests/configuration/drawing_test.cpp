// The drawing of routes: read back by a small grammar of its own, and, where Graphviz is installed, by its `dot`.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <stdexcept>

#include "broker/check.hpp"
#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

using Attributes = std::map<std::string, std::string>;

struct Node {
  std::string cluster;  // "" where it stands in none
  bool ranked = false;  // stands in a column, { rank=same; … }
  Attributes attributes;
};

struct Edge {
  std::string from;
  std::string to;
  Attributes attributes;
};

struct Drawing {
  Attributes attributes;                        // of the whole
  std::map<std::string, std::string> clusters;  // their labels
  std::map<std::string, Node> nodes;
  std::vector<Edge> edges;

  // The node with that label; "" for none.
  std::string labelled(const std::string& label, const std::string& cluster = "") const {
    for (const auto& [name, node] : nodes) {
      if (node.attributes.at("label") == label && (cluster.empty() || node.cluster == cluster)) return name;
    }
    return "";
  }
  const Edge* edge(const std::string& from, const std::string& to) const {
    for (const Edge& one : edges) {
      if (one.from == from && one.to == to) return &one;
    }
    return nullptr;
  }
};

// As much of the language as a drawing may use:
//   graph = "digraph" name "{" { statement } "}"
//   statement = ( name "=" value | "node" list | name [ "->" name ] [ list ] | [ "subgraph" name ] block ) [ ";" ]
//   list = "[" { name "=" value [ "," ] } "]"
class Grammar {
 public:
  explicit Grammar(std::string_view text) : text_(text) {}

  Drawing read() {
    expect("digraph");
    word();
    block("", false);
    if (!next().empty()) throw std::runtime_error("more behind the end: " + token_);
    for (const Edge& edge : drawing_.edges) {
      if (!drawing_.nodes.contains(edge.from) || !drawing_.nodes.contains(edge.to))
        throw std::runtime_error("an edge without its node: " + edge.from + " -> " + edge.to);
    }
    return drawing_;
  }

 private:
  void block(const std::string& cluster, bool ranked) {
    expect("{");
    while (peek() != "}") statement(cluster, ranked);
    next();
  }

  void statement(const std::string& cluster, bool& ranked) {
    if (peek() == "subgraph") {
      next();
      const std::string name = word();
      if (!name.starts_with("cluster_") || !drawing_.clusters.emplace(name, "").second)
        throw std::runtime_error("no new cluster: " + name);
      block(name, false);
    } else if (peek() == "{") {
      block(cluster, false);
    } else if (peek() == "node") {
      next();
      list();
    } else {
      named(cluster, ranked);
    }
    if (peek() == ";") next();
  }

  void named(const std::string& cluster, bool& ranked) {
    const std::string name = word();
    if (peek() == "=") {
      next();
      const std::string value = word();
      if (name == "rank") {
        ranked = value == "same";
      } else if (name == "label" && !cluster.empty()) {
        drawing_.clusters[cluster] = value;
      } else {
        drawing_.attributes[name] = value;
      }
    } else if (peek() == "->") {
      next();
      const std::string to = word();
      drawing_.edges.push_back({name, to, peek() == "[" ? list() : Attributes()});
    } else if (!drawing_.nodes.emplace(name, Node{cluster, ranked, list()}).second) {
      throw std::runtime_error("a node twice: " + name);
    }
  }

  Attributes list() {
    Attributes attributes;
    expect("[");
    while (peek() != "]") {
      const std::string name = word();
      expect("=");
      attributes[name] = word();
      if (peek() == ",") next();
    }
    next();
    return attributes;
  }

  void expect(std::string_view token) {
    if (next() != token) throw std::runtime_error("'" + token_ + "' where '" + std::string(token) + "' should be");
  }
  // A name or a value, its escapes undone.
  std::string word() {
    next();
    if (!quoted_ && std::string_view("{}[];,=").find(token_) != std::string_view::npos)
      throw std::runtime_error("a word is missing before '" + token_ + "'");
    return token_;
  }
  std::string peek() {
    const size_t at = at_;
    next();
    at_ = at;
    return quoted_ ? "" : token_;
  }

  const std::string& next() {
    token_.clear();
    quoted_ = false;
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    if (at_ == text_.size()) return token_;
    if (text_[at_] == '"') return string();
    if (text_.substr(at_, 2) == "->") {
      at_ += 2;
      return token_ = "->";
    }
    if (const size_t end = text_.find_first_not_of(word_letters, at_); end != at_) {
      token_ = text_.substr(at_, end - at_);
      at_ = std::min(end, text_.size());
      return token_;
    }
    if (std::string_view("{}[];,=").find(text_[at_]) == std::string_view::npos)
      throw std::runtime_error("no token: " + std::string(text_.substr(at_, 20)));
    return token_ = text_[at_++];
  }

  const std::string& string() {
    quoted_ = true;
    for (++at_; text_.at(at_) != '"'; ++at_) {
      if (text_[at_] == '&') {
        if (text_.substr(at_, 5) != "&amp;") throw std::runtime_error("an ampersand that begins an entity");
        token_ += '&';
        at_ += 4;
      } else if (text_[at_] == '\\') {
        const char escaped = text_.at(++at_);
        if (escaped != 'n' && escaped != '"' && escaped != '\\') throw std::runtime_error("an unknown escape");
        token_ += escaped == 'n' ? '\n' : escaped;
      } else if (text_[at_] == '\n') {
        throw std::runtime_error("a line that ends in a string");
      } else {
        token_ += text_[at_];
      }
    }
    ++at_;
    return token_;
  }

  static constexpr std::string_view word_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

  const std::string_view text_;
  size_t at_ = 0;
  std::string token_;
  bool quoted_ = false;
  Drawing drawing_;
};

bool has_graphviz() {
  return std::system("command -v dot >/dev/null 2>&1") == 0;  // NOLINT(concurrency-mt-unsafe)
}

void feed_to_graphviz(const std::string& text) {
  FILE* dot = popen("dot -Tcanon >/dev/null", "w");
  ASSERT_NE(dot, nullptr);
  EXPECT_EQ(fwrite(text.data(), 1, text.size(), dot), text.size());
  EXPECT_EQ(pclose(dot), 0) << text;
}

Drawing draw(std::string_view toml) {
  const ConfigurationResult result = read(toml);
  if (result.configuration == nullptr) throw std::runtime_error(::testing::PrintToString(as_lines(result.faults)));
  const std::string text = routes_drawing(*result.configuration);
  if (has_graphviz()) feed_to_graphviz(text);
  return Grammar(text).read();
}

TEST(Drawing, OfOneDispatcherHasTransportsLeftAndApplicationsRight) {
  const Drawing drawing = draw(
      "router_class = 'SimpleDispatchRouter'\ntransport_names = ['sms', 'ussd']\nexposed_names = ['app']\n"
      "relays = ['ussd']\nrouting_mappings = {sms = 'app', far = 'app'}\ntransport_mappings = {x = 'ussd'}\n");
  EXPECT_EQ(drawing.attributes.at("rankdir"), "LR");
  EXPECT_EQ(drawing.attributes.at("label"), "dispatcher\nSimpleDispatchRouter");
  EXPECT_TRUE(drawing.clusters.empty());
  ASSERT_EQ(drawing.nodes.size(), 4u);
  const std::string sms = drawing.labelled("sms");
  const std::string ussd = drawing.labelled("ussd");
  const std::string app = drawing.labelled("app");
  const std::string router = drawing.labelled("SimpleDispatchRouter");
  for (const std::string& endpoint : {sms, ussd, app}) EXPECT_TRUE(drawing.nodes.at(endpoint).ranked) << endpoint;
  EXPECT_FALSE(drawing.nodes.at(router).ranked);
  ASSERT_NE(drawing.edge(sms, app), nullptr);
  EXPECT_FALSE(drawing.edge(sms, app)->attributes.contains("dir"));
  EXPECT_EQ(drawing.edge(sms, router)->attributes.at("dir"), "back") << "outbound alone: sms is no relay";
  EXPECT_EQ(drawing.edge(router, app)->attributes.at("label"), "transport_name is \"far\", carried by a relay");
  bool mapped = false;
  for (const Edge& edge : drawing.edges) {
    EXPECT_NE(edge.to, sms) << "no edge runs to the left";
    EXPECT_NE(edge.to, ussd);
    const auto label = edge.attributes.find("label");
    if (label == edge.attributes.end() || label->second != "transport_name is \"x\"") continue;
    mapped = true;
    EXPECT_EQ(edge.from + edge.to + edge.attributes.at("dir") + edge.attributes.at("style"),
              ussd + router + "backdashed");
  }
  EXPECT_TRUE(mapped);
}

TEST(Drawing, OfSeveralHasAClusterForEachAndJointsBetweenThem) {
  const Drawing drawing = draw(R"(
[[dispatcher]]
name = "phone"
router_class = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names = ["phones", "log"]
routing_mappings = {sms = ["phones", "log"]}
middleware = [{first = "LoggingMiddleware"}, {second = "LoggingMiddleware"}]
[[dispatcher]]
name = "apps"
router_class = "RedirectRouter"
transport_names = ["phones"]
exposed_names = ["app"]
redirect_inbound = {phones = "app"}
middleware = [{only = "LoggingMiddleware"}]
)");
  EXPECT_EQ(
      drawing.clusters,
      (std::map<std::string, std::string>{
          {"cluster_0",
           "phone\nSimpleDispatchRouter\nmiddleware, entering: first, second\nmiddleware, leaving: second, first"},
          {"cluster_1", "apps\nRedirectRouter\nmiddleware: only"}}));
  const std::string near = drawing.labelled("phones", "cluster_0");
  const std::string far = drawing.labelled("phones", "cluster_1");
  ASSERT_NE(drawing.edge(near, far), nullptr);
  EXPECT_EQ(drawing.edge(near, far)->attributes.at("dir"), "both");
  EXPECT_EQ(drawing.edge(far, drawing.labelled("app"))->attributes.at("label"), "transport_name = \"app\"");
  EXPECT_NE(drawing.edge(drawing.labelled("sms"), near), nullptr);
  EXPECT_EQ(drawing.labelled("dead_letters"), "");
}

TEST(Drawing, EscapesEveryName) {
  const Drawing drawing = draw(
      "[[dispatcher]]\nname = 'a \"b\" \\N &lt; <c>'\nrouter_class = 'SimpleDispatchRouter'\n"
      "transport_names = ['\"; } \\', '->']\nexposed_names = ['größe &amp; [x]', 'node']\n"
      "routing_mappings = {'\"; } \\' = 'größe &amp; [x]', '->' = 'node'}\n"
      "transport_mappings = {'\\n\"' = '->'}\n"
      "[[dispatcher]]\nrouter_class = 'TransportToTransportRouter'\ntransport_names = ['s', 't']\n"
      "routing_mappings = {s = 't', t = 's'}\n");
  EXPECT_EQ(drawing.clusters.at("cluster_0"), "a \"b\" \\N &lt; <c>\nSimpleDispatchRouter");
  const std::string odd = drawing.labelled("\"; } \\");
  EXPECT_NE(drawing.edge(odd, drawing.labelled("größe &amp; [x]")), nullptr);
  EXPECT_NE(drawing.edge(drawing.labelled("->"), drawing.labelled("node")), nullptr);
  const Edge* turned = drawing.edge(drawing.labelled("s"), drawing.labelled("t"));
  ASSERT_NE(turned, nullptr);
  EXPECT_EQ(turned->attributes.at("constraint"), "false");
}

TEST(Drawing, OfEveryRouterIsWellFormed) {
  const std::string names = "transport_names = ['s', 't']\nexposed_names = ['a']\ndispatcher_name = 'd'\n";
  const std::vector<std::string> all = {
      "ToAddrRouter'\n" + names + "toaddr_mappings = {a = '\\d'}\n",
      "FromAddrMultiplexRouter'\n" + names + "fromaddr_mappings = {'+1' = 't'}\n",
      "UserGroupingRouter'\n" + names + "group_mappings = {one = 'a'}\n",
      "ContentKeywordRouter'\n" + names + "rules = [{app = 'a', keyword = '\"'}]\ntransport_mappings = {'+1' = 't'}\n",
      "LoadBalancingRouter'\n" + names,
      "RoutingTableDispatcher'\nreceive_inbound_connectors = ['s', 't']\nreceive_outbound_connectors = ['a']\n"
      "routing_table = {s = {default = ['a', 'x']}, t = {x = ['a', 'x']}, a = {x = ['t', 'y']}}\n",
      "ToAddressRouter'\ntransport_names = ['s', 't']\nto_address_mappings = [{name = 'a', pattern = '8'}]\n",
      "FromAddressRouter'\nchannel = 't'\ndestinations = [{id = 'a', config = {regular_expression = '8'}}]\n"};
  for (const std::string& one : all) {
    SCOPED_TRACE(one);
    std::string toml = "router_class = '";
    const Drawing drawing = draw(toml.append(one));
    const std::string transport = drawing.labelled("t");
    const std::string application = drawing.labelled("a");
    const std::string router = drawing.labelled(one.substr(0, one.find('\'')));
    EXPECT_TRUE(drawing.edge(transport, application) != nullptr ||
                (drawing.edge(transport, router) != nullptr && drawing.edge(router, application) != nullptr));
  }
}

}  // namespace
}  // namespace signalbox::testing
