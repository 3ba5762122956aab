#include "broker/broker.hpp"

#include <algorithm>

#include "broker/clock.hpp"
#include "broker/random.hpp"

namespace signalbox {

namespace {

// A peer that had no room is asked again after this long; nothing announces that it has some.
constexpr uint64_t blocked_wait_ms = 1;
// The core asks at most once a millisecond, so a turn without a blocked send does not say that all have room again;
// this long without one does.
constexpr uint64_t blocked_for_ms = 10;

Settings prepared(Settings settings) {
  fill_random(settings.hash_secret.data(), settings.hash_secret.size());
  return settings;
}

}  // namespace

std::string_view version() {
  return SIGNALBOX_VERSION;
}

uint64_t Ending::messages() const {
  uint64_t sum = 0;
  for (const Left& endpoint : left)
    if (!endpoint.dead_letters) sum += endpoint.messages;
  return sum;
}

Broker::Broker(Configuration configuration, void* context, Log* log)
    : link_({configuration.endpoints, configuration.settings.max_batch_bytes}, context),
      core_(prepared(std::move(configuration.settings)), link_),
      log_(log) {}

Broker::~Broker() {
  link_.close(0);
}

size_t Broker::do_work(Time now) {
  size_t frames = 0;
  size_t bytes = 0;
  while (frames < turn_frames_max && bytes < turn_bytes_max) {
    Received received;
    const Receipt receipt = link_.receive(received, now.monotonic_ms);
    if (receipt == Receipt::nothing) break;
    ++frames;
    bytes += received.bytes;
    if (receipt == Receipt::frame) core_.frame(received.from, {}, received.header, received.body, received.parts, now);
  }
  if (now.monotonic_ms >= next_tick_ms_) {
    core_.tick(now);
    if (log_ != nullptr) fault_report_.look(core_.counters(), link_.counters(), now.monotonic_ms, *log_);
    next_tick_ms_ = now.monotonic_ms + tick_interval_ms;
  }
  core_.flush(now);
  return frames;
}

uint64_t Broker::wait_ms(Time now) {
  if (link_.take_blocked()) blocked_until_ms_ = now.monotonic_ms + blocked_for_ms;
  if (now.monotonic_ms < blocked_until_ms_) return blocked_wait_ms;
  return next_tick_ms_ > now.monotonic_ms ? next_tick_ms_ - now.monotonic_ms : 0;
}

Ending Broker::run(StopSignal& stop) {
  Ending ending;
  bool draining = false;
  uint64_t drain_until_ms = 0;
  for (;;) {
    const Time now = read_clock();
    if (stop.requests() > 1) {
      ending.at_once = true;
      break;
    }
    if (stop.requests() > 0 && !draining) {
      draining = true;
      drain_until_ms = now.monotonic_ms + core_.settings().drain_ms;
      if (log_ != nullptr) log_->info("draining", {{"at_most_ms", core_.settings().drain_ms}});
      core_.drain(now);
    }
    const size_t frames = do_work(now);
    if (draining && ((frames == 0 && core_.drained()) || now.monotonic_ms >= drain_until_ms)) break;
    if (frames == 0 && link_.wait(wait_ms(now), stop.fd())) stop.clear();
  }
  ending.left = left_behind();
  link_.close(ending.at_once ? 0 : linger_ms);
  return ending;
}

std::vector<Ending::Left> Broker::left_behind() const {
  std::vector<Ending::Left> left;
  const std::vector<EndpointSettings>& endpoints = core_.settings().endpoints;
  for (EndpointId id = 0; id < endpoints.size(); ++id) {
    const QueueLedger queue = core_.status(id).queue;
    const uint64_t messages = queue.waiting.messages + queue.under_way.messages;
    if (messages > 0) left.push_back({endpoints[id].name, messages, endpoints[id].dead_letters});
  }
  return left;
}

}  // namespace signalbox
