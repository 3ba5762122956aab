#include "broker/program/dispatcher_import.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

template <typename List, typename Word>
bool contains(const List& words, const Word& word) {
  return std::ranges::find(words, word) != std::ranges::end(words);
}

std::string last_part(std::string_view path) {
  return std::string(path.substr(path.rfind('.') + 1));  // npos + 1 is the beginning
}

// What every dispatcher may have here.
constexpr std::string_view common_keys[] = {"transport_names", "exposed_names", "name",       "reply_tracking",
                                            "relays",          "dead_letters",  "middleware", "expire_routing_memory"};

YamlNode text_node(std::string key, std::string text, Position position) {
  YamlNode node;
  node.kind = YamlNode::Kind::text;
  node.key = std::move(key);
  node.text = std::move(text);
  node.position = node.key_position = position;
  return node;
}

// Which router a configuration without router_class is for: vumi's newer dispatcher, vumi2's and Junebug's routers are
// workers of their own and are named on the command line.
std::string implied_router(const YamlNode& document, const RouterRegistry& registry) {
  if (const YamlNode* worker = document.find("worker_class"); worker != nullptr && worker->is_text()) {
    if (const RouterClass* router = registry.find(last_part(worker->text))) return router->name;
  }
  for (const std::string_view key : {"receive_inbound_connectors", "receive_outbound_connectors", "routing_table"})
    if (document.find(key) != nullptr) return "RoutingTableDispatcher";
  if (document.find("to_address_mappings") != nullptr || document.find("default_app") != nullptr)
    return "ToAddressRouter";
  const YamlNode* type = document.find("type");
  if (document.find("destinations") != nullptr || (type != nullptr && type->text == "from_address"))
    return "FromAddressRouter";
  return {};
}

}  // namespace

bool is_dispatcher(const YamlNode& document, const RouterRegistry& registry) {
  if (document.kind != YamlNode::Kind::map) return false;
  for (const std::string_view key : {"router_class", "transport_names", "exposed_names"})
    if (document.find(key) != nullptr) return true;
  return !implied_router(document, registry).empty();
}

DispatcherImport::DispatcherImport(YamlNode document, bool in_list, const RouterRegistry& registry, ImportPage& page)
    : document_(std::move(document)), in_list_(in_list), registry_(registry), page_(page) {
  choose_router();
  if (router_class_ == "FromAddressRouter") lift_junebug_config();
  if (router_class_ == "ToAddressRouter") list_older_mappings();
}

void DispatcherImport::choose_router() {
  const YamlNode* named = document_.find("router_class");
  router_class_ = named != nullptr && named->is_text() ? last_part(named->text) : implied_router(document_, registry_);
  router_ = registry_.find(router_class_);
}

// --- what is said otherwise there ------------------------------------------------------------------------------------

// Junebug's HTTP interface has the channel in a table `config`; its workers have it beside the destinations.
void DispatcherImport::lift_junebug_config() {
  std::vector<YamlNode> items;
  for (YamlNode& item : document_.items) {
    if (item.key == "config" && item.kind == YamlNode::Kind::map) {
      for (YamlNode& inner : item.items) items.push_back(std::move(inner));
    } else {
      items.push_back(std::move(item));
    }
  }
  document_.items = std::move(items);
}

// Before vumi2 0.2.0 these were a table of application: pattern. No mappings at all are an empty list here.
void DispatcherImport::list_older_mappings() {
  const auto mappings = std::ranges::find(document_.items, "to_address_mappings", &YamlNode::key);
  if (mappings == document_.items.end() || mappings->kind == YamlNode::Kind::null) {
    YamlNode none;
    none.kind = YamlNode::Kind::list;
    none.key = "to_address_mappings";
    none.position = none.key_position = document_.position;
    if (mappings != document_.items.end()) document_.items.erase(mappings);
    document_.items.push_back(std::move(none));
    return;
  }
  if (mappings->kind != YamlNode::Kind::map) return;
  page_.note(*mappings,
             "to_address_mappings is a table, as before vumi2 0.2.0: there every application whose pattern matched got "
             "the message; here the first does, in this order. ToAddrRouter serves all that match");
  mappings->kind = YamlNode::Kind::list;
  for (YamlNode& item : mappings->items) {
    YamlNode pair;
    pair.kind = YamlNode::Kind::map;
    pair.position = item.key_position;
    pair.items.push_back(text_node("name", item.key, item.key_position));
    item.key = "pattern";
    pair.items.push_back(std::move(item));
    item = std::move(pair);
  }
}

void DispatcherImport::drop_doubles(YamlNode& names) {
  std::unordered_set<std::string> seen;
  std::erase_if(names.items, [&](const YamlNode& name) {
    if (!name.is_text() || seen.insert(name.text).second) return false;
    page_.note(name, in_quotes(name.text) + " is listed twice: once is enough");
    return true;
  });
}

bool DispatcherImport::is_in_list(std::string_view list_key, const std::string& name) const {
  const YamlNode* list = document_.find(list_key);
  if (list == nullptr || list->kind != YamlNode::Kind::list) return true;  // there is no telling
  return std::ranges::find(list->items, name, &YamlNode::text) != list->items.end();
}

