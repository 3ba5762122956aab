#include "routers/group_template.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>

#include "protocol/text.hpp"
#include "routers/setting.hpp"

namespace signalbox {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_octal(char c) {
  return c >= '0' && c <= '7';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// UTF-8 of a character below U+0100.
void append_character(std::string& out, unsigned code) {
  if (code >= 0x80) out += static_cast<char>(0xc0 | code >> 6);
  out += static_cast<char>(code < 0x80 ? code : 0x80 | (code & 0x3f));
}

// What a backslash and this letter stand for; 0: nothing.
char control_character(char letter) {
  constexpr std::string_view letters = "abfnrtv";
  constexpr std::string_view characters = "\a\b\f\n\r\t\v";
  const size_t place = letters.find(letter);
  return place == std::string_view::npos ? '\0' : characters[place];
}

}  // namespace

struct CapturingPattern::State {
  State(std::string_view expression, const re2::RE2::Options& options)
      : pattern(re2::StringPiece(expression.data(), expression.size()), options) {}

  re2::RE2 pattern;
  std::vector<re2::StringPiece> groups;  // of the last match, the whole first
};

CapturingPattern::CapturingPattern() = default;
CapturingPattern::~CapturingPattern() = default;
CapturingPattern::CapturingPattern(CapturingPattern&&) noexcept = default;
CapturingPattern& CapturingPattern::operator=(CapturingPattern&&) noexcept = default;

std::string CapturingPattern::compile(std::string_view expression) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto state = std::make_unique<State>(expression, options);
  if (!state->pattern.ok()) return printable(state->pattern.error());  // it quotes the expression
  state->groups.resize(static_cast<size_t>(state->pattern.NumberOfCapturingGroups()) + 1);
  state_ = std::move(state);
  return {};
}

bool CapturingPattern::match(std::string_view text) {
  if (state_ == nullptr) return false;
  return state_->pattern.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::ANCHOR_START,
                               state_->groups.data(), static_cast<int>(state_->groups.size()));
}

std::string_view CapturingPattern::group(size_t number) const {
  const re2::StringPiece& group = state_->groups[number];
  return {group.data(), group.size()};
}

size_t CapturingPattern::groups() const {
  return state_ == nullptr ? 0 : state_->groups.size() - 1;
}

std::optional<size_t> CapturingPattern::group_named(const std::string& name) const {
  if (state_ == nullptr) return std::nullopt;
  const auto& names = state_->pattern.NamedCapturingGroups();
  const auto found = names.find(name);
  if (found == names.end()) return std::nullopt;
  return static_cast<size_t>(found->second);
}

// --- templates -------------------------------------------------------------------------------------------------------

class GroupTemplate::Parser {
 public:
  Parser(std::string_view text, const CapturingPattern& pattern) : rest_(text), pattern_(pattern) {}

  // Empty, or what is wrong.
  std::string parse() {
    while (!rest_.empty() && fault_.empty()) {
      const size_t backslash = std::min(rest_.find('\\'), rest_.size());
      text_.append(rest_.substr(0, backslash));
      rest_.remove_prefix(backslash);
      if (!rest_.empty()) take_escape();
    }
    if (!text_.empty()) parts_.push_back({std::move(text_), std::nullopt});
    return fault_;
  }
  std::vector<Part> take() { return std::move(parts_); }

 private:
  void take_escape() {
    if (rest_.size() == 1) return fail("it ends in a lone backslash");
    const char next = rest_[1];
    if (next == 'g') return take_bracketed_group();
    if (is_digit(next)) return take_number();
    if (next == '\\') {
      text_ += '\\';
    } else if (const char control = control_character(next)) {
      text_ += control;
    } else if (is_letter(next)) {
      return fail(std::string("\\").append(1, next) + " means nothing in a template");
    } else {
      text_.append(rest_.substr(0, 2));
    }
    rest_.remove_prefix(2);
  }

  // A backslash and digits: three octal ones, or what begins with 0, are a character; one or two are a group.
  void take_number() {
    size_t digits = 1;
    const auto digit = [this](size_t i) { return i < rest_.size() ? rest_[i] : '\0'; };
    bool octal = digit(1) == '0';
    if (octal) {
      while (digits < 3 && is_octal(digit(digits + 1))) ++digits;
    } else if (is_digit(digit(2))) {
      octal = is_octal(digit(1)) && is_octal(digit(2)) && is_octal(digit(3));
      digits = octal ? 3 : 2;
    }
    const std::string_view number = rest_.substr(1, digits);
    unsigned value = 0;
    std::from_chars(number.data(), number.data() + number.size(), value, octal ? 8 : 10);
    if (!octal) {
      add_group(value, std::string("\\").append(number));
    } else if (value > 0xff) {
      fail(std::string("\\").append(number) + " is no character: \\377 is the last that can be written so");
    } else {
      append_character(text_, value);
    }
    rest_.remove_prefix(1 + digits);
  }

  void take_bracketed_group() {
    const size_t end = rest_.find('>');
    if (rest_.substr(2, 1) != "<" || end == std::string_view::npos || end == 3) {
      return fail("\\g must be followed by a group's number or name, as in \\g<1>");
    }
    const std::string name(rest_.substr(3, end - 3));
    rest_.remove_prefix(end + 1);
    if (std::ranges::all_of(name, is_digit)) {
      size_t number = 0;
      const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), number);
      return add_group(error == std::errc{} ? number : pattern_.groups() + 1,
                       std::string("\\g<").append(name).append(">"));
    }
    const auto named = pattern_.group_named(name);
    if (!pattern_.is_compiled()) return;
    if (!named) return fail("its pattern has no group named " + in_quotes(name));
    add_group(*named, name);
  }

  void add_group(size_t number, const std::string& as_written) {
    const size_t groups = pattern_.groups();
    if (!pattern_.is_compiled()) return;
    if (number > groups) {
      return fail(as_written + " is no group of its pattern, which has " +
                  (groups == 0 ? "none" : std::to_string(groups)));
    }
    parts_.push_back({std::move(text_), number});
    text_.clear();
  }

  void fail(std::string fault) { fault_ = std::move(fault); }

  std::string_view rest_;
  const CapturingPattern& pattern_;
  std::vector<Part> parts_;
  std::string text_;  // since the last group
  std::string fault_;
};

std::string GroupTemplate::parse(std::string_view text, const CapturingPattern& pattern) {
  Parser parser(text, pattern);
  std::string fault = parser.parse();
  parts_ = parser.take();
  return fault;
}

void GroupTemplate::append_expanded(std::string& out, const CapturingPattern& matched) const {
  for (const Part& part : parts_) {
    out += part.text;
    if (part.group) out += matched.group(*part.group);
  }
}

}  // namespace signalbox
