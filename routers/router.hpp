// The public router interface: all that a router of one's own needs, and all that the built-in ones use.
//
// A router is three functions: where does an inbound message go, where an event, where an outbound one. Each reads the
// message through its view and writes what it decides into a Decision: targets, changes for each target, or a refusal,
// or a deliberate discard. The broker does the rest (queues, copies, confirmations, the routing memory).
//
// Following: `incoming.followed` names the endpoint that the message refers to, where the broker remembers it: for an
// event the application that sent the message it is about, for a reply the transport that the original came from.
// Whether that or the router's own rule comes first is for the router to say; most look at it first. It is empty where
// nothing is remembered, where the id is ambiguous, and with `reply_tracking = false`.
//
// docs/writing-a-router.md shows a whole router; docs/decisions/router-interface.md says why the interface is as it is.
//
// Thread: one, always the same, for each router that is made; so a router needs no lock. Owns: its own state. Time:
// only what comes in `incoming.now`; state that expires compares with that. Errors: a router never throws once it is
// made; faults of its configuration go to RouterSetup::fault. Bounds: limits::targets_max targets; state that peers
// make grow needs a bound of the router's own. Tested by tests/routers: decision_test.cpp,
// simple_dispatch_router_test.cpp, own_router_test.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/codes.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_view.hpp"
#include "protocol/rewrite.hpp"
#include "routers/edits.hpp"
#include "routers/nested_value.hpp"
#include "routers/setting.hpp"
#include "routers/state_store.hpp"

namespace signalbox {

// An endpoint of the broker: dense, from 0, the same for as long as the configuration lives.
using EndpointId = uint32_t;

// The time as it was handed to the broker's core: one reading a turn of its loop.
struct Time {
  uint64_t monotonic_ms = 0;  // for spans: never goes back
  int64_t wall_us = 0;        // for people: microseconds since 1970, UTC; may jump
};

// What the broker remembers of the message that this one refers to.
struct Followed {
  EndpointId source = 0;  // where that message came from
  uint16_t tag = 0;       // what the router said with Decision::remember_as when it routed that message
};

// What a router may ask while it decides.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  // At least one worker is registered there.
  virtual bool has_live_worker(EndpointId endpoint) const = 0;
};

// Which of the router's three functions a message is for.
enum class Direction : uint8_t { inbound, event, outbound };

// One message on its way in.
struct Incoming {
  const MessageView& message;
  Direction direction;
  EndpointId sender = 0;                // the endpoint that sent it
  std::string_view transport_name;      // from a transport: the message's, or the sender's name where it has none;
                                        // from an application: the message's own, empty where it has none
  std::optional<EndpointId> transport;  // the endpoint of that name among the dispatcher's transports, if there is one
  std::optional<Followed> followed;
  Time now;
  const Surroundings& broker;
};

// What a router considered, in its own words, for `explain`. Nobody listens on the hot path.
class Trail {
 public:
  virtual ~Trail() = default;
  virtual void note(std::string_view text) = 0;
};

// Where a router writes what it decides about one message. Reused from message to message; allocates nothing once warm.
class Decision {
 public:
  struct Target {
    EndpointId endpoint = 0;
    uint32_t first_edit = 0;  // its edits, if it has any, are edits()[first_edit, first_edit + edit_count)
    uint32_t edit_count = 0;
  };

  // One more copy, to this endpoint. Past limits::targets_max the copy is left out and overflowed() says so.
  void deliver(EndpointId target) {
    if (verdict_ == Verdict::refuse || verdict_ == Verdict::discard) return;
    verdict_ = Verdict::deliver;
    if (targets_.size() == limits::targets_max) {
      overflowed_ = true;
      return;
    }
    targets_.push_back({.endpoint = target});
  }

  // Changes for the target named last. Values must live until the decision is carried out: a router's own constants,
  // the message's bytes, or what text() and keep() return. A change that the message's own shape does not allow (see
  // rewrite()) is left out of that copy, which goes all the same.
  void set(Field field, Bytes encoded_value);
  void edit(const Edit& edit);

  // `value` encoded as a MessagePack str, or any bytes, kept for as long as the decision lives.
  Bytes text(std::string_view value) { return edits_.text(value); }
  Bytes keep(std::string value) { return edits_.keep(std::move(value)); }

  // Refused to its sender, in words that the sender's people can act on. Targets named before are forgotten.
  void refuse(RefusalCode code, std::string reason);
  // Taken and dropped on purpose: counted as discarded, and confirmed.
  void discard(std::string reason);
  // Handed back as Followed::tag to whoever refers to this message later.
  void remember_as(uint16_t tag) { tag_ = tag; }

  // Set only for `explain`: `if (Trail* trail = decision.trail()) trail->note(…)`.
  Trail* trail() const { return trail_; }

  // For the broker.
  enum class Verdict : uint8_t { none, deliver, refuse, discard };
  void clear(Trail* trail = nullptr) {
    verdict_ = Verdict::none;
    refusal_ = RefusalCode::no_route;
    tag_ = 0;
    overflowed_ = false;
    trail_ = trail;
    targets_.clear();
    edits_.clear();
    reason_.clear();
  }
  Verdict verdict() const { return verdict_; }  // none: the router named no target; the broker refuses it, no_route
  const std::vector<Target>& targets() const { return targets_; }
  const std::vector<Edit>& edits() const { return edits_.all(); }
  RefusalCode refusal() const { return refusal_; }
  const std::string& reason() const { return reason_; }
  uint16_t tag() const { return tag_; }
  bool overflowed() const { return overflowed_; }

