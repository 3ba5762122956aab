#include "tests/routers/core_harness.hpp"

#include <stdexcept>

namespace signalbox::testing {

CoreHarness::CoreHarness(std::string_view toml, const RouterRegistry& registry)
    : made_(toml, registry), memory_(uint64_t{1} << 16, {}), routing_(made_.settings(), *this, memory_, *this) {}

std::string CoreHarness::send(std::string_view from, const Json& message, const Time& now) {
  copies_.clear();
  const std::string bytes = encode(message);
  MessageView view;
  if (view.scan(bytes) != Scan::ok) return "refused malformed: " + std::string(view.fault());
  const Routing::Verdict verdict = routing_.route(made_.id(from), view, nullptr, now);
  switch (verdict.outcome) {
    case Routing::Verdict::Outcome::refused:
      return "refused " + std::string(to_string(verdict.code)) + ": " + std::string(verdict.text);
    case Routing::Verdict::Outcome::discarded:
      return "discarded";
    case Routing::Verdict::Outcome::taken:
      break;
  }
  std::string names;
  for (const Copy& copy : copies_) names.append(names.empty() ? "" : ", ").append(copy.target);
  return names;
}

bool CoreHarness::is_transport(std::string_view name) const {
  return made_.settings().endpoints[made_.id(name)].role == Role::transport;
}

bool CoreHarness::has_live_worker(EndpointId endpoint) const {
  const EndpointSettings& settings = made_.settings().endpoints[endpoint];
  return !live_ || settings.joint || live_->contains(settings.name);  // a joint is always live, as in the core
}

bool CoreHarness::offer(EndpointId target, MessageKind, Bytes copy) {
  copies_.push_back({made_.settings().endpoints[target].name, Json::from_msgpack(copy)});
  return true;
}

void CoreHarness::left_out(EndpointId target, MessageKind, Bytes, RefusalCode) {
  throw std::runtime_error("a copy was left out, for " + made_.settings().endpoints[target].name);
}

}  // namespace signalbox::testing
