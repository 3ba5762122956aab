#include "tests/torture/run.hpp"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <ctime>
#include <stdexcept>
#include <utility>

#include "tests/torture/books.hpp"

namespace signalbox::torture {
namespace {

// A page of the scoreboard is taken as it is written to, so this costs nothing but addresses.
constexpr uint64_t messages_a_second = 40'000;
constexpr auto progress_interval = std::chrono::seconds(3);

// As in the brokers' logs: time of day, in UTC.
std::string utc_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%H:%M:%S.", &parts);
  return std::string(text, length) + std::to_string(1000 + ms % 1000).substr(1);
}

}  // namespace

const std::array<Run::Fault, 14> Run::kinds = {{
    {"workers killed", 12, &Run::kill_worker},
    {"workers stopped for up to 3 s", 10, &Run::stop_worker},
    {"workers stopped for up to 20 s", 1, &Run::stop_worker_for_long},
    {"connections cut", 6, &Run::cut_whole},
    {"connections left half open", 6, &Run::cut_half},
    {"connections swallowed both ways", 4, &Run::cut_silently},
    {"brokers drained", 2, &Run::drain_broker, true},
    {"brokers drained amid disorder", 1, &Run::drain_broker_in_disorder, true},
    {"brokers killed", 1, &Run::kill_broker, true},
    {"reloads", 6, &Run::reload},
    {"reloads of nonsense", 1, &Run::reload_nonsense},
    {"floods", 6, &Run::flood},
    {"receivers slowed down or narrowed", 12, &Run::slow_down},
    {"groups of bad clients", 16, &Run::send_strangers},
}};

Run::Run(Plan plan, std::function<void(const std::string&)> tell)
    : plan_(std::move(plan)),
      tell_(std::move(tell)),
      random_(plan_.seed),
      configuration_{.port = harness::free_port()},
      scoreboard_(Scoreboard::create((plan_.seconds + 60) * messages_a_second),
                  (plan_.seconds + 60) * messages_a_second),
      strangers_(configuration_.port, scoreboard_, plan_.seed + 1),
      notes_(file("faults.log")) {
  for (auto& proxy : proxies_) proxy = std::make_unique<harness::CuttingProxy>(configuration_.port);
  for (size_t i = 0; i < flow_count; ++i) scoreboard_.rate(static_cast<Flow>(i)) = flows[i].rate;
  scoreboard_.sending() = true;
  scoreboard_.planted_loss() = plan_.planted_loss;
  for (const Fault& kind : kinds) report_.injected[kind.name] = 0;
}

Run::~Run() {
  for (Worker& worker : workers_) worker.process.reset();
  broker_.reset();
}

Report Run::run() {
  if (plan_.keys) make_keys();
  start_broker();
  for (size_t slot = 0; slot < slot_count; ++slot) start_worker(slot);
  wait_until("register at first", std::chrono::seconds(60), [this] { return all_registered(); });
  const Clock::time_point begin = Clock::now();
  torture();
  report_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  quiesce();
  end();
  return report_;
}

// --- starting

void Run::make_keys() {
  configuration_.keys["broker"] = make_key_pair();
  for (const Slot& slot : slots)
    if (!configuration_.keys.contains(std::string(slot.endpoint)))
      configuration_.keys[std::string(slot.endpoint)] = make_key_pair();
}

uint16_t Run::second() const {
  return static_cast<uint16_t>(std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begin_).count());
}

void Run::write_configuration() {
  write_file(file("signalbox.toml"), configuration_.text());
}

void Run::start_broker() {
  brokers_.push_back({.running = true});
  configuration_.broker = brokers_.size();
  write_configuration();
  broker_ = std::make_unique<harness::Process>(
      std::vector<std::string>{plan_.broker_program, "serve", file("signalbox.toml")}, broker_log());
}

std::string Run::broker_log() const {
  return file("broker-" + std::to_string(brokers_.size()) + ".log");
}

Assignment Run::assignment(size_t slot) {
  Assignment assignment;
  assignment.scoreboard = scoreboard_.descriptor();
  assignment.messages = scoreboard_.messages();
  assignment.slot = slot;
  assignment.process = ++processes_;
  assignment.second = second();
  // One in five goes to the broker itself, the others by way of a proxy.
  const uint64_t way = below(proxies_.size() + 1);
  const uint16_t port = way == proxies_.size() ? configuration_.port : proxies_[way]->port();
  assignment.endpoint = "tcp://127.0.0.1:" + std::to_string(port);
  if (!configuration_.keys.empty()) {
    assignment.secret_key = configuration_.keys.at(std::string(slots[slot].endpoint)).secret_key;
    assignment.server_key = configuration_.keys.at("broker").public_key;
  }
  return assignment;
}

