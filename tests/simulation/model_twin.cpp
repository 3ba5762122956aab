// What becomes of a message where routers other than SimpleDispatchRouter, or middleware, have a part in it.
#include <algorithm>

#include "tests/simulation/model.hpp"

namespace signalbox::simulation {

bool Model::enter_by_twin(SessionBook& session, const Message& message, Outcome& outcome, Way& way, Time now) {
  entering_ = &message;
  entering_from_ = &session;
  entering_outcome_ = &outcome;
  entering_way_ = &way;
  entering_now_ = now;
  if (twin_view_.scan(message.sent) != Scan::ok) {
    fail("message " + std::to_string(message.serial) + " is none, though it has no flaw");
    return true;
  }
  const Routing::Verdict verdict = twin_->route(session.endpoint, twin_view_, nullptr, now);
  if (verdict.outcome == Routing::Verdict::Outcome::refused) way.refusal = 1U << static_cast<unsigned>(verdict.code);
  return verdict.outcome != Routing::Verdict::Outcome::discarded;
}

// One that has said BYE counts until it has been told everything.
bool Model::has_live_worker(EndpointId endpoint) const {
  if (settings_.endpoints[endpoint].joint || !endpoints_[endpoint].instances.empty()) return true;
  return std::any_of(connections_.begin(), connections_.end(), [endpoint](const auto& entry) {
    const auto& registration = entry.second.registration;
    return registration && registration->leaving && registration->endpoint == endpoint && !is_told(*registration);
  });
}

bool Model::is_told(const RegistrationBook& registration) {
  const SessionBook& session = *registration.session;
  return registration.confirmed >= session.received && registration.confirm_again == 0 &&
         session.refused.upper_bound(registration.refused) == session.refused.end();
}

bool Model::offer(EndpointId target, MessageKind, Bytes copy) {
  if (!take(entering_from_->endpoint, target, *entering_, copy, *entering_outcome_, entering_now_)) return false;
  endpoints_[entering_from_->endpoint].sender.copies.add(copy.size());
  ++entering_way_->taken;
  return true;
}

void Model::left_out(EndpointId endpoint, MessageKind, Bytes copy, RefusalCode) {
  endpoints_[entering_from_->endpoint].sender.not_taken.add(copy.size());
  die(*entering_, copy, endpoint, 0, std::nullopt, entering_now_);
}

}  // namespace signalbox::simulation
