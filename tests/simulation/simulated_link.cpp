#include "tests/simulation/simulated_link.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace signalbox::simulation {

ConnectionId SimulatedLink::open(size_t worker) {
  const ConnectionId id = next_++;
  Connection& connection = connections_[id];
  connection.worker = worker;
  connection.room = random_.between(2, 40);
  order_.push_back(id);
  return id;
}

uint64_t SimulatedLink::arrival(uint64_t now_ms, uint64_t behind_ms) {
  const uint64_t delay_ms = random_.chance(700) ? 0 : random_.below(delay_ms_max_ + 1);
  return std::max(now_ms + delay_ms, behind_ms);
}

void SimulatedLink::send_to_broker(ConnectionId from, FrameToBroker frame, uint64_t now_ms) {
  const auto found = connections_.find(from);
  if (found == connections_.end() || found->second.cut) return;
  auto& line = found->second.to_broker;
  frame.arrives_ms = arrival(now_ms, line.empty() ? 0 : line.back().arrives_ms);
  line.push_back(std::move(frame));
}

Output::Result SimulatedLink::send_to_worker(ConnectionId to, Bytes header, Run& body, uint64_t now_ms) {
  const auto found = connections_.find(to);
  if (found == connections_.end()) return Output::Result::gone;
  Connection& connection = found->second;
  if (connection.cut) {
    if (now_ms < connection.silent_until_ms) return Output::Result::sent;
    // What came before the end is in the socket.
    for (FrameToBroker& frame : connection.to_broker) frame.arrives_ms = std::min(frame.arrives_ms, now_ms);
    return Output::Result::gone;
  }
  if (!takes(to, now_ms)) return Output::Result::blocked;
  auto& line = connection.to_worker;
  const size_t hash = std::hash<Bytes>()(body.bytes());
  line.push_back(
      {arrival(now_ms, line.empty() ? 0 : line.back().arrives_ms), hash, std::string(header), std::move(body)});
  return Output::Result::sent;
}

bool SimulatedLink::take_for_broker(ConnectionId from, FrameToBroker& frame, uint64_t now_ms) {
  auto& line = connections_.at(from).to_broker;
  if (line.empty() || line.front().arrives_ms > now_ms) return false;
  frame = std::move(line.front());
  line.pop_front();
  return true;
}

bool SimulatedLink::has_for_broker(uint64_t now_ms) const {
  return std::any_of(connections_.begin(), connections_.end(), [now_ms](const auto& entry) {
    const auto& line = entry.second.to_broker;
    return !line.empty() && line.front().arrives_ms <= now_ms;
  });
}

bool SimulatedLink::take_for_worker(ConnectionId to, FrameToWorker& frame, uint64_t now_ms) {
  auto& line = connections_.at(to).to_worker;
  if (line.empty() || line.front().arrives_ms > now_ms) return false;
  frame = std::move(line.front());
  line.pop_front();
  return true;
}

void SimulatedLink::cut(ConnectionId id, uint64_t now_ms, uint64_t silent_ms) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second.cut) return;
  Connection& connection = found->second;
  connection.cut = true;
  connection.silent_until_ms = now_ms + silent_ms;
  // Half of them the link reports soon; the others make themselves known by a send that fails, long before.
  connection.report_ms = connection.silent_until_ms + random_.below(random_.chance(500) ? 500 : 60'000);
  // What the socket has read already can still come out of it after the connection is gone.
  if (random_.chance(700)) connection.to_broker.clear();
  connection.to_worker.clear();
}

void SimulatedLink::block(ConnectionId connection, uint64_t until_ms) {
  connections_.at(connection).blocked_until_ms = until_ms;
}

void SimulatedLink::heal() {
  delay_ms_max_ = 0;
  for (auto& [id, connection] : connections_) {
    connection.blocked_until_ms = 0;
    connection.silent_until_ms = 0;
  }
}

Bytes SimulatedLink::last_body(ConnectionId to) const {
  const auto found = connections_.find(to);
  if (found == connections_.end() || found->second.to_worker.empty()) return {};
  return found->second.to_worker.back().body.bytes();
}

bool SimulatedLink::is_open(ConnectionId connection) const {
  const auto found = connections_.find(connection);
  return found != connections_.end() && !found->second.cut;
}

bool SimulatedLink::takes(ConnectionId to, uint64_t now_ms) const {
  const auto found = connections_.find(to);
  if (found == connections_.end()) return false;
  const Connection& connection = found->second;
  if (connection.cut) return now_ms < connection.silent_until_ms;
  return has_room_always_ || (now_ms >= connection.blocked_until_ms && connection.to_worker.size() < connection.room);
}

std::vector<ConnectionId> SimulatedLink::take_gone(uint64_t now_ms) {
  std::vector<ConnectionId> gone;
  for (const auto& [id, connection] : connections_)
    if (connection.cut && connection.report_ms <= now_ms) gone.push_back(id);
  for (ConnectionId id : gone) {
    connections_.erase(id);
    std::erase(order_, id);
  }
  return gone;
}

void SimulatedLink::drop_everything() {
  connections_.clear();
  order_.clear();
}

bool SimulatedLink::body_has_changed(const FrameToWorker& frame) const {
  return std::hash<Bytes>()(frame.body.bytes()) != frame.hash;
}

bool SimulatedLink::in_flight() const {
  return std::any_of(connections_.begin(), connections_.end(), [](const auto& entry) {
    return !entry.second.to_broker.empty() || !entry.second.to_worker.empty();
  });
}

}  // namespace signalbox::simulation