void Run::start_worker(size_t slot) {
  Desk& desk = scoreboard_.desk(slot);
  desk.broker = 0;
  desk.unconfirmed = 0;
  std::vector<std::string> arguments = assignment(slot).arguments();
  arguments.insert(arguments.begin(), slots[slot].bare ? plan_.bare_worker_program : plan_.worker_program);
  workers_[slot].process = std::make_unique<harness::Process>(std::move(arguments), file("workers.log"));
  workers_[slot].stopped = false;
  ++report_.workers;
  note("  process " + std::to_string(processes_) + " is " + std::string(slots[slot].endpoint));
}

// --- the run

void Run::torture() {
  const Clock::time_point until = Clock::now() + std::chrono::seconds(plan_.seconds);
  Clock::time_point next_fault = Clock::now();
  Clock::time_point next_word = Clock::now() + progress_interval;
  while (Clock::now() < until) {
    wait(Milliseconds(20));
    if (Clock::now() >= next_word) {
      say_how_it_stands();
      next_word = Clock::now() + progress_interval;
    }
    if (restarting_ || Clock::now() < next_fault) continue;
    deal();
    next_fault = Clock::now() + between(1, 2 * plan_.fault_interval_ms);
  }
  wait_until("start the broker again", std::chrono::seconds(60), [this] { return !restarting_; });
}

void Run::deal() {
  if (deck_.empty()) {
    for (const Fault& kind : kinds) deck_.insert(deck_.end(), kind.weight, &kind);
    std::shuffle(deck_.begin(), deck_.end(), random_);
  }
  const Fault& kind = *deck_.back();
  deck_.pop_back();
  if (kind.ends_broker && brokers_.size() >= brokers_max) return;
  ++report_.injected[kind.name];
  note(kind.name);
  (this->*kind.perform)();
}

// For whoever reads the logs of a run that failed.
void Run::note(const std::string& what) {
  notes_ << utc_now() << " " << what << std::endl;
}

void Run::later(Milliseconds after, std::function<void()> what) {
  due_.push_back({Clock::now() + after, std::move(what)});
}

// Until something is due or a process ends, and not for longer than that; then does what there is.
void Run::wait(Milliseconds longest) {
  std::vector<pollfd> items;
  if (broker_ != nullptr) items.push_back({broker_->descriptor(), POLLIN, 0});
  for (const Worker& worker : workers_)
    if (worker.process != nullptr) items.push_back({worker.process->descriptor(), POLLIN, 0});
  poll(items.data(), items.size(), static_cast<int>(longest.count()));
  perform_due();
  check_processes();
  strangers_.look();
}

void Run::perform_due() {
  const Clock::time_point now = Clock::now();
  std::vector<Due> ready;
  for (size_t i = 0; i < due_.size();) {
    if (due_[i].at <= now) {
      ready.push_back(std::move(due_[i]));
      due_.erase(due_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  for (const Due& due : ready) due.what();
}

// A process that ends without being told to is a fault; a guest may be turned away and comes back.
void Run::check_processes() {
  constexpr int turned_away = 3;
  if (broker_ != nullptr && !restarting_) {
    if (const std::optional<int> code = broker_->ended())
      throw std::runtime_error("broker " + std::to_string(brokers_.size()) + " ended by itself with " +
                               std::to_string(*code));
  }
  for (size_t slot = 0; slot < slot_count; ++slot) {
    Worker& worker = workers_[slot];
    if (worker.process == nullptr) continue;
    const std::optional<int> code = worker.process->ended();
    if (!code) continue;
    worker.process.reset();
    scoreboard_.desk(slot).broker = 0;
    scoreboard_.desk(slot).unconfirmed = 0;
    if (*code != turned_away || !slots[slot].may_be_turned_away)
      fault("the worker " + std::string(slots[slot].endpoint) + " ended by itself with " + std::to_string(*code));
    later(between(50, 500), [this, slot] {
      if (workers_[slot].process == nullptr) start_worker(slot);
    });
  }
}

void Run::say_how_it_stands() {
  const Totals& totals = scoreboard_.totals();
  uint64_t injected = 0;
  for (const auto& [name, count] : report_.injected) injected += count;
  tell_(std::to_string(second()) + " s: " + std::to_string(injected) + " faults, " +
        std::to_string(totals.confirmed.load()) + " confirmed, " + std::to_string(totals.refused.load()) +
        " refused, " + std::to_string(totals.deliveries.load()) + " delivered (" +
        std::to_string(totals.redeliveries.load()) + " again), broker " + std::to_string(brokers_.size()));
}

}  // namespace signalbox::torture
