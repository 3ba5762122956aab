// What is merged into a message when a pattern has matched: a table of the configuration whose texts are templates for
// that pattern's groups. Tables go in deeply, everything else as it stands, texts in arrays too (as in vumi).
//
// It must not name what tells one message from another, nor what kind it is; and what it gives a field that the broker
// reads has to have that field's type, so that a message stays a message.
//
// Thread: one. Owns: the templates. Errors: faults, while starting up. Bounds: limits::nesting_levels_max deep.
// Tested by middleware_tagging_test.cpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "routers/group_template.hpp"
#include "routers/router.hpp"

namespace signalbox {

class MessageTemplate {
 public:
  // From a table. `pattern` is the one whose groups the templates speak of.
  void read(SettingReader& reader, const Setting& table, const CapturingPattern& pattern);

  // The map to merge, encoded; nothing where the groups make a text that is not UTF-8.
  [[nodiscard]] std::optional<std::string> expanded(const CapturingPattern& matched) const;

 private:
  // Encoded bytes, and then a text from a template.
  struct Part {
    std::string bytes;
    std::optional<GroupTemplate> text;
  };
  class Reader;

  std::vector<Part> parts_;
};

}  // namespace signalbox
