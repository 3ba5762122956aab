// A regular expression whose groups are kept, and templates that are made into texts from them, as Python's
// Match.expand() does it: \1 and \g<1> are groups by number, \g<0> is all that matched, \g<name> a group by name; \n,
// \t and their like, \\ and octal numbers (\0, \012, \101) are characters. A backslash before any other letter is a
// fault, as it is in Python; before anything else it stands for itself. A group that took no part is empty.
//
// Thread: one. Owns: expression and template. Errors: in words, while starting up.
// Bounds: RE2's, which no input makes slow. Tested by group_template_test.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace signalbox {

class CapturingPattern {
 public:
  CapturingPattern();
  ~CapturingPattern();
  CapturingPattern(CapturingPattern&&) noexcept;
  CapturingPattern& operator=(CapturingPattern&&) noexcept;

  // Empty: it compiles; else RE2's words for what is wrong with it. Until it has compiled nothing matches.
  [[nodiscard]] std::string compile(std::string_view expression);
  bool is_compiled() const { return state_ != nullptr; }
  // From the start of `text`, not necessarily to its end. The groups hold until the next call, and while `text` does.
  [[nodiscard]] bool match(std::string_view text);

  // Of the last match, which there must have been; 0 is all of it.
  std::string_view group(size_t number) const;
  size_t groups() const;
  std::optional<size_t> group_named(const std::string& name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;  // null: not compiled
};

class GroupTemplate {
 public:
  // Empty: it is a template for what `pattern` matches; else what is wrong with it. Where the pattern itself has not
  // compiled, its groups are not known, and are not looked at.
  [[nodiscard]] std::string parse(std::string_view text, const CapturingPattern& pattern);

  void append_expanded(std::string& out, const CapturingPattern& matched) const;

 private:
  // A stretch of text, and then a group.
  struct Part {
    std::string text;
    std::optional<size_t> group;
  };
  class Parser;

  std::vector<Part> parts_;
};

}  // namespace signalbox
