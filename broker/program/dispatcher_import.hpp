// One dispatcher of vumi's, vumi2's or Junebug's, from its YAML onto the page.
//
// What is only said otherwise there is brought into shape first: Junebug's nested `config`, vumi2's older table of
// patterns, names listed twice. Then the entries follow in the order of the YAML, tables behind all else as TOML has
// it.
//
// Thread: one. Errors: remarks on the page. Bounds: as large as what it is given.
// Tested by tests/program/import_test.py.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/program/import_page.hpp"
#include "broker/program/yaml_document.hpp"
#include "routers/registry.hpp"

namespace signalbox {

// Does this map configure a dispatcher?
[[nodiscard]] bool is_dispatcher(const YamlNode& document, const RouterRegistry& registry);

class DispatcherImport {
 public:
  // `in_list`: it is to be a [[dispatcher]] table and not the whole file.
  DispatcherImport(YamlNode document, bool in_list, const RouterRegistry& registry, ImportPage& page);

  void write();

 private:
  enum class Place : uint8_t { here, alone, elsewhere, helper, unknown };

  void choose_router();
  void lift_junebug_config();
  void list_older_mappings();
  void drop_doubles(YamlNode& names);
  void drop_strange_sources(YamlNode& mappings, std::string_view list_key);
  void drop_rules_with_null(YamlNode& rules);
  void keep_fields(YamlNode& item, std::string_view key);
  void shape(YamlNode& entry);
  void shape_middleware(YamlNode& list);
  void shape_piece(YamlNode& piece, bool& keeps);
  void shape_options(YamlNode& options);
  void name_vumi2_middleware(const YamlNode& list);

  Place place_of(const YamlNode& entry) const;
  void say_why_left_out(const YamlNode& entry, Place place);
  void write_router_class();
  bool is_in_list(std::string_view list_key, const std::string& name) const;

  YamlNode document_;
  const bool in_list_;
  const RouterRegistry& registry_;
  ImportPage& page_;
  std::string router_class_;             // without a module path; empty: the YAML says nothing of one
  const RouterClass* router_ = nullptr;  // null: none of that name
  std::vector<std::pair<std::string, const MiddlewareClass*>>
      pieces_;  // by the name of their options; null: no such class
};

}  // namespace signalbox
