// A core with nothing round it: frames go in by hand, what comes out is kept for the test to look at.
//
// The time is whatever the test says; nothing happens between two calls. After every step the core's invariants are
// checked.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/configuration.hpp"
#include "broker/configuration_again.hpp"
#include "broker/core/core.hpp"
#include "protocol/header.hpp"
#include "protocol/message_view.hpp"
#include "protocol/rewrite.hpp"

namespace signalbox::testing {

// One frame as a peer got it.
struct Received {
  std::string header;
  std::vector<std::string> messages;  // of a DELIVER's body

  BrokerFrame frame() const { return parse_broker_frame(header).value(); }
  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(frame());
  }
  template <typename T>
  T as() const {
    return std::get<T>(frame());
  }
};

// A message by its fields; values are text. What is not given is absent.
inline std::string message(std::vector<std::pair<std::string, std::string>> fields) {
  std::string out(1, static_cast<char>(0x80 + fields.size()));
  for (const auto& [key, value] : fields) {
    append_text(out, key);
    append_text(out, value);
  }
  return out;
}

inline std::string user_message(const std::string& id) {
  return message({{"message_type", "user_message"}, {"message_id", id}});
}
inline std::string outbound(const std::string& id, const std::string& transport) {
  return message({{"message_type", "user_message"}, {"message_id", id}, {"transport_name", transport}});
}
inline std::string reply(const std::string& id, const std::string& to) {
  return message({{"message_type", "user_message"}, {"message_id", id}, {"in_reply_to", to}});
}
inline std::string event(const std::string& id, const std::string& about) {
  return message({{"message_type", "event"}, {"event_id", id}, {"event_type", "ack"}, {"user_message_id", about}});
}

// The text of a field of an encoded message; "" where it is absent.
inline std::string field(const std::string& encoded, Field which) {
  MessageView view;
  EXPECT_EQ(view.scan(encoded), Scan::ok) << view.fault();
  return std::string(view.text(which));
}
inline std::string id_of(const std::string& encoded) {
  return field(encoded, Field::message_id);
}

class Bus final : public Output {
 public:
  // From a configuration's text; the routing memory is made small, the rest is as it says.
  explicit Bus(const std::string& toml, std::function<void(Settings&)> adjust = {},
               const RouterRegistry& registry = RouterRegistry()) {
    ConfigurationResult result = read_configuration(toml, registry);
    for (const Fault& fault : result.faults) ADD_FAILURE() << to_line("test.toml", fault);
    running_ = running(*result.configuration);
    Settings settings = std::move(result.configuration->settings);
    settings.routing_memory_bytes = limits::mebibyte;
    if (adjust) adjust(settings);
    core_ = std::make_unique<Core>(std::move(settings), *this);
  }

  // Another text in the place of the one that runs. Gives its faults; with any, nothing has changed.
  std::vector<std::string> reload(const std::string& toml, const RouterRegistry& registry = RouterRegistry()) {
    ConfigurationResult result = read_configuration(toml, registry, "", &running_);
    std::vector<std::string> faults;
    for (const Fault& fault : result.faults) faults.push_back(to_line("test.toml", fault));
    if (!faults.empty()) return faults;
    running_ = running(*result.configuration);
    core_->reload(std::move(result.configuration->settings), now_);
    core_->check_invariants();
    return {};
  }

  Core& core() { return *core_; }
  Time now() const { return now_; }

  void advance(uint64_t ms) {
    now_.monotonic_ms += ms;
    now_.wall_us += static_cast<int64_t>(ms) * 1000;
    core_->tick(now_);
    core_->check_invariants();
  }
  void flush() {
    core_->heard_all(now_);
    core_->flush(now_);
    core_->check_invariants();
  }
  // A frame, and the end of the turn.
  void put(ConnectionId from, const std::string& header, std::string_view body = {}, size_t parts = 0,
           std::string_view key = {}) {
    core_->frame(from, key, header, body, parts != 0 ? parts : body.empty() ? 1 : 2, now_);
    core_->check_invariants();
    flush();
  }
  void lose(ConnectionId connection) {
    gone_.insert(connection);
    core_->connection_gone(connection, now_);
    flush();
  }
  // From now on sends to it find it gone, or without room.
  void make_gone(ConnectionId connection) { gone_.insert(connection); }
  void block(ConnectionId connection, bool on = true) {
    on ? (void)blocked_.insert(connection) : (void)blocked_.erase(connection);
  }

