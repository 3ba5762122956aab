#include "broker/configuration_faults.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

// Optimal string alignment distance, given up as soon as it must exceed `most`; then most + 1.
size_t distance(std::u32string_view a, std::u32string_view b, size_t most) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > most) return most + 1;
  std::vector<size_t> before_last, last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    if (*std::ranges::min_element(row) > most && *std::ranges::min_element(last) > most) return most + 1;
    before_last = last;
    last = row;
  }
  return std::min(last[b.size()], most + 1);
}

// The characters of a name, ASCII's capitals as small letters. Names are UTF-8; what is not is compared all the same.
std::u32string folded(std::string_view text) {
  std::u32string characters;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80 && !characters.empty()) {
      characters.back() = characters.back() << 6 | (byte & 0x3f);
    } else {
      characters.push_back(c >= 'A' && c <= 'Z' ? byte - U'A' + U'a' : byte);
    }
  }
  return characters;
}

std::vector<Fault> in_order_and_once(std::vector<Fault> faults) {
  const auto place = [](const Fault& fault) { return std::tuple(fault.where.line, fault.where.column); };
  std::ranges::stable_sort(faults, {}, place);
  std::vector<Fault> once;
  for (Fault& fault : faults) {
    bool again = false;
    for (size_t i = once.size(); i > 0 && !again && place(once[i - 1]) == place(fault); --i) {
      again = once[i - 1].text == fault.text;
    }
    if (!again) once.push_back(std::move(fault));
  }
  return once;
}

}  // namespace

void FaultList::fault(Position where, std::string text) {
  faults_.push_back({where, std::move(text)});
}

void FaultList::unknown_name(Position where, std::string text, std::string_view name,
                             const std::vector<std::string>& known) {
  std::string nearest;
  if (suggestions_left_ > 0) {
    --suggestions_left_;
    nearest = nearest_name(name, known).value_or("");
  }
  if (!nearest.empty()) text += "; did you mean " + in_quotes(nearest) + "?";
  faults_.push_back({where, std::move(text), std::move(nearest)});
}

bool FaultList::told_at(Position where) const {
  return std::ranges::any_of(faults_, [where](const Fault& fault) {
    return fault.where.line == where.line && fault.where.column == where.column;
  });
}

void FaultList::warn(Position where, std::string text) {
  warnings_.push_back({where, std::move(text)});
}

std::vector<Fault> FaultList::take_faults() {
  return in_order_and_once(std::exchange(faults_, {}));
}
std::vector<Fault> FaultList::take_warnings() {
  return in_order_and_once(std::exchange(warnings_, {}));
}

std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& known) {
  const std::u32string wanted = folded(name);
  const std::string* nearest = nullptr;
  size_t nearest_distance = 0;
  for (const std::string& candidate : known) {
    if (candidate.empty()) continue;
    const std::u32string letters = folded(candidate);
    const size_t most = std::max(wanted.size(), letters.size()) / 3;
    if (most == 0) continue;
    const size_t edits = distance(wanted, letters, most);
    if (edits <= most && (nearest == nullptr || edits < nearest_distance)) {
      nearest = &candidate;
      nearest_distance = edits;
    }
  }
  return nearest == nullptr ? std::nullopt : std::optional(*nearest);
}

std::string one_of(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace signalbox
