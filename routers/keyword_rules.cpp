#include "routers/keyword_rules.hpp"

#include <algorithm>

namespace signalbox {

// The parts with their lengths before them, so that no two rules share a key by chance.
std::string_view KeywordRules::key(std::string_view keyword, const Form& form, std::string_view to_addr,
                                   std::string_view prefix) {
  if (!form.has_to_addr && !form.has_prefix) return keyword;
  const auto append_part = [this](std::string_view part) {
    const auto size = static_cast<uint32_t>(part.size());
    key_.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
  };
  key_.assign(1, '\0');
  append_part(keyword);
  key_ += form.has_to_addr ? '\1' : '\0';
  if (form.has_to_addr) append_part(to_addr);
  if (form.has_prefix) append_part(prefix);
  return key_;
}

void KeywordRules::add(const KeywordRule& rule) {
  const Form form{.has_to_addr = rule.to_addr.has_value(),
                  .has_prefix = rule.prefix.has_value(),
                  .prefix_bytes = rule.prefix.value_or("").size()};
  if (std::ranges::find(forms_, form) == forms_.end()) forms_.push_back(form);
  const std::string_view place = key(rule.keyword, form, rule.to_addr.value_or(""), rule.prefix.value_or(""));
  rules_[std::string(place)].push_back(count_++);
}

const std::vector<uint32_t>& KeywordRules::fitting(std::string_view keyword, std::optional<std::string_view> to_addr,
                                                   std::optional<std::string_view> from_addr) {
  fitting_.clear();
  size_t forms_found = 0;
  for (const Form& form : forms_) {
    if (form.has_to_addr && !to_addr) continue;
    if (form.has_prefix && (!from_addr || from_addr->size() < form.prefix_bytes)) continue;
    const std::string_view prefix = form.has_prefix ? from_addr->substr(0, form.prefix_bytes) : std::string_view();
    const auto found = rules_.find(key(keyword, form, to_addr.value_or(""), prefix));
    if (found == rules_.end()) continue;
    fitting_.insert(fitting_.end(), found->second.begin(), found->second.end());
    ++forms_found;
  }
  if (forms_found > 1) std::ranges::sort(fitting_);
  return fitting_;
}

}  // namespace signalbox
