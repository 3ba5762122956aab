#include "tests/endurance/run.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace signalbox::endurance {
namespace {

constexpr auto end_deadline = std::chrono::seconds(60);  // for a process that was asked to end
// The last event comes when this share of the answers is there, so that it falls into full traffic even where a killed
// broker has taken some answers with it.
constexpr double events_end = 0.9;

std::string new_folder() {
  std::string folder = std::filesystem::temp_directory_path() / "signalbox-endurance-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) throw std::system_error(errno, std::generic_category(), folder);
  return folder;
}

// For children too, so without CLOEXEC.
int new_eventfd() {
  const int descriptor = eventfd(0, EFD_NONBLOCK);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return descriptor;
}

std::string loopback(uint16_t port) {
  return "tcp://127.0.0.1:" + std::to_string(port);
}

// Windows and queues in proportion to the run, so that a short one meets full windows and queues over their limit too.
uint64_t send_window(const Plan& plan) {
  return std::clamp<uint64_t>(plan.messages / 250, 100, 4096);
}
// A queue takes at most twice this (what is more is refused), and each sender may go past it by a window: the
// transports, or the instances and those that were killed a moment ago.
uint64_t queue_messages(const Plan& plan) {
  return send_window(plan) * (plan.instances + 5);
}
uint64_t prefetch(const Plan& plan) {
  return std::clamp<uint64_t>(plan.messages / 1000, 50, 1000);
}

std::string end_of(const std::string& file) {
  std::ifstream stream(file);
  std::string text((std::istreambuf_iterator<char>(stream)), {});
  constexpr size_t bytes_max = 4000;
  return text.size() <= bytes_max ? text : "…" + text.substr(text.size() - bytes_max);
}

}  // namespace

Run::Run(Plan plan)
    : plan_(std::move(plan)),
      folder_(new_folder()),
      wake_(new_eventfd()),
      deadline_(Clock::now() + std::chrono::seconds(plan_.deadline_s)),
      broker_port_(harness::free_port()),
      scoreboard_(Scoreboard::create(plan_.messages), plan_.messages),
      random_(plan_.seed),
      proxy_(broker_port_) {}

