#include "tests/simulation/simulation.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <utility>

namespace signalbox::simulation {
namespace {

const Journal* journal_under_way = nullptr;

void on_abort(int) {
  if (journal_under_way != nullptr) std::fprintf(stderr, "aborted: %s", journal_under_way->report().c_str());
}

constexpr int64_t start_wall_us = 1'700'000'000'000'000;
constexpr uint64_t tick_ms_max = 250;

}  // namespace

void print_journal_on_abort() {
  std::signal(SIGABRT, on_abort);
}

Simulation::Simulation(Plan plan)
    : plan_(std::move(plan)),
      random_(plan_.seed),
      journal_(plan_.seed, plan_.steps, to_string(plan_.installation), plan_.lanes, plan_.storm),
      lie_(plan_.lie),
      lie_step_(plan_.steps / 8 + plan_.seed % (plan_.steps / 4 + 1)),
      scenario_(random_, plan_.installation),
      link_(random_),
      world_{random_, scenario_, messages_, link_, journal_, {10'000, start_wall_us}, false, {}} {
  if (plan_.lanes > 0 && !plan_.storm) link_.have_room_always();
  start_core();
  add_workers();
}

// --- the core, or several

std::vector<Settings> Simulation::settings_by_lane() const {
  std::vector<Settings> settings;
  do {
    settings.push_back(scenario_.settings());
    settings.back().lanes = plan_.lanes;
  } while (settings.size() < plan_.lanes);
  return settings;
}

// False: some endpoint would have to move.
bool Simulation::place() {
  if (plan_.lanes == 0) return true;
  auto placed = place_endpoints(scenario_.settings(), plan_.lanes, lane_of_);
  if (placed) lane_of_ = std::move(*placed);
  return placed.has_value();
}

// Lanes hand a turn's messages to each other kind by kind, but to a queue that drops its oldest one by one: there it
// matters which of two kinds came first. A queue that begins to drop may hold some in the other order, and the model
// does not know which.
bool Simulation::begins_to_drop() const {
  if (plan_.lanes == 0 || plan_.storm) return false;
  const std::vector<EndpointSettings>& before = core_->settings().endpoints;
  for (EndpointId id = 0; id < before.size(); ++id) {
    const bool drops = scenario_.endpoint(id).overflow == Overflow::drop_oldest;
    if (drops && before[id].overflow != Overflow::drop_oldest) return true;
  }
  return false;
}

void Simulation::start_core() {
  lane_of_.clear();
  found_gone_.clear();
  if (!place()) journal_.fail("no lane for some endpoint of a new broker");
  if (!plan_.storm) model_ = std::make_unique<Model>(scenario_, messages_, journal_, lane_of_);
  const size_t passage_parcels = plan_.storm ? 1 + plan_.seed % 4 : LaneBoard::passage_parcels_default;
  core_ = std::make_unique<Lanes>(settings_by_lane(), *this, passage_parcels);
}

// In an order by chance, until nothing is on its way.
void Simulation::settle_lanes() {
  uint64_t quiet = 0;  // turns since anything happened; all lanes have had theirs when that is so
  std::vector<bool> had_turn(plan_.lanes, false);
  while (!journal_.failed() && quiet < plan_.lanes) {
    for (const ConnectionId gone : std::exchange(found_gone_, {})) model_->connection_gone(gone, world_.now);
    const auto lane = static_cast<uint32_t>(random_.below(plan_.lanes));
    if (take_turn(lane)) {
      had_turn.assign(plan_.lanes, false);
      quiet = 0;
    } else if (!had_turn[lane]) {
      had_turn[lane] = true;
      ++quiet;
    }
  }
}

// True: there is, or may be, more to do.
bool Simulation::take_turn(uint32_t lane) {
  const bool worked = core_->step(lane, world_.now);
  core_->heard_all(world_.now);
  core_->flush(world_.now);
  return worked || !found_gone_.empty() || !core_->is_still();
}

// In a storm: of one lane or the other, or of none, and what they say may stay where it is.
void Simulation::take_some_turns() {
  if (step_ >= asleep_until_step_ && random_.chance(20)) {
    asleep_ = static_cast<uint32_t>(random_.below(plan_.lanes));
    asleep_until_step_ = step_ + random_.below(100);
  }
  for (uint64_t turns = random_.below(2 * plan_.lanes); turns > 0; --turns) {
    const auto lane = static_cast<uint32_t>(random_.below(plan_.lanes));
    if (lane != asleep_ || step_ >= asleep_until_step_) core_->step(lane, world_.now);
  }
  if (random_.chance(700)) {
    if (!link_.has_for_broker(world_.now.monotonic_ms)) core_->heard_all(world_.now);
    core_->flush(world_.now);
  }
}

// For each endpoint that has none yet.
void Simulation::add_workers() {
  for (; peopled_ < scenario_.endpoint_count(); ++peopled_) {
    if (scenario_.endpoint(peopled_).joint) continue;
    const uint64_t instances = random_.chance(500) ? 1 : random_.between(1, 3);
    for (uint64_t i = 0; i < instances; ++i)
      workers_.push_back(std::make_unique<SimulatedWorker>(world_, workers_.size(), peopled_, i));
  }
}

Totals& Totals::operator+=(const Totals& other) {
  delivered += other.delivered;
  dead += other.dead;
  expired += other.expired;
  timed_out += other.timed_out;
  settled_late += other.settled_late;
  reloads += other.reloads;
  return *this;
}

Totals Simulation::totals() const {
  Totals all = totals_before_;
  if (plan_.storm) {
    const Counters counters = core_->counters();
    uint64_t settled = 0;
    uint64_t dead = 0;
    for (EndpointId id = 0; id < core_->settings().endpoints.size(); ++id) {
      const EndpointStatus status = core_->status(id);
      settled += status.queue.settled.messages;
      dead += status.queue.dead.messages + status.sender.not_taken.messages;
    }
    return all += {settled, dead, counters.expired, counters.ack_timeouts, counters.settled_late, 0};
  }
  return all +=
         {model_->delivered(), model_->dead(), model_->expired(), model_->timed_out(), model_->settled_late(), 0};
}

Simulation::~Simulation() = default;

bool Simulation::run() {
  journal_under_way = &journal_;
  for (uint64_t i = 0; i < (plan_.kept ? plan_.kept->size() : plan_.steps) && !journal_.failed(); ++i) {
    if (plan_.kept) random_ = (*plan_.kept)[i].chance;
    begin_step(plan_.kept ? (*plan_.kept)[i].number : i + 1);
    step();
    check();
    if (draining_ && !journal_.failed() && (core_->drained() || random_.chance(2))) restart();
  }
  if (!journal_.failed()) heal();
  if (!journal_.failed()) finish();
  journal_under_way = nullptr;
  return !journal_.failed();
}

void Simulation::begin_step(uint64_t number) {
  step_ = number;
  journal_.at(step_, world_.now.monotonic_ms);
  if (notes_ == nullptr) return;
  notes_->step = step_;
  if (step_ <= notes_->starts_max) notes_->starts[step_ - 1] = random_;
}

void Simulation::step() {
  const uint64_t choice = random_.below(1000);
  if (choice < 330) {
    if (feed_core(random_.between(1, 5))) end_turn();
  } else if (choice < 580) {
    feed_workers(random_.between(1, 8));
  } else if (choice < 940) {
    for (uint64_t workers = random_.between(1, 4); workers > 0; --workers) any_worker().act();
  } else if (choice < (scenario_.is_changing() ? 980 : 992)) {
    pass_time(random_.chance(950) ? random_.between(1, 30) : random_.between(100, 3000));
  } else {
    something_breaks();
  }
}

void Simulation::something_breaks() {
  if (scenario_.is_changing()) {
    const uint64_t choice = random_.below(100);
    if (choice < 30) return reload();
    if (choice < 35) return change_rights();
  }
  if (scenario_.is_rough()) {
    const uint64_t choice = random_.below(100);
    if (choice < 15) return any_worker().hang(random_.below(20'000));
    if (choice < 25) return random_.chance(500) ? start_draining() : restart();
  }
  const uint64_t choice = random_.below(100);
  const auto& connections = link_.connections();
  if (choice < 35) {
    any_worker().lose_connection(random_.chance(600) ? 0 : random_.below(15'000));
  } else if (choice < 55) {
    any_worker().crash();
  } else if (choice < 70) {
    any_worker().take_over();
  } else if (!connections.empty()) {
    const ConnectionId connection = connections[random_.below(connections.size())];
    const uint64_t span_ms = random_.below(2000);
    journal_.note("link is blocked: connection, ms", connection, span_ms);
    link_.block(connection, world_.now.monotonic_ms + span_ms);
  }
}

void Simulation::start_draining() {
  if (draining_) return;
  journal_.note("the broker drains");
  draining_ = true;
  if (model_) model_->drain();
  core_->drain(world_.now);
  if (plan_.lanes > 0) end_turn();
}

// Another configuration while it runs, and also while it drains.
void Simulation::reload() {
  const uint64_t changes = world_.healing ? 0 : scenario_.change(random_);
  journal_.note("the broker is given another configuration: changes", changes);
  ++totals_before_.reloads;
  if (!place() || begins_to_drop()) {
    journal_.note("lanes cannot go on with that one");
    restart();
    return add_workers();
  }
  if (model_) model_->reload(scenario_.settings(), lane_of_, world_.now);
  core_->reload(settings_by_lane(), world_.now);
  end_turn();
  add_workers();
}

void Simulation::change_rights() {
  scenario_.change_rights(random_);
  journal_.note("keys' rights change");
  if (model_) model_->peers_changed(scenario_.peers(), world_.now);
  core_->peers_changed(scenario_.peers(), world_.now);
  end_turn();
}

// A new broker in its place: it knows nobody.
void Simulation::restart() {
  journal_.note("the broker is started again: everything was settled", core_->drained());
  totals_before_ = totals();
  for (const auto& worker : workers_) worker->lose_connection(0);
  link_.drop_everything();
  core_.reset();
  start_core();
  draining_ = false;
}

bool Simulation::feed_core(uint64_t frames) {
  bool fed = false;
  FrameToBroker frame;
  for (uint64_t i = 0; i < frames && !link_.connections().empty() && !journal_.failed(); ++i) {
    if (!core_->has_room()) break;
    const size_t count = link_.connections().size();
    const size_t start = random_.below(count);
    for (size_t offset = 0; offset < count; ++offset) {
      const ConnectionId from = link_.connections()[(start + offset) % count];
      if (!link_.take_for_broker(from, frame, world_.now.monotonic_ms)) continue;
      give_frame(from, frame);
      fed = true;
      break;
    }
  }
  return fed;
}

void Simulation::give_frame(ConnectionId from, const FrameToBroker& frame) {
  const std::string& key = workers_[link_.worker_of(from)]->key();
  if (plan_.storm) return core_->frame(from, key, frame.header, frame.body, frame.parts, world_.now);
  const uint32_t lane = plan_.lanes > 0 ? model_->lane_of(from) : 0;
  model_->worker_frame(from, key, frame.header, frame.body, frame.parts, world_.now);
  core_->frame_at_once(from, key, frame.header, frame.body, frame.parts, world_.now);
  model_->worker_frame_done(world_.now);
  if (plan_.lanes == 0) return;
  // The turn in which its lane took the frame ends before any other lane sees a part of what it brought.
  core_->step(lane, world_.now);
  end_turn();
}

bool Simulation::feed_workers(uint64_t frames) {
  bool fed = false;
  FrameToWorker frame;
  for (uint64_t i = 0; i < frames && !link_.connections().empty() && !journal_.failed(); ++i) {
    const size_t count = link_.connections().size();
    const size_t start = random_.below(count);
    for (size_t offset = 0; offset < count; ++offset) {
      const ConnectionId to = link_.connections()[(start + offset) % count];
      if (!link_.take_for_worker(to, frame, world_.now.monotonic_ms)) continue;
      if (link_.body_has_changed(frame)) journal_.fail(numbered("a delivery changed on its way to connection ", to));
      workers_[link_.worker_of(to)]->receive(to, frame.header, frame.body.bytes());
      fed = true;
      break;
    }
  }
  return fed;
}

void Simulation::end_turn() {
  if (journal_.failed()) return;
  if (plan_.storm) return world_.healing ? settle_lanes() : take_some_turns();
  if (plan_.lanes > 0) {
    settle_lanes();
  } else {
    flush_core();
  }
  if (!journal_.failed()) model_->check_turn(link_, world_.now);
}

// Until there is no more that is due; whoever was found gone is heard out first, or at times kept waiting for too long.
void Simulation::flush_core() {
  const bool input_is_read = !link_.has_for_broker(world_.now.monotonic_ms) || random_.chance(100);
  do {
    if (input_is_read) {
      model_->heard_all(world_.now);
      core_->heard_all(world_.now);
    }
    core_->flush(world_.now);
  } while (core_->has_more() && (input_is_read || !model_->has_found_gone()));
}

// Time moves in ticks only, so that whatever time alone causes happens at one known moment.
void Simulation::pass_time(uint64_t span_ms) {
  while (span_ms > 0 && !journal_.failed()) {
    uint64_t tick_ms = std::min(span_ms, tick_ms_max);
    span_ms -= tick_ms;
    // What time causes is due in the lanes' turns, all of it only every so often.
    if (plan_.lanes > 0 && !plan_.storm) tick_ms = std::max(tick_ms, Lanes::tick_interval_ms);
    world_.now.monotonic_ms += tick_ms;
    world_.now.wall_us += static_cast<int64_t>(tick_ms * 1000 + random_.below(1000));
    if (scenario_.is_changing() && random_.chance(20)) jump_wall_clock();
    journal_.at(step_, world_.now.monotonic_ms);
    tick();
    report_gone();
    end_turn();
  }
}

void Simulation::tick() {
  if (plan_.storm) return core_->tick(world_.now);
  model_->forget_lost_sessions(world_.now);
  model_->time_passes(world_.now);
  core_->tick(world_.now);
  if (plan_.lanes > 0) {
    settle_lanes();
  } else if (core_->has_more()) {
    flush_core();
  }
  if (!journal_.failed()) model_->check_heartbeats(world_.now);
}

// Somebody has set it, by up to a week either way.
void Simulation::jump_wall_clock() {
  constexpr int64_t week_us = int64_t{7} * 24 * 3600 * 1'000'000;
  world_.now.wall_us += static_cast<int64_t>(random_.below(2 * week_us)) - week_us;
}

void Simulation::report_gone() {
  for (ConnectionId connection : link_.take_gone(world_.now.monotonic_ms)) {
    if (journal_.failed()) return;
    journal_.note("link reports a connection gone: connection", connection);
    if (model_) model_->connection_gone(connection, world_.now);
    core_->connection_gone(connection, world_.now);
  }
}

void Simulation::check() {
  if (journal_.failed()) return;
  if (core_->is_still()) core_->check_invariants();
  if (model_) model_->compare(*core_);
}

// All is well from here on; what there is must be worked off.
void Simulation::heal() {
  journal_.note("everything heals");
  if (draining_) restart();
  world_.healing = true;
  link_.heal();
  if (scenario_.is_changing()) {
    scenario_.bring_everything_back(random_);
    reload();
  }
  const uint64_t deadline_ms = world_.now.monotonic_ms + 600'000;
  while (!journal_.failed()) {
    begin_step(step_ + 1);
    bool moved = false;
    while (feed_core(16)) moved = true;
    end_turn();
    while (feed_workers(16)) moved = true;
    // Where time goes in long ticks, there is always a PING on some line when one is over.
    while (plan_.lanes > 0 && feed_core(16)) feed_workers(16);
    if (plan_.lanes > 0 && at_rest()) return check();
    for (const auto& worker : workers_) worker->act();
    pass_time(moved ? 1 : tick_ms_max);
    check();
    if (at_rest()) return;
    if (world_.now.monotonic_ms <= deadline_ms) continue;
    for (const auto& worker : workers_) worker->note_waiting();
    return journal_.fail("not drained long after everything healed: " + std::to_string(live_messages()) +
                         " messages are left" + (all_idle() ? "" : ", and some worker still waits"));
  }
}

bool Simulation::all_idle() const {
  return std::ranges::all_of(workers_, [](const auto& worker) { return worker->idle(); });
}

uint64_t Simulation::live_messages() const {
  if (model_) return model_->live_copies();
  uint64_t messages = 0;
  for (EndpointId id = 0; id < core_->settings().endpoints.size(); ++id) {
    const QueueLedger queue = core_->status(id).queue;
    messages += queue.waiting.messages + queue.under_way.messages;
  }
  return messages;
}

bool Simulation::at_rest() const {
  return all_idle() && live_messages() == 0 && !link_.in_flight();
}

void Simulation::finish() {
  if (model_) {
    model_->check_end(*core_);
    model_->drain();
  }
  core_->drain(world_.now);
  core_->flush(world_.now);
  if (plan_.lanes > 0) settle_lanes();
  core_->check_invariants();
  if (core_->queue_memory_bytes() > 0)
    journal_.fail(numbered("bytes that empty queues still hold: ", core_->queue_memory_bytes()));
  if (!core_->drained()) journal_.fail("the core has nothing to do and does not say that it is drained");
}

Output::Result Simulation::send(ConnectionId to, Bytes header, Run body) {
  if (lie_ != PlantedLie::none && step_ >= lie_step_) return lie_about(to, header, body);
  Result result = link_.send_to_worker(to, header, body, world_.now.monotonic_ms);
  if (plan_.storm) return result;
  if (plan_.lanes > 0 && result == Result::gone) {
    // For its lane it has been sent; that nobody was there it is told later.
    found_gone_.push_back(to);
    model_->broker_frame(to, header, body.bytes(), Result::sent, world_.now);
    return result;
  }
  // Behind a run that the link took over, its bytes still lie where they were: the link holds them for the worker.
  const Bytes bytes = result == Result::sent && body.empty() ? link_.last_body(to) : body.bytes();
  model_->broker_frame(to, header, bytes, result, world_.now);
  return result;
}

// Tells the lie if this frame lends itself to it; sends the frame as it is if not.
Output::Result Simulation::lie_about(ConnectionId to, Bytes header, Run& body) {
  const PlantedLie lie = std::exchange(lie_, PlantedLie::none);
  const std::optional<BrokerFrame> frame = parse_broker_frame(header);
  const bool would_be_taken = link_.takes(to, world_.now.monotonic_ms) && link_.is_open(to);
  const auto* deliver = frame ? std::get_if<Deliver>(&*frame) : nullptr;
  const auto* confirm = frame ? std::get_if<Confirm>(&*frame) : nullptr;
  const bool refusal = frame && std::holds_alternative<Refuse>(*frame);
  std::string forged_header(header);
  std::string forged_body(body.bytes());
  bool fits = false;
  bool lose = false;
  if (would_be_taken && lie == PlantedLie::delivery_lost && deliver != nullptr) fits = lose = true;
  if (would_be_taken && lie == PlantedLie::refusal_lost && refusal) fits = lose = true;
  if (would_be_taken && lie == PlantedLie::confirmed_early && confirm != nullptr) {
    write(forged_header, Confirm{confirm->upto + 1});
    fits = true;
  }
  if (would_be_taken && lie == PlantedLie::redelivery_hidden && deliver != nullptr && deliver->redelivered) {
    write(forged_header, Deliver{deliver->first_seq, false});
    fits = true;
  }
  if (would_be_taken && lie == PlantedLie::messages_swapped && deliver != nullptr) {
    const size_t first = map_bytes(body.bytes()).value_or(0);
    const size_t second = map_bytes(body.bytes().substr(first)).value_or(0);
    if (second > 0) {
      forged_body = std::string(body.bytes().substr(first, second)) + std::string(body.bytes().substr(0, first)) +
                    std::string(body.bytes().substr(first + second));
      fits = true;
    }
  }
  if (!fits) {
    const Result result = send(to, header, std::move(body));
    lie_ = lie;
    return result;
  }
  lied_ = true;
  journal_.note("a lie is told: connection, which", to, static_cast<uint64_t>(lie));
  if (lose) return Result::sent;
  const Result result = link_.send_to_worker(to, forged_header, body, world_.now.monotonic_ms);
  model_->broker_frame(to, forged_header, forged_body, result, world_.now);
  return result;
}

}  // namespace signalbox::simulation
