// StaticProviderSettingMiddleware: every user message that passes, either way, has this provider from here on.
//
// Thread: one. Owns: the provider, constant once made. Tested by middleware_provider_test.cpp.
#include "routers/built_in_middleware.hpp"
#include "routers/middleware_both_ways.hpp"
#include "routers/reading_options.hpp"

namespace signalbox {

namespace {

class StaticProviderSettingMiddleware final : public MiddlewareBothWays {
 public:
  explicit StaticProviderSettingMiddleware(MiddlewareSetup& setup) {
    const Setting* provider = require_option(setup, "provider", Setting::Type::text, "a string");
    if (provider != nullptr) append_text(provider_, provider->text);
  }

 protected:
  void inbound(const Passing&, Edits& edits) override { set(edits); }
  void outbound(const Passing&, Edits& edits) override { set(edits); }

 private:
  void set(Edits& edits) { edits.edit({.operation = Edit::Operation::set, .path = {"provider"}, .value = provider_}); }

  std::string provider_;  // encoded
};

}  // namespace

MiddlewareClass static_provider_setting_middleware() {
  return {.name = "StaticProviderSettingMiddleware",
          .make = [](MiddlewareSetup& setup) -> std::unique_ptr<Middleware> {
            return std::make_unique<StaticProviderSettingMiddleware>(setup);
          },
          .options = {"provider"}};
}

}  // namespace signalbox
