// AddressPrefixProviderSettingMiddleware: the provider follows from how the user's address begins; the longest prefix
// that fits decides. A provider that a message has is left as it is, and so is a message that no prefix fits.
//
// The user's address is from_addr of what comes from a transport and to_addr of what goes to one. With
// normalize_msisdn a number is brought into one shape before it is compared; the message keeps it as it was.
//
// Thread: one. Owns: its tables, constant once made; room for one number.
// Tested by middleware_provider_test.cpp.
#include <algorithm>
#include <functional>
#include <set>

#include "protocol/value.hpp"
#include "routers/built_in_middleware.hpp"
#include "routers/middleware_both_ways.hpp"
#include "routers/reading_options.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

namespace {

// What is no longer than that is a short code: the same number in every country.
constexpr size_t short_code_characters_max = 5;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

class AddressPrefixProviderSettingMiddleware final : public MiddlewareBothWays {
 public:
  explicit AddressPrefixProviderSettingMiddleware(MiddlewareSetup& setup) {
    const Setting* prefixes = require_option(setup, "provider_prefixes", Setting::Type::table, "a table of providers");
    if (prefixes != nullptr) {
      for (const Setting& entry : prefixes->items) {
        if (!has_type(setup, entry, Setting::Type::text, "a provider, a string")) continue;
        append_text(providers_[entry.key], entry.text);
        lengths_.insert(entry.key.size());
      }
    }
    if (const Setting* normalising = setup.find("normalize_msisdn")) read_normalising(setup, *normalising);
  }

 protected:
  void inbound(const Passing& passing, Edits& edits) override { set_provider(passing, Field::from_addr, edits); }
  void outbound(const Passing& passing, Edits& edits) override { set_provider(passing, Field::to_addr, edits); }

 private:
  void read_normalising(MiddlewareSetup& setup, const Setting& normalising) {
    if (!has_type(setup, normalising, Setting::Type::table, "a table")) return;
    const Setting* code =
        require_entry(setup, normalising, "country_code", Setting::Type::text, "a string of digits such as \"27\"");
    if (code != nullptr) {
      if (code->text.empty() || !std::ranges::all_of(code->text, is_digit)) {
        setup.fault(code->position,
                    "country_code must be digits alone, such as \"27\", and is " + in_quotes(code->text));
      }
      country_code_ = code->text;
    }
    const Setting* strip = normalising.find("strip_plus");
    if (strip != nullptr && has_type(setup, *strip, Setting::Type::boolean, "true or false")) {
      strips_plus_ = strip->boolean;
    }
    normalises_ = true;
    report_unknown_entries(setup, normalising, {"country_code", "strip_plus"});
  }

  void set_provider(const Passing& passing, Field address, Edits& edits) {
    if (!passing.message.has(address)) return;
    const Bytes present = find_value(passing.message.bytes(), {"provider"});
    if (!present.empty() && value::tag_at(present.data()).type != value::Type::nil) return;
    const std::string_view user = normalised(passing.message.text(address));
    for (const size_t length : lengths_) {
      if (length > user.size()) continue;
      const auto found = providers_.find(user.substr(0, length));
      if (found == providers_.end()) continue;
      edits.edit({.operation = Edit::Operation::set, .path = {"provider"}, .value = found->second});
      return;
    }
  }

  // Digits with a plus and the country's code in front, where it can be told; valid until the next call.
  std::string_view normalised(std::string_view address) {
    if (!normalises_) return address;
    number_.clear();
    if (characters(address) <= short_code_characters_max) {
      number_ += address;
    } else {
      digits_.clear();
      std::ranges::copy_if(address, std::back_inserter(digits_), [](char c) { return is_digit(c) || c == '+'; });
      std::string_view rest = digits_;
      if (rest.starts_with("00")) {
        number_ += '+';
        rest.remove_prefix(2);
      } else if (rest.starts_with('0')) {
        number_ += '+';
        number_ += country_code_;
        rest.remove_prefix(1);
      } else if (rest.starts_with(country_code_)) {
        number_ += '+';
      }
      number_ += rest;
    }
    std::string_view number = number_;
    if (strips_plus_) number.remove_prefix(std::min(number.find_first_not_of('+'), number.size()));
    return number;
  }

  TextMap<std::string> providers_;                  // encoded, by prefix
  std::set<size_t, std::greater<size_t>> lengths_;  // of the prefixes, the longest first
  bool normalises_ = false;
  bool strips_plus_ = false;
  std::string country_code_;
  std::string digits_;  // of the address at hand, and pluses
  std::string number_;  // the address at hand, normalised
};

}  // namespace

MiddlewareClass address_prefix_provider_setting_middleware() {
  return {.name = "AddressPrefixProviderSettingMiddleware",
          .make = [](MiddlewareSetup& setup) -> std::unique_ptr<Middleware> {
            return std::make_unique<AddressPrefixProviderSettingMiddleware>(setup);
          },
          .options = {"provider_prefixes", "normalize_msisdn"}};
}

}  // namespace signalbox
