// Keyword rules by hash, so that ten thousand cost what ten cost.
//
// A rule asks for a keyword, and may ask for an exact to_addr and for the beginning of from_addr. All three become one
// key in a table for each form that rules have: with or without to_addr, with none or with each length of prefix that
// occurs. A message is looked up once in each. Rules have few lengths of prefix, so these are few look-ups, however
// many rules there are.
//
// Thread: one; constant once filled. Owns: the keys. Bounds: as large as the configuration.
// Tested by keyword_rules_test.cpp, the cases of ContentKeywordRouter, and its naive twin.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routers/text_map.hpp"

namespace signalbox {

struct KeywordRule {
  std::string keyword;  // in lower case
  std::optional<std::string> to_addr;
  std::optional<std::string> prefix;  // of from_addr
};

class KeywordRules {
 public:
  // Rules count from 0 in the order in which they are added.
  void add(const KeywordRule& rule);

  // Which rules fit, in rising order; valid until the next call. An address that is null fits no rule that asks for it.
  const std::vector<uint32_t>& fitting(std::string_view keyword, std::optional<std::string_view> to_addr,
                                       std::optional<std::string_view> from_addr);

 private:
  // The rules of one form: do they look at to_addr, and at how many bytes of from_addr.
  struct Form {
    bool has_to_addr = false;
    bool has_prefix = false;
    size_t prefix_bytes = 0;
    TextMap<std::vector<uint32_t>> rules;
  };

  Form& form_of(const KeywordRule& rule);
  std::string_view key(std::string_view keyword, const Form& form, std::string_view to_addr, std::string_view prefix);

  std::vector<Form> forms_;
  uint32_t count_ = 0;
  std::string key_;
  std::vector<uint32_t> fitting_;
};

}  // namespace signalbox
