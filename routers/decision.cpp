#include "routers/router.hpp"

namespace signalbox {

void Decision::set(Field field, Bytes encoded_value) {
  edit({.operation = Edit::Operation::set, .path = {to_string(field)}, .value = encoded_value});
}

void Decision::edit(const Edit& edit) {
  // Behind a copy that was left out, its changes are left out too: they must not reach the copy before it.
  if (targets_.empty() || overflowed_) return;
  edits_.edit(edit);
  Target& target = targets_.back();
  if (target.edit_count++ == 0) target.first_edit = static_cast<uint32_t>(edits_.all().size() - 1);
}

Bytes Edits::text(std::string_view value) {
  if (kept_used_ == kept_.size()) kept_.emplace_back();
  std::string& encoded = kept_[kept_used_++];
  encoded.clear();
  append_text(encoded, value);
  return encoded;
}

Bytes Edits::keep(std::string value) {
  if (kept_used_ == kept_.size()) kept_.emplace_back();
  std::string& kept = kept_[kept_used_++];
  kept = std::move(value);
  return kept;
}

void Decision::refuse(RefusalCode code, std::string reason) {
  verdict_ = Verdict::refuse;
  refusal_ = code;
  reason_ = std::move(reason);
  targets_.clear();
  edits_.clear();
}

void Decision::discard(std::string reason) {
  verdict_ = Verdict::discard;
  reason_ = std::move(reason);
  targets_.clear();
  edits_.clear();
}

}  // namespace signalbox
