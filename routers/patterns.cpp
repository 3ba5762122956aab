#include "routers/patterns.hpp"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <cstdint>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

// Up to so many are tried one by one: each costs some tens of nanoseconds on an address, a set about a hundred.
constexpr size_t singles_max = 4;
// RE2's own default, for one expression.
constexpr int64_t pattern_memory_bytes = 8 << 20;
// For each expression of a set, beside that; a set of ten thousand then has some 170 MB to grow into, and uses what
// texts make it use.
constexpr int64_t set_memory_bytes_each = 16 << 10;

re2::RE2::Options options_for(int64_t memory_bytes) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_never_capture(true);
  options.set_max_mem(memory_bytes);
  return options;
}

}  // namespace

struct Patterns::State {
  State(re2::RE2::Anchor anchored_at, std::optional<int64_t> memory_bytes)
      : anchor(anchored_at), set_memory_bytes(memory_bytes) {}

  bool matches(size_t i, re2::StringPiece text) const {
    return singles[i]->Match(text, 0, text.size(), anchor, nullptr, 0);
  }

  const re2::RE2::Anchor anchor;
  const std::optional<int64_t> set_memory_bytes;
  std::vector<std::unique_ptr<re2::RE2>> singles;
  std::unique_ptr<re2::RE2::Set> set;  // null: they are few, or no set could be built
  std::vector<int> found;
};

Patterns::Patterns(Match match, std::optional<int64_t> set_memory_bytes)
    : state_(std::make_unique<State>(match == Match::at_start ? re2::RE2::ANCHOR_START : re2::RE2::UNANCHORED,
                                     set_memory_bytes)) {}
Patterns::~Patterns() = default;
Patterns::Patterns(Patterns&&) noexcept = default;
Patterns& Patterns::operator=(Patterns&&) noexcept = default;

std::string Patterns::add(std::string_view expression) {
  auto single = std::make_unique<re2::RE2>(re2::StringPiece(expression.data(), expression.size()),
                                           options_for(pattern_memory_bytes));
  if (!single->ok()) return printable(single->error());  // it quotes the expression
  state_->singles.push_back(std::move(single));
  return {};
}

void Patterns::prepare() {
  const size_t count = state_->singles.size();
  if (count <= singles_max) return;
  const int64_t scaled = pattern_memory_bytes + static_cast<int64_t>(count) * set_memory_bytes_each;
  auto set = std::make_unique<re2::RE2::Set>(options_for(state_->set_memory_bytes.value_or(scaled)), state_->anchor);
  for (const auto& single : state_->singles) {
    if (set->Add(single->pattern(), nullptr) < 0) return;
  }
  if (set->Compile()) state_->set = std::move(set);
}

size_t Patterns::size() const {
  return state_->singles.size();
}

bool Patterns::has_set() const {
  return state_->set != nullptr;
}

const std::vector<int>& Patterns::matching(std::string_view text) {
  State& state = *state_;
  const re2::StringPiece piece(text.data(), text.size());
  if (state.set != nullptr) {
    re2::RE2::Set::ErrorInfo error{};
    if (state.set->Match(piece, &state.found, &error)) {
      std::ranges::sort(state.found);
      return state.found;
    }
    if (error.kind == re2::RE2::Set::kNoError) {
      state.found.clear();
      return state.found;
    }
  }
  state.found.clear();
  for (size_t i = 0; i < state.singles.size(); ++i) {
    if (state.matches(i, piece)) state.found.push_back(static_cast<int>(i));
  }
  return state.found;
}

int Patterns::first(std::string_view text) {
  if (state_->set != nullptr) {
    const std::vector<int>& found = matching(text);
    return found.empty() ? -1 : found.front();
  }
  const re2::StringPiece piece(text.data(), text.size());
  for (size_t i = 0; i < state_->singles.size(); ++i) {
    if (state_->matches(i, piece)) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace signalbox