  // All that this peer got since it was last asked.
  std::vector<Received> take(ConnectionId of) {
    std::vector<Received> taken;
    taken.swap(received_[of]);
    return taken;
  }
  EndpointId endpoint(const std::string& name) const {
    for (EndpointId id = 0; id < core_->settings().endpoints.size(); ++id)
      if (core_->settings().endpoints[id].name == name) return id;
    ADD_FAILURE() << "no endpoint " << name;
    return 0;
  }
  EndpointStatus status(const std::string& name) const { return core_->status(endpoint(name)); }

  Result send(ConnectionId to, Bytes header, Run body) override {
    if (gone_.contains(to)) return Result::gone;
    if (blocked_.contains(to)) return Result::blocked;
    Received frame{std::string(header), {}};
    for (Bytes rest = body.bytes(); !rest.empty();) {
      const size_t size = map_bytes(rest).value();
      frame.messages.emplace_back(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    received_[to].push_back(std::move(frame));
    return Result::sent;
  }

 private:
  std::unique_ptr<Core> core_;
  Running running_;
  Time now_{1'000'000, 1'300'000'000'000'000};
  std::map<ConnectionId, std::vector<Received>> received_;
  std::set<ConnectionId> gone_;
  std::set<ConnectionId> blocked_;
};

// One worker on one connection.
class Peer {
 public:
  Peer(Bus& bus, ConnectionId connection) : bus_(bus), connection_(connection) {}

  // HELLO; gives what was answered. `session`: 16 bytes, or "".
  std::vector<Received> hello(Role role, const std::string& name, uint64_t prefetch = 1000,
                              const std::string& session = "", Seq confirmed = 0) {
    Hello frame;
    frame.role = role;
    frame.name = name;
    frame.prefetch = prefetch;
    frame.session = session;
    frame.confirmed = confirmed;
    write(header_, frame);
    bus_.put(connection_, header_);
    return take();
  }
  void send(const std::vector<std::string>& messages, Seq first = 0) {
    std::string body;
    for (const std::string& m : messages) body += m;
    if (first == 0) first = next_;
    write(header_, Send{first});
    bus_.put(connection_, header_, body, 2);
    next_ = first + messages.size();
  }
  void ack(Seq upto, const std::vector<Seq>& also = {}) {
    write_ack(header_, upto, also.data(), also.size());
    bus_.put(connection_, header_);
  }
  void nack(Seq seq, bool requeue, const std::string& reason = "") {
    write(header_, Nack{seq, reason, requeue});
    bus_.put(connection_, header_);
  }
  void flow(uint64_t prefetch) {
    write(header_, Flow{prefetch});
    bus_.put(connection_, header_);
  }
  void bye() {
    write(header_, Bye{});
    bus_.put(connection_, header_);
  }
  std::vector<Received> take() { return bus_.take(connection_); }
  // The messages delivered since, in order; checks that nothing else came but what is passed over on purpose.
  std::vector<std::string> delivered() {
    std::vector<std::string> messages;
    for (const Received& frame : take())
      for (const std::string& m : frame.messages) messages.push_back(m);
    return messages;
  }
  std::vector<std::string> delivered_ids() {
    std::vector<std::string> ids;
    for (const std::string& m : delivered()) ids.push_back(id_of(m));
    return ids;
  }
  ConnectionId connection() const { return connection_; }

 private:
  Bus& bus_;
  const ConnectionId connection_;
  Seq next_ = 1;
  std::string header_;
};

inline const std::string seed_toml = R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["smpp_transport", "xmpp_transport"]
exposed_names   = ["my_application"]
[routing_mappings]
smpp_transport = "my_application"
xmpp_transport = "my_application"
)";

}  // namespace signalbox::testing
