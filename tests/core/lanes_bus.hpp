// Several lanes with nothing round them: the test says which of them takes a turn, and when.
//
// The time is whatever the test says. settle() gives every lane turns until nothing is on its way; after that, and
// only then, the invariants of all lanes together are checked.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/core/lanes.hpp"
#include "tests/core/bus.hpp"

namespace signalbox::testing {

class LanesBus final : public Output {
 public:
  // `toml` is a configuration without a [broker] table.
  explicit LanesBus(const std::string& toml, uint32_t lanes = 2, std::function<void(Settings&)> adjust = {})
      : lane_count_(lanes) {
    lanes_ = std::make_unique<Lanes>(read(toml, adjust, nullptr), *this);
  }

  // Another text in the place of the one that runs. Gives its faults; with any, nothing has changed.
  std::vector<std::string> reload(const std::string& toml) {
    const Running before = running_;
    std::vector<std::string> faults;
    std::vector<Settings> next = read(toml, {}, &before, &faults);
    if (faults.empty()) lanes_->reload(std::move(next), now_);
    return faults;
  }

  Lanes& lanes() { return *lanes_; }
  Time now() const { return now_; }
  uint32_t lane_count() const { return lane_count_; }
  EndpointId endpoint(const std::string& name) const {
    const std::vector<EndpointSettings>& endpoints = lanes_->settings().endpoints;
    for (EndpointId id = 0; id < endpoints.size(); ++id)
      if (endpoints[id].name == name) return id;
    ADD_FAILURE() << "no endpoint " << name;
    return 0;
  }
  uint32_t lane_of(const std::string& name) const { return running_.lane_of[endpoint(name)]; }
  EndpointStatus status(const std::string& name) const { return lanes_->status(endpoint(name)); }

  // A frame, as the link hands it over; no lane takes a turn.
  void put(ConnectionId from, const std::string& header, std::string_view body = {}, std::string_view key = {}) {
    lanes_->frame(from, key, header, body, body.empty() ? 1 : 2, now_);
  }
  void step(uint32_t lane) { lanes_->step(lane, now_); }
  // What the lanes have said leaves.
  void flush() {
    lanes_->heard_all(now_);
    lanes_->flush(now_);
  }
  void settle() {
    for (int rounds = 0; rounds < 10'000; ++rounds) {
      bool worked = false;
      for (uint32_t lane = 0; lane < lane_count_; ++lane) worked |= lanes_->step(lane, now_);
      flush();
      if (worked || lanes_->has_more() || !lanes_->is_still()) continue;
      return lanes_->check_invariants();
    }
    ADD_FAILURE() << "the lanes never come to rest";
  }
  void advance(uint64_t ms) {
    now_.monotonic_ms += ms;
    now_.wall_us += static_cast<int64_t>(ms) * 1000;
    lanes_->tick(now_);
    settle();
  }
  void lose(ConnectionId connection) {
    gone_.insert(connection);
    lanes_->connection_gone(connection, now_);
    settle();
  }
  // From now on sends to it find it gone, or without room.
  void make_gone(ConnectionId connection) { gone_.insert(connection); }
  void block(ConnectionId connection, bool on = true) {
    on ? (void)blocked_.insert(connection) : (void)blocked_.erase(connection);
  }
  // All that this peer got since it was last asked.
  std::vector<Received> take(ConnectionId of) { return std::exchange(received_[of], {}); }
  // Up to the first WELCOME or ERROR.
  std::vector<Received> take_answer(ConnectionId of) {
    std::vector<Received>& all = received_[of];
    const auto answers = [](const Received& frame) { return frame.is<Welcome>() || frame.is<ErrorFrame>(); };
    const auto answer = std::ranges::find_if(all, answers);
    const auto end = answer == all.end() ? answer : answer + 1;
    std::vector<Received> taken(std::make_move_iterator(all.begin()), std::make_move_iterator(end));
    all.erase(all.begin(), end);
    return taken;
  }

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
  std::vector<Settings> read(const std::string& toml, const std::function<void(Settings&)>& adjust,
                             const Running* before, std::vector<std::string>* faults = nullptr) {
    const std::string text = toml + "\n[broker]\nlanes = " + std::to_string(lane_count_) + "\n";
    ConfigurationResult result = read_configuration(text, RouterRegistry(), "", before);
    for (const Fault& fault : result.faults) {
      const std::string line = to_line("test.toml", fault);
      faults != nullptr ? faults->push_back(line) : (void)(ADD_FAILURE() << line);
    }
    std::vector<Settings> settings;
    if (result.configuration == nullptr) return settings;
    running_ = running(*result.configuration);
    settings.push_back(std::move(result.configuration->settings));
    for (Settings& further : result.configuration->further_lanes) settings.push_back(std::move(further));
    for (Settings& each : settings) {
      each.routing_memory_bytes = limits::mebibyte;
      if (adjust) adjust(each);
    }
    return settings;
  }

