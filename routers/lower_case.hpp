// Lower-casing as Unicode has it, in no language: what keywords are compared by.
//
// ASCII, which nearly all keywords are, never leaves this file; the rest is ICU's full mapping in the root locale (so a
// final sigma is found, and a dotted capital I becomes two characters).
//
// Thread: one. Owns: ICU's mapper and a buffer. Errors: bytes that are no UTF-8 stay as they are.
// Tested by lower_case_test.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace signalbox {

class LowerCase {
 public:
  // Throws std::runtime_error where ICU's data cannot be loaded: while starting up.
  LowerCase();
  ~LowerCase();
  LowerCase(const LowerCase&) = delete;
  LowerCase& operator=(const LowerCase&) = delete;

  // Valid until the next call, or for as long as `text` where there was nothing to change.
  std::string_view operator()(std::string_view text);

 private:
  struct Mapper;
  std::unique_ptr<Mapper> mapper_;
  std::string buffer_;
};

}  // namespace signalbox