 private:
  Verdict verdict_ = Verdict::none;
  RefusalCode refusal_ = RefusalCode::no_route;
  uint16_t tag_ = 0;
  bool overflowed_ = false;
  Trail* trail_ = nullptr;
  std::vector<Target> targets_;
  Edits edits_;
  std::string reason_;
};

// One row of the table that `signalbox check` prints: "inbound from smpp_transport goes to my_application".
struct Route {
  std::string what;       // "inbound", "event", "outbound", "reply"
  std::string from;       // an endpoint's name, or "any"
  std::string condition;  // in words, "" for always
  std::string to;         // an endpoint's name, or words: "where the original came from"
  std::string rewrite;    // in words, "" for nothing
};

class Router {
 public:
  virtual ~Router() = default;

  // A user message from a transport.
  virtual void inbound(const Incoming& incoming, Decision& decision) = 0;
  // An event from a transport.
  virtual void event(const Incoming& incoming, Decision& decision) = 0;
  // A user message from an application; a reply where its in_reply_to is not empty.
  virtual void outbound(const Incoming& incoming, Decision& decision) = 0;

  // At least one target took the message that was decided last, whatever its direction: the moment to remember
  // something of it. Comes before any worker can see the message.
  virtual void taken(const Incoming&) {}
  // False: transport_name is not this router's business, every transport is a relay, and nothing is filled in.
  virtual bool uses_transport_name() const { return true; }
  // What one message leaves behind changes how another is routed. Then all of its dispatcher's messages are routed on
  // one lane; a router that says no is made once for each lane, and no two of these know of each other.
  virtual bool keeps_state() const { return true; }
  // What it would do, for `check`.
  virtual std::vector<Route> routes() const = 0;
};

// What can be asked and said while the configuration is read.
class SettingReader {
 public:
  virtual ~SettingReader() = default;

  // The dispatcher's setting of that key, or null. Asking for a key also says that this router knows it: what no one
  // asked for is reported as an unknown key. The keys that every dispatcher has (router_class, transport_names …) can
  // be asked for too, where their place is wanted.
  virtual const Setting* find(std::string_view key) = 0;
  // The same; where it is missing, that is a fault at the dispatcher.
  virtual const Setting* require(std::string_view key) = 0;
  // Where the dispatcher stands: the place for a fault that no key is to blame for.
  virtual Position place() const = 0;

  // A fault of the configuration, at its place. `text` says what is wrong and what to do.
  virtual void fault(Position where, std::string text) = 0;
  // The same for a name that is none of `known`: appends the nearest one, where one is near.
  virtual void unknown_name(Position where, std::string text, std::string_view name,
                            const std::vector<std::string>& known) = 0;
  virtual void warn(Position where, std::string text) = 0;
};

// What a router is made from: its dispatcher's names and its part of the configuration. Lives only while it is made.
class RouterSetup : public SettingReader {
 public:
  // What the dispatcher is called; no other of the file has this name. A part of the names of state tables, so that two
  // dispatchers with the same router share none.
  virtual std::string_view dispatcher_name() const = 0;
  // The names of the dispatcher's transports and applications, in the order of the configuration.
  virtual const std::vector<std::string>& transports() const = 0;
  virtual const std::vector<std::string>& applications() const = 0;
  virtual std::optional<EndpointId> transport(std::string_view name) const = 0;
  virtual std::optional<EndpointId> application(std::string_view name) const = 0;
  virtual std::string_view name_of(EndpointId endpoint) const = 0;
  // Some transport may carry messages under another transport_name than its own.
  virtual bool has_relays() const = 0;
  virtual bool reply_tracking() const = 0;
  // For a memory of the router's own: how long an entry is kept (seconds, 0: until pushed out), and how many there may
  // be.
  virtual uint64_t expire_routing_memory_s() const = 0;
  virtual uint64_t max_users() const = 0;
  // Where a router keeps what must outlive a message, and perhaps, one day, the process. Lives as long as the router.
  virtual StateStore& state() = 0;
};

// Makes a router. Where the configuration has faults it reports them all and may return null.
using MakeRouter = std::unique_ptr<Router> (*)(RouterSetup& setup);

// A name that the configuration gives to an endpoint, and where it does so.
struct ListedName {
  std::string name;
  Position where;
};

// The endpoints of one dispatcher, each list in the order of the configuration.
struct ListedNames {
  std::vector<ListedName> transports;
  std::vector<ListedName> applications;
};

// Lists a dispatcher's endpoints, for a router that does not go by transport_names and exposed_names. Reports what is
// not as it should be; that names are legal, and listed once, is checked behind it.
using ListNames = ListedNames (*)(SettingReader& reader);

// A router as the registry knows it.
struct RouterClass {
  std::string name;  // as in router_class, without a module path
  MakeRouter make = nullptr;
  std::vector<std::string> keys;   // the dispatcher keys that it reads, so that it can be said whose a stray key is
  ListNames list_names = nullptr;  // null: transport_names and exposed_names
};

}  // namespace signalbox
