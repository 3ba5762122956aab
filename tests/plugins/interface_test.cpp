// The virtual functions that a plugin's objects and the broker's call across the border, in their order, as the number
// in routers/plugin.hpp stands for them. Sizes are compared when a library is loaded; what is in a table of virtual
// functions cannot be, so this holds it.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "routers/plugin.hpp"

namespace signalbox::testing {
namespace {

std::string text_of_file(const std::string& path) {
  std::ifstream stream(SIGNALBOX_SOURCE "/" + path);
  EXPECT_TRUE(stream.is_open()) << path;
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Each declaration in a line, its blanks made one.
std::string virtual_functions_of(const std::string& header) {
  std::stringstream lines(text_of_file(header));
  std::string code;
  for (std::string line; std::getline(lines, line);) code += line.substr(0, line.find("//")) + '\n';
  std::string found;
  for (size_t at = code.find("virtual "); at != std::string::npos; at = code.find("virtual ", at + 1)) {
    std::stringstream words(code.substr(at, code.find_first_of(";{", at) - at));
    for (std::string word; words >> word;) found += word + ' ';
    found.back() = '\n';
  }
  return found;
}

TEST(PluginInterface, VirtualFunctionsAreThoseOfItsVersion) {
  std::string found = "version " + std::to_string(router_interface_version) + '\n';
  for (const char* header : {"routers/router.hpp", "routers/state_store.hpp"}) {
    found += std::string(header) + '\n' + virtual_functions_of(header);
  }
  EXPECT_EQ(found, text_of_file("tests/plugins/interface.txt"))
      << "Where a release has gone out with this version, add one to router_interface_version. Then make "
         "tests/plugins/interface.txt say what is found.";
}

}  // namespace
}  // namespace signalbox::testing