  const uint32_t lane_count_;
  std::map<ConnectionId, std::vector<Received>> received_;  // before the lanes, which let go of their runs last
  std::set<ConnectionId> gone_;
  std::set<ConnectionId> blocked_;
  std::unique_ptr<Lanes> lanes_;
  Running running_;
  Time now_{1'000'000, 1'300'000'000'000'000};
};

// One worker on one connection. Nothing that it says is heard before a lane takes a turn.
class LanesPeer {
 public:
  LanesPeer(LanesBus& bus, ConnectionId connection) : bus_(bus), connection_(connection) {}

  // HELLO; "welcome", the code of the error, or "nothing".
  std::string hello(Role role, const std::string& name, uint64_t prefetch = 1000, const std::string& session = "",
                    std::string_view key = {}) {
    Hello frame;
    frame.role = role;
    frame.name = name;
    frame.prefetch = prefetch;
    frame.session = session;
    write(header_, frame);
    bus_.put(connection_, header_, {}, key);
    bus_.settle();
    next_ = 1;
    return answer();
  }
  std::string answer() {
    for (const Received& frame : bus_.take_answer(connection_)) {
      if (frame.is<Welcome>()) return "welcome";
      if (frame.is<ErrorFrame>()) return std::string(frame.as<ErrorFrame>().code);
    }
    return "nothing";
  }
  void send(const std::vector<std::string>& messages) {
    std::string body;
    for (const std::string& m : messages) body += m;
    write(header_, Send{next_});
    next_ += messages.size();
    bus_.put(connection_, header_, body);
  }
  void ack(Seq upto) {
    write_ack(header_, upto, nullptr, 0);
    bus_.put(connection_, header_);
  }
  void nack(Seq seq, bool requeue) {
    write(header_, Nack{seq, "test", requeue});
    bus_.put(connection_, header_);
  }
  void flow(uint64_t prefetch) {
    write(header_, Flow{prefetch});
    bus_.put(connection_, header_);
  }
  void ping() {
    write(header_, Ping{});
    bus_.put(connection_, header_);
  }
  std::vector<Received> take() { return bus_.take(connection_); }
  // The ids of what was delivered since.
  std::vector<std::string> ids() {
    std::vector<std::string> ids;
    for (const Received& frame : take())
      for (const std::string& m : frame.messages) ids.push_back(id_of(m));
    return ids;
  }
  // The last CONFIRM since; 0: none. `refused`: takes the refusals' codes.
  Seq confirmed(std::vector<std::string>* refused = nullptr) {
    Seq upto = 0;
    for (const Received& frame : take()) {
      if (frame.is<Confirm>()) upto = frame.as<Confirm>().upto;
      if (refused != nullptr && frame.is<Refuse>()) refused->push_back(std::string(frame.as<Refuse>().code));
    }
    return upto;
  }
  ConnectionId connection() const { return connection_; }

 private:
  LanesBus& bus_;
  const ConnectionId connection_;
  Seq next_ = 1;
  std::string header_;
};

using Ids = std::vector<std::string>;
using Codes = std::vector<std::string>;

// Two transports and two applications; each transport's messages go to the application on the other lane.
inline std::string crossing(const std::string& rest = "") {
  return R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["t_even", "t_odd"]
exposed_names   = ["a_even", "a_odd"]
[routing_mappings]
t_even = "a_odd"
t_odd  = "a_even"
)" + rest;
}

inline std::string id(size_t number) {
  return "m" + std::to_string(number);
}

inline Ids ids(size_t from, size_t upto) {
  Ids all;
  for (size_t i = from; i <= upto; ++i) all.push_back(id(i));
  return all;
}

// A transport on lane 0 and its application on lane 1.
class AcrossLanes : public ::testing::Test {
 protected:
  void begin(const std::string& rest = "", uint64_t prefetch = 1000, std::function<void(Settings&)> adjust = {}) {
    bus_ = std::make_unique<LanesBus>(crossing(rest), 2, std::move(adjust));
    ASSERT_EQ(bus_->lane_of("t_even"), 0u);
    ASSERT_EQ(bus_->lane_of("a_odd"), 1u);
    transport_ = std::make_unique<LanesPeer>(*bus_, 1);
    application_ = std::make_unique<LanesPeer>(*bus_, 2);
    ASSERT_EQ(transport_->hello(Role::transport, "t_even"), "welcome");
    ASSERT_EQ(application_->hello(Role::application, "a_odd", prefetch), "welcome");
  }
  // Each in a turn of its own.
  void send(size_t from, size_t upto) {
    for (size_t i = from; i <= upto; ++i) {
      transport_->send({user_message(id(i))});
      bus_->step(0);
    }
  }

  std::unique_ptr<LanesBus> bus_;
  std::unique_ptr<LanesPeer> transport_;
  std::unique_ptr<LanesPeer> application_;
};

}  // namespace signalbox::testing
