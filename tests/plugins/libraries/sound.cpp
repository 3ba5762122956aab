// A library with two routers that work: what comes goes to the application that a key of their own names.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "routers/plugin.hpp"

namespace {

using namespace signalbox;

class GreetingRouter final : public Router {
 public:
  GreetingRouter(EndpointId target, std::string greeting) : target_(target), greeting_(std::move(greeting)) {}

  void inbound(const Incoming&, Decision& decision) override {
    decision.deliver(target_);
    decision.set(Field::content, decision.text(greeting_));
  }
  void event(const Incoming&, Decision& decision) override { decision.discard("events are not for greeting"); }
  void outbound(const Incoming& incoming, Decision& decision) override {
    if (incoming.transport) return decision.deliver(*incoming.transport);
    decision.refuse(RefusalCode::unknown_endpoint, "nobody of that name");
  }
  std::vector<Route> routes() const override { return {{"inbound", "any", "", greeting_, ""}}; }

 private:
  const EndpointId target_;
  const std::string greeting_;
};

std::unique_ptr<Router> make(RouterSetup& setup) {
  const Setting* greeting = setup.require("greeting");
  if (greeting != nullptr && greeting->type != Setting::Type::text)
    setup.fault(greeting->position, "greeting must be a string");
  const std::vector<std::string>& applications = setup.applications();
  if (greeting == nullptr || applications.empty()) return nullptr;
  return std::make_unique<GreetingRouter>(*setup.application(applications.front()), greeting->text);
}

RouterClass greeting_router() {
  return {.name = "GreetingRouter", .make = make, .keys = {"greeting"}, .list_names = nullptr};
}

RouterClass welcome_router() {
  return {.name = "WelcomeRouter", .make = make, .keys = {"greeting"}, .list_names = nullptr};
}

}  // namespace

SIGNALBOX_ROUTER_PLUGIN(greeting_router, welcome_router);
