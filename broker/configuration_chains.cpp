#include "broker/configuration_chains.hpp"

#include <algorithm>
#include <string>

#include "protocol/limits.hpp"
#include "routers/setting.hpp"

namespace signalbox {

namespace {

// Where inbound messages flow: from the dispatcher that exposes the joint to the one that has it for a transport.
struct Edge {
  uint32_t from = 0;
  uint32_t to = 0;
};

Edge edge_of(const Settings& settings, EndpointId joint) {
  const EndpointSettings& one = settings.endpoints[joint];
  const EndpointSettings& other = settings.endpoints[*one.joint];
  if (one.role == Role::application) return {one.dispatcher, other.dispatcher};
  return {other.dispatcher, one.dispatcher};
}

// The dispatchers from `from` to `to` along the edges, both included; empty where no way leads there.
std::vector<uint32_t> way(const std::vector<std::vector<uint32_t>>& next, uint32_t from, uint32_t to) {
  std::vector<uint32_t> came_from(next.size(), UINT32_MAX);
  std::vector<uint32_t> reached = {from};
  came_from[from] = from;
  for (size_t i = 0; i < reached.size() && came_from[to] == UINT32_MAX; ++i) {
    for (const uint32_t dispatcher : next[reached[i]]) {
      if (came_from[dispatcher] != UINT32_MAX) continue;
      came_from[dispatcher] = reached[i];
      reached.push_back(dispatcher);
    }
  }
  if (came_from[to] == UINT32_MAX) return {};
  std::vector<uint32_t> found = {to};
  while (found.back() != from) found.push_back(came_from[found.back()]);
  std::ranges::reverse(found);
  return found;
}

// How many dispatchers stand on the longest way that ends at each of them, itself included. The edges make no cycle, so
// whoever has had all its predecessors is final.
std::vector<size_t> longest_ways(const std::vector<std::vector<uint32_t>>& next) {
  std::vector<size_t> predecessors(next.size(), 0);
  for (const std::vector<uint32_t>& behind : next) {
    for (const uint32_t dispatcher : behind) ++predecessors[dispatcher];
  }
  std::vector<uint32_t> final;
  for (uint32_t dispatcher = 0; dispatcher < next.size(); ++dispatcher) {
    if (predecessors[dispatcher] == 0) final.push_back(dispatcher);
  }
  std::vector<size_t> longest(next.size(), 1);
  for (size_t i = 0; i < final.size(); ++i) {
    for (const uint32_t dispatcher : next[final[i]]) {
      longest[dispatcher] = std::max(longest[dispatcher], longest[final[i]] + 1);
      if (--predecessors[dispatcher] == 0) final.push_back(dispatcher);
    }
  }
  return longest;
}

// A message that goes through a chain takes a part of the stack for each dispatcher, so there is a limit.
void check_lengths(const Settings& settings, const std::vector<std::vector<uint32_t>>& next,
                   const std::vector<ListedJoint>& joints, FaultList& faults) {
  const std::vector<size_t> longest = longest_ways(next);
  for (const ListedJoint& listed : joints) {
    const Edge edge = edge_of(settings, listed.joint);
    if (longest[edge.from] != limits::chained_dispatchers_max || longest[edge.to] <= longest[edge.from]) continue;
    faults.fault(listed.where, "the joint " + in_quotes(settings.endpoints[listed.joint].name) +
                                   " makes a chain of more than " + std::to_string(limits::chained_dispatchers_max) +
                                   " dispatchers");
  }
}

}  // namespace

// Joints are taken in the order of the file; one that leads to where its beginning can be reached from closes a cycle,
// and is left out of the search for the next.
void check_chains(const Settings& settings, const std::vector<std::string>& dispatcher_names,
                  const std::vector<ListedJoint>& joints, FaultList& faults) {
  std::vector<std::vector<uint32_t>> next(dispatcher_names.size());
  std::vector<ListedJoint> in_order = joints;
  std::ranges::stable_sort(in_order, [](const ListedJoint& a, const ListedJoint& b) {
    return a.where.line != b.where.line ? a.where.line < b.where.line : a.where.column < b.where.column;
  });
  for (const ListedJoint& listed : in_order) {
    const Edge edge = edge_of(settings, listed.joint);
    const std::vector<uint32_t> back = way(next, edge.to, edge.from);
    if (back.empty()) {
      next[edge.from].push_back(edge.to);
      continue;
    }
    std::string text = "the joint " + in_quotes(settings.endpoints[listed.joint].name) +
                       " closes a cycle: " + in_quotes(dispatcher_names[edge.from]);
    for (const uint32_t dispatcher : back) text += " -> " + in_quotes(dispatcher_names[dispatcher]);
    faults.fault(listed.where, std::move(text));
  }
  check_lengths(settings, next, in_order, faults);
}

}  // namespace signalbox