// vumi looks a message's transport_name up in these tables whatever names are listed.
void DispatcherImport::drop_strange_sources(YamlNode& mappings, std::string_view list_key) {
  if (mappings.kind != YamlNode::Kind::map || document_.find("relays") != nullptr) return;
  std::erase_if(mappings.items, [&](const YamlNode& entry) {
    if (entry.key_is_null) return false;
    if (!is_in_list(list_key, entry.key)) {
      page_.lost(entry.key_position,
                 mappings.key + " speaks of " + in_quotes(entry.key) + ", which " + std::string(list_key) +
                     " does not list; a transport that carries messages for others belongs in relays");
      return true;
    }
    if (entry.kind != YamlNode::Kind::list || !entry.items.empty()) return false;
    page_.note(entry, in_quotes(entry.key) +
                          " goes to nobody: vumi drops that without a word, here it is refused to its sender");
    return true;
  });
}

// A condition that is there counts in vumi, null too, and null equals no address.
void DispatcherImport::drop_rules_with_null(YamlNode& rules) {
  std::erase_if(rules.items, [&](const YamlNode& rule) {
    for (const YamlNode& condition : rule.items) {
      if (condition.kind != YamlNode::Kind::null || (condition.key != "to_addr" && condition.key != "prefix")) continue;
      page_.lost(condition.position, "a rule whose " + printable(condition.key) + " is null, which no message fits");
      return true;
    }
    return false;
  });
}

// Leaves in an item what is read here, and names the rest.
void DispatcherImport::keep_fields(YamlNode& item, std::string_view key) {
  const std::vector<std::string_view>* known = item_fields(key);
  if (known == nullptr) return;
  if (item.kind == YamlNode::Kind::list) {
    for (YamlNode& inner : item.items) keep_fields(inner, key);
    return;
  }
  std::erase_if(item.items, [&](const YamlNode& field) {
    if (field.key_is_null || contains(*known, field.key)) return false;
    if (!vumi_alone(field.key).empty() || key == "rules" || key == "to_address_mappings") {
      page_.remark(ImportRemark::Kind::note, field.key_position,
                   in_quotes(field.key) + " in " + std::string(key) + " says nothing to this router: left out");
    } else {
      page_.lost(field.key_position, in_quotes(field.key) + " in " + std::string(key));
    }
    return true;
  });
  for (YamlNode& field : item.items) keep_fields(field, field.key);
}

void DispatcherImport::shape(YamlNode& entry) {
  if (entry.key.ends_with("_names") || entry.key.ends_with("_connectors")) {
    drop_doubles(entry);
  } else if (entry.key == "routing_mappings" || entry.key == "route_mappings" || entry.key == "redirect_inbound") {
    drop_strange_sources(entry, "transport_names");
  } else if (entry.key == "redirect_outbound") {
    drop_strange_sources(entry, "exposed_names");
  } else if (entry.key == "rules") {
    drop_rules_with_null(entry);
  }
  keep_fields(entry, entry.key);
}

// --- middleware ------------------------------------------------------------------------------------------------------

void DispatcherImport::shape_middleware(YamlNode& list) {
  std::vector<YamlNode> kept;
  for (YamlNode& item : list.items) {
    bool keeps = true;
    if (item.kind == YamlNode::Kind::map && item.items.size() == 1) shape_piece(item.items[0], keeps);
    if (keeps) kept.push_back(std::move(item));
  }
  list.items = std::move(kept);
}

void DispatcherImport::shape_piece(YamlNode& piece, bool& keeps) {
  YamlNode* class_name = &piece;
  if (piece.kind == YamlNode::Kind::map) {
    const auto found = std::ranges::find(piece.items, "class", &YamlNode::key);
    if (found == piece.items.end()) return;
    class_name = &*found;
  }
  if (!class_name->is_text()) return;
  const std::string name = last_part(class_name->text);
  const MiddlewareClass* made_of = registry_.middleware().find(name);
  pieces_.emplace_back(piece.key, made_of);
  if (made_of != nullptr) {
    class_name->text = name;
    return;
  }
  keeps = false;
  const std::string_view instead = instead_of_middleware(name);
  page_.lost(class_name->position,
             "middleware " + in_quotes(name) + (instead.empty() ? "" : ": ") + std::string(instead));
}

void DispatcherImport::shape_options(YamlNode& options) {
  const auto piece = std::ranges::find(pieces_, options.key, &std::pair<std::string, const MiddlewareClass*>::first);
  if (piece == pieces_.end() || options.kind != YamlNode::Kind::map) return;
  const MiddlewareClass& made_of = *piece->second;
  std::erase_if(options.items, [&](const YamlNode& option) {
    if (option.key_is_null || contains(made_of.options, option.key)) return false;
    if (contains(made_of.vumi_options, option.key)) {
      page_.remark(ImportRemark::Kind::note, option.key_position,
                   in_quotes(option.key) + " of " + made_of.name + " means something to vumi alone: left out");
    } else {
      page_.lost(option.key_position, in_quotes(option.key) + " of " + made_of.name);
    }
    return true;
  });
}

