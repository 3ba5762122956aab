// An ordered list of regular expressions, asked which of them match a text. RE2's: no input makes one slow.
//
// A few are tried one by one. Many go into one RE2::Set, which reads the text once for all of them; its memory is
// scaled to their number. Where a set cannot be built or cannot answer for want of memory, they are tried one by one
// all the same, so that the answer never depends on memory.
//
// Thread: one. Owns: the expressions. Errors: an expression that does not compile is reported by add(), with RE2's
// words. Bounds: pattern_memory_bytes each while they are few; the set's budget grows with their number.
// Tested by patterns_test.cpp, and through the routers that use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace signalbox {

class Patterns {
 public:
  enum class Match { at_start, anywhere };

  // `set_memory_bytes` stands in for the budget that is scaled to their number, for tests of what happens without.
  explicit Patterns(Match match, std::optional<int64_t> set_memory_bytes = std::nullopt);
  ~Patterns();
  Patterns(Patterns&&) noexcept;
  Patterns& operator=(Patterns&&) noexcept;

  // The next in order. Empty: it compiles; else RE2's words for what is wrong with it, and it is not added.
  std::string add(std::string_view expression);
  // Once, after the last.
  void prepare();

  size_t size() const;
  // Which match, in rising order; valid until the next call. They count from 0 in the order of add().
  const std::vector<int>& matching(std::string_view text);
  // The first that matches; -1: none.
  int first(std::string_view text);

  // They are in one set; else they are few, or memory did not suffice to build it.
  bool has_set() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace signalbox
