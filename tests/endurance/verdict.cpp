// What must hold at the end of an endurance run.
#include <array>
#include <fstream>
#include <utility>

#include "tests/endurance/run.hpp"

namespace signalbox::endurance {
namespace {

constexpr size_t faults_max = 20;

// What a broker says in a run where nothing went wrong but connections. A worker whose connection was cut may go on
// sending over one that the broker does not know (not_registered), and comes back while the broker still has the old
// one (taken_over). Of millions of remembered messages a few push an older one out (memory_evicted); the answers to
// those go by rule.
constexpr std::array<std::string_view, 5> expected_in_log = {
    " info ", " warning connections_lost ", " warning errors code=not_registered ", " warning errors code=taken_over ",
    " warning memory_evicted "};

}  // namespace

void Run::fault(std::string text) {
  if (report_.faults.size() < faults_max) report_.faults.push_back(std::move(text));
}

void Run::judge() {
  for (uint64_t number = 0; number < plan_.messages; ++number) judge_question(number);
  for (const auto& transport : transports_) {
    report_.registrations += transport->registrations();
    for (const std::string& each : transport->faults()) fault(each);
    if (transport->out_of_order() > 0) fault(std::to_string(transport->out_of_order()) + " answers out of order");
    if (transport->unconfirmed() > 0) fault("questions were left unconfirmed: " + transport->description());
  }
  if (const uint64_t refused = scoreboard_.totals().refused; refused > 0)
    fault(std::to_string(refused) + " answers were refused");
  if (const uint64_t strange = scoreboard_.totals().strange; strange > 0)
    fault(std::to_string(strange) + " deliveries to the application were no questions");
  if (report_.kills != plan_.kills || report_.cuts != plan_.cuts) fault("not all kills and cuts took place");
  judge_broker_log();
}

void Run::judge_question(uint64_t number) {
  Mark& mark = scoreboard_.mark(number);
  const Transport& transport = transport_of(number);
  const uint64_t handled = mark.handled;
  const uint64_t received = transport.received(number);
  if (handled > 1) report_.handled_again += handled - 1;
  if (received > 1) report_.received_again += received - 1;
  if (received > 0) {
    ++report_.answered;
  } else if (may_be_lost(number)) {
    ++report_.lost;
  } else {
    fault("question " + std::to_string(number) + " was never answered: handled " + std::to_string(handled) +
          " times, last by process " + std::to_string(mark.last_process) + ", that answer confirmed by broker " +
          std::to_string(mark.answer_settled));
  }
  // While a broker runs nothing enters it twice; what a restart finds unconfirmed may.
  const uint64_t brokers = brokers_started();
  if (mark.handled_fresh > brokers)
    fault("question " + std::to_string(number) + " entered " + std::to_string(mark.handled_fresh) + " times");
  if (transport.received_fresh(number) > handled * brokers)
    fault("the answer to " + std::to_string(number) + " entered " + std::to_string(transport.received_fresh(number)) +
          " times, and was given " + std::to_string(handled) + " times");
}

// Lost with a killed broker may be what it had confirmed and not yet delivered: the question, or its answer. Who gave
// the answer and lived on would have given it again had it not been confirmed; of one that was killed before, nobody
// can know.
bool Run::may_be_lost(uint64_t number) const {
  if (plan_.restart != Restart::kill || !transport_of(number).confirmed_by_first(number)) return false;
  const Mark& mark = scoreboard_.mark(number);
  const uint8_t process = mark.last_process;
  if (process == 0 || killed_before_broker_.contains(process)) return true;
  return process <= processes_before_broker_kill_ && mark.answer_settled == 1;
}

void Run::judge_broker_log() {
  std::ifstream stream(file("broker.log"));
  size_t stops = 0;
  for (std::string line; std::getline(stream, line);) {
    bool expected = false;
    for (const std::string_view text : expected_in_log) expected = expected || line.find(text) != std::string::npos;
    if (!expected) fault("the broker said: " + line);
    if (line.find(" info stopped at_once=false left_behind=0") != std::string::npos) ++stops;
  }
  const size_t stops_expected = plan_.restart == Restart::term ? 2 : 1;
  if (stops != stops_expected) fault("a broker that was drained left something behind, or did not say that it stopped");
}

}  // namespace signalbox::endurance
