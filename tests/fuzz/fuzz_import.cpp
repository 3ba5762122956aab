// A vumi dispatcher's YAML. What comes out is a file that the TOML library takes, or nothing where the YAML is none;
// and each remark is one line that any terminal may see.
#include <string>
#include <variant>
#include <vector>

#include "broker/configuration_toml.hpp"
#include "broker/program/vumi_import.hpp"
#include "protocol/text.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/installations.hpp"

namespace signalbox::fuzz {

void importing(Bytes input) {
  const std::vector<ImportSource> sources = {{"vumi.yaml", std::string(input)}};
  const ImportResult result = import_vumi(sources, registry());
  for (const ImportRemark& remark : result.remarks) {
    const std::string line = to_line(sources, remark);
    require(is_utf8(line) && !has_controls(line, ""), "a remark that is more than a line of text", line);
  }
  const bool is_broken = result.has(ImportRemark::Kind::broken);
  require(is_broken == result.toml.empty(), "TOML of what is broken, or none", input);
  const std::variant<Setting, Fault> parsed = parse_toml(result.toml);
  if (const auto* fault = std::get_if<Fault>(&parsed))
    fail("the TOML library does not take it: " + to_line("import", *fault), result.toml);
}

}  // namespace signalbox::fuzz
