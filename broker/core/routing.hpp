// The way of one message through the dispatchers: middleware on entering, the router, the changes for each target,
// middleware on leaving, and then a queue or, behind a joint, the next dispatcher.
//
// Neither queues nor sessions are known here: whoever runs it is told of each copy through a Sink and says whether it
// was taken. So the core and `signalbox explain` run the same code, the latter with a Trace that hears every step.
//
// A joint is a name that two dispatchers share: an application of the one, a transport of the other. It has an endpoint
// on each side, neither of which a worker can register. What is meant for the one goes on as what comes from the other.
// Joints make no cycle (the configuration sees to that). A router may turn a message round (TransportToTransportRouter
// does), so that it comes through a dispatcher twice, once in each direction; one that is turned round again and again
// is stopped: there are twice as many levels as dispatchers, and as a chain may be long at the most.
//
// Refused is a message that nobody took; what it is told is the first refusal met. A copy that got no further while
// another was taken is left out: the Sink is told where it stopped, be that several dispatchers further on. Each
// dispatcher remembers what at least one of its targets took, before this returns, hence before any worker can see it.
// The sender that an id belongs to is the endpoint where it entered the broker, so that a message which comes through a
// dispatcher by two joints is still one sender's.
//
// Thread: the core's. Owns: scratch for each dispatcher on the way, kept from message to message.
// Errors: values. Bounds: twice limits::chained_dispatchers_max levels; limits::targets_max targets in each.
// Tested by core_test.cpp, routing_test.cpp, chains_test.cpp, and every simulation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/ledger.hpp"
#include "broker/core/routing_memory.hpp"
#include "broker/core/settings.hpp"
#include "protocol/message_view.hpp"
#include "routers/middleware.hpp"
#include "routers/router.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

class Routing {
 public:
  // Where copies go. Calls come in the order of the targets.
  class Sink {
   public:
    virtual ~Sink() = default;
    // A copy for the queue of `target`, which is no joint. False: it has no room.
    virtual bool offer(EndpointId target, MessageKind kind, Bytes copy) = 0;
    // A copy that got as far as `endpoint`, while others were taken: a target that could not take it or, where a router
    // refused it, the joint by which it came. Called behind all offers of a message.
    virtual void left_out(EndpointId endpoint, MessageKind kind, Bytes copy, RefusalCode code) = 0;
  };

  // Hears every step, in order; for `explain`. Texts and bytes hold during the call.
  class Trace {
   public:
    virtual ~Trace() = default;
    // The message comes into a dispatcher from one of its endpoints.
    virtual void enters(const DispatcherSettings& dispatcher, EndpointId sender, Direction direction,
                        Bytes message) = 0;
    // A piece of middleware, on entering (no target) or on leaving, or the router for a target, has made this change.
    virtual void changed(std::string_view by, std::optional<EndpointId> target, const Edit& edit, Bytes before,
                         Bytes after) = 0;
    // The same change where the message's shape did not allow it, so that it was left out.
    virtual void unchanged(std::string_view by, std::optional<EndpointId> target, const Edit& edit) = 0;
    // A piece of middleware looks at the message now; its changes follow.
    virtual void runs(std::string_view middleware, std::optional<EndpointId> target) = 0;
    virtual void followed(const Followed& what) = 0;  // the message that it refers to is remembered
    virtual void ambiguous() = 0;  // two senders have used the id that it refers to, so neither is followed
    virtual void decided(const Decision& decision) = 0;
    virtual void leaves(EndpointId target, Bytes copy) = 0;
    // Nobody takes this copy: it stops at the dispatcher that it has entered or, once the router has named its targets,
    // at the target at hand.
    virtual void refused(EndpointId endpoint, RefusalCode code, std::string_view text) = 0;
    // The dispatcher entered last, behind a joint, is done with the copy; the one before it goes on.
    virtual void comes_back() = 0;
    virtual Trail* trail() = 0;  // for the router
  };

  // Hashes of the ids that a message has and refers to, so that the memory's lines can be asked for ahead of time.
  struct Keys {
    bool is_remembered = false;   // by `own`
    bool refers = false;          // to another message, by `referred`
    RoutingMemory::Key own;       // of message_id
    RoutingMemory::Key referred;  // of in_reply_to or user_message_id
  };

  struct Verdict {
    enum class Outcome : uint8_t { taken, discarded, refused };
    Outcome outcome = Outcome::taken;
    RefusalCode code = RefusalCode::no_route;  // of a refusal, with its text, which holds until the next route()
    std::string_view text;
  };

  // What the routing memory has met. Each is a counter of the broker's.
  struct Noticed {
    uint64_t ambiguous_ids = 0;
    uint64_t memory_evicted = 0;
  };

  // All must outlive it. `trace` may be null.
  Routing(const Settings& settings, const Surroundings& broker, RoutingMemory& memory, Sink& sink,
          Trace* trace = nullptr);

  // The settings have changed: endpoints and dispatchers may have been added, removed or made anew. Keeps its counts.
  void settings_changed();

  // Computes the keys of a message from `sender`: none, where its dispatcher does not track replies.
  void prepare(Keys& keys, EndpointId sender, const MessageView& message) const;
  // Asks for the memory's lines of a message that will be routed soon.
  void prefetch(const Keys& keys) const {
    if (keys.is_remembered) memory_.prefetch(keys.own);
    if (keys.refers) memory_.prefetch(keys.referred);
  }

