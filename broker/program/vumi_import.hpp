// From a dispatcher's YAML, as vumi, vumi2 and Junebug have it, to the TOML of this broker.
//
// Key by key: what has the same name and sense here is written as it is. What has no counterpart becomes a comment in
// the TOML and a remark, and is never left out in silence. The reader of configurations then looks at the result, and
// what it says becomes a remark at the place in the YAML.
//
// Thread: any; no state. Errors: remarks. Bounds: those of yaml_document.hpp for each source, sources_max of them.
// Tested by tests/program/import_test.py.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/program/toml_writer.hpp"
#include "routers/registry.hpp"

namespace signalbox {

inline constexpr size_t import_sources_max = 1000;

struct ImportSource {
  std::string name;  // of the file, for comments and remarks
  std::string yaml;
};

struct ImportRemark {
  enum class Kind : uint8_t {
    note,     // something looks otherwise here, and nothing is lost
    warning,  // the reader of configurations warns
    lost,     // it has no counterpart
    error,    // the reader of configurations does not take the result
    broken    // that source is no YAML, or no dispatcher is in it; nothing of it is written
  };

  SourcePlace where;
  Kind kind = Kind::note;
  std::string text;
};

struct ImportResult {
  std::string toml;
  std::vector<ImportRemark> remarks;  // source by source; what the reader says at the end
  size_t dispatchers = 0;

  bool has(ImportRemark::Kind kind) const;
};

// Each dispatcher in the sources becomes one; where there are several, a [[dispatcher]] table.
[[nodiscard]] ImportResult import_vumi(const std::vector<ImportSource>& sources, const RouterRegistry& registry);

// "vumi.yaml:12:3: no counterpart: …"
[[nodiscard]] std::string to_line(const std::vector<ImportSource>& sources, const ImportRemark& remark);

}  // namespace signalbox
