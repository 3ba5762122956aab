#include "broker/program/vumi_import.hpp"

#include <algorithm>
#include <variant>

#include "broker/configuration.hpp"
#include "broker/program/dispatcher_import.hpp"
#include "broker/program/import_page.hpp"
#include "broker/program/yaml_document.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

struct Found {
  size_t source;
  YamlNode document;
};

std::string_view to_string(ImportRemark::Kind kind) {
  switch (kind) {
    case ImportRemark::Kind::note:
      return "note";
    case ImportRemark::Kind::warning:
      return "warning";
    case ImportRemark::Kind::lost:
      return "no counterpart";
    case ImportRemark::Kind::error:
    case ImportRemark::Kind::broken:
      break;
  }
  return "error";
}

// vumi's MultiWorker runs several workers from one file: `workers` names their classes, `defaults` and a table of its
// own configure each.
void find_in_multi_worker(size_t source, const YamlNode& document, const RouterRegistry& registry, ImportPage& page,
                          std::vector<Found>& found) {
  const YamlNode* workers = document.find("workers");
  if (workers == nullptr || workers->kind != YamlNode::Kind::map) return;
  const YamlNode* defaults = document.find("defaults");
  for (const YamlNode& worker : workers->items) {
    const YamlNode* own = document.find(worker.key);
    if (own == nullptr || own->kind != YamlNode::Kind::map) continue;
    YamlNode whole = *own;
    if (defaults != nullptr && defaults->kind == YamlNode::Kind::map) {
      for (const YamlNode& item : defaults->items)
        if (whole.find(item.key) == nullptr) whole.items.push_back(item);
    }
    if (is_dispatcher(whole, registry)) {
      found.push_back({source, std::move(whole)});
    } else {
      page.remark(ImportRemark::Kind::note, worker.key_position,
                  in_quotes(worker.key) + " is a worker and no dispatcher: it moves over by itself");
    }
  }
}

void find_dispatchers(size_t source, const ImportSource& from, const RouterRegistry& registry, ImportPage& page,
                      std::vector<Found>& found) {
  const size_t before = found.size();
  std::variant<YamlFile, YamlFault> parsed = parse_yaml(from.yaml);
  if (const auto* fault = std::get_if<YamlFault>(&parsed)) {
    page.remark(ImportRemark::Kind::broken, fault->where, fault->text);
    return;
  }
  auto& file = std::get<YamlFile>(parsed);
  for (const YamlFault& note : file.notes) page.remark(ImportRemark::Kind::note, note.where, note.text);
  for (YamlNode& document : file.documents) {
    if (is_dispatcher(document, registry)) {
      found.push_back({source, std::move(document)});
    } else {
      find_in_multi_worker(source, document, registry, page, found);
    }
  }
  if (found.size() == before)
    page.remark(ImportRemark::Kind::broken, {},
                "there is no dispatcher in this file: none of router_class, transport_names, "
                "receive_inbound_connectors, to_address_mappings and destinations");
}

}  // namespace

bool ImportResult::has(ImportRemark::Kind kind) const {
  return std::ranges::find(remarks, kind, &ImportRemark::kind) != remarks.end();
}

std::string to_line(const std::vector<ImportSource>& sources, const ImportRemark& remark) {
  return sources[remark.where.file].name + ":" + std::to_string(remark.where.position.line) + ":" +
         std::to_string(remark.where.position.column) + ": " + std::string(to_string(remark.kind)) + ": " + remark.text;
}

ImportResult import_vumi(const std::vector<ImportSource>& sources, const RouterRegistry& registry) {
  ImportPage page;
  ImportResult result;
  std::vector<Found> found;
  for (size_t source = 0; source < sources.size(); ++source) {
    page.begin_source(source, sources[source].name);
    find_dispatchers(source, sources[source], registry, page, found);
  }
  const bool is_broken =
      std::ranges::find(page.remarks(), ImportRemark::Kind::broken, &ImportRemark::kind) != page.remarks().end();
  if (!is_broken) {
    page.toml().comment("Written by `signalbox import`. Comments in the YAML are not kept.");
    page.toml().comment(
        "Replies and events follow their messages; reply_tracking = false lets vumi's rules alone decide.");
    page.flush_comments();
    for (Found& dispatcher : found) {
      page.begin_source(dispatcher.source, sources[dispatcher.source].name);
      DispatcherImport(std::move(dispatcher.document), found.size() > 1, registry, page).write();
    }
    result.dispatchers = found.size();
    result.toml = page.toml().written();
    const ConfigurationResult read = read_configuration(result.toml, registry);
    for (const Fault& warning : read.warnings)
      page.remarks().push_back({page.toml().source_of(warning.where), ImportRemark::Kind::warning, warning.text});
    for (const Fault& fault : read.faults)
      page.remarks().push_back({page.toml().source_of(fault.where), ImportRemark::Kind::error, fault.text});
  }
  result.remarks = std::move(page.remarks());
  return result;
}

}  // namespace signalbox