Run::~Run() {
  for (auto& transport : transports_) transport.reset();
  instances_.clear();
  broker_.reset();
  close(wake_);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

// --- preparing

void Run::plan_events() {
  const auto between = [this](double from, double upto) { return std::uniform_real_distribution(from, upto)(random_); };
  const auto point = [](uint64_t answers, double step, uint64_t steps) {
    return static_cast<uint64_t>(static_cast<double>(answers) * events_end * step / static_cast<double>(steps));
  };
  for (uint64_t i = 0; i < plan_.kills; ++i) {
    const double step = static_cast<double>(i + 1) + between(-0.2, 0.2);
    events_.push_back({Event::What::kill, point(plan_.messages, step, plan_.kills + 1)});
  }
  for (uint64_t i = 0; i < plan_.cuts; ++i) {
    constexpr std::array kinds = {Cut::reset, Cut::close, Cut::worker_side, Cut::broker_side, Cut::reset};
    ways_.push_back(kinds[i % kinds.size()]);
    const double step = static_cast<double>(i) + between(0.1, 0.9);
    events_.push_back({Event::What::cut, point(plan_.messages / 2, step, plan_.cuts)});
  }
  std::shuffle(ways_.begin(), ways_.end(), random_);
  // Between two kills, away from both.
  if (plan_.restart != Restart::none) {
    const double step = static_cast<double>(plan_.kills / 2) + 0.5;
    events_.push_back({Event::What::restart, point(plan_.messages, step, plan_.kills + 1)});
  }
}

void Run::write_configuration() const {
  std::ofstream stream(file("signalbox.toml"));
  stream << "router_class = \"SimpleDispatchRouter\"\n"
         << "transport_names = [\"" << transport_names[0] << "\", \"" << transport_names[1] << "\"]\n"
         << "exposed_names = [\"" << application_name << "\"]\n\n"
         << "[routing_mappings]\n"
         << transport_names[0] << " = \"" << application_name << "\"\n"
         << transport_names[1] << " = \"" << application_name << "\"\n\n"
         << "[broker]\n"
         << "endpoint = \"" << loopback(broker_port_) << "\"\n"
         << "heartbeat_ms = 400\n"  // how soon a worker notices a dead connection follows from it
         << "max_registrations = 1000\n"
         << "send_window = " << send_window(plan_) << "\n"
         << "drain_ms = 50000\n\n"
         << "[endpoint_defaults]\n"
         << "max_messages = " << queue_messages(plan_) << "\n";
  if (!stream.flush()) throw std::runtime_error("cannot write " + file("signalbox.toml"));
}

void Run::start_broker() {
  ++scoreboard_.totals().brokers_started;
  broker_ = std::make_unique<Process>(std::vector<std::string>{plan_.broker_program, "serve", file("signalbox.toml")},
                                      file("broker.log"));
}

void Run::start_instance(Instance& instance) {
  if (++processes_started_ > 255) throw std::runtime_error("an answer names its process in one byte");
  instance.number = static_cast<uint8_t>(processes_started_);
  instance.process = std::make_unique<Process>(
      std::vector<std::string>{plan_.application_program, loopback(broker_port_), std::to_string(prefetch(plan_)),
                               std::to_string(plan_.messages), std::to_string(scoreboard_.descriptor()),
                               std::to_string(wake_), std::to_string(instance.number)},
      file("applications.log"));
}

void Run::start_transports() {
  for (size_t i = 0; i < transport_count; ++i) {
    Transport::Plan plan;
    plan.name = transport_names[i];
    plan.endpoint = loopback(i == 0 ? proxy_.port() : broker_port_);
    plan.count = i == 0 ? plan_.messages / 2 : plan_.messages - plan_.messages / 2;
    plan.first = i == 0 ? 0 : plan_.messages / 2;
    plan.prefetch = prefetch(plan_);
    plan.lead_max = plan_.messages / 10;
    plan.wake_interval = std::max<uint64_t>(plan_.messages / 2000, 1);
    plan.in_order = plan_.instances == 1;
    transports_[i] = std::make_unique<Transport>(plan, scoreboard_, wake_);
  }
  transports_[0]->start(*transports_[1]);
  transports_[1]->start(*transports_[0]);
}

// --- the run

Report Run::run() {
  plan_events();
  write_configuration();
  start_broker();
  instances_.resize(plan_.instances);
  for (Instance& instance : instances_) start_instance(instance);
  const auto begin = Clock::now();
  start_transports();
  drive();
  report_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  end();
  judge();
  return report_;
}

void Run::drive() {
  while (!finished()) {
    bool news = false;
    wait_until([&] { return std::exchange(news, true); }, "make progress");
    for (auto event = events_.begin(); event != events_.end();) {
      if (due(*event)) {
        perform(*event);
        event = events_.erase(event);
      } else {
        ++event;
      }
    }
  }
  wait_until([this] { return all_registered(); }, "register again");
}

// A killed broker may have taken some of what it had confirmed with it, so there what counts is that all is confirmed;
// the drain shows what still arrives.
bool Run::finished() const {
  if (!transports_[0]->all_confirmed() || !transports_[1]->all_confirmed()) return false;
  return events_.empty() && (plan_.restart == Restart::kill || answered() == plan_.messages);
}

bool Run::due(const Event& event) const {
  return event.point <= (event.what == Event::What::cut ? transports_[0]->answered() : answered());
}

void Run::perform(const Event& event) {
  switch (event.what) {
    case Event::What::kill:
      return kill_instance();
    case Event::What::cut:
      return cut();
    case Event::What::restart:
      return restart_broker();
  }
}

void Run::kill_instance() {
  Instance& instance = instances_[std::uniform_int_distribution<size_t>(0, instances_.size() - 1)(random_)];
  instance.process->signal(SIGKILL);
  if (!instance.process->wait(deadline_)) throw std::runtime_error("a killed application did not end");
  killed_.insert(instance.number);
  start_instance(instance);
  ++report_.kills;
}

void Run::cut() {
  wait_until([this] { return first_transport_registered(); }, "register before its connection is cut");
  registrations_before_cut_ = transports_[0]->registrations();
  if (proxy_.cut(ways_.back()) == 0)
    fault("no connection stood when one was to be " + std::string(to_string(ways_.back())));
  ways_.pop_back();
  ++report_.cuts;
}

void Run::restart_broker() {
  // A worker that is not registered could not work off what is there for it while the broker drains.
  wait_until([this] { return all_registered(); }, "register before the broker's restart");
  const bool term = plan_.restart == Restart::term;
  broker_->signal(term ? SIGTERM : SIGKILL);
  const std::optional<int> ending = broker_->wait(std::min(deadline_, Clock::now() + end_deadline));
  if (!ending) throw std::runtime_error("the broker did not end");
  if (term && *ending != 0) fault("the broker that was restarted ended with " + std::to_string(*ending));
  killed_before_broker_ = killed_;
  processes_before_broker_kill_ = processes_started_;
  start_broker();
  // Were a process killed before it has sent again what the old broker had not confirmed, nobody could say
  // whether its answers had to arrive.
  wait_until([this] { return all_registered(); }, "register after the broker's restart");
}

void Run::end() {
  broker_->signal(SIGTERM);
  const std::optional<int> ending = broker_->wait(Clock::now() + end_deadline);
  if (!ending) throw std::runtime_error("the broker did not end");
  if (*ending != 0) fault("the broker ended with " + std::to_string(*ending));
  for (auto& transport : transports_) transport->stop();
  for (Instance& instance : instances_) {
    instance.process->signal(SIGTERM);
    const std::optional<int> code = instance.process->wait(Clock::now() + end_deadline);
    if (!code || *code != 0) fault("an application ended with " + (code ? std::to_string(*code) : "nothing"));
  }
}

// Asks once at first, and again whenever there is news.
void Run::wait_until(const std::function<bool()>& done, const char* what) {
  while (!done()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    if (left <= 0) throw std::runtime_error(std::string("did not ") + what + " within the time");
    check_processes();
    // A second at most, so that the end of a process is noticed where no news will come.
    pollfd item{wake_, POLLIN, 0};
    poll(&item, 1, static_cast<int>(std::min<int64_t>(left, 1000)));
    uint64_t count = 0;
    // It fails where the second has passed without news.
    [[maybe_unused]] const ssize_t got = read(wake_, &count, sizeof count);
  }
}

void Run::check_processes() {
  if (const std::optional<int> code = broker_->ended())
    throw std::runtime_error("the broker ended by itself with " + std::to_string(*code));
  for (Instance& instance : instances_)
    if (const std::optional<int> code = instance.process->ended())
      throw std::runtime_error("an application ended by itself with " + std::to_string(*code));
  for (const auto& transport : transports_)
    if (transport->failed()) throw std::runtime_error("a transport gave up");
}

bool Run::first_transport_registered() const {
  return transports_[0]->broker() == brokers_started() && transports_[0]->registrations() > registrations_before_cut_;
}

bool Run::all_registered() const {
  for (const Instance& instance : instances_)
    if (scoreboard_.totals().resumed[instance.number].load() != brokers_started()) return false;
  return first_transport_registered() && transports_[1]->broker() == brokers_started();
}

std::string Run::description() const {
  std::ostringstream text;
  for (const auto& transport : transports_) {
    if (transport == nullptr) continue;
    transport->stop();
    text << "  " << transport->description() << "\n";
    for (const std::string& each : transport->faults()) text << "    " << each << "\n";
  }
  for (const Instance& instance : instances_)
    text << "  application process " << int{instance.number} << ": resumed with broker "
         << scoreboard_.totals().resumed[instance.number].load() << "\n";
  text << "  events to come: " << events_.size() << "\n";
  text << "  broker's log:\n"
       << end_of(file("broker.log")) << "  applications' log:\n"
       << end_of(file("applications.log"));
  return text.str();
}

}  // namespace signalbox::endurance
