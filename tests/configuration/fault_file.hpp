// A file of configurations with faults, as data. Under each line that is at fault stands what the reader has to say of
// it, and a caret under the place; tests/configuration/faults/README.md says how one is written.
//
// Errors: a file that is not written so throws std::runtime_error, which names it and the line.
#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {

struct FaultCase {
  std::string file;
  std::string title;
  std::string toml;
  Lines faults;    // "line:column text", in order
  Lines warnings;  // the same
};

void PrintTo(const FaultCase& one, std::ostream* out);

// The cases of all files in a folder, and behind each, unless it is about the whole file, the same dispatcher in a file
// of several: as the first of them, and as the last.
std::vector<FaultCase> read_fault_files(const std::filesystem::path& folder);

}  // namespace signalbox::testing
