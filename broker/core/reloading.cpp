// Another configuration in the place of the one that runs. Endpoints keep their numbers, so that queues, sessions and
// the routing memory need not be touched; what the new configuration does not name any more is wound up over time.
#include <algorithm>
#include <utility>

#include "broker/core/state.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

constexpr std::string_view gone_from_the_configuration = "its endpoint is no longer in the configuration";

}  // namespace

// Each endpoint of the settings that is new; those that are known get their new settings.
void Core::State::add_endpoints() {
  endpoint_ids.clear();
  removed_.clear();
  for (const EndpointSettings& endpoint : settings.endpoints) {
    const auto id = static_cast<EndpointId>(&endpoint - settings.endpoints.data());
    if (id == endpoints.size()) {
      endpoints.emplace_back(id, endpoint, board.lane_of(id) != lane, pool, store);
    } else {
      if (endpoint.removed && !endpoints[id].settings.removed) endpoints[id].removed_at_ms = now.monotonic_ms;
      endpoints[id].settings = endpoint;
    }
    if (endpoint.removed) {
      if (!endpoints[id].elsewhere) removed_.push_back(id);
    } else if (!endpoint.joint) {
      endpoint_ids.emplace(endpoint.name, id);
    }
  }
}

void Core::State::reload(Settings next) {
  SIGNALBOX_ASSERT(next.endpoints.size() >= endpoints.size() && next.dispatchers.size() >= settings.dispatchers.size(),
                   "endpoints and dispatchers keep their numbers");
  if (own_board != nullptr) own_board->settings_changed(next);
  next.hash_secret = settings.hash_secret;
  next.message_log = settings.message_log;
  next.product = settings.product;
  next.state->take_over(*settings.state);
  {
    // The routers that were go before the store that they kept their state in.
    const Settings before = std::exchange(settings, std::move(next));
  }
  add_endpoints();
  routing.settings_changed();
  for (Endpoint& endpoint : endpoints) {
    queue_shrank(endpoint.id);  // its limits may have grown, or it blocks no more
    mark_dirty(endpoint.id);
  }
  set_timers_anew();
  set_peers(std::move(settings.peers));
  end_not_permitted();
  flush();
}

void Core::State::end_removed() {
  size_t messages_left = limits::removed_a_tick_messages;
  for (size_t i = 0; i < removed_.size() && messages_left > 0;) {
    Endpoint& endpoint = endpoints[removed_[i]];
    if (now.monotonic_ms - endpoint.removed_at_ms < settings.removed_endpoint_ms) {
      ++i;
      continue;
    }
    messages_left -= end_removed(endpoint, messages_left);
    if (endpoint.queue.held().messages > 0) {
      ++i;
      continue;
    }
    removed_.erase(removed_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// Its time is over: whoever is still there has to go, and at most so many of its messages become dead letters now.
// Returns how many did.
size_t Core::State::end_removed(Endpoint& endpoint, size_t messages_max) {
  std::vector<Session*> here;
  for (const auto& [pointer, session] : sessions) {
    if (session->endpoint == endpoint.id) here.push_back(pointer);
  }
  for (Session* const session : here) {
    const bool is_kept = !session->id.empty() && !session->leaving;
    if (session->connection != nullptr) {
      fail(*session->connection, ErrorCode::unknown_endpoint, "the configuration does not list this name any more");
    }
    // One that is not kept went with its registration.
    if (is_kept && session->connection == nullptr) forget(*session);
  }

  size_t ended = 0;
  const auto end = [&](MessageKind kind, Place place) {
    ++ended;
    const EndpointId letters = settings.dispatchers[endpoint.settings.dispatcher].dead_letters;
    if (!endpoint.settings.dead_letters) {
      make_dead(endpoint.id, kind, place, gone_from_the_configuration);
      return;
    }
    // Dead letters go on to where their like goes now, as they are.
    take_dead_letter(letters, kind, place.bytes());
    endpoint.queue.finish(kind, place, Queue::Outcome::dead);
  };
  for (const MessageKind kind : {MessageKind::user_message, MessageKind::event}) {
    for (const Queue::Sort sort :
         {Queue::Sort::again, Queue::Sort::suspect, Queue::Sort::elsewhere, Queue::Sort::delayed}) {
      for (Place place; ended < messages_max && (place = endpoint.queue.first(kind, sort));) end(kind, place);
    }
    for (Place place; ended < messages_max && (place = endpoint.queue.fresh(kind));) end(kind, place);
  }
  queue_shrank(endpoint.id);
  return ended;
}

}  // namespace signalbox
