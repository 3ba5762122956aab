// What all routers do alike with what the broker remembers: events and replies that follow the message which they refer
// to.
//
// Thread: any; no state. Tested through every router's cases.
#pragma once

#include <string_view>
#include <vector>

#include "routers/router.hpp"

namespace signalbox {

// True: the event goes to the application that sent the message it is about. False, and noted: that is not remembered,
// so the router's own rule decides.
inline bool follow_event(const Incoming& incoming, Decision& decision) {
  if (!incoming.followed) {
    if (Trail* trail = decision.trail()) trail->note("the message that the event is about is not remembered");
    return false;
  }
  if (Trail* trail = decision.trail()) trail->note("the event follows the message that it is about");
  decision.deliver(incoming.followed->source);
  return true;
}

// True: the reply goes where the original came from. False, and noted where it is a reply: its original is not
// remembered.
inline bool follow_reply(const Incoming& incoming, Decision& decision) {
  if (!incoming.followed) {
    if (Trail* trail = decision.trail(); trail != nullptr && !incoming.message.text(Field::in_reply_to).empty()) {
      trail->note("the message that this one replies to is not remembered");
    }
    return false;
  }
  if (Trail* trail = decision.trail()) trail->note("the reply goes where the original came from");
  decision.deliver(incoming.followed->source);
  return true;
}

// The message goes out by its transport_name, which names the target itself or what lies behind it.
inline void note_transport(Trail& trail, bool is_its_own_name) {
  trail.note(is_its_own_name ? "transport_name is a transport of this dispatcher"
                             : "transport_name is a transport of a dispatcher further down, to which this joint leads");
}

// The row that `check` shows for follow_event; returns the condition under which the router's own rule for events
// holds.
inline std::string_view add_followed_event(const RouterSetup& setup, std::vector<Route>& routes) {
  if (!setup.reply_tracking()) return "";
  routes.push_back({"event", "any", "its message is remembered", "who sent that message", ""});
  return "its message is not remembered";
}

// The same for follow_reply.
inline void add_followed_reply(const RouterSetup& setup, std::vector<Route>& routes) {
  if (!setup.reply_tracking()) return;
  routes.push_back({"reply", "any", "the original is remembered", "where the original came from", ""});
}

}  // namespace signalbox
