#include "broker/program/import_command.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include "broker/program/exit_codes.hpp"
#include "broker/program/vumi_import.hpp"
#include "broker/program/yaml_document.hpp"

namespace signalbox {
namespace {

constexpr const char* teaching =
    R"(What vumi, vumi2 or Junebug call a dispatcher or router becomes a configuration for `signalbox serve`, on stdout
or in the file that -o names. Several dispatchers, in one file or in several, become one [[dispatcher]] each.

  signalbox import vumi.yaml -o signalbox.toml
  signalbox check signalbox.toml

What looks otherwise here or has no counterpart is said on stderr, with its place in the YAML, and in a comment:
  vumi.yaml:12:3: no counterpart: middleware "StoringMiddleware": ...

Exit codes:
  0  all of it was taken over, and the result passes `signalbox check`
  1  something has no counterpart, or the result does not pass `signalbox check`; it is written all the same
  2  there is no such file, it is no YAML, or no dispatcher is in it; or the arguments are wrong)";

// "-" is stdin. One byte more than a file may have, so that a longer one is told from one that just fits.
std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& stream = path == "-" ? std::cin : file;
  if (!stream || (path != "-" && std::filesystem::is_directory(path))) return std::nullopt;
  std::string text(yaml_bytes_max + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  if (stream.bad()) return std::nullopt;
  return text;
}

}  // namespace

ImportCommand::ImportCommand(CLI::App& program)
    : Command(*program.add_subcommand("import", "Write the TOML of a vumi dispatcher's YAML")) {
  arguments().footer(teaching);
  arguments()
      .add_option("FILE", files_, "The dispatcher's configuration, YAML; - is stdin")
      ->required()
      ->expected(1, static_cast<int>(import_sources_max));
  arguments().add_option("-o,--output", output_, "Write to this file instead of stdout")->type_name("FILE");
}

int ImportCommand::run() {
  std::vector<ImportSource> sources;
  for (const std::string& file : files_) {
    std::error_code ignored;
    if (!output_.empty() && std::filesystem::equivalent(file, output_, ignored)) {
      std::fprintf(stderr, "%s: it would be overwritten by what is made of it\n", file.c_str());
      return exit_bad_input;
    }
    std::optional<std::string> text = read_file(file);
    if (!text) {
      std::fprintf(stderr, "%s:1:1: error: this file cannot be read\n", file.c_str());
      return exit_bad_input;
    }
    sources.push_back({file == "-" ? "stdin" : file, std::move(*text)});
  }
  const RouterRegistry registry;
  const ImportResult result = import_vumi(sources, registry);
  for (const ImportRemark& remark : result.remarks) std::fprintf(stderr, "%s\n", to_line(sources, remark).c_str());
  if (result.has(ImportRemark::Kind::broken)) return exit_bad_input;
  if (!write(result.toml)) return exit_bad_input;
  return result.has(ImportRemark::Kind::lost) || result.has(ImportRemark::Kind::error) ? exit_failed : exit_ok;
}

bool ImportCommand::write(const std::string& toml) const {
  if (output_.empty()) {
    const bool written = std::fwrite(toml.data(), 1, toml.size(), stdout) == toml.size() && std::fflush(stdout) == 0;
    if (!written) std::fprintf(stderr, "stdout could not be written to: %s\n", std::strerror(errno));
    return written;
  }
  std::ofstream file(output_, std::ios::binary | std::ios::trunc);
  file << toml;
  file.close();
  if (!file) std::fprintf(stderr, "%s could not be written: %s\n", output_.c_str(), std::strerror(errno));
  return static_cast<bool>(file);
}

}  // namespace signalbox