  // What is routed from here on has been sent by a worker of `sender`, now. REQUIRES: said anew for each batch.
  void begin(EndpointId sender, const Time& now);
  // Routes a message of that sender. `keys` as prepare() left them, or null where nothing was prepared.
  // REQUIRES: the message is well-formed, and no event where the sender is an application.
  Verdict::Outcome route(const MessageView& message, const Keys* keys);
  // Of the message routed last, where it was refused.
  Verdict refusal() const { return {Verdict::Outcome::refused, refusal_, refusal_text_}; }
  // All of this for one message.
  Verdict route(EndpointId sender, const MessageView& message, const Keys* keys, const Time& now);

  const Noticed& noticed() const { return noticed_; }

 private:
  using Outcome = Verdict::Outcome;

  // What each message asks of the endpoint that it comes from or goes to, and of that one's dispatcher: in the settings
  // it lies far apart.
  struct alignas(64) Facts {
    Router* router = nullptr;
    std::string_view name;
    uint64_t remembered_s = 0;
    uint32_t dispatcher = 0;
    Role role = Role::application;
    bool tracks_replies = false;
    bool changes_entering = false;  // by middleware
    bool changes_leaving = false;
    bool uses_name = false;        // transport_name is its router's business
    bool may_name_others = false;  // a transport that may carry another transport_name than its own
    bool is_joint = false;
    bool removed = false;
  };

  struct LeftOut {
    EndpointId endpoint = 0;
    RefusalCode code = RefusalCode::queue_full;
    std::string copy;
  };

  // One dispatcher's part, kept for its memory.
  struct Level {
    Decision decision;
    MessageView entered;        // as middleware has left it
    std::string entered_bytes;  // of that
    std::string filled;         // with its transport_name filled in
    std::string copy;           // for the target at hand, where it is changed
    MessageView leaving;        // of that, for middleware
    MessageView came;           // of that or of `filled`, for the dispatcher behind a joint
    Keys keys;                  // where nothing was prepared
    bool forked = false;        // the message has been copied, here or before
  };

  struct Arrival {
    EndpointId sender = 0;  // at this dispatcher: where it entered the broker, or a joint
    bool by_joint = false;
    const MessageView* message = nullptr;
    const Keys* keys = nullptr;
  };

  // Inlined is what every message goes through: these are parts of one function, used in routing.cpp alone. A message
  // that goes on behind a joint goes through a second copy of it.
  [[gnu::always_inline]] inline Outcome pass(const Arrival& arrival, size_t depth);
  Outcome pass_changed(const Arrival& arrival, const Incoming& first, bool fill_in, size_t depth);
  [[gnu::always_inline]] inline Outcome route_at(Incoming& incoming, const Facts& from, bool fill_in,
                                                 const Keys* prepared, size_t depth);
  [[gnu::always_inline]] inline void decide(const Incoming& incoming, Router& router, Decision& decision);
  [[gnu::always_inline]] inline Outcome hand_over(const Incoming& incoming, const Facts& from, bool fill_in,
                                                  size_t depth);
  [[gnu::always_inline]] inline Outcome send_on(const Decision::Target& target, const Incoming& incoming,
                                                Bytes original, size_t depth);
  Bytes with_own_name(const Incoming& incoming, Bytes original, std::string& filled);
  Outcome cross_joint(EndpointId joint, const MessageView& message, Bytes copy, size_t depth);
  bool change_copy(const Decision::Target& target, const Incoming& incoming, Level& level, Bytes& copy);
  bool run_middleware(const DispatcherSettings& dispatcher, const std::vector<size_t>& order, bool entering,
                      EndpointId connector, Direction direction, std::string& bytes, MessageView& view);
  [[gnu::always_inline]] inline bool resolve(Incoming& incoming, const Facts& from, bool by_joint, bool& fill_in) const;
  std::optional<EndpointId> transport_named(uint32_t dispatcher, std::string_view name) const;
  void trace_memory(const Incoming& incoming, const Keys& keys);
  [[gnu::always_inline]] inline void remember(const Incoming& incoming, const Facts& from,
                                              const RoutingMemory::Key& key, uint16_t tag);
  void change(std::string& bytes, const Edit& edit, std::string_view by, std::optional<EndpointId> target);
  Outcome refuse(EndpointId endpoint, Bytes copy, bool others, RefusalCode code, std::string_view text);
  Outcome refuse_undelivered(const Incoming& incoming, const Decision& decision, bool others);
  Outcome refuse_full(EndpointId target, Bytes copy, bool others);
  [[gnu::always_inline]] inline bool forked_before(size_t depth) const;
  [[gnu::always_inline]] inline Incoming incoming_at(EndpointId sender, const MessageView& message,
                                                     Direction direction) const;
  void add_transports_behind(uint32_t dispatcher, std::vector<bool>& done);

  // Constant until the settings change.
  const Settings& settings_;
  const Surroundings& broker_;
  RoutingMemory& memory_;
  Sink& sink_;
  Trace* const trace_;
  std::vector<Facts> facts_;                     // by endpoint
  std::vector<TextMap<EndpointId>> transports_;  // by dispatcher: name -> its transport, or the joint that leads there
  std::vector<std::string> encoded_names_;       // of transports, by endpoint: a MessagePack str

  // Of the batch at hand.
  Time now_;
  uint32_t now_s_ = 0;     // for the memory
  EndpointId origin_ = 0;  // where it entered the broker

  // Of the message at hand.
  RefusalCode refusal_ = RefusalCode::no_route;  // the first
  std::string refusal_text_;
  bool refused_ = false;
  bool ambiguous_ = false;         // an id of it was, in some dispatcher
  std::vector<LeftOut> left_out_;  // if anybody takes it

  std::vector<Level> levels_;  // by depth
  Edits edits_;                // of the piece of middleware at hand
  std::string spare_;          // what it changes
  std::string before_;         // for the trace
  Noticed noticed_;
};

}  // namespace signalbox
