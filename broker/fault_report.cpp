#include "broker/fault_report.hpp"

#include <iterator>

namespace signalbox {

namespace {

void report(Log& log, std::string_view event, std::string_view code, uint64_t now, uint64_t before) {
  if (now == before) return;
  if (code.empty())
    log.warn(event, {{"count", now - before}, {"total", now}});
  else
    log.warn(event, {{"code", code}, {"count", now - before}, {"total", now}});
}

}  // namespace

bool FaultReport::look(const Counters& counters, const LinkCounters& link, uint64_t now_ms, Log& log) {
  if (now_ms < next_ms_) return false;
  next_ms_ = now_ms + interval_ms;
  finish(counters, link, log);
  return true;
}

void FaultReport::finish(const Counters& counters, const LinkCounters& link, Log& log) {
  for (size_t i = 0; i < std::size(counters.errors); ++i)
    report(log, "errors", to_string(static_cast<ErrorCode>(i)), counters.errors[i], counters_.errors[i]);
  for (size_t i = 0; i < std::size(counters.refusals); ++i)
    report(log, "refusals", to_string(static_cast<RefusalCode>(i)), counters.refusals[i], counters_.refusals[i]);
  report(log, "connections_lost", "", counters.connections_lost, counters_.connections_lost);
  report(log, "expired", "", counters.expired, counters_.expired);
  report(log, "ack_timeouts", "", counters.ack_timeouts, counters_.ack_timeouts);
  report(log, "ambiguous_ids", "", counters.ambiguous_ids, counters_.ambiguous_ids);
  report(log, "memory_evicted", "", counters.memory_evicted, counters_.memory_evicted);
  report(log, "state_evicted", "", counters.state_evicted, counters_.state_evicted);
  report(log, "sessions_evicted", "", counters.sessions_evicted, counters_.sessions_evicted);
  report(log, "foreign_frames", "", link.foreign_frames, link_.foreign_frames);
  report(log, "surplus_parts", "", link.surplus_parts, link_.surplus_parts);
  report(log, "refused_keys", "", link.refused_keys, link_.refused_keys);
  counters_ = counters;
  link_ = link;
}

void FaultReport::report_dropped(const Lanes& core, Log& log) {
  const Lanes::Standstill standstill(core);
  const std::vector<EndpointSettings>& endpoints = core.settings().endpoints;
  dropped_.resize(endpoints.size());
  for (EndpointId id = 0; id < endpoints.size(); ++id) {
    const uint64_t now = core.status(id).queue.dropped.messages;
    if (now == dropped_[id]) continue;
    log.warn("dropped", {{"endpoint", endpoints[id].name}, {"count", now - dropped_[id]}, {"total", now}});
    dropped_[id] = now;
  }
}

}  // namespace signalbox