void DispatcherImport::name_vumi2_middleware(const YamlNode& list) {
  if (list.items.empty()) return;
  for (const YamlNode& item : list.items) {
    const YamlNode* path = item.find("class_path");
    page_.lost(item.position, "vumi2's middleware " +
                                  (path != nullptr && path->is_text() ? in_quotes(last_part(path->text)) + ", " : "") +
                                  "which runs for some connectors and directions; middleware here runs for all of a "
                                  "dispatcher, on entering and on leaving");
  }
}

// --- the entries -----------------------------------------------------------------------------------------------------

DispatcherImport::Place DispatcherImport::place_of(const YamlNode& entry) const {
  if (std::ranges::any_of(pieces_, [&](const auto& piece) { return piece.first == entry.key; })) return Place::here;
  const bool is_list = entry.key == "transport_names" || entry.key == "exposed_names";
  if (is_list && router_ != nullptr && router_->list_names != nullptr)
    return entry.key == "transport_names" && router_class_ == "ToAddressRouter" ? Place::here : Place::elsewhere;
  if (contains(common_keys, entry.key)) return Place::here;
  if (router_ != nullptr && contains(router_->keys, entry.key)) return Place::here;
  if (!vumi_alone(entry.key).empty()) return Place::alone;
  if (router_ == nullptr && !registry_.readers_of(entry.key).empty()) return Place::here;
  if (!registry_.readers_of(entry.key).empty()) return Place::elsewhere;
  return entry.anchored ? Place::helper : Place::unknown;
}

void DispatcherImport::say_why_left_out(const YamlNode& entry, Place place) {
  const auto note = [&](const std::string& why) {
    page_.remark(ImportRemark::Kind::note, entry.key_position, printable(entry.key) + ": " + why);
  };
  const bool shows_value = entry.key == "worker_name" && entry.is_text();
  const std::string value = shows_value ? " (" + in_quotes(entry.text) + ")" : "";
  if (entry.key == "middlewares" && entry.kind == YamlNode::Kind::list) return name_vumi2_middleware(entry);
  switch (place) {
    case Place::alone:
      return note(std::string(vumi_alone(entry.key)) + value);
    case Place::elsewhere:
      return note(printable(router_class_) + " does not read it, nor did it before");
    case Place::helper:
      return note("only there for its aliases, whose values stand where they were used");
    case Place::here:
    case Place::unknown:
      break;
  }
  page_.lost(entry.key_position, "the key " + in_quotes(entry.key));
}

void DispatcherImport::write_router_class() {
  TomlWriter& toml = page_.toml();
  if (in_list_) {
    toml.blank_line();
    toml.raw("[[dispatcher]]\n");
  }
  const YamlNode* named = document_.find("router_class");
  if (router_class_.empty()) return;
  YamlNode entry = text_node("router_class", router_class_, document_.position);
  if (named != nullptr) {
    entry.key_position = named->key_position;
    entry.position = named->position;
  }
  page_.write_entry(entry, VumiValue::typed);
}

// Tables end what stands directly in a dispatcher, so they come last.
void DispatcherImport::write() {
  write_router_class();
  if (const auto list = std::ranges::find(document_.items, "middleware", &YamlNode::key);
      list != document_.items.end() && list->kind == YamlNode::Kind::list) {
    shape_middleware(*list);  // before anything else asks which tables are options
  }
  page_.flush_comments();
  std::vector<YamlNode*> tables;
  for (YamlNode& entry : document_.items) {
    if (entry.key == "router_class") continue;
    const Place place = place_of(entry);
    if (entry.key_is_null) {
      page_.lost(entry.key_position, "a key that is null");
    } else if (place != Place::here) {
      say_why_left_out(entry, place);
    } else if (entry.kind == YamlNode::Kind::null) {
      page_.note(entry, printable(entry.key) + " is null: left out");
    } else if (entry.kind == YamlNode::Kind::map) {
      tables.push_back(&entry);
    } else {
      shape(entry);
      page_.flush_comments();
      page_.write_entry(entry, vumi_value_of(entry.key));
    }
    page_.flush_comments();
  }
  for (YamlNode* const table : tables) {
    const auto piece = std::ranges::find(pieces_, table->key, &std::pair<std::string, const MiddlewareClass*>::first);
    const bool is_options = piece != pieces_.end();
    if (is_options && piece->second == nullptr) {
      page_.remark(ImportRemark::Kind::note, table->key_position,
                   printable(table->key) + ": options of the middleware that has no counterpart");
      page_.flush_comments();
      continue;
    }
    if (is_options) {
      shape_options(*table);
    } else {
      shape(*table);
    }
    std::vector<std::string> path = {table->key};
    if (in_list_) path.insert(path.begin(), "dispatcher");
    page_.write_table(path, *table, is_options ? VumiValue::fields : vumi_value_of(table->key));
    page_.flush_comments();
  }
}

}  // namespace signalbox
