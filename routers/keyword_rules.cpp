#include "routers/keyword_rules.hpp"

#include <algorithm>

namespace signalbox {

// The parts of one form, each but the last behind its length, so that no two rules share a key by chance.
std::string_view KeywordRules::key(std::string_view keyword, const Form& form, std::string_view to_addr,
                                   std::string_view prefix) {
  if (!form.has_to_addr && !form.has_prefix) return keyword;
  key_.clear();
  const auto append_part = [this](std::string_view part) {
    const auto size = static_cast<uint32_t>(part.size());
    key_.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
  };
  append_part(keyword);
  if (form.has_to_addr) append_part(to_addr);
  key_.append(prefix);
  return key_;
}

KeywordRules::Form& KeywordRules::form_of(const KeywordRule& rule) {
  const bool has_to_addr = rule.to_addr.has_value();
  const bool has_prefix = rule.prefix.has_value();
  const size_t prefix_bytes = rule.prefix.value_or("").size();
  for (Form& form : forms_) {
    if (form.has_to_addr == has_to_addr && form.has_prefix == has_prefix && form.prefix_bytes == prefix_bytes)
      return form;
  }
  return forms_.emplace_back(
      Form{.has_to_addr = has_to_addr, .has_prefix = has_prefix, .prefix_bytes = prefix_bytes, .rules = {}});
}

void KeywordRules::add(const KeywordRule& rule) {
  Form& form = form_of(rule);
  const std::string_view place = key(rule.keyword, form, rule.to_addr.value_or(""), rule.prefix.value_or(""));
  form.rules[std::string(place)].push_back(count_++);
}

const std::vector<uint32_t>& KeywordRules::fitting(std::string_view keyword, std::optional<std::string_view> to_addr,
                                                   std::optional<std::string_view> from_addr) {
  fitting_.clear();
  size_t forms_found = 0;
  for (const Form& form : forms_) {
    if (form.has_to_addr && !to_addr) continue;
    if (form.has_prefix && (!from_addr || from_addr->size() < form.prefix_bytes)) continue;
    const std::string_view prefix = form.has_prefix ? from_addr->substr(0, form.prefix_bytes) : std::string_view();
    const auto found = form.rules.find(key(keyword, form, to_addr.value_or(""), prefix));
    if (found == form.rules.end()) continue;
    fitting_.insert(fitting_.end(), found->second.begin(), found->second.end());
    ++forms_found;
  }
  if (forms_found > 1) std::ranges::sort(fitting_);
  return fitting_;
}

}  // namespace signalbox
