#include "broker/broker.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

#include "broker/clock.hpp"
#include "broker/core/assert.hpp"
#include "broker/random.hpp"

namespace signalbox {

namespace {

// A peer that had no room is asked again after this long; nothing announces that it has some.
constexpr uint64_t blocked_wait_ms = 1;
// The core asks at most once a millisecond, so a turn without a blocked send does not say that all have room again;
// this long without one does.
constexpr uint64_t blocked_for_ms = 10;

// What a lost peer sent last is read before anything is done about its loss. Where there is always more to read, libzmq
// takes from all peers in turn, and so many turns bring what they had sent.
constexpr size_t unread_turns_max = 64;

std::vector<std::string> peer_keys(const Settings& settings) {
  std::vector<std::string> keys;
  for (const PeerSettings& peer : settings.peers) keys.push_back(peer.key);
  return keys;
}

LinkSettings link_settings(const Configuration& configuration) {
  LinkSettings settings;
  settings.endpoints = configuration.endpoints;
  settings.max_batch_bytes = configuration.settings.max_batch_bytes;
  settings.secret_key = configuration.secret_key;
  settings.peer_keys = peer_keys(configuration.settings);
  return settings;
}

// The settings of each lane, or of the one core.
std::vector<Settings> settings_by_lane(Configuration& configuration) {
  std::vector<Settings> settings;
  settings.push_back(std::move(configuration.settings));
  for (Settings& further : configuration.further_lanes) settings.push_back(std::move(further));
  return settings;
}

std::vector<Settings> prepared(Configuration& configuration, MessageLog* message_log) {
  std::vector<Settings> settings = settings_by_lane(configuration);
  fill_random(settings.front().hash_secret.data(), settings.front().hash_secret.size());
  for (Settings& one : settings) {
    one.message_log = message_log;
    one.hash_secret = settings.front().hash_secret;
  }
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
    : link_(link_settings(configuration), context),
      local_peers_(link_, posted_),
      message_log_(log),
      core_(prepared(configuration, log != nullptr ? &message_log_ : nullptr), local_peers_),
      idle_(configuration.idle),
      log_(log) {
  local_peers_.serve(core_);
  local_peers_.set_time(read_clock());
  if (core_.count() > 0) start_lanes(configuration.lane_cpus);
}

void Broker::start_lanes(const std::vector<uint32_t>& cpus) {
  lane_threads_ = std::make_unique<LaneThreads>(core_, idle_, cpus, waker_);
  if (log_ == nullptr) return;
  for (const uint32_t lane : lane_threads_->not_pinned()) {
    log_->warn("not_pinned", {{"lane", lane}, {"cpu", cpus[lane]}, {"text", "no such processor, or not allowed"}});
  }
}

Broker::~Broker() {
  if (thread_.joinable()) stop(true);
  if (!ended_) close(true);
  if (poll_fd_ >= 0) ::close(poll_fd_);
}

size_t Broker::do_work(Time now) {
  SIGNALBOX_ASSERT(!in_turn_, "a turn must not be begun within another");
  struct Turn {  // ends with what is thrown, too
    bool& in_turn;
    explicit Turn(bool& flag) : in_turn(flag) { in_turn = true; }
    ~Turn() { in_turn = false; }
  };
  const Turn turn(in_turn_);

  local_peers_.set_time(now);
  message_log_.turn(now.monotonic_ms, core_.settings().max_log_lines_a_second);
  size_t frames = 0;
  if (take_input(now, frames) || ++unread_turns_ == unread_turns_max) {
    unread_turns_ = 0;
    core_.heard_all(now);
  }
  const size_t functions = posted_.run();
  if (now.monotonic_ms >= next_tick_ms_) {
    core_.tick(now);
    if (log_ != nullptr && fault_report_.look(core_.counters(), link_.counters(), now.monotonic_ms, *log_))
      fault_report_.report_dropped(core_, *log_);
    next_tick_ms_ = now.monotonic_ms + tick_interval_ms;
  }
  local_peers_.flushed();
  core_.flush(now);
  if (core_.count() > 0) waker_.rise();
  return frames + functions + local_peers_.work();
}

// False: there may be more at hand.
bool Broker::take_input(Time now, size_t& frames) {
  size_t bytes = 0;
  while (frames < turn_frames_max && bytes < turn_bytes_max && core_.has_room()) {
    Received received;
    const Receipt receipt = link_.receive(received, now.monotonic_ms);
    if (receipt == Receipt::nothing) return true;
    ++frames;
    bytes += received.bytes;
    if (receipt == Receipt::ignored) continue;
    if (core_.count() == 0) {
      core_.frame(received.from, received.peer_key, received.header, received.body, received.parts, now);
    } else {
      core_.frame(received.from, received.peer_key, received.header, link_.take_body(), received.parts, now);
    }
  }
  return false;
}

uint64_t Broker::wait_ms(Time now) {
  if (local_peers_.has_work() || !posted_.empty() || core_.has_more()) return 0;
  if (link_.take_blocked()) blocked_until_ms_ = now.monotonic_ms + blocked_for_ms;
  if (now.monotonic_ms < blocked_until_ms_) return blocked_wait_ms;
  return next_tick_ms_ > now.monotonic_ms ? next_tick_ms_ - now.monotonic_ms : 0;
}

uint64_t Broker::idle_ms(Time now) {
  waker_.doze();
  return link_.has_input() ? 0 : wait_ms(now);
}

int Broker::fd() {
  if (poll_fd_ >= 0) return poll_fd_;
  const int poll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (poll_fd < 0) return -1;
  for (const int fd : {posted_.fd(), waker_.fd(), link_.fd()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) == 0) continue;
    ::close(poll_fd);
    return -1;
  }
  return poll_fd_ = poll_fd;
}

void Broker::reload(Configuration next, Time now) {
  local_peers_.set_time(now);
  if (next.settings.keys_required) link_.set_peer_keys(peer_keys(next.settings));
  core_.reload(settings_by_lane(next), now);
}

void Broker::drain(Time now) {
  if (log_ != nullptr) log_->info("draining", {{"at_most_ms", core_.settings().drain_ms}});
  local_peers_.set_time(now);
  core_.drain(now);
}

bool Broker::drained() const {
  return core_.drained();
}

Ending Broker::close(bool at_once) {
  SIGNALBOX_ASSERT(!in_turn_ && !ended_, "the broker ends once, and not from within its own turn");
  ended_ = true;
  Ending ending{.at_once = at_once, .left = left_behind()};
  if (log_ != nullptr) {
    fault_report_.finish(core_.counters(), link_.counters(), *log_);
    fault_report_.report_dropped(core_, *log_);
  }
  lane_threads_ = nullptr;
  core_.flush(read_clock());  // what the lanes said last
  local_peers_.end();
  posted_.close();
  link_.close(at_once ? 0 : linger_ms);
  return ending;
}

Ending Broker::run(StopSignal& stop) {
  bool at_once = false;
  bool draining = false;
  uint64_t drain_until_ms = 0;
  local_peers_.set_thread(std::this_thread::get_id());
  for (;;) {
    const Time now = read_clock();
    if (stop.requests() > 1) {
      at_once = true;
      break;
    }
    if (stop.requests() > 0 && !draining) {
      draining = true;
      drain_until_ms = now.monotonic_ms + core_.settings().drain_ms;
      drain(now);
    }
    const size_t work = do_work(now);
    if (draining && ((work == 0 && drained()) || now.monotonic_ms >= drain_until_ms)) break;
    if (work == 0) idle(now, stop);
  }
  Ending ending = close(at_once);
  local_peers_.set_thread({});
  return ending;
}

void Broker::idle(Time now, StopSignal& stop) {
  if (idle_ != Idle::sleep) return idle_once(idle_);
  waker_.doze();
  if (link_.wait(wait_ms(now), stop.fd(), {posted_.fd(), waker_.fd()})) stop.clear();
  waker_.rise();
}

void Broker::start() {
  SIGNALBOX_ASSERT(!stop_ && !ended_, "a broker starts once");
  stop_.emplace();
  thread_ = std::thread([this] { ending_ = run(*stop_); });
  local_peers_.set_thread(thread_.get_id());
}

Ending Broker::stop(bool at_once) {
  SIGNALBOX_ASSERT(stop_ && thread_.get_id() != std::this_thread::get_id(),
                   "stop() ends what start() began, and not from within");
  if (thread_.joinable()) {
    stop_->request();
    if (at_once) stop_->request();
    thread_.join();
  }
  return ending_;
}

std::vector<Ending::Left> Broker::left_behind() const {
  std::vector<Ending::Left> left;
  const Lanes::Standstill standstill(core_);
  const std::vector<EndpointSettings>& endpoints = core_.settings().endpoints;
  for (EndpointId id = 0; id < endpoints.size(); ++id) {
    const QueueLedger queue = core_.status(id).queue;
    const uint64_t messages = queue.waiting.messages + queue.under_way.messages;
    if (messages > 0) left.push_back({endpoints[id].name, messages, endpoints[id].dead_letters});
  }
  return left;
}

}  // namespace signalbox
