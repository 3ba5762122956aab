// AddressTranslationMiddleware: what an application takes for one address is another outside. Outbound to_addr goes
// through the map, inbound from_addr through its inverse; of two entries with one value the later is the inverse's.
//
// As in vumi a message is mapped on entering and once more on leaving, so a map with a -> b and b -> c makes c of a.
//
// Thread: one. Owns: its tables, constant once made. Tested by middleware_address_test.cpp.
#include "routers/built_in_middleware.hpp"
#include "routers/middleware_both_ways.hpp"
#include "routers/reading_options.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

namespace {

class AddressTranslationMiddleware final : public MiddlewareBothWays {
 public:
  explicit AddressTranslationMiddleware(MiddlewareSetup& setup) {
    const Setting* map = require_option(setup, "outbound_map", Setting::Type::table, "a table of addresses");
    if (map == nullptr) return;
    for (const Setting& entry : map->items) {
      if (!has_type(setup, entry, Setting::Type::text, "an address, a string")) continue;
      append_text(outward_[entry.key], entry.text);
      std::string& inner = inward_[entry.text];
      inner.clear();
      append_text(inner, entry.key);
    }
  }

 protected:
  void inbound(const Passing& passing, Edits& edits) override { map(inward_, passing, Field::from_addr, edits); }
  void outbound(const Passing& passing, Edits& edits) override { map(outward_, passing, Field::to_addr, edits); }

 private:
  static void map(const TextMap<std::string>& table, const Passing& passing, Field field, Edits& edits) {
    if (!passing.message.has(field)) return;
    const auto found = table.find(passing.message.text(field));
    if (found != table.end()) edits.set(field, found->second);
  }

  TextMap<std::string> outward_;  // encoded, by address
  TextMap<std::string> inward_;
};

}  // namespace

MiddlewareClass address_translation_middleware() {
  return {.name = "AddressTranslationMiddleware",
          .make = [](MiddlewareSetup& setup) -> std::unique_ptr<Middleware> {
            return std::make_unique<AddressTranslationMiddleware>(setup);
          },
          .options = {"outbound_map"}};
}

}  // namespace signalbox
