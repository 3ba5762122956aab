// Who takes part in a torture run: the flows of messages, and the workers that send and receive them.
//
// A slot is one place for a worker; processes come and go in it. Each flow has a sender, and one or two receivers whose
// copies are accounted for apart. What the broker may do to a message (let it expire, make it a dead letter) follows
// from the settings of the receiving endpoint, which configuration.cpp writes.
//
// One flow is of events: what the transport `pager` says of each message that the application `caller` sends it. No
// rule of the router knows where an event of `pager` should go, so that only the routing memory can find `caller`.
//
// Thread: any; constants.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/codes.hpp"

namespace signalbox::torture {

enum class Flow : uint8_t { question, answer, feed, flood, brief, dated, timed, visit, bare, spill, call, receipt };
inline constexpr size_t flow_count = 12;
inline constexpr size_t copies_max = 2;

// What its receiver's policy may do to a copy that was confirmed, without anybody being told but the broker's own
// count.
enum class Disposal : uint8_t { none, expiry, drop };

struct FlowPlan {
  std::string_view name;
  std::string_view from;
  std::array<std::string_view, copies_max> to;  // an empty one: none
  uint32_t rate = 0;                            // messages a second in quiet times; 0: made as the answer to another
  Disposal disposal = Disposal::none;
  bool by_rule = true;  // a rule of the router says where it goes
  bool events = false;
};

inline constexpr std::array<FlowPlan, flow_count> flows = {{
    {"question", "gateway", {"echo"}, 400},
    {"answer", "echo", {"gateway"}},
    {"feed", "feed", {"archive", "monitor"}, 400},
    {"flood", "sluice", {"bucket"}, 200},
    {"brief", "brief", {"news"}, 200, Disposal::expiry},
    {"dated", "dated", {"offers"}, 200},
    {"timed", "timed", {"clerks"}, 200},
    {"visit", "porter", {"guest"}, 100},
    {"bare", "bare", {"plain"}, 200},
    {"spill", "spout", {"basin"}, 300, Disposal::drop},
    {"call", "caller", {"pager"}, 200, Disposal::none, false},
    {"receipt", "pager", {"caller"}, 0, Disposal::none, false, true},
}};
constexpr const FlowPlan& plan_of(Flow flow) {
  return flows[static_cast<size_t>(flow)];
}

// The copy of a flow that goes to `endpoint`, and copies_max where none does.
constexpr size_t copy_for(Flow flow, std::string_view endpoint) {
  const auto& to = plan_of(flow).to;
  for (size_t i = 0; i < to.size(); ++i)
    if (!endpoint.empty() && to[i] == endpoint) return i;
  return copies_max;
}

// How a worker treats what it gets.
enum class Habit : uint8_t {
  plain,    // handles it
  unruly,   // and rejects some, NACKs some for a while and others for ever
  holding,  // and keeps some for longer than ack_timeout_ms
  ordered,  // and checks that first deliveries come in order
  reading,  // reads dead letters
};

struct Slot {
  std::string_view endpoint;
  Role role = Role::application;
  std::optional<Flow> sends = {};
  Habit habit = Habit::plain;
  std::optional<Flow> answers = {};  // what it makes of each message that it handles
  bool may_be_killed = true;
  bool may_be_turned_away = false;  // its endpoint comes and goes with reloads
  bool bare = false;                // no library: a socket and frames
};

inline constexpr std::array slots = {
    Slot{"gateway", Role::transport, Flow::question, Habit::unruly},
    Slot{"echo", Role::application, {}, Habit::unruly, Flow::answer},
    Slot{"echo", Role::application, {}, Habit::unruly, Flow::answer},
    Slot{"echo", Role::application, {}, Habit::unruly, Flow::answer},
    Slot{"feed", Role::transport, Flow::feed},
    Slot{"archive", Role::application, {}, Habit::ordered, {}, false},
    Slot{"monitor", Role::application, {}, Habit::unruly},
    Slot{"sluice", Role::transport, Flow::flood},
    Slot{"bucket", Role::application},
    Slot{"brief", Role::transport, Flow::brief},
    Slot{"news", Role::application},
    Slot{"dated", Role::transport, Flow::dated},
    Slot{"offers", Role::application},
    Slot{"timed", Role::transport, Flow::timed},
    Slot{"clerks", Role::application, {}, Habit::holding},
    Slot{"clerks", Role::application, {}, Habit::holding},
    Slot{"porter", Role::transport, Flow::visit},
    Slot{"guest", Role::application, {}, Habit::unruly, {}, true, true},
    Slot{"dead_letters", Role::application, {}, Habit::reading},
    Slot{"bare", Role::transport, Flow::bare, Habit::plain, {}, true, false, true},
    Slot{"plain", Role::application, {}, Habit::plain, {}, true, false, true},
    Slot{"spout", Role::transport, Flow::spill},
    Slot{"basin", Role::application},
    Slot{"caller", Role::application, Flow::call, Habit::unruly},
    Slot{"pager", Role::transport, {}, Habit::unruly, Flow::receipt},
};
inline constexpr size_t slot_count = slots.size();

// The number of the broker that a worker is registered with is what WELCOME says of the longest message beyond this:
// the one limit that nobody here comes near.
inline constexpr uint64_t message_bytes_base = 65536;
// A record has a byte for the number of a broker; once there have been so many, the last one stays.
inline constexpr uint64_t brokers_max = 250;

inline constexpr uint32_t ack_timeout_ms = 1000;
inline constexpr uint32_t held_for_ms = 1600;

}  // namespace signalbox::torture
